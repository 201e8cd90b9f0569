from typing import ClassVar, Literal

import torch
from pydantic import Field as Setting

from aecore.parts.contracts import Corruption, Field, Images, Level, Visible


class Rows(Corruption):
    """Sets the lower rows to zero, so that the picture must be continued from the upper ones.

    The field of row t of H, counted from 0, is (H − t − ½) / H; the row is hidden if this is below the level. Nothing
    is random: the level decides the number of rows.
    Source: Srivastava et al., "Unsupervised learning of video representations using LSTMs", ICML 2015, section 2.3.
    """

    title: ClassVar[str] = "Missing rows"
    black: ClassVar[float | None] = -1.0
    white: ClassVar[float | None] = -1.0
    kind: Literal["rows"] = "rows"
    random: ClassVar[bool] = False
    level: float = Setting(
        0.5, ge=0, le=1, title="Fraction hidden", description="Share of the rows set to zero, from the bottom up."
    )

    def field(self, shape: tuple[int, int, int, int], generator: torch.Generator) -> Field:
        b, _, h, w = shape
        rows = (torch.arange(h, 0, -1, device=generator.device) - 0.5) / h
        return rows[:, None].expand(b, 1, h, w)

    def apply(self, x: Images, field: Field, level: Level) -> tuple[Images, Visible | None]:
        visible = field >= level
        return x * visible, visible
