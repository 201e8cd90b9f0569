from typing import ClassVar, Literal

import torch
from jaxtyping import Bool
from pydantic import Field as Setting
from torch import Tensor

from aecore.parts.contracts import Batch, Code, Model, Objective, PerImage
from aecore.parts.sparse_coding import laplace


class SparseL1(Objective):
    """L = −log p(x | h) + λ Σ_k |h_k|, in nats per image: few units are active for each input.

    λ |h_k| is −log of a Laplace prior p(h_k) = λ/2 e^(−λ|h_k|) up to the constant log(2/λ), so training approximately
    maximises the likelihood p(x, h) = p(h) p(x | h). The constant has no gradient; only `prior` includes it. Large
    decoder weights can compensate for small codes: keep some weight decay.
    Source: Goodfellow, Bengio & Courville, "Deep Learning" (2016), section 14.2.1.
    """

    title: ClassVar[str] = "Sparse (L1)"
    kind: Literal["sparse_l1"] = "sparse_l1"
    weight: float = Setting(
        1.0,
        ge=0,
        le=1000,
        title="Sparsity λ",
        description="Weight of the penalty on activity.",
        json_schema_extra={"unit": "nats per unit of |h|"},
    )

    def terms(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, PerImage]:
        h = model.encode(batch.corrupted, batch.visible).mean
        nll = model.likelihood.nll(model.decode(h), batch.clean).flatten(1).sum(1)
        return {"reconstruction": nll, "sparsity": self.weight * h.abs().sum(1)}

    def active(self, code: Code) -> Bool[Tensor, "b k"]:
        """|h_k| > 0.01."""
        return code.mean.abs() > 0.01

    def prior(self, code: Code) -> PerImage | None:
        """−log of the Laplace prior; None for λ = 0."""
        return laplace(code.mean, self.weight) if self.weight else None
