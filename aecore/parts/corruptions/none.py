from typing import ClassVar, Literal

import torch
from pydantic import Field as Setting

from aecore.parts.contracts import Corruption, Field, Images, Level, Visible


class NoCorruption(Corruption):
    """No corruption: x̃ = x. The autoencoder learns to copy its input; only the code limits what it can keep.

    Source: Goodfellow, Bengio & Courville, "Deep Learning" (2016), section 14.1.
    """

    title: ClassVar[str] = "No noise"
    kind: Literal["none"] = "none"
    random: ClassVar[bool] = False
    level: float = Setting(0.0, ge=0, le=0, title="Level", description="Always 0: the input is not changed.")

    def field(self, shape: tuple[int, int, int, int], generator: torch.Generator) -> Field:
        b, _, h, w = shape
        return torch.zeros((), device=generator.device).expand(b, 1, h, w)

    def apply(self, x: Images, field: Field, level: Level) -> tuple[Images, Visible | None]:
        return x, None
