import dataclasses
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float

from aecore import points
from aecore.parts import Coordinates, Embedding, FittedEmbedding


@dataclasses.dataclass(frozen=True, eq=False)
class FittedPca(FittedEmbedding):
    """`transform` projects onto the same two directions."""

    coordinates: Coordinates
    quality: dict[str, float]
    axes: points.PrincipalAxes

    def transform(self, x: Float[np.ndarray, "n f"]) -> Coordinates:
        return self.axes.project(points.checked(x, "The new points")).astype(np.float32)

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

    coordinates = (x − x̄) Vᵀ, V the two eigenvectors of the covariance with the largest eigenvalues, exact; each
    direction is signed so that its largest entry is positive. The best linear map to two numbers in squared error,
    and equal to classical MDS on Euclidean distances. Quality: `explained_variance`, the share of the variance in the
    plane, 0 to 1.
    Source: Pearson (1901); Hotelling (1933).
    """

    title: ClassVar[str] = "PCA"
    kind: Literal["pca"] = "pca"

    def fit(self, x: Float[np.ndarray, "n f"]) -> FittedPca:
        """Raises `BadInput` for an empty table, NaN or infinity."""
        checked = points.checked(x)
        axes = points.principal_axes(checked, 2)
        return _fitted(axes.project(checked).astype(np.float32), axes)

    def restore(self, state: dict[str, np.ndarray], x: Float[np.ndarray, "n f"]) -> FittedPca:
        """The fitted object again from its `state` and the points it was fitted on."""
        total = float(state["total_variance"][0])
        axes = points.PrincipalAxes(state["mean"], state["components"], state["variances"], total)
        return _fitted(state["coordinates"], axes)


def _fitted(coordinates: Coordinates, axes: points.PrincipalAxes) -> FittedPca:
    return FittedPca(coordinates, {"explained_variance": axes.explained}, axes)
