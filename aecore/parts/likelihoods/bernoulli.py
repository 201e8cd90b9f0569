from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from aecore.parts.contracts import Images, Likelihood, Outputs


class Bernoulli(Likelihood):
    """Each pixel is on with probability σ(o): −log p(x | h) = −x log σ(o) − (1 − x) log(1 − σ(o)), in nats.

    The decoder outputs logits o. Targets may be grey, in [0, 1] (cross-entropy); other data are refused.
    Source: Goodfellow, Bengio & Courville, "Deep Learning" (2016), sections 6.2.2.2 and 14.4.
    """

    title: ClassVar[str] = "Bernoulli (cross-entropy)"
    kind: Literal["bernoulli"] = "bernoulli"

    def nll(self, out: Outputs, target: Images) -> Float[Tensor, "b c h w"]:
        return F.binary_cross_entropy_with_logits(out.squeeze(1), target, reduction="none")

    def mean(self, out: Outputs) -> Images:
        return torch.sigmoid(out.select(1, 0))  # squeeze would add size checks to an exported graph

    def sample(self, out: Outputs, generator: torch.Generator) -> Images:
        return torch.bernoulli(self.mean(out), generator=generator)

    def refusal(self, config: Any) -> str | None:
        if config.dataset.value_range != (0.0, 1.0):
            return "likelihood: a Bernoulli output needs data in [0, 1]; use likelihood=gaussian for real-valued data"
        return None
