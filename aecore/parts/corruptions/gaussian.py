from typing import ClassVar, Literal

import torch
from pydantic import Field as Setting

from aecore.parts.contracts import Corruption, Field, Images, Level, Visible


class GaussianNoise(Corruption):
    """Adds independent Gaussian noise to every pixel: x̃ = x + σ ε, ε ~ N(0, 1).

    The field is ε; the level is σ in units of the pixel range [0, 1]. The sum is not clipped, so that the noise stays
    Gaussian; pages show it clipped.
    Source: Vincent et al., "Stacked denoising autoencoders", JMLR 11 (2010), section 3.3.
    """

    title: ClassVar[str] = "Gaussian noise"
    kind: Literal["gaussian"] = "gaussian"
    level: float = Setting(
        0.3,
        ge=0,
        le=1,
        title="Noise σ",
        description="Standard deviation of the noise; pixels range from 0 to 1.",
    )

    def field(self, shape: tuple[int, int, int, int], generator: torch.Generator) -> Field:
        return torch.randn(shape, generator=generator, device=generator.device)

    def apply(self, x: Images, field: Field, level: Level) -> tuple[Images, Visible | None]:
        return x + level * field, None
