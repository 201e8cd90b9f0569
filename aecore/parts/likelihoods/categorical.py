from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field as Setting
from torch import Tensor
from torch.nn import functional as F

from aecore.parts.contracts import Images, Likelihood, Outputs


class Categorical(Likelihood):
    """Each pixel is one of N grey levels k/(N−1): −log p(x | h) = −log softmax(o)_k over N outputs o, in nats.

    A target in [0, 1] is rounded to the nearest level k = round(x·(N−1)); other data are refused. p may have any shape:
    a pixel can be either black or white, but not grey. The mean is Σ_k softmax(o)_k · k/(N−1).
    Source: Goodfellow, Bengio & Courville, "Deep Learning" (2016), section 6.2.2.3; for pixels van den Oord,
    Kalchbrenner & Kavukcuoglu, "Pixel recurrent neural networks", ICML 2016, section 2.2.
    """

    title: ClassVar[str] = "Softmax over grey levels"
    kind: Literal["categorical"] = "categorical"
    levels: int = Setting(
        16,
        ge=2,
        le=64,
        title="Grey levels",
        description="Values of a pixel; the decoder outputs one number for each.",
    )

    @property
    def params_per_output(self) -> int:
        return self.levels

    def nll(self, out: Outputs, target: Images) -> Float[Tensor, "b c h w"]:
        return F.cross_entropy(out, (target * (self.levels - 1)).round().long(), reduction="none")

    def mean(self, out: Outputs) -> Images:
        greys = torch.linspace(0, 1, self.levels, dtype=out.dtype, device=out.device)
        return torch.einsum("bqchw,q->bchw", out.softmax(1), greys)

    def sample(self, out: Outputs, generator: torch.Generator) -> Images:
        p = out.softmax(1).movedim(1, -1)
        drawn = torch.multinomial(p.flatten(0, -2), 1, generator=generator)
        return drawn.reshape(p.shape[:-1]).to(out.dtype) / (self.levels - 1)

    def refusal(self, config: Any) -> str | None:
        if config.dataset.value_range != (0.0, 1.0):
            return "likelihood: grey levels need data in [0, 1]; use likelihood=gaussian for real-valued data"
        return None
