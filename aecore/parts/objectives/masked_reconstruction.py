from typing import ClassVar, Literal

import torch
from pydantic import Field as Setting

from aecore.parts.contracts import Batch, Model, Objective, PerImage


class MaskedReconstruction(Objective):
    """L = −Σ_hidden log p(x_i | h) − λ Σ_visible log p(x_i | h), h = f(x̃), in nats per image: fill in hidden pixels.

    Without a mask all pixels count as hidden. The paper has λ = 0, because its decoder sees the visible pixels. Here
    the decoder sees the code only, which stores the visible pixels only if λ > 0; then it also predicts the hidden
    ones better.
    Source: He et al., "Masked autoencoders are scalable vision learners", CVPR 2022, section 3.
    """

    title: ClassVar[str] = "Masked reconstruction"
    kind: Literal["masked_reconstruction"] = "masked_reconstruction"
    visible_weight: float = Setting(
        0.5, ge=0, le=1, title="Visible pixels λ", description="Weight relative to the hidden pixels.",
    )  # fmt: skip

    def terms(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, PerImage]:
        out = model.decode(model.encode(batch.corrupted, batch.visible).mean)
        nll = model.likelihood.nll(out, batch.clean)
        if batch.visible is None:
            return {"reconstruction": nll.flatten(1).sum(1)}
        hidden, seen = nll * ~batch.visible, nll * batch.visible
        return {"reconstruction": hidden.flatten(1).sum(1), "visible": self.visible_weight * seen.flatten(1).sum(1)}
