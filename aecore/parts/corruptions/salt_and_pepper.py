from typing import ClassVar, Literal

import torch
from pydantic import Field as Setting
from torch import Tensor

from aecore.parts.contracts import Corruption, Field, Images, Level, Visible
from aecore.parts.corruptions._noise import uniform


class SaltAndPepper(Corruption):
    """Replaces a random fraction of the pixels, half of them by 0 and half by 1.

    The field is u ~ U(−1, 1) per pixel: if |u| < level, the pixel becomes 1 for u > 0 and 0 otherwise. A higher level
    replaces the same pixels by the same values, and more.
    Source: Vincent et al., JMLR 11 (2010), section 3.3; the course's own network uses level 0.4.
    """

    title: ClassVar[str] = "Salt and pepper"
    black: ClassVar[float | None] = -1e-9
    white: ClassVar[float | None] = 1e-9
    kind: Literal["salt_and_pepper"] = "salt_and_pepper"
    level: float = Setting(
        0.4,
        ge=0,
        le=1,
        title="Fraction corrupted",
        description="Share of the pixels replaced, half by black, half by white.",
    )

    def field(self, shape: tuple[int, int, int, int], generator: torch.Generator) -> Field:
        b, _, h, w = shape
        return uniform((b, 1, h, w), generator)

    def apply(self, x: Images, field: Field, level: Level) -> tuple[Images, Visible | None]:
        if isinstance(level, Tensor):
            return torch.where(field.abs() < level, (field > 0).to(x.dtype), x), None
        # In-place arithmetic with 0 and 1 takes a fifth of the time of `where` with a boolean mask.
        return torch.lerp(x, field.ceil(), field.abs().lt_(level)), None
