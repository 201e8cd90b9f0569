from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field as Setting
from torch import Tensor

from aecore.parts.contracts import Batch, Code, Codes, Images, Model, Objective, PerImage
from aecore.parts.sparse_coding import fista, laplace

OPTIMAL_STEPS = 1000
"""FISTA steps of `optimise`, enough to converge; training needs few, because it starts from the encoder's guess."""


class PredictiveSparse(Objective):
    """L = min_z −log p(x | z) + λ ‖z‖₁ + α ‖z − f(x)‖², in nats per image: sparse codes that the encoder predicts.

    FISTA finds the codes z*, starting from the encoder's guess f(x). At the minimum, the gradient of L with respect to
    the weights is that of its terms for fixed z*: the dictionary learns from z*, and the encoder learns to predict it.
    The output is Gaussian: −log p(x | z) = ‖x − D z‖² / 2σ² up to a constant, for a dictionary D of unit-norm columns.
    λ ‖z‖₁ is −log of a Laplace prior up to its constant. After training the encoder alone computes the codes.
    Source: Kavukcuoglu, Ranzato & LeCun, "Fast inference in sparse coding algorithms with applications to object
    recognition", CBLL-TR-2008-12-01 (arXiv 1010.3467), equations 4 and 5.
    """

    title: ClassVar[str] = "Predictive sparse decomposition"
    kind: Literal["predictive_sparse"] = "predictive_sparse"
    weight: float = Setting(
        2.0, gt=0, le=1000, title="Sparsity λ", description="Weight of the penalty on activity.",
        json_schema_extra={"unit": "nats per unit of |z|"},
    )  # fmt: skip
    prediction: float = Setting(
        2.0, gt=0, le=1000, title="Prediction α", description="Weight of the encoder's squared prediction error.",
        json_schema_extra={"unit": "nats per squared unit of z"},
    )  # fmt: skip
    steps: int = Setting(
        20, ge=1, le=1000, title="FISTA steps", description="Steps from the encoder's guess towards the best code.",
    )  # fmt: skip

    def terms(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, PerImage]:
        h = model.encode(batch.corrupted, batch.visible).mean
        x, atoms = _problem(model, batch.clean, h.shape[1])
        # The prediction term is more data for the same sparse coding problem: α ‖f − z‖² = ½‖√2α f − √2α z‖².
        guess = h.detach().to(x.dtype)
        root = (2 * self.prediction) ** 0.5
        eye = root * torch.eye(h.shape[1], dtype=x.dtype, device=x.device)
        z = fista(torch.cat([x, root * guess], 1), torch.cat([atoms, eye]), self.weight, self.steps, guess)
        return {
            "reconstruction": model.likelihood.nll(model.decode(z), batch.clean).flatten(1).sum(1),
            "sparsity": self.weight * z.abs().sum(1),
            "prediction": self.prediction * (z - h).square().sum(1),
        }

    def optimise(self, model: Model, x: Images) -> Codes:
        """argmin_z −log p(x | z) + λ‖z‖₁, without the prediction term."""
        code_dim = model.encode(x[:1]).mean.shape[1]
        return fista(*_problem(model, x, code_dim), self.weight, OPTIMAL_STEPS)

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
    """Images and dictionary in units of σ, so that ½‖x − D z‖² equals −log p(x | z) up to a constant; float32."""
    with torch.autocast(x.device.type, enabled=False):
        atoms = model.decode(torch.eye(code_dim, dtype=x.dtype, device=x.device))[:, 0].flatten(1).T
        origin = torch.zeros(1, 1, 1, 1, 1, dtype=x.dtype, device=x.device)
        per_square = model.likelihood.nll(origin, origin[0] + 1) - model.likelihood.nll(origin, origin[0])
    scale = (2 * per_square.flatten()).sqrt()
    return x.flatten(1) * scale, atoms * scale
