"""Sparse codes for a given dictionary: z* = argmin_z ½‖x − D z‖² + λ‖z‖₁, by proximal gradient.

Source: Beck & Teboulle, "A fast iterative shrinkage-thresholding algorithm", SIAM J. Imaging Sciences 2 (2009),
sections 3 (ISTA) and 4 (FISTA).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

Points = Float[Tensor, "b d"]
Atoms = Float[Tensor, "d k"]
Codes = Float[Tensor, "b k"]
MARGIN = 1.05
"""Power iteration comes to the largest eigenvalue from below; a step must not be longer than its inverse."""


def shrink(a: Tensor, threshold: Tensor | float) -> Tensor:
    """sign(a) max(|a| − θ, 0), the proximal map of θ|a|: moved towards 0 by θ, and 0 within it."""
    return a.sign() * (a.abs() - threshold).clamp(min=0)


def energy(x: Points, dictionary: Atoms, z: Codes, weight: float) -> Float[Tensor, "b"]:
    """½‖x − D z‖² + λ‖z‖₁ per point."""
    return 0.5 * (x - z @ dictionary.T).square().sum(1) + weight * z.abs().sum(1)


def laplace(z: Codes, weight: float) -> Float[Tensor, "b"]:
    """−log p(z) in nats per point under p(z_k) = λ/2 e^(−λ|z_k|): Σ_k λ|z_k| + log(2/λ)."""
    return weight * z.abs().sum(1) + z.shape[1] * math.log(2 / weight)


def lipschitz(gram: Float[Tensor, "k k"], steps: int = 50) -> Float[Tensor, ""]:
    """The largest eigenvalue of DᵀD by power iteration, with a margin of 5 %. The start is irregular, so that no
    eigenvector of data is orthogonal to it, and made where it is used, so that a training step can be recorded.
    """
    v = torch.arange(1, len(gram) + 1, device=gram.device, dtype=gram.dtype).square().cos()
    for _ in range(steps):
        v = torch.nn.functional.normalize(gram @ v, dim=0)
    return MARGIN * (v @ gram @ v).clamp(min=torch.finfo(gram.dtype).tiny)


@torch.no_grad()
def ista(x: Points, dictionary: Atoms, weight: float, steps: int, start: Codes | None = None) -> Codes:
    """Gradient step of length 1/L on the square, then shrinkage, `steps` times; the energy never rises."""
    return _proximal(x, dictionary, weight, steps, start, momentum=False)


@torch.no_grad()
def fista(x: Points, dictionary: Atoms, weight: float, steps: int, start: Codes | None = None) -> Codes:
    """ISTA from a point ahead of the last two codes: the distance to the least energy falls as 1/steps²."""
    return _proximal(x, dictionary, weight, steps, start, momentum=True)


def _proximal(x: Points, dictionary: Atoms, weight: float, steps: int, start: Codes | None, *, momentum: bool) -> Codes:
    with torch.autocast(x.device.type, enabled=False):  # half precision would end far from the minimum
        gram, target = dictionary.T @ dictionary, x @ dictionary
        step = 1 / lipschitz(gram)
        z = torch.zeros_like(target) if start is None else start
        ahead, t = z, 1.0
        for _ in range(steps):
            new = shrink(ahead - step * (ahead @ gram - target), weight * step)
            after = (1 + (1 + 4 * t * t) ** 0.5) / 2 if momentum else 1.0
            ahead = new + (t - 1) / after * (new - z)
            z, t = new, after
    return z
