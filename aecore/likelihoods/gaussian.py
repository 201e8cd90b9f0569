import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field as Setting
from torch import Tensor

from aecore.parts import Images, Likelihood, Outputs


class Gaussian(Likelihood):
    """Each pixel is normal around the output o: −log p(x | h) = (x − o)² / 2σ² + log σ + ½ log 2π, in nats.

    With σ fixed this is squared error up to scale and a constant; σ weighs it against the objective's other terms.
    Source: Goodfellow, Bengio & Courville, "Deep Learning" (2016), sections 6.2.2.1 and 14.4.
    """

    title: ClassVar[str] = "Gaussian (squared error)"
    kind: Literal["gaussian"] = "gaussian"
    sigma: float = Setting(
        0.1, ge=0.001, le=10, title="Output σ", description="Standard deviation of a pixel around the decoder's output."
    )

    def nll(self, out: Outputs, target: Images) -> Float[Tensor, "b c h w"]:
        return (target - out[:, 0]).square() / (2 * self.sigma**2) + math.log(self.sigma) + 0.5 * math.log(2 * math.pi)

    def mean(self, out: Outputs) -> Images:
        return out[:, 0]

    def sample(self, out: Outputs, generator: torch.Generator) -> Images:
        mean = self.mean(out)
        return mean + self.sigma * torch.randn(mean.shape, generator=generator, device=mean.device)
