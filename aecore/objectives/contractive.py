from typing import ClassVar, Literal

import torch
from pydantic import Field as Setting

from aecore.parts import Batch, Model, Objective, PerImage


class Contractive(Objective):
    """L = −log p(x | h) + λ ‖∂h/∂x‖²_F, in nats per image: the code changes little when x changes a little.

    The Frobenius norm of the encoder's Jacobian is exact: in closed form for linear and mlp encoders, by automatic
    differentiation otherwise.
    Source: Rifai et al., "Contractive auto-encoders", ICML 2011, equations 1, 6 and 7.
    """

    title: ClassVar[str] = "Contractive"
    kind: Literal["contractive"] = "contractive"
    weight: float = Setting(
        0.1, ge=0, le=1000, title="Contraction λ", description="Price of the code's sensitivity to the input.",
        json_schema_extra={"unit": "nats per squared derivative"},
    )  # fmt: skip

    def terms(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, PerImage]:
        out = model.decode(model.encode(batch.corrupted, batch.visible).mean)
        nll = model.likelihood.nll(out, batch.clean).flatten(1).sum(1)
        return {
            "reconstruction": nll,
            "contraction": self.weight * model.encoder.jacobian_squared_norm(batch.corrupted),
        }
