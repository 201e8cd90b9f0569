from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool
from pydantic import Field as Setting
from torch import Tensor

from aecore.parts.contracts import Batch, Code, CodeParams, Model, Objective, PerImage


class TopK(Objective):
    """L = −log p(x | h), in nats per image, where only the k largest units of the encoder's output a are kept.

    Sparsity is enforced, without a penalty: h_j = a_j for the k largest, 0 for all others, in training and afterwards.
    Gradients reach only the units kept.
    Source: Makhzani & Frey, "k-sparse autoencoders", ICLR 2014, section 2.1.
    """

    title: ClassVar[str] = "k-sparse"
    kind: Literal["top_k"] = "top_k"
    k: int = Setting(
        5, ge=1, le=4096, title="Active units k", description="Units kept for each image; all others are 0.",
        json_schema_extra={"unit": "units"},
    )  # fmt: skip

    def code(self, params: CodeParams) -> CodeParams:
        largest = params.topk(self.k, dim=1).indices
        return params * torch.zeros_like(params).scatter(1, largest, 1.0)

    def terms(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, PerImage]:
        out = model.decode(model.encode(batch.corrupted, batch.visible).mean)
        return {"reconstruction": model.likelihood.nll(out, batch.clean).flatten(1).sum(1)}

    def active(self, code: Code) -> Bool[Tensor, "b k"]:
        return code.mean != 0

    def refusal(self, config: Any) -> str | None:
        if self.k > config.code_dim:
            return (
                f"objective.k: {self.k} active units are more than the code has ({config.code_dim}); "
                f"set objective.k to {config.code_dim} at most, or code_dim to {self.k} or more"
            )
        return None
