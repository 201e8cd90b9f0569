from typing import ClassVar, Literal

import torch
from pydantic import Field as Setting

from aecore.parts.contracts import Corruption, Field, Images, Level, Visible
from aecore.parts.corruptions._noise import uniform


class Masking(Corruption):
    """Sets a random fraction of the pixels to zero: x̃ = x ⊙ [u ≥ level], u ~ U(0, 1) per pixel.

    The field is u, so a higher level hides the same pixels and more. All channels of a pixel are hidden together.
    Source: Vincent et al., JMLR 11 (2010), section 3.3; the lecture recommends 30–50 %.
    """

    title: ClassVar[str] = "Masking"
    black: ClassVar[float | None] = -1.0
    white: ClassVar[float | None] = -1.0
    kind: Literal["masking"] = "masking"
    level: float = Setting(
        0.4, ge=0, le=1, title="Fraction hidden", description="Share of the pixels set to zero; 0.3 to 0.5 is usual."
    )

    def field(self, shape: tuple[int, int, int, int], generator: torch.Generator) -> Field:
        b, _, h, w = shape
        return uniform((b, 1, h, w), generator).mul_(0.5).add_(0.5)

    def apply(self, x: Images, field: Field, level: Level) -> tuple[Images, Visible | None]:
        visible = field >= level
        return x * visible, visible
