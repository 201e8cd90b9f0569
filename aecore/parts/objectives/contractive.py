from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field as Setting
from torch import Tensor

from aecore.parts.contracts import Batch, Encoder, Images, Model, Objective, PerImage


def along(encoder: Encoder, x: Images, v: Float[Tensor, "b k"]) -> PerImage:
    """‖vᵀ ∂h/∂x‖² per image, by one backward pass; differentiable with respect to the weights."""

    def value(images: Tensor) -> Tensor:
        return encoder.forward(images)[..., 0]

    # No layer mixes images, so one product for the batch contains that of each image. Also works under `no_grad`.
    product = torch.func.vjp(value, x)[1]
    return product(v)[0].flatten(1).square().sum(1)


class Contractive(Objective):
    """L = −log p(x | h) + λ ‖∂h/∂x‖²_F, in nats per image: small changes of x hardly change the code.

    The Frobenius norm of the encoder's Jacobian J is exact (in closed form for linear and mlp encoders, otherwise by
    automatic differentiation, unit by unit), or Hutchinson's unbiased estimate of ‖J‖²_F = E_v ‖vᵀJ‖² from random
    signs v, which takes one backward pass per probe, whatever the number of units.
    Source: Rifai et al., "Contractive auto-encoders", ICML 2011, equations 1, 6 and 7; Hutchinson, "A stochastic
    estimator of the trace", Communications in Statistics 19 (1990), with the matrix J Jᵀ.
    """

    title: ClassVar[str] = "Contractive"
    kind: Literal["contractive"] = "contractive"
    weight: float = Setting(
        0.1, ge=0, le=1000, title="Contraction λ", description="Weight of the code's sensitivity to the input.",
        json_schema_extra={"unit": "nats per squared derivative"},
    )  # fmt: skip
    estimate: Literal["exact", "hutchinson"] = Setting(
        "exact", title="Jacobian's norm", description="Exact, or a faster estimate from random directions.",
    )  # fmt: skip
    probes: int = Setting(
        1, ge=1, le=64, title="Probes", description="Random directions per image; estimate only.",
        json_schema_extra={"unit": "backward passes"},
    )  # fmt: skip

    def terms(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, PerImage]:
        h = model.encode(batch.corrupted, batch.visible).mean
        nll = model.likelihood.nll(model.decode(h), batch.clean).flatten(1).sum(1)
        if self.estimate == "exact":
            norm = model.encoder.jacobian_squared_norm(batch.corrupted)
        else:
            drawn = torch.randint(0, 2, (self.probes, *h.shape), generator=generator, device=h.device)
            signs = (2 * drawn - 1).to(batch.corrupted.dtype)
            norm = torch.stack([along(model.encoder, batch.corrupted, v) for v in signs]).mean(0)
        return {"reconstruction": nll, "contraction": self.weight * norm}
