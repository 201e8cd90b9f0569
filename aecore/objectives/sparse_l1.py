from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field as Setting
from torch import Tensor

from aecore.parts import Batch, Code, Model, Objective, PerImage


class SparseL1(Objective):
    """L = −log p(x | h) + λ Σ_k |h_k|, in nats per image: few units active per input.

    λ |h_k| is −log of a Laplace prior p(h_k) = λ/2 e^(−λ|h_k|), up to its constant.
    The decoder can undo a small code by large weights, so keep some weight decay.
    Source: Goodfellow, Bengio & Courville, "Deep Learning" (2016), section 14.2.1.
    """

    title: ClassVar[str] = "Sparse (L1)"
    kind: Literal["sparse_l1"] = "sparse_l1"
    weight: float = Setting(
        1.0,
        ge=0,
        le=1000,
        title="Sparsity λ",
        description="Price of activity.",
        json_schema_extra={"unit": "nats per unit of |h|"},
    )

    def terms(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, PerImage]:
        h = model.encode(batch.corrupted, batch.visible).mean
        nll = model.likelihood.nll(model.decode(h), batch.clean).flatten(1).sum(1)
        return {"reconstruction": nll, "sparsity": self.weight * h.abs().sum(1)}

    def unit_report(self, code: Code) -> dict[str, Float[Tensor, "k"]]:
        """`rate`: the share of images for which a unit is active, |h_k| > 0.01."""
        return {"rate": (code.mean.abs() > 0.01).float().mean(0)}
