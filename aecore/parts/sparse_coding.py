"""Sparse codes for a given dictionary: z* = argmin_z ½‖x − D z‖² + λ‖z‖₁, by proximal gradient steps.

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
"""Power iteration underestimates the largest eigenvalue L, but a step must not exceed 1/L."""


def shrink(a: Tensor, threshold: Tensor | float) -> Tensor:
    """sign(a) max(|a| − θ, 0): soft thresholding, the proximal map of θ|a|."""
    return a.sign() * (a.abs() - threshold).clamp(min=0)


def energy(x: Points, dictionary: Atoms, z: Codes, weight: float) -> Float[Tensor, "b"]:
    """½‖x − D z‖² + λ‖z‖₁ per point."""
    return 0.5 * (x - z @ dictionary.T).square().sum(1) + weight * z.abs().sum(1)


def laplace(z: Codes, weight: float) -> Float[Tensor, "b"]:
    """−log p(z) in nats per point under p(z_k) = λ/2 e^(−λ|z_k|): Σ_k λ|z_k| + log(2/λ)."""
    return weight * z.abs().sum(1) + z.shape[1] * math.log(2 / weight)


def lipschitz(gram: Float[Tensor, "k k"], steps: int = 50) -> Float[Tensor, ""]:
    """Estimate the largest eigenvalue of DᵀD by power iteration, with a margin of 5 %.

    The irregular start vector is hardly ever orthogonal to the eigenvector, and needs no random numbers, which a
    captured training step could not draw.
    """
    v = torch.arange(1, len(gram) + 1, device=gram.device, dtype=gram.dtype).square().cos()
    for _ in range(steps):
        v = torch.nn.functional.normalize(gram @ v, dim=0)
    return MARGIN * (v @ gram @ v).clamp(min=torch.finfo(gram.dtype).tiny)


@torch.no_grad()
def ista(x: Points, dictionary: Atoms, weight: float, steps: int, start: Codes | None = None) -> Codes:
    """Repeat `steps` times: a gradient step of length 1/L on the squared error, then shrinkage. The energy never
    rises.
    """
    return _proximal(x, dictionary, weight, steps, start, momentum=False)


@torch.no_grad()
def fista(x: Points, dictionary: Atoms, weight: float, steps: int, start: Codes | None = None) -> Codes:
    """ISTA with momentum: the energy above its minimum falls as 1/steps²."""
    return _proximal(x, dictionary, weight, steps, start, momentum=True)


def _proximal(x: Points, dictionary: Atoms, weight: float, steps: int, start: Codes | None, *, momentum: bool) -> Codes:
    with torch.autocast(x.device.type, enabled=False):  # half precision does not converge to the minimum
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
