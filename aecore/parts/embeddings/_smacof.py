"""Metric scaling: minimise Σ_{i<j} (d_ij − δ_ij)², d_ij = ‖y_i − y_j‖, by SMACOF accelerated with L-BFGS.

One pass over the packed distances computes the Guttman transform Γ(Y) = B(Y) Y / n (de Leeuw 1977), and for centred Y
everything else follows: the gradient of the stress is 2n (Y − Γ(Y)), Σ δ_ij d_ij = Σ_i y_i · n Γ(Y)_i, and
Σ d_ij² = n Σ_i y_i².
"""

import dataclasses
import math
from collections import deque
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float64

from aecore.parts.embeddings._compile import Run, compiled
from aecore.parts.embeddings._pairs import GROUP, Packed, equal_shares

_MEMORY = 10
"""Earlier steps that L-BFGS uses."""
_SMALL_STEPS = 3
"""The search ends after so many small steps in a row."""
History = deque[tuple[Float64[np.ndarray, "3 p"], Float64[np.ndarray, "3 p"], float]]
"""(s, y, sᵀy) of earlier steps: the change of the places, the change of the gradient, and their product."""


def _guttman(flat: np.ndarray, y: np.ndarray, out: np.ndarray, low: int, high: int) -> None:
    """Add Σ_j (δ_ij / d_ij) (y_i − y_j) to out[:, i], over the pairs of the groups low ≤ q < high in both orders.

    There are always three coordinates: for a plane the third costs less than a second kernel. Four rows at a time would
    not be faster, because square root and division dominate, and would take twice as long to compile.
    """
    tiny = np.float32(1e-30)
    ys0, ys1, ys2 = y[0], y[1], y[2]
    out0, out1, out2 = out[0], out[1], out[2]
    for i in range(4 * low, 4 * high):
        q = i >> 2
        length = 4 * q + 4
        start = (2 * q + (i & 3)) * length
        row = flat[start : start + length]
        a, b, c = ys0[i], ys1[i], ys2[i]
        sum0 = sum1 = sum2 = np.float32(0)
        for j in range(length):
            u, v, w = a - ys0[j], b - ys1[j], c - ys2[j]
            ratio = row[j] / math.sqrt(u * u + v * v + w * w + tiny)
            u *= ratio
            v *= ratio
            w *= ratio
            sum0 += u
            sum1 += v
            sum2 += w
            out0[j] -= u
            out1[j] -= v
            out2[j] -= w
        out0[i] += sum0
        out1[i] += sum1
        out2[i] += sum2


_guttman_fast = compiled(_guttman)


@dataclasses.dataclass(frozen=True, eq=False)
class Scaling:
    """Result of `smacof`: places, scaled to the least stress, Kruskal's stress-1, and the number of steps."""

    places: Float64[np.ndarray, "n d"]
    stress_1: float
    steps: int


class _Stress:
    """Γ and the stress Σ_{i<j} (d_ij − δ_ij)² of centred places, stored as (3, n padded)."""

    def __init__(self, packed: Packed, run: Run) -> None:
        self.packed, self.run = packed, run
        self.cuts = equal_shares(packed.groups, packed.flat.size)
        self.parts = np.empty((len(self.cuts), 3, packed.groups * GROUP), np.float32)
        self.total = packed.sum_of_squares()

    def __call__(self, y: Float64[np.ndarray, "3 p"]) -> tuple[Float64[np.ndarray, "3 p"], float]:
        self.parts[:] = 0
        single = y.astype(np.float32)
        jobs = [(self.packed.flat, single, part, *cut) for part, cut in zip(self.parts, self.cuts, strict=True)]
        self.run(_guttman_fast(), jobs)
        by = self.parts.sum(0, dtype=np.float64)  # B(Y) Y
        stress = self.total - 2 * float((y * by).sum()) + self.packed.n * float((y * y).sum())
        return by / self.packed.n, stress


def smacof(
    packed: Packed,
    start: Float[np.ndarray, "n d"],
    run: Run,
    max_steps: int,
    tolerance: float,
    on_step: Callable[[int], None],
) -> Scaling:
    """Minimise the stress from `start`, calling `on_step(step)` after each step.

    Directions are those of L-BFGS for the gradient Y − Γ(Y), whose plain step is SMACOF's; a step costs one pass and
    has length 1. A step that raised the stress is undone and replaced by SMACOF's own, which never does. The search
    ends after `max_steps` steps, or after three steps in a row that each lowered the stress by at most
    `tolerance` Σ d_ij² (scikit-learn ends at the first).
    """
    n, d = start.shape
    stress_of = _Stress(packed, run)
    y = np.zeros((3, packed.groups * GROUP))
    y[:d, :n] = (start - start.mean(0)).T
    if stress_of.total == 0:
        return Scaling(np.zeros((n, d)), 0.0, 0)
    transformed, stress = stress_of(y)
    history: History = deque(maxlen=_MEMORY)
    step, small = 0, 0
    while step < max_steps and small < _SMALL_STEPS:
        gradient = y - transformed
        trial = y - _direction(gradient, history)
        new_transformed, new_stress = stress_of(trial)
        if not new_stress <= stress and history:  # `not <=`: also if it is NaN
            history.clear()
            trial = transformed
            new_transformed, new_stress = stress_of(trial)
        step_s, step_y = trial - y, trial - new_transformed - gradient
        s_dot_y = float((step_s * step_y).sum())
        if s_dot_y > 0:
            history.append((step_s, step_y, s_dot_y))
        d_squared = n * float((trial * trial).sum())
        small = small + 1 if stress - new_stress <= tolerance * d_squared else 0
        y, transformed, stress = trial, new_transformed, new_stress
        step += 1
        on_step(step)
    delta_d, d_squared = n * float((y * transformed).sum()), n * float((y * y).sum())
    if delta_d <= 0:
        return Scaling(np.zeros((n, d)), 1.0, step)
    stress_1_squared = 1 - delta_d**2 / (stress_of.total * d_squared)
    return Scaling(np.ascontiguousarray(y[:d, :n].T) * (delta_d / d_squared), max(0.0, stress_1_squared) ** 0.5, step)


def apart(packed: Packed, start: Float64[np.ndarray, "n d"], seed: int) -> Float64[np.ndarray, "n d"]:
    """Move different points that coincide in `start` apart at random: gradient steps cannot separate them."""
    size = float(np.abs(start).max(initial=0.0)) or 1.0
    cells, cell, counts = np.unique(np.rint(start / (1e-6 * size)), axis=0, return_inverse=True, return_counts=True)
    crowded = np.flatnonzero(counts[cell.ravel()] > 1)
    if not len(crowded):
        return start
    first = np.full(len(cells), -1)
    first[cell.ravel()[crowded[::-1]]] = crowded[::-1]
    delta = packed.between(crowded, first[cell.ravel()[crowded]])
    different = crowded[delta > 1e-5 * float(packed.flat.max())]
    moved = start.copy()
    moved[different] += 1e-3 * size * np.random.default_rng(seed).standard_normal((len(different), start.shape[1]))
    return moved


def _direction(gradient: Float64[np.ndarray, "3 p"], history: History) -> Float64[np.ndarray, "3 p"]:
    """The two-loop recursion of L-BFGS (Nocedal 1980); the gradient, SMACOF's step, if there is no history."""
    direction = gradient.copy()
    weights: list[float] = []
    for s, y, s_dot_y in reversed(history):
        weights.append(float((s * direction).sum()) / s_dot_y)
        direction -= weights[-1] * y
    if history:
        _, y, s_dot_y = history[-1]
        direction *= s_dot_y / float((y * y).sum())
    for (s, y, s_dot_y), weight in zip(history, reversed(weights), strict=True):
        direction += (weight - float((y * direction).sum()) / s_dot_y) * s
    return direction
