import dataclasses
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field as Setting

from aecore.foundation import geometry
from aecore.foundation.errors import BadInput
from aecore.foundation.geometry import Points
from aecore.foundation.progress import OnProgress, ShouldStop
from aecore.parts.embeddings._watch import Watch
from aecore.parts.looking import Coordinates, Embedding, FittedEmbedding


@dataclasses.dataclass(frozen=True, eq=False)
class FittedCodeMap(FittedEmbedding):
    """`transform` takes codes and shows them in the same plane; `inverse` gives the code that a place stands for."""

    coordinates: Coordinates
    quality: dict[str, float]
    axes: geometry.PrincipalAxes

    def transform(self, x: Float[np.ndarray, "n f"]) -> Coordinates:
        return self.axes.project(geometry.checked(x, "The new codes")).astype(np.float32)

    def inverse(self, coordinates: Coordinates) -> Float[np.ndarray, "n f"]:
        return self.axes.inverse(coordinates)

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

    A code of no more units than the map has dimensions is shown unchanged (horizontal h₁, vertical h₂; a single unit as
    (h, 0)), a longer one through its first principal directions, or through the units that are named. The way back
    from a place is the code on that plane; units that are not named stay at their means. Quality:
    `explained_variance`, the share of the codes' variance that the picture shows.
    Source: Hinton & Salakhutdinov, Science 313 (2006), figure 3.
    """

    title: ClassVar[str] = "Autoencoder code"
    kind: Literal["code"] = "code"
    units: tuple[int, ...] = Setting(
        (),
        max_length=3,
        title="Units",
        description="Units to show as they are, counted from 0, one a dimension; without any the directions of most "
        "variance.",
    )

    @property
    def uses_codes(self) -> bool:
        return True

    def fit(
        self, x: Points, progress: OnProgress | None = None, should_stop: ShouldStop | None = None
    ) -> FittedCodeMap:
        """Raises `BadInput` for an empty table, NaN or infinity, or units that the codes lack; `Stopped`."""
        watch = Watch(progress, should_stop)
        watch(0.0)
        axes = self._axes(geometry.finite(x, "The codes"))
        watch(1.0)
        return _fitted(axes.project(x).astype(np.float32), axes)

    def _axes(self, codes: Points) -> geometry.PrincipalAxes:
        k = codes.shape[1]
        if self.units:
            if len(set(self.units)) != self.dimensions or not set(self.units) <= set(range(k)):
                raise BadInput(
                    f"units {list(self.units)} cannot be the {self.dimensions} axes of codes of {k} units; name "
                    f"{self.dimensions} different ones from 0 to {k - 1}."
                )
            return _along(codes, self.units, self.dimensions)
        if k <= self.dimensions:
            return _along(codes, range(k), self.dimensions)
        return geometry.principal_axes(codes, self.dimensions)

    def restore(self, state: dict[str, np.ndarray], x: Points) -> FittedCodeMap:
        """The fitted object again from its `state` and the codes it was fitted on."""
        total = float(state["total_variance"][0])
        axes = geometry.PrincipalAxes(state["mean"], state["components"], state["variances"], total)
        return _fitted(state["coordinates"], axes)


def _along(codes: Points, units: "range | tuple[int, ...]", dimensions: int) -> geometry.PrincipalAxes:
    """Axes that project codes onto some of their units, unchanged."""
    chosen = np.array(units, np.int64)
    mean = geometry.mean_of(codes)
    varied = geometry.variance_of(codes, mean)
    mean[chosen] = 0.0
    components, variances = np.zeros((dimensions, codes.shape[1])), np.zeros(dimensions)
    components[np.arange(len(chosen)), chosen] = 1.0
    variances[: len(chosen)] = varied[chosen]
    return geometry.PrincipalAxes(mean, components, variances, float(varied.sum()))


def _fitted(coordinates: Coordinates, axes: geometry.PrincipalAxes) -> FittedCodeMap:
    return FittedCodeMap(coordinates, {"explained_variance": axes.explained}, axes)
