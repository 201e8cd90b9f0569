"""How a map bends distances: Shepard's diagram of the pairs, and each point's own share of the stress."""

import dataclasses

import numpy as np
from jaxtyping import Float, Float64

from aecore.foundation import geometry
from aecore.foundation.geometry import Points

MOST_POINTS = 400
"""Shepard's diagram takes the pairs of at most so many points, spread evenly: 79,800 dots."""
MOST_COMPARED = 1000
"""A point's distortion is measured against at most so many others, spread evenly."""
_ROWS = 1000
_ROUNDING = 1e-14


@dataclasses.dataclass(frozen=True, eq=False)
class Shepard:
    """Pairs of points, sorted by their original distance δ (`wanted`): their distance d on the map (`shown`), and what
    the map would show without stress, `scale` · δ, and `monotone`, the non-decreasing function of δ nearest to d.

    Source: Shepard, Psychometrika 27 (1962); Kruskal, Psychometrika 29 (1964).
    """

    wanted: Float64[np.ndarray, "m"]
    shown: Float64[np.ndarray, "m"]
    scale: float
    monotone: Float64[np.ndarray, "m"]

    @property
    def straight(self) -> Float64[np.ndarray, "m"]:
        """`scale` · δ: where all pairs would lie on a perfect map."""
        return self.scale * self.wanted


def shepard(x: Points, coordinates: Float[np.ndarray, "n d"], most: int = MOST_POINTS) -> Shepard:
    """The diagram of the Euclidean distances of the rows `x` against those of a map of them.

    Takes the pairs of at most `most` points, spread evenly. Raises `BadInput` for what has no distances.
    """
    import sklearn.isotonic

    chosen = list(geometry.evenly(len(x), most))
    pairs = np.triu_indices(len(chosen), 1)
    wanted = geometry.distances(geometry.checked(x[chosen]))[pairs]
    shown = geometry.distances(geometry.checked(coordinates[chosen]))[pairs]
    order = np.argsort(wanted, kind="stable")
    wanted, shown = wanted[order], shown[order]
    monotone = sklearn.isotonic.isotonic_regression(shown) if len(shown) else shown
    return Shepard(wanted, shown, _scale(wanted, shown), np.asarray(monotone, np.float64))


def _scale(wanted: Float64[np.ndarray, "..."], shown: Float64[np.ndarray, "..."]) -> float:
    square = float(np.vdot(wanted, wanted))
    return float(np.vdot(wanted, shown)) / square if square > 0 else 0.0


def distortion(x: Points, coordinates: Float[np.ndarray, "n d"], most: int = MOST_COMPARED) -> Float64[np.ndarray, "n"]:
    """How wrong the map is about each point i: √(Σ_j (u δ_ij − d_ij)² / Σ_j d_ij²), no unit; 0 is perfect.

    u = Σ δd / Σ δ² is the map's best scale, as in stress-1 (`foundation.metrics`), and the sums run over at most `most`
    points j, spread evenly; over all, stress-1² is the mean of the squares weighted by Σ_j d_ij². A point on top of
    all others has distortion 1, or 0 where it belongs there. Exact to about 10⁻⁷, since the distances come from
    matrix products. Raises `BadInput` for what has no distances.
    """
    chosen = list(geometry.evenly(len(x), most))
    others, places = geometry.checked(x[chosen]), geometry.checked(coordinates[chosen])
    middle = others.mean(0)
    others -= middle
    sums: list[Float64[np.ndarray, "3 m"]] = []
    for low in range(0, len(x), _ROWS):
        part = geometry.checked(x[low : low + _ROWS]) - middle
        squared = (part**2).sum(1)[:, None] + (others**2).sum(1) - 2 * part @ others.T
        wanted = np.sqrt(squared.clip(0))
        shown = geometry.distances_between(geometry.checked(coordinates[low : low + _ROWS]), places)
        sums.append(np.stack([(wanted**2).sum(1), (wanted * shown).sum(1), (shown**2).sum(1)]))
    own, both, total = np.concatenate(sums, 1)
    # What the products leave of distances that are 0 is no distance.
    lost = own > _ROUNDING * own.max(initial=0.0)
    scale = float(both.sum() / own.sum()) if lost.any() else 0.0
    away = (scale**2 * own - 2 * scale * both + total).clip(0)
    return np.where(total > 0, np.sqrt(away / np.where(total > 0, total, 1.0)), lost.astype(np.float64))
