"""Metric scaling: the least Σ_{i<j} (‖y_i − y_j‖ − δ_ij)² by majorisation, accelerated and safeguarded.

One pass over the packed distances gives the Guttman transform Γ(Y) = B(Y) Y / n (de Leeuw 1977), and with it
everything else: for centred Y the gradient of the stress is 2n (Y − Γ(Y)), Σ δ_ij d_ij = Σ_i y_i · n Γ(Y)_i, and
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
"""Earlier steps from which the next one's direction is made."""
_SMALL_STEPS = 3
"""So many steps in a row must be too small before the search counts as done."""


def _guttman(flat: np.ndarray, y: np.ndarray, out: np.ndarray, low: int, high: int) -> None:
    """Adds Σ_j (δ_ij / d_ij) (y_i − y_j) to out[:, i] over the pairs of the groups low ≤ q < high, both ways round.

    Always three coordinates, because a plane's third costs less than a second kernel. Four rows at a time would be no
    faster, since the square root and the division are what takes the time, and would take twice as long to compile.
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
    """What `smacof` found: the places, in the scale of least stress, Kruskal's stress-1 and the steps it took."""

    places: Float64[np.ndarray, "n d"]
    stress_1: float
    steps: int


class _Stress:
    """Γ and the stress Σ_{i<j} (d_ij − δ_ij)² of centred configurations, kept as (3, n padded)."""

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
        moved = self.parts.sum(0, dtype=np.float64)
        stress = self.total - 2 * float((y * moved).sum()) + self.packed.n * float((y * y).sum())
        return moved / self.packed.n, stress


def smacof(
    packed: Packed,
    start: Float[np.ndarray, "n d"],
    run: Run,
    most_steps: int,
    tolerance: float,
    told: Callable[[int, float], None],
) -> Scaling:
    """The configuration of least stress found from `start`.

    Directions are L-BFGS's on the gradient Y − Γ(Y), whose plain step is SMACOF's; each costs one pass and is taken
    whole. A step that raised the stress is taken back, and Γ of the place before, which never raises it, taken
    instead. The search ends after `most_steps` steps, or when three steps in a row each lowered the stress by at most
    `tolerance` Σ d_ij² (scikit-learn's rule ends at the first such step). `told(step, stress / Σ δ_ij²)` hears of each.
    """
    n, d = start.shape
    stress_of = _Stress(packed, run)
    y = np.zeros((3, packed.groups * GROUP))
    y[:d, :n] = (start - start.mean(0)).T
    if stress_of.total == 0:
        return Scaling(np.zeros((n, d)), 0.0, 0)
    moved, stress = stress_of(y)
    history: deque[tuple[np.ndarray, np.ndarray, float]] = deque(maxlen=_MEMORY)
    step, small = 0, 0
    while step < most_steps and small < _SMALL_STEPS:
        gradient = y - moved
        trial = y - _direction(gradient, history)
        new_moved, new_stress = stress_of(trial)
        if not new_stress <= stress and history:  # also when it is not a number
            history.clear()
            trial = moved
            new_moved, new_stress = stress_of(trial)
        change, turn = trial - y, trial - new_moved - gradient
        bent = float((change * turn).sum())
        if bent > 0:
            history.append((change, turn, bent))
        shown = n * float((trial * trial).sum())
        small = small + 1 if stress - new_stress <= tolerance * shown else 0
        y, moved, stress = trial, new_moved, new_stress
        step += 1
        told(step, max(0.0, stress) / stress_of.total)
    agreement, shown = n * float((y * moved).sum()), n * float((y * y).sum())
    if agreement <= 0:
        return Scaling(np.zeros((n, d)), 1.0, step)
    unfit = 1 - agreement**2 / (stress_of.total * shown)
    return Scaling(np.ascontiguousarray(y[:d, :n].T) * (agreement / shown), max(0.0, unfit) ** 0.5, step)


def apart(packed: Packed, start: Float64[np.ndarray, "n d"], seed: int) -> Float64[np.ndarray, "n d"]:
    """`start`, nudged at random where different points coincide on it: no step along a gradient can part them."""
    size = float(np.abs(start).max(initial=0.0)) or 1.0
    cells, cell, counts = np.unique(np.rint(start / (1e-6 * size)), axis=0, return_inverse=True, return_counts=True)
    crowded = np.flatnonzero(counts[cell.ravel()] > 1)
    if not len(crowded):
        return start
    first = np.full(len(cells), -1)
    first[cell.ravel()[crowded[::-1]]] = crowded[::-1]
    away = packed.between(crowded, first[cell.ravel()[crowded]])
    moved = crowded[away > 1e-5 * float(packed.flat.max())]
    nudged = start.copy()
    nudged[moved] += 1e-3 * size * np.random.default_rng(seed).standard_normal((len(moved), start.shape[1]))
    return nudged


def _direction(
    gradient: Float64[np.ndarray, "3 p"], history: deque[tuple[np.ndarray, np.ndarray, float]]
) -> Float64[np.ndarray, "3 p"]:
    """L-BFGS's two loops (Nocedal 1980); without a history the gradient itself, SMACOF's own step."""
    found = gradient.copy()
    weights: list[float] = []
    for change, turn, bent in reversed(history):
        weights.append(float((change * found).sum()) / bent)
        found -= weights[-1] * turn
    if history:
        _, turn, bent = history[-1]
        found *= bent / float((turn * turn).sum())
    for (change, turn, bent), weight in zip(history, reversed(weights), strict=True):
        found += (weight - float((turn * found).sum()) / bent) * change
    return found
