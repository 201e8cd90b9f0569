from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field as Setting
from torch import Tensor

from aecore.parts.contracts import Batch, Code, Codes, Images, Model, Objective, PerImage
from aecore.parts.sparse_coding import fista, laplace

CONVERGED = 1000
"""FISTA steps where the best codes are asked for; during training, few steps from the encoder's guess do."""


class PredictiveSparse(Objective):
    """L = min_z −log p(x | z) + λ ‖z‖₁ + α ‖z − f(x)‖², in nats per image: sparse codes, with an encoder for them.

    The codes z* are found by FISTA from the encoder's guess; at the minimum the gradient of L in the weights is that of
    its terms with z* fixed, so the dictionary learns from z* and the encoder learns to predict it. The output is
    Gaussian: with a dictionary D of norm-1 columns −log p(x | z) = ‖x − D z‖² / 2σ² and a constant. λ ‖z‖₁ is −log of a
    Laplace prior up to its constant. After training the encoder alone gives the codes.
    Source: Kavukcuoglu, Ranzato & LeCun, "Fast inference in sparse coding algorithms with applications to object
    recognition", CBLL-TR-2008-12-01 (arXiv 1010.3467), equations 4 and 5.
    """

    title: ClassVar[str] = "Predictive sparse decomposition"
    kind: Literal["predictive_sparse"] = "predictive_sparse"
    weight: float = Setting(
        2.0, gt=0, le=1000, title="Sparsity λ", description="Price of activity.",
        json_schema_extra={"unit": "nats per unit of |z|"},
    )  # fmt: skip
    prediction: float = Setting(
        2.0, gt=0, le=1000, title="Prediction α", description="Price of codes that the encoder does not predict.",
        json_schema_extra={"unit": "nats per squared unit of z"},
    )  # fmt: skip
    steps: int = Setting(
        20, ge=1, le=1000, title="FISTA steps", description="Steps from the encoder's guess towards the best code.",
    )  # fmt: skip

    def terms(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, PerImage]:
        h = model.encode(batch.corrupted, batch.visible).mean
        x, atoms = _problem(model, batch.clean, h.shape[1])
        # One sparse coding problem with the guess as further data: ½‖√2α f − √2α z‖² = α ‖f − z‖².
        guess = h.detach().to(x.dtype)
        pull = (2 * self.prediction) ** 0.5
        eye = pull * torch.eye(h.shape[1], dtype=x.dtype, device=x.device)
        z = fista(torch.cat([x, pull * guess], 1), torch.cat([atoms, eye]), self.weight, self.steps, guess)
        return {
            "reconstruction": model.likelihood.nll(model.decode(z), batch.clean).flatten(1).sum(1),
            "sparsity": self.weight * z.abs().sum(1),
            "prediction": self.prediction * (z - h).square().sum(1),
        }

    def optimise(self, model: Model, x: Images) -> Codes:
        """argmin_z −log p(x | z) + λ‖z‖₁, without the encoder's guess."""
        code_dim = model.encode(x[:1]).mean.shape[1]
        return fista(*_problem(model, x, code_dim), self.weight, CONVERGED)

    def active(self, code: Code) -> Bool[Tensor, "b k"]:
        """|h_k| > 0.01."""
        return code.mean.abs() > 0.01

    def prior(self, code: Code) -> PerImage:
        return laplace(code.mean, self.weight)

    def refusal(self, config: Any) -> str | None:
        if config.backbone.kind != "dictionary":
            return "backbone: predictive sparse decomposition needs a dictionary as decoder; use backbone=dictionary"
        if config.likelihood.kind != "gaussian":
            return "likelihood: predictive sparse decomposition needs squared error; use likelihood=gaussian"
        return None


@torch.no_grad()
def _problem(model: Model, x: Images, code_dim: int) -> tuple[Float[Tensor, "b d"], Float[Tensor, "d k"]]:
    """Images and dictionary in units of σ, so that ½‖x − D z‖² is −log p(x | z) but for its constant; float32."""
    with torch.autocast(x.device.type, enabled=False):
        atoms = model.decode(torch.eye(code_dim, dtype=x.dtype, device=x.device))[:, 0].flatten(1).T
        origin = torch.zeros(1, 1, 1, 1, 1, dtype=x.dtype, device=x.device)
        per_square = model.likelihood.nll(origin, origin[0] + 1) - model.likelihood.nll(origin, origin[0])
    scale = (2 * per_square.flatten()).sqrt()
    return x.flatten(1) * scale, atoms * scale
