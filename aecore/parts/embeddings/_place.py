"""New points on a map that stays as it is: each goes where its own stress against the fitted points is least."""

import math

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from aecore.parts.embeddings._compile import Run, compiled

NEAREST = 10
"""Fitted points whose weighted mean is where the search starts."""
MOST_STEPS = 100
_FLAT = 0.04
"""Newton's step takes no bend to be less than this share of the greatest there can be, n. Measured on MNIST images in
two and three dimensions: smaller shares end in worse valleys, larger ones take more steps."""


def _bends(
    wanted: np.ndarray, fitted: np.ndarray, who: np.ndarray, at: np.ndarray, out: np.ndarray, low: int, high: int
) -> None:
    """The sums of which f(y) = Σ_j (‖y − y_j‖ − δ_ij)² and its derivatives are made, i = who[m], y = at[m].

    With r_j = δ_ij / ‖y − y_j‖ and v_j = y − y_j, out[m] holds f, the three numbers of Σ (1 − r_j) v_j = ½∇f, then
    Σ (1 − r_j), and the six of Σ r_j v_j v_jᵀ / ‖v_j‖², whose sum (times the unit matrix the former) is ½∇²f. Always
    three coordinates, a plane's third 0, as in `_smacof`.
    """
    one, tiny = np.float32(1), np.float32(1e-30)
    f0, f1, f2 = fitted[0], fitted[1], fitted[2]
    for m in range(low, high):
        row = wanted[who[m]]
        a, b, c = at[m, 0], at[m, 1], at[m, 2]
        s = gx = gy = gz = rest = xx = xy = xz = yy = yz = zz = np.float32(0)
        for j in range(len(row)):
            u, v, w = a - f0[j], b - f1[j], c - f2[j]
            square = u * u + v * v + w * w + tiny
            shown = math.sqrt(square)
            ratio = row[j] / shown
            off = shown - row[j]
            s += off * off
            off = one - ratio
            rest += off
            gx += off * u
            gy += off * v
            gz += off * w
            ratio /= square
            off = ratio * u
            xx += off * u
            xy += off * v
            xz += off * w
            off = ratio * v
            yy += off * v
            yz += off * w
            zz += ratio * w * w
        out[m, 0] = s
        out[m, 1] = gx
        out[m, 2] = gy
        out[m, 3] = gz
        out[m, 4] = rest
        out[m, 5] = xx
        out[m, 6] = xy
        out[m, 7] = xz
        out[m, 8] = yy
        out[m, 9] = yz
        out[m, 10] = zz


_bends_fast = compiled(_bends)


def place(
    wanted: Float32[np.ndarray, "m n"], fitted: Float[np.ndarray, "n d"], run: Run, steps: int = MOST_STEPS
) -> Float32[np.ndarray, "m d"]:
    """Where m new points, `wanted` away from the n fitted ones, have the least stress, by safeguarded Newton steps.

    Should a step raise f, it is taken back and SMACOF's own, −½∇f / n, which never raises it, taken instead.
    """
    wanted = np.ascontiguousarray(wanted)  # one layout, one compilation
    m, (n, d) = len(wanted), fitted.shape
    planes = np.zeros((3, n), np.float32)
    planes[:d] = fitted.T
    places = _beside_nearest(wanted, fitted)
    found, least = places.copy(), np.full(m, np.finfo(np.float64).max)
    plain, jumped = np.zeros((m, d)), np.zeros(m, bool)  # SMACOF's step, and whether another was taken
    left = np.arange(m)
    for _ in range(steps):
        f, slope, bend = _derivatives(wanted, planes, left, places, run)
        gain = least[left] - f
        better = gain > 0
        # Not better: the last digits are reached, or Newton went too far and SMACOF's step follows.
        back = ~better & jumped[left] & (gain <= -1e-6 * least[left])
        who = left[back]
        places[who], jumped[who] = found[who] + plain[who], False
        who = left[better]
        least[who], found[who], plain[who] = f[better], places[who], -slope[better] / n
        on = better & (gain > 1e-7 * f)
        # Where f is flat or bends down, Newton's step is taken as if it bent up a little: a long one may end in another
        # valley than that of the nearest points.
        curves, axes = np.linalg.eigh(bend[on] / n)
        along = (slope[on, None] @ axes)[:, 0] / n / np.maximum(curves, _FLAT)
        who = left[on]
        places[who] = found[who] - (axes @ along[..., None])[..., 0]
        jumped[who] = True
        left = left[on | back]
        if not len(left):
            break
    return found.astype(np.float32)


def _beside_nearest(wanted: Float32[np.ndarray, "m n"], fitted: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, "m d"]:
    """The mean of the nearest fitted points, weighted by 1/δ."""
    count = min(NEAREST, len(fitted))
    near = np.argpartition(wanted, count - 1, axis=1)[:, :count]
    away = np.take_along_axis(wanted, near, axis=1).astype(np.float64)
    weights = 1 / (away + 1e-9 * wanted.max(axis=1, keepdims=True) + 1e-30)
    return np.einsum("mk,mkd->md", weights / weights.sum(axis=1, keepdims=True), fitted[near])


def _derivatives(
    wanted: Float32[np.ndarray, "m n"], planes: Float32[np.ndarray, "3 n"], left: Int64[np.ndarray, "k"],
    places: Float64[np.ndarray, "m d"], run: Run,
) -> tuple[Float64[np.ndarray, "k"], Float64[np.ndarray, "k d"], Float64[np.ndarray, "k d d"]]:  # fmt: skip
    """f, ½∇f and ½∇²f of the points `left` at their places."""
    k, d = len(left), places.shape[1]
    at, sums = np.zeros((k, 3), np.float32), np.empty((k, 11), np.float32)
    at[:, :d] = places[left]
    size = max(1, -(-k // 32))
    jobs = [(wanted, planes, left, at, sums, low, min(low + size, k)) for low in range(0, k, size)]
    run(_bends_fast(), jobs)
    sums = sums.astype(np.float64)
    unit = np.eye(d)
    bend = sums[:, [[5, 6, 7], [6, 8, 9], [7, 9, 10]]][:, :d, :d] + sums[:, 4, None, None] * unit
    bend[~np.isfinite(bend).all(axis=(1, 2))] = wanted.shape[1] * unit  # on a fitted point: SMACOF's step
    return sums[:, 0], sums[:, 1 : 1 + d], bend
