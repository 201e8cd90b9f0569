"""Compare distances on a map with the original ones: Shepard's diagram, and each point's share of the stress."""

import dataclasses

import numpy as np
from jaxtyping import Float, Float64

from aecore.foundation import geometry
from aecore.foundation.geometry import Points

MAX_POINTS = 400
"""Points, evenly spaced, whose pairs Shepard's diagram shows: 79,800 dots."""
MAX_COMPARED = 1000
"""Points, evenly spaced, with which each point is compared for its distortion."""
_CHUNK = 1000
_ROUNDING = 1e-14


@dataclasses.dataclass(frozen=True, eq=False)
class Shepard:
    """Pairs of points, sorted by their original distance `delta`: their distance `d` on the map; `scale` · δ, the
    distances of a perfect map; and `monotone`, the non-decreasing function of δ nearest to d (least squares).

    Source: Shepard, Psychometrika 27 (1962); Kruskal, Psychometrika 29 (1964).
    """

    delta: Float64[np.ndarray, "m"]
    d: Float64[np.ndarray, "m"]
    scale: float
    monotone: Float64[np.ndarray, "m"]

    @property
    def linear(self) -> Float64[np.ndarray, "m"]:
        """`scale` · δ: the distances that a perfect map would have."""
        return self.scale * self.delta


def shepard(x: Points, coordinates: Float[np.ndarray, "n d"], max_points: int = MAX_POINTS) -> Shepard:
    """Compare the Euclidean distances of the rows `x` with those of their places on a map.

    Takes the pairs of at most `max_points` evenly spaced points. Raises `BadInput` for values that are not finite.
    """
    import sklearn.isotonic

    chosen = list(geometry.evenly(len(x), max_points))
    pairs = np.triu_indices(len(chosen), 1)
    delta = geometry.distances(geometry.checked(x[chosen]))[pairs]
    d = geometry.distances(geometry.checked(coordinates[chosen]))[pairs]
    order = np.argsort(delta, kind="stable")
    delta, d = delta[order], d[order]
    monotone = sklearn.isotonic.isotonic_regression(d) if len(d) else d
    square = float(np.vdot(delta, delta))
    scale = float(np.vdot(delta, d)) / square if square > 0 else 0.0
    return Shepard(delta, d, scale, np.asarray(monotone, np.float64))


def distortion(
    x: Points, coordinates: Float[np.ndarray, "n d"], max_points: int = MAX_COMPARED
) -> Float64[np.ndarray, "n"]:
    """Compute each point's distortion √(Σ_j (u δ_ij − d_ij)² / Σ_j d_ij²), no unit; 0: all its distances are right.

    u = Σ δd / Σ δ² is the map's best scale, as in stress-1 (`foundation.metrics`). The sums run over at most
    `max_points` evenly spaced points j; if over all, stress-1² is the mean of the squared distortions weighted by
    Σ_j d_ij². A point on top of all others has distortion 1, or 0 if its original distances are 0 too. Exact to about
    10⁻⁷, since the distances come from matrix products. Raises `BadInput` for values that are not finite.
    """
    chosen = list(geometry.evenly(len(x), max_points))
    others, places = geometry.checked(x[chosen]), geometry.checked(coordinates[chosen])
    middle = others.mean(0)
    others -= middle
    sums: list[Float64[np.ndarray, "3 m"]] = []
    for low in range(0, len(x), _CHUNK):
        part = geometry.checked(x[low : low + _CHUNK]) - middle
        squared = (part**2).sum(1)[:, None] + (others**2).sum(1) - 2 * part @ others.T
        delta = np.sqrt(squared.clip(0))
        d = geometry.distances_between(geometry.checked(coordinates[low : low + _CHUNK]), places)
        sums.append(np.stack([(delta**2).sum(1), (delta * d).sum(1), (d**2).sum(1)]))
    delta_delta, delta_d, d_d = np.concatenate(sums, 1)
    # Where original distances are 0, the matrix products leave rounding errors.
    apart = delta_delta > _ROUNDING * delta_delta.max(initial=0.0)
    scale = float(delta_d.sum() / delta_delta.sum()) if apart.any() else 0.0
    residual = (scale**2 * delta_delta - 2 * scale * delta_d + d_d).clip(0)
    return np.where(d_d > 0, np.sqrt(residual / np.where(d_d > 0, d_d, 1.0)), apart.astype(np.float64))
