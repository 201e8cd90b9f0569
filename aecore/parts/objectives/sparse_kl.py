from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field as Setting
from torch import Tensor

from aecore.parts.contracts import Batch, Code, CodeParams, Model, Objective, PerImage

MIN_ACTIVITY = 1e-6
"""Mean activities are kept so far from 0 and 1, where the KL is infinite."""


class SparseKL(Objective):
    """L = −log p(x | h) + λ Σ_k KL(ρ ‖ ρ̂_k), in nats per image: the mean activity of each unit approaches ρ.

    h_k = σ(a_k) in (0, 1), the sigmoid of the encoder's output, is the probability that unit k is on; ρ̂_k is its mean
    over the batch, and KL = ρ log(ρ/ρ̂_k) + (1 − ρ) log((1 − ρ)/(1 − ρ̂_k)). The penalty concerns the batch, not single
    images (an h_k near ρ for each image would make all codes alike), so it is the same for each image. ρ̂_k is an
    estimate: use batches of well over 1/ρ images.
    Source: Lee, Ekanadham & Ng, "Sparse deep belief net model for visual area V2", NIPS 2007, equation 3; as KL in Ng,
    "Sparse autoencoder", CS294A lecture notes (2011), section 3.
    """

    title: ClassVar[str] = "Sparse (rate)"
    kind: Literal["sparse_kl"] = "sparse_kl"
    bounds_code: ClassVar[bool] = True
    rate: float = Setting(
        0.05, gt=0, lt=1, title="Target rate ρ", description="Mean activity that each unit should have.",
        json_schema_extra={"unit": "share of full activity"},
    )  # fmt: skip
    weight: float = Setting(
        1.0, ge=0, le=1000, title="Sparsity λ", description="Weight of the penalty on mean activities other than ρ.",
        json_schema_extra={"unit": "nats per nat of KL"},
    )  # fmt: skip

    def code(self, params: CodeParams) -> CodeParams:
        return torch.sigmoid(params)

    def kl(self, h: Float[Tensor, "b k"]) -> Float[Tensor, "k"]:
        """KL(ρ ‖ mean of h_k) per unit, in nats."""
        mean, rho = h.float().mean(0).clamp(MIN_ACTIVITY, 1 - MIN_ACTIVITY), torch.tensor(self.rate)
        return self.rate * (rho.log() - mean.log()) + (1 - self.rate) * ((1 - rho).log() - (1 - mean).log())

    def terms(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, PerImage]:
        h = model.encode(batch.corrupted, batch.visible).mean
        nll = model.likelihood.nll(model.decode(h), batch.clean).flatten(1).sum(1)
        return {"reconstruction": nll, "sparsity": self.weight * self.kl(h).sum().expand(len(h))}

    def unit_report(self, code: Code) -> dict[str, Float[Tensor, "k"]]:
        """`activity`: the mean of h_k, to compare with ρ."""
        return {"activity": code.mean.mean(0)}

    def active(self, code: Code) -> Bool[Tensor, "b k"]:
        """h_k > ½: more likely on than off."""
        return code.mean > 0.5
