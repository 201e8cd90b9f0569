import dataclasses
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float, Num

from aecore.foundation import geometry
from aecore.foundation.geometry import Points
from aecore.foundation.progress import OnProgress, ShouldStop
from aecore.parts.embeddings._watch import Watch
from aecore.parts.looking import Coordinates, Embedding, FittedEmbedding


@dataclasses.dataclass(frozen=True, eq=False)
class FittedPca(FittedEmbedding):
    """`transform` projects onto the same directions; `inverse` is the linear reconstruction."""

    coordinates: Coordinates
    quality: dict[str, float]
    axes: geometry.PrincipalAxes

    def transform(self, x: Num[np.ndarray, "n f"]) -> Coordinates:
        return self.axes.project(geometry.finite(x, "The new points")).astype(np.float32)

    def inverse(self, coordinates: Coordinates) -> Float[np.ndarray, "n f"]:
        return self.axes.inverse(coordinates)

    def state(self) -> dict[str, np.ndarray]:
        """What `Pca.restore` needs, as plain arrays."""
        return {
            "coordinates": self.coordinates,
            "mean": self.axes.mean,
            "components": self.axes.components,
            "variances": self.axes.variances,
            "total_variance": np.array([self.axes.total_variance]),
        }


class Pca(Embedding):
    """Principal component analysis: the shadow of the data on the plane in which they vary most.

    coordinates = (x − x̄) Vᵀ, V the eigenvectors of the covariance with the largest eigenvalues, exact; each
    direction is signed so that its largest entry is positive. The best linear map to so few numbers in squared error,
    and equal to classical MDS on Euclidean distances. `x` may be larger than memory (`numpy.memmap`): its rows are
    read in parts. Quality: `explained_variance`, the share of the variance on the map, 0 to 1.
    Source: Pearson (1901); Hotelling (1933).
    """

    title: ClassVar[str] = "PCA"
    kind: Literal["pca"] = "pca"

    def fit(self, x: Points, progress: OnProgress | None = None, should_stop: ShouldStop | None = None) -> FittedPca:
        """Raises `BadInput` for an empty table, NaN or infinity; `Stopped`."""
        watch = Watch(progress, should_stop)
        watch(0.0)
        axes = geometry.principal_axes(geometry.finite(x), self.dimensions, watch)
        watch(1.0)
        return _fitted(axes.project(x).astype(np.float32), axes)

    def restore(self, state: dict[str, np.ndarray], x: Points) -> FittedPca:
        """The fitted object again from its `state` and the points it was fitted on."""
        total = float(state["total_variance"][0])
        axes = geometry.PrincipalAxes(state["mean"], state["components"], state["variances"], total)
        return _fitted(state["coordinates"], axes)


def _fitted(coordinates: Coordinates, axes: geometry.PrincipalAxes) -> FittedPca:
    return FittedPca(coordinates, {"explained_variance": axes.explained}, axes)
