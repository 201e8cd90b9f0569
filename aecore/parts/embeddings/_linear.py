"""The fitted object of maps that project points onto axes: PCA, and the codes themselves."""

import dataclasses

import numpy as np
from jaxtyping import Float, Num

from aecore.foundation import geometry
from aecore.foundation.geometry import Points, PrincipalAxes
from aecore.parts.looking import Coordinates, FittedEmbedding


@dataclasses.dataclass(frozen=True, eq=False)
class FittedLinear(FittedEmbedding):
    """y = (x − x̄) Aᵀ for axes A (d × f). `transform` projects new points; `inverse` returns x̄ + y A."""

    coordinates: Coordinates
    quality: dict[str, float]
    axes: PrincipalAxes

    def transform(self, x: Num[np.ndarray, "n f"]) -> Coordinates:
        return self.axes.project(geometry.finite(x, "The new points")).astype(np.float32)

    def inverse(self, coordinates: Coordinates) -> Float[np.ndarray, "n f"]:
        return self.axes.inverse(coordinates)

    def state(self) -> dict[str, np.ndarray]:
        """Plain arrays from which `restored` rebuilds this object."""
        return {
            "coordinates": self.coordinates,
            "mean": self.axes.mean,
            "components": self.axes.components,
            "variances": self.axes.variances,
            "total_variance": np.array([self.axes.total_variance]),
        }


def projected(x: Points, axes: PrincipalAxes) -> FittedLinear:
    """The map of `x` along `axes`."""
    return _fitted(axes.project(x).astype(np.float32), axes)


def restored(state: dict[str, np.ndarray]) -> FittedLinear:
    """Rebuild the fitted object from its `state`."""
    total = float(state["total_variance"][0])
    axes = PrincipalAxes(state["mean"], state["components"], state["variances"], total)
    return _fitted(state["coordinates"], axes)


def _fitted(coordinates: Coordinates, axes: PrincipalAxes) -> FittedLinear:
    return FittedLinear(coordinates, {"explained_variance": axes.explained}, axes)
