from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field as Setting
from torch import Tensor

from aecore.parts import Batch, Code, Model, Objective, PerImage


class Variational(Objective):
    """L = E_q[−log p(x | h)] + β KL(q(h | x) ‖ N(0, I)), in nats per image; −L is the evidence lower bound for β = 1.

    q(h | x) = N(μ, diag σ²); h = μ + σ ε with ε ~ N(0, I) (the reparameterization trick), one draw per image;
    KL per unit = ½ (μ² + σ² − 1 − log σ²).
    Source: Kingma & Welling, "Auto-encoding variational Bayes", ICLR 2014, equations 3 and 10 and appendix B;
    β from Higgins et al., "beta-VAE", ICLR 2017, equation 4.
    """

    title: ClassVar[str] = "Variational"
    kind: Literal["variational"] = "variational"
    params_per_code: ClassVar[int] = 2
    beta: float = Setting(
        1.0,
        ge=0,
        le=100,
        title="β",
        description="Weight of the KL term; above 1 units become more independent and pictures blurrier.",
    )

    @staticmethod
    def kl(code: Code) -> Float[Tensor, "b k"]:
        """KL(N(μ, σ²) ‖ N(0, 1)) per image and unit, in nats."""
        return 0.5 * (code.mean.square() + code.log_variance.exp() - 1 - code.log_variance)

    def terms(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, PerImage]:
        code = model.encode(batch.corrupted, batch.visible)
        noise = torch.randn(code.mean.shape, generator=generator, device=code.mean.device)
        out = model.decode(code.mean + (0.5 * code.log_variance).exp() * noise)
        nll = model.likelihood.nll(out, batch.clean).flatten(1).sum(1)
        return {"reconstruction": nll, "kl": self.beta * self.kl(code).sum(1)}

    def unit_report(self, code: Code) -> dict[str, Float[Tensor, "k"]]:
        """`kl`: mean KL per unit in nats, not weighted by β. A unit near 0 carries nothing (collapsed)."""
        return {"kl": self.kl(code).mean(0)}
