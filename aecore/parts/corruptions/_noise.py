"""Random fields that cost little to draw."""

import math

import torch
from torch import Tensor


def uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Uniform over the 65,536 values −1, −1 + 2⁻¹⁵, …, 1 − 2⁻¹⁵: four pixels from one 64-bit number, a third of the
    time of `torch.rand`, and far finer than any level that one can tell apart.
    """
    n = math.prod(shape)
    words = torch.empty(-(-n // 4), dtype=torch.int64, device=generator.device)
    bits = words.random_(-(2**63), None, generator=generator).view(torch.int16)[:n]
    return bits.float().mul_(2.0**-15).view(shape)
