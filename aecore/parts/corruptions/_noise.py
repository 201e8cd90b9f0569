"""Fast random fields."""

import math

import torch
from torch import Tensor


def uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw from the 65,536 values −1, −1 + 2⁻¹⁵, …, 1 − 2⁻¹⁵ with equal probability.

    Four pixels share one 64-bit random number, which takes a third of the time of `torch.rand`.
    """
    n = math.prod(shape)
    words = torch.empty(-(-n // 4), dtype=torch.int64, device=generator.device)
    bits = words.random_(-(2**63), None, generator=generator).view(torch.int16)[:n]
    return bits.float().mul_(2.0**-15).view(shape)
