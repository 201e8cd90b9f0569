"""AdamW without the overhead of `torch.optim`, which takes longer than the arithmetic of small networks."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class AdamW:
    """m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², θ ← θ − η(m̂ / (√v̂ + ε) + λθ) with β = (0.9, 0.999), ε = 1e−8.

    One fused kernel updates all parameters; the result equals `torch.optim.AdamW(fused=True)` bit for bit.

    Source: Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.
    """

    def __init__(self, parameters: list[nn.Parameter], weight_decay: float) -> None:
        self.weight_decay = weight_decay
        self.count = torch.zeros((), device=parameters[0].device)
        self.state = [(p, torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor | None], rate: float | Float[Tensor, ""]) -> None:
        """Update the parameters with learning rate `rate`; those whose gradient is None stay unchanged."""
        live = [(*moments, g) for moments, g in zip(self.state, gradients, strict=True) if g is not None]
        parameters, means, squares, slopes = (list[Tensor](column) for column in zip(*live, strict=True))
        self.count += 1
        torch._fused_adamw_(  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
            parameters, slopes, means, squares, [], [self.count] * len(live), lr=rate, beta1=0.9, beta2=0.999,
            weight_decay=self.weight_decay, eps=1e-8, amsgrad=False, maximize=False,
        )  # fmt: skip
