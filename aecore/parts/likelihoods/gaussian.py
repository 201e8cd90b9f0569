import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field as Setting
from torch import Tensor, nn
from torch.nn import functional as F

from aecore.parts.contracts import Images, Likelihood, Outputs
from aecore.parts.data import Shape

MIN_VARIANCE = 1e-6
"""σ = 0.001, also the minimum of the fixed σ: the density of an exactly copied channel would be infinite otherwise."""


class LearnedVariance(nn.Module):
    """Appends a learned log σ² per channel to the decoder's means: (B, 1, C, H, W) → (B, 2, C, H, W).

    σ² = e^s + `MIN_VARIANCE` with s learned: smooth, unlike a clipped σ², whose gradient vanishes at the minimum.
    """

    def __init__(self, channels: int, sigma: float) -> None:
        super().__init__()
        start = math.log(max(sigma**2 - MIN_VARIANCE, MIN_VARIANCE))
        self.log_excess = nn.Parameter(torch.full((channels, 1, 1), start))

    def forward(self, out: Float[Tensor, "b 1 c h w"]) -> Float[Tensor, "b 2 c h w"]:
        floor = math.log(MIN_VARIANCE)
        log_variance = floor + F.softplus(self.log_excess - floor)  # log(e^s + e^floor), exportable
        return torch.cat([out, log_variance.expand_as(out)], 1)


class Gaussian(Likelihood):
    """Each pixel is normal around the output o: −log p(x | h) = (x − o)² / 2σ² + log σ + ½ log 2π, in nats.

    With fixed σ this is squared error up to scale and a constant; σ sets its weight relative to the objective's other
    terms. A learned σ is one number per channel; at the optimum σ² is the mean squared error. (A σ per pixel would go
    to 0 for pixels that are always black, and the likelihood to infinity.)
    Source: Goodfellow, Bengio & Courville, "Deep Learning" (2016), sections 6.2.2.1 and 14.4; learned σ from
    Rybkin, Daniilidis & Levine, "Simple and effective VAE training with calibrated decoders", ICML 2021.
    """

    title: ClassVar[str] = "Gaussian (squared error)"
    kind: Literal["gaussian"] = "gaussian"
    sigma: float = Setting(
        0.1, ge=0.001, le=10, title="Output σ", description="Standard deviation of pixels around the decoder's output."
    )
    learned: bool = Setting(False, title="Learn σ", description="Train one σ per channel, starting from the output σ.")

    def build(self, shape: Shape) -> nn.Module:
        return LearnedVariance(shape[0], self.sigma) if self.learned else nn.Identity()

    def nll(self, out: Outputs, target: Images) -> Float[Tensor, "b c h w"]:
        error = (target - out[:, 0]).square()
        if self.learned:
            return 0.5 * (error / out[:, 1].exp() + out[:, 1] + math.log(2 * math.pi))
        return error / (2 * self.sigma**2) + math.log(self.sigma) + 0.5 * math.log(2 * math.pi)

    def mean(self, out: Outputs) -> Images:
        return out[:, 0]

    def sample(self, out: Outputs, generator: torch.Generator) -> Images:
        mean = self.mean(out)
        sigma = (0.5 * out[:, 1]).exp() if self.learned else self.sigma
        return mean + sigma * torch.randn(mean.shape, generator=generator, device=mean.device)
