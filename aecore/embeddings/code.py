import dataclasses
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float

from aecore import points
from aecore.parts import Coordinates, Embedding, FittedEmbedding


@dataclasses.dataclass(frozen=True, eq=False)
class FittedCodeMap(FittedEmbedding):
    """`transform` takes codes and shows them in the same plane."""

    coordinates: Coordinates
    quality: dict[str, float]
    axes: points.PrincipalAxes

    def transform(self, x: Float[np.ndarray, "n f"]) -> Coordinates:
        return self.axes.project(points.checked(x, "The new codes")).astype(np.float32)

    def state(self) -> dict[str, np.ndarray]:
        """What `CodeMap.restore` needs, as plain arrays."""
        return {
            "coordinates": self.coordinates,
            "mean": self.axes.mean,
            "components": self.axes.components,
            "variances": self.axes.variances,
            "total_variance": np.array([self.axes.total_variance]),
        }


class CodeMap(Embedding):
    """The autoencoder's own map: the code of each image, as it is where the code has two units.

    A code of two units is shown unchanged (horizontal h₁, vertical h₂), one of a single unit as (h, 0), a longer one
    through its first two principal directions. Quality: `explained_variance`, the share of the codes' variance that
    the picture shows.
    Source: Hinton & Salakhutdinov, Science 313 (2006), figure 3.
    """

    title: ClassVar[str] = "Autoencoder code"
    kind: Literal["code"] = "code"
    uses_codes: ClassVar[bool] = True

    def fit(self, x: Float[np.ndarray, "n f"]) -> FittedCodeMap:
        """Raises `BadInput` for an empty table, NaN or infinity."""
        codes = points.checked(x, "The codes")
        axes = _unchanged(codes) if codes.shape[1] <= 2 else points.principal_axes(codes, 2)
        return _fitted(axes.project(codes).astype(np.float32), axes)

    def restore(self, state: dict[str, np.ndarray], x: Float[np.ndarray, "n f"]) -> FittedCodeMap:
        """The fitted object again from its `state` and the codes it was fitted on."""
        total = float(state["total_variance"][0])
        axes = points.PrincipalAxes(state["mean"], state["components"], state["variances"], total)
        return _fitted(state["coordinates"], axes)


def _unchanged(codes: Float[np.ndarray, "n k"]) -> points.PrincipalAxes:
    """Axes that project a code of one or two units onto itself."""
    k = codes.shape[1]
    variances = np.zeros(2)
    variances[:k] = codes.var(0)
    return points.PrincipalAxes(np.zeros(k), np.eye(2, k), variances, float(variances.sum()))


def _fitted(coordinates: Coordinates, axes: points.PrincipalAxes) -> FittedCodeMap:
    return FittedCodeMap(coordinates, {"explained_variance": axes.explained}, axes)
