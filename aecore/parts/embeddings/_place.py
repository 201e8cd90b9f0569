"""Place new points on a fitted MDS map: each where its own stress against the fitted points is least."""

import math

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from aecore.parts.embeddings._compile import Run, compiled

NEAREST = 10
"""Nearest fitted points at whose weighted mean the search starts."""
MAX_STEPS = 100
_MIN_CURVATURE = 0.04
"""Lower bound of the eigenvalues of ½∇²f / n, which are at most 1, in Newton's step. Measured on MNIST images in two
and three dimensions: smaller bounds end in worse minima, larger ones take more steps."""


def _hessian_sums(
    delta: np.ndarray, fitted: np.ndarray, who: np.ndarray, at: np.ndarray, out: np.ndarray, low: int, high: int
) -> None:
    """The sums that make up f(y) = Σ_j (‖y − y_j‖ − δ_ij)² and its derivatives, for i = who[m] and y = at[m].

    With v_j = y − y_j, d_j = ‖v_j‖ and r_j = δ_ij / d_j, out[m] holds f, the three components of ½∇f = Σ (1 − r_j) v_j,
    Σ (1 − r_j), and the six of Σ r_j v_j v_jᵀ / d_j²; ½∇²f = I Σ (1 − r_j) + Σ r_j v_j v_jᵀ / d_j². There are always
    three coordinates, the third of a plane being 0, as in `_smacof`.
    """
    one, tiny = np.float32(1), np.float32(1e-30)
    f0, f1, f2 = fitted[0], fitted[1], fitted[2]
    for m in range(low, high):
        row = delta[who[m]]
        a, b, c = at[m, 0], at[m, 1], at[m, 2]
        s = gx = gy = gz = trace = xx = xy = xz = yy = yz = zz = np.float32(0)
        for j in range(len(row)):
            u, v, w = a - f0[j], b - f1[j], c - f2[j]
            square = u * u + v * v + w * w + tiny
            d = math.sqrt(square)
            ratio = row[j] / d
            factor = d - row[j]
            s += factor * factor
            factor = one - ratio
            trace += factor
            gx += factor * u
            gy += factor * v
            gz += factor * w
            ratio /= square
            factor = ratio * u
            xx += factor * u
            xy += factor * v
            xz += factor * w
            factor = ratio * v
            yy += factor * v
            yz += factor * w
            zz += ratio * w * w
        out[m, 0] = s
        out[m, 1] = gx
        out[m, 2] = gy
        out[m, 3] = gz
        out[m, 4] = trace
        out[m, 5] = xx
        out[m, 6] = xy
        out[m, 7] = xz
        out[m, 8] = yy
        out[m, 9] = yz
        out[m, 10] = zz


_hessian_sums_fast = compiled(_hessian_sums)


def place(
    delta: Float32[np.ndarray, "m n"], fitted: Float[np.ndarray, "n d"], run: Run, steps: int = MAX_STEPS
) -> Float32[np.ndarray, "m d"]:
    """Minimise the stress of m new points at distances `delta` from n fitted ones by safeguarded Newton steps.

    A Newton step that raises f is undone and replaced by SMACOF's step −½∇f / n, which never does.
    """
    delta = np.ascontiguousarray(delta)  # a single memory layout needs a single compilation
    m, (n, d) = len(delta), fitted.shape
    fitted_rows = np.zeros((3, n), np.float32)
    fitted_rows[:d] = fitted.T
    places = _start(delta, fitted)
    best, least = places.copy(), np.full(m, np.finfo(np.float64).max)
    smacof_step, newton = np.zeros((m, d)), np.zeros(m, bool)  # `newton`: the last step was Newton's
    active = np.arange(m)
    for _ in range(steps):
        f, gradient, hessian = _derivatives(delta, fitted_rows, active, places, run)
        gain = least[active] - f
        better = gain > 0
        # No gain: rounding error is reached, or Newton's step was too long and SMACOF's replaces it.
        undone = ~better & newton[active] & (gain <= -1e-6 * least[active])
        who = active[undone]
        places[who], newton[who] = best[who] + smacof_step[who], False
        who = active[better]
        least[who], best[who], smacof_step[who] = f[better], places[who], -gradient[better] / n
        moving = better & (gain > 1e-7 * f)
        # Where f is flat or concave, a small positive curvature is assumed: a long step could end in another minimum
        # than that of the nearest points.
        values, axes = np.linalg.eigh(hessian[moving] / n)
        along = (gradient[moving, None] @ axes)[:, 0] / n / np.maximum(values, _MIN_CURVATURE)
        who = active[moving]
        places[who] = best[who] - (axes @ along[..., None])[..., 0]
        newton[who] = True
        active = active[moving | undone]
        if not len(active):
            break
    return best.astype(np.float32)


def _start(delta: Float32[np.ndarray, "m n"], fitted: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, "m d"]:
    """The mean of the nearest fitted points, weighted by 1/δ."""
    count = min(NEAREST, len(fitted))
    near = np.argpartition(delta, count - 1, axis=1)[:, :count]
    nearest = np.take_along_axis(delta, near, axis=1).astype(np.float64)
    weights = 1 / (nearest + 1e-9 * delta.max(axis=1, keepdims=True) + 1e-30)
    return np.einsum("mk,mkd->md", weights / weights.sum(axis=1, keepdims=True), fitted[near])


def _derivatives(
    delta: Float32[np.ndarray, "m n"], fitted_rows: Float32[np.ndarray, "3 n"], active: Int64[np.ndarray, "k"],
    places: Float64[np.ndarray, "m d"], run: Run,
) -> tuple[Float64[np.ndarray, "k"], Float64[np.ndarray, "k d"], Float64[np.ndarray, "k d d"]]:  # fmt: skip
    """f, ½∇f and ½∇²f of the `active` points at their places."""
    k, d = len(active), places.shape[1]
    at, sums = np.zeros((k, 3), np.float32), np.empty((k, 11), np.float32)
    at[:, :d] = places[active]
    size = max(1, -(-k // 32))
    jobs = [(delta, fitted_rows, active, at, sums, low, min(low + size, k)) for low in range(0, k, size)]
    run(_hessian_sums_fast(), jobs)
    sums = sums.astype(np.float64)
    identity = np.eye(d)
    hessian = sums[:, [[5, 6, 7], [6, 8, 9], [7, 9, 10]]][:, :d, :d] + sums[:, 4, None, None] * identity
    hessian[~np.isfinite(hessian).all(axis=(1, 2))] = delta.shape[1] * identity  # on a fitted point: SMACOF's step
    return sums[:, 0], sums[:, 1 : 1 + d], hessian
