from typing import ClassVar, Literal

import torch

from aecore.parts.contracts import Batch, Model, Objective, PerImage


class Reconstruction(Objective):
    """L = −log p(x | h = f(x̃)), in nats per image: reconstruct the clean input from the code.

    Source: Goodfellow, Bengio & Courville, "Deep Learning" (2016), equation 14.1 and section 14.4.
    """

    title: ClassVar[str] = "Reconstruction"
    kind: Literal["reconstruction"] = "reconstruction"

    def terms(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, PerImage]:
        out = model.decode(model.encode(batch.corrupted, batch.visible).mean)
        return {"reconstruction": model.likelihood.nll(out, batch.clean).flatten(1).sum(1)}
