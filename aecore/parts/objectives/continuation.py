from typing import ClassVar, Literal

import torch
from pydantic import Field as Setting

from aecore.parts.contracts import Batch, Model, Objective, PerImage
from aecore.parts.networks import first_rows


class Continuation(Objective):
    """L = −log p(x | h = f(x̃)) − λ log p(x_{>n} | f(x̃_{≤n}), x̃_{≤n}), in nats per image: copy and continue.

    The model reconstructs the whole picture, and continues it from its first n rows; n is drawn uniformly from 0 to
    H − 1 for each image and step. Decoders that take no prefix continue it from the code alone.
    Source: Srivastava et al., "Unsupervised learning of video representations using LSTMs", ICML 2015, section 2.5
    (the composite model).
    """

    title: ClassVar[str] = "Continuation"
    kind: Literal["continuation"] = "continuation"
    weight: float = Setting(
        1.0, ge=0, le=1000, title="Continuation λ",
        description="Weight of the continuation relative to the reconstruction.",
    )  # fmt: skip

    def terms(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, PerImage]:
        b, _, h, _ = batch.clean.shape
        whole = model.decode(model.encode(batch.corrupted, batch.visible).mean)
        rows = torch.arange(h, device=batch.clean.device).reshape(1, 1, h, 1)
        n = torch.randint(h, (b,), generator=generator, device=generator.device).reshape(b, 1, 1, 1)
        above = (rows < n).expand_as(batch.clean[:, :1])
        visible = above if batch.visible is None else above & batch.visible
        continued = model.decode(model.encode(batch.corrupted, visible).mean, first_rows(batch.corrupted, visible))
        below = model.likelihood.nll(continued, batch.clean) * ~above
        return {
            "reconstruction": model.likelihood.nll(whole, batch.clean).flatten(1).sum(1),
            "continuation": self.weight * below.flatten(1).sum(1),
        }
