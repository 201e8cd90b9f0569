"""The contracts of the parts that look at trained codes: embeddings (maps) and samplers."""

import abc
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field as Setting

from aecore.foundation.geometry import Points
from aecore.foundation.progress import OnProgress, ShouldStop
from aecore.parts.data import Part

Coordinates = Float[np.ndarray, "n d"]


class FittedEmbedding(abc.ABC):
    """Coordinates of the fitted points, and methods to place new ones."""

    coordinates: Coordinates
    quality: dict[str, float]
    by_neighbours: ClassVar[bool] = False
    """True if the method cannot place new points: `transform` then returns the weighted mean of the nearest fitted
    ones, and pages must say so."""

    @property
    def note(self) -> str:
        """One sentence to show beside the map; empty if there is nothing to say."""
        return ""

    @abc.abstractmethod
    def transform(self, x: Float[np.ndarray, "n f"]) -> Coordinates:
        """Place new points on the map."""

    def inverse(self, coordinates: Coordinates) -> Float[np.ndarray, "n f"] | None:
        """Map places back to the space the map was fitted in; None if the method has no inverse."""
        return None

    @abc.abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """Plain arrays from which `Embedding.restore` rebuilds this object."""


class Embedding(Part):
    """A map of the data in two or three dimensions."""

    dimensions: Literal[2, 3] = Setting(
        2, title="Dimensions", description="Coordinates per point: 2 for a plane, 3 for a space that can be rotated."
    )

    @property
    def uses_codes(self) -> bool:
        """True if `fit` takes the codes of a run instead of pixels."""
        return False

    @property
    def limit(self) -> int | None:
        """Maximum number of points that `fit` takes; None if there is no maximum."""
        return None

    @abc.abstractmethod
    def fit(
        self, x: Points, progress: OnProgress | None = None, should_stop: ShouldStop | None = None
    ) -> FittedEmbedding:
        """Compute the map. Raises `BadInput` for unusable points, `Stopped` after `should_stop` returned True."""

    @abc.abstractmethod
    def restore(self, state: dict[str, np.ndarray], x: Points) -> FittedEmbedding:
        """Rebuild the fitted object from its `state` and the points it was fitted on."""


class Sampler(Part):
    """A distribution over codes, from which random codes are drawn."""

    @abc.abstractmethod
    def sample(self, codes: Float[np.ndarray, "n k"], n: int, seed: int) -> Float[np.ndarray, "m k"]:
        """Draw `n` random codes, float32, given the codes of the data."""
