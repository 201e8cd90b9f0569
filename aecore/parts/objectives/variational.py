import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field as Setting
from torch import Tensor

from aecore.parts.contracts import Batch, Code, Codes, Model, Objective, PerImage


class Variational(Objective):
    """L = E_q[−log p(x | h)] + β KL(q(h | x) ‖ p(h)), in nats per image; −L is the evidence lower bound for β = 1.

    q(h | x) = N(μ, diag σ²), p(h) = N(0, I); h = μ + σ ε with ε ~ N(0, I) (the reparameterisation trick), one draw per
    image; KL per unit = ½ (μ² + σ² − 1 − log σ²). The bound lies below log p(x) by KL(q(h | x) ‖ p(h | x)); importance
    samples narrow that gap. The run stores the KL of each unit, which is 0 for a unit without information.
    Source: Kingma & Welling, "Auto-encoding variational Bayes", ICLR 2014, equations 3 and 10 and appendix B;
    β from Higgins et al., "beta-VAE", ICLR 2017, equation 4; importance samples from Burda, Grosse & Salakhutdinov,
    "Importance weighted autoencoders", ICLR 2016, equation 8.
    """

    title: ClassVar[str] = "Variational"
    kind: Literal["variational"] = "variational"
    params_per_code: ClassVar[int] = 2
    beta: float = Setting(
        1.0,
        ge=0,
        le=100,
        title="β",
        description="Weight of the KL term. Above 1, units become more independent and pictures more blurred.",
    )

    @staticmethod
    def kl(code: Code) -> Float[Tensor, "b k"]:
        """KL(N(μ, σ²) ‖ N(0, 1)) per image and unit, in nats."""
        return 0.5 * (code.mean.square() + code.log_variance.exp() - 1 - code.log_variance)

    def terms(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, PerImage]:
        code = model.encode(batch.corrupted, batch.visible)
        out = model.decode(code.sample(generator))
        nll = model.likelihood.nll(out, batch.clean).flatten(1).sum(1)
        return {"reconstruction": nll, "kl": self.beta * self.kl(code).sum(1)}

    def log_prior(self, z: Codes) -> PerImage | None:
        """log N(h; 0, I) in nats."""
        return -0.5 * (z.square() + math.log(2 * math.pi)).sum(1)

    def unit_report(self, code: Code) -> dict[str, Float[Tensor, "k"]]:
        """`kl`: mean KL per unit in nats, without β. Near 0, the unit has collapsed to its prior and carries no
        information (see `aecore.model.analysis.COLLAPSED_NATS`).
        """
        return {"kl": self.kl(code).mean(0)}
