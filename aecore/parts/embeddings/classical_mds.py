import dataclasses
import functools
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float, Float64

from aecore.foundation import geometry
from aecore.foundation.errors import BadInput
from aecore.foundation.geometry import Points
from aecore.foundation.progress import OnProgress, ShouldStop
from aecore.parts.embeddings._classical import kruskal_stress, leading, squared_times
from aecore.parts.embeddings._compile import shared
from aecore.parts.embeddings._distances import DistanceEmbedding, Space
from aecore.parts.embeddings._watch import Watch
from aecore.parts.looking import Coordinates, FittedEmbedding


class ClassicalMds(DistanceEmbedding):
    """Classical scaling: the map whose inner products fit best those computed from the distances.

    Y = V √Λ with the largest eigenvalues Λ and eigenvectors V of −½ J δ² J, J = I − 11ᵀ/n; each axis is signed so that
    its largest entry is positive. For Euclidean distances this is PCA. It fits inner products, not distances; metric
    MDS starts from its result. A new point is placed at y = ½ Λ⁻¹ Yᵀ (mean of δ² over the fitted points − its own δ²),
    along axes with a positive eigenvalue. Quality: `stress_1`.
    Source: Torgerson (1952); Gower (1966, 1968).
    """

    title: ClassVar[str] = "Classical MDS"
    kind: Literal["classical_mds"] = "classical_mds"
    max_points: ClassVar[int] = 12_000

    def fit(
        self, x: Points, progress: OnProgress | None = None, should_stop: ShouldStop | None = None
    ) -> "FittedClassicalMds":
        """Raises `BadInput` for an empty table, NaN, infinity, a table that holds no distances, or more than
        `max_points` points; `Stopped`."""
        watch = Watch(progress, should_stop)
        watch(0.0)
        if len(geometry.finite(x)) > self.max_points:
            raise BadInput(
                f"Classical MDS compares all pairs, and {len(x):,} points are too many; choose at most "
                f"{self.max_points:,}, or PCA, which is the same for Euclidean distances."
            )
        space = self.space(x)
        with shared(small=space.n < 400) as run:
            packed = space.packed(run)
        watch(0.5)
        values, vectors = leading(packed, self.dimensions)
        values = np.where(values > 1e-9 * max(float(values[0]), 0.0), values, 0.0)
        places = vectors * np.sqrt(values)
        means = squared_times(packed, np.ones(space.n)) / space.n
        quality = {"stress_1": kruskal_stress(packed, places)}
        return FittedClassicalMds(space.to_scale(places), quality, self, x, values, means)

    def restore(self, state: dict[str, np.ndarray], x: Points) -> "FittedClassicalMds":
        """Rebuild the fitted object from its `state` and the points it was fitted on."""
        quality = {"stress_1": float(state["stress_1"][0])}
        return FittedClassicalMds(state["coordinates"], quality, self, x, state["values"], state["means"])


@dataclasses.dataclass(frozen=True, eq=False)
class FittedClassicalMds(FittedEmbedding):
    """`transform` places a new point from its distances to all fitted ones."""

    coordinates: Coordinates
    quality: dict[str, float]
    settings: ClassicalMds
    x: Points
    values: Float64[np.ndarray, "d"]
    means: Float64[np.ndarray, "n"]

    @functools.cached_property
    def _space(self) -> Space:
        return self.settings.space(self.x)

    def transform(self, x: Float[np.ndarray, "n f"]) -> Coordinates:
        space = self._space
        with shared(small=len(x) * space.n < 1 << 14) as run:
            squared = space.cross(geometry.finite(x, "The new points"), run).astype(np.float64) ** 2
        fitted = self.coordinates.astype(np.float64) / space.scale
        values = np.where(self.values > 0, self.values, np.inf)
        return space.to_scale(0.5 * (self.means - squared) @ fitted / values)

    def state(self) -> dict[str, np.ndarray]:
        """Plain arrays from which `ClassicalMds.restore` rebuilds this object, given the points."""
        figures = {name: np.array([value]) for name, value in self.quality.items()}
        return {"coordinates": self.coordinates, "values": self.values, "means": self.means, **figures}
