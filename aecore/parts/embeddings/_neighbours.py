"""The fitted object of methods that cannot place new points: it puts them beside their nearest neighbours."""

import dataclasses
import functools
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Float64

from aecore.foundation import geometry
from aecore.foundation.geometry import Points
from aecore.parts.embeddings._classical import leading
from aecore.parts.embeddings._compile import shared
from aecore.parts.embeddings._distances import DistanceEmbedding, Space
from aecore.parts.embeddings._pairs import Packed
from aecore.parts.embeddings._place import NEAREST
from aecore.parts.looking import Coordinates, FittedEmbedding


@dataclasses.dataclass(frozen=True, eq=False)
class FittedByNeighbours(FittedEmbedding):
    """`transform` puts a new point at the mean of its ten nearest fitted points, weighted by 1/δ."""

    by_neighbours: ClassVar[bool] = True
    coordinates: Coordinates
    quality: dict[str, float]
    settings: DistanceEmbedding
    x: Points

    @functools.cached_property
    def _space(self) -> Space:
        return self.settings.space(self.x)

    @property
    def note(self) -> str:
        return "This method cannot place new points: each is put at the weighted mean of its ten nearest neighbours."

    def transform(self, x: Float[np.ndarray, "n f"]) -> Coordinates:
        geometry.finite(x, "The new points")
        with shared(small=len(x) * self._space.n < 1 << 14) as run:
            delta = self._space.cross(x, run)
        count = min(NEAREST, self._space.n)
        near = np.argpartition(delta, count - 1, axis=1)[:, :count]
        weights = 1 / np.maximum(
            np.take_along_axis(delta, near, 1).astype(np.float64), 1e-9 * max(float(delta.max(initial=0.0)), 1e-30)
        )
        weights /= weights.sum(1, keepdims=True)
        return np.einsum("mk,mkd->md", weights, self.coordinates[near].astype(np.float64)).astype(np.float32)

    def state(self) -> dict[str, np.ndarray]:
        """Plain arrays from which `restored` rebuilds this object, given the points."""
        return {"coordinates": self.coordinates, **{name: np.array([value]) for name, value in self.quality.items()}}


def restored(settings: DistanceEmbedding, state: dict[str, np.ndarray], x: Points) -> FittedByNeighbours:
    """Rebuild the fitted object from its `state` and the points it was fitted on."""
    quality = {name: float(value[0]) for name, value in state.items() if name != "coordinates"}
    return FittedByNeighbours(state["coordinates"], quality, settings, x)


def exact(packed: Packed, dimensions: int) -> Float64[np.ndarray, "n d"] | None:
    """The map of points that need no search: three or fewer, or all in one place; None for others."""
    if packed.n > 3 and packed.flat.any():
        return None
    return places(packed, dimensions)


def places(packed: Packed, dimensions: int) -> Float64[np.ndarray, "n d"]:
    """Classical scaling, from which searches start."""
    values, vectors = leading(packed, dimensions, 1e-6)
    return vectors * np.sqrt(values.clip(0))


def distances_of(space: Space) -> Packed:
    """The distances between all points of a space."""
    with shared(small=space.n < 400) as run:
        return space.packed(run)
