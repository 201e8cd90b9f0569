from typing import ClassVar, Literal

import torch
from pydantic import Field as Setting

from aecore.parts.contracts import Corruption, Field, Images, Level, Visible


class Patches(Corruption):
    """Sets square patches to zero: exactly the given fraction of them, rounded to whole patches.

    The field is (rank + ½) / number of patches, with the rank of the pixel's patch in a random order; a patch is hidden
    if this is below the level. If the patch size does not divide the picture, patches at the right and lower edge are
    smaller.
    Source: He et al., "Masked autoencoders are scalable vision learners", CVPR 2022, section 3.
    """

    title: ClassVar[str] = "Missing patches"
    black: ClassVar[float | None] = -1.0
    white: ClassVar[float | None] = -1.0
    kind: Literal["patches"] = "patches"
    level: float = Setting(0.4, ge=0, le=1, title="Fraction hidden", description="Share of the patches set to zero.")
    size: int = Setting(
        4, ge=1, le=64, title="Patch size", description="Side of a square patch.", json_schema_extra={"unit": "pixels"}
    )

    def field(self, shape: tuple[int, int, int, int], generator: torch.Generator) -> Field:
        b, _, h, w = shape
        rows, columns = -(-h // self.size), -(-w // self.size)
        n = rows * columns
        order = torch.rand((b, n), generator=generator, device=generator.device).argsort(1).argsort(1)
        grid = ((order + 0.5) / n).reshape(b, 1, rows, columns)
        return grid.repeat_interleave(self.size, 2).repeat_interleave(self.size, 3)[:, :, :h, :w]

    def apply(self, x: Images, field: Field, level: Level) -> tuple[Images, Visible | None]:
        visible = field >= level
        return x * visible, visible
