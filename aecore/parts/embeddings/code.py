from typing import ClassVar, Literal

import numpy as np
from pydantic import Field as Setting

from aecore.foundation import geometry
from aecore.foundation.errors import BadInput
from aecore.foundation.geometry import Points
from aecore.foundation.progress import OnProgress, ShouldStop
from aecore.parts.embeddings._linear import FittedLinear, projected, restored
from aecore.parts.embeddings._watch import Watch
from aecore.parts.looking import Embedding


class CodeMap(Embedding):
    """The autoencoder's own map: the code of each image, unchanged if the code has two units.

    A code with no more units than the map has dimensions is shown as it is (h₁ horizontal, h₂ vertical; a single unit
    as (h, 0)); a longer one along its first principal directions, or along the units named in the settings. The
    inverse of a place is the code on that plane, with all other units at their means. Quality: `explained_variance`,
    the share of the codes' variance on the map, 0 to 1.
    Source: Hinton & Salakhutdinov, Science 313 (2006), figure 3.
    """

    title: ClassVar[str] = "Autoencoder code"
    kind: Literal["code"] = "code"
    units: tuple[int, ...] = Setting(
        (),
        max_length=3,
        title="Units",
        description="Code units to use as axes, counted from 0, one per dimension; empty for the directions of largest "
        "variance.",
    )

    @property
    def uses_codes(self) -> bool:
        return True

    def fit(self, x: Points, progress: OnProgress | None = None, should_stop: ShouldStop | None = None) -> FittedLinear:
        """Raises `BadInput` for an empty table, NaN or infinity, or units that the codes lack; `Stopped`."""
        watch = Watch(progress, should_stop)
        watch(0.0)
        axes = self._axes(geometry.finite(x, "The codes"))
        watch(1.0)
        return projected(x, axes)

    def _axes(self, codes: Points) -> geometry.PrincipalAxes:
        k = codes.shape[1]
        if self.units:
            if len(set(self.units)) != self.dimensions or not set(self.units) <= set(range(k)):
                raise BadInput(
                    f"units {list(self.units)} cannot be the {self.dimensions} axes of codes of {k} units; name "
                    f"{self.dimensions} different ones from 0 to {k - 1}."
                )
            return _unit_axes(codes, self.units, self.dimensions)
        if k <= self.dimensions:
            return _unit_axes(codes, range(k), self.dimensions)
        return geometry.principal_axes(codes, self.dimensions)

    def restore(self, state: dict[str, np.ndarray], x: Points) -> FittedLinear:
        return restored(state)


def _unit_axes(codes: Points, units: "range | tuple[int, ...]", dimensions: int) -> geometry.PrincipalAxes:
    """Axes that project codes onto the given units, without centring them."""
    chosen = np.array(units, np.int64)
    mean = geometry.mean_of(codes)
    variances_of_units = geometry.variance_of(codes, mean)
    mean[chosen] = 0.0
    components, variances = np.zeros((dimensions, codes.shape[1])), np.zeros(dimensions)
    components[np.arange(len(chosen)), chosen] = 1.0
    variances[: len(chosen)] = variances_of_units[chosen]
    return geometry.PrincipalAxes(mean, components, variances, float(variances_of_units.sum()))
