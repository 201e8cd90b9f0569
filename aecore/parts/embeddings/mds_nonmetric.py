from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Float64
from pydantic import Field as Setting

from aecore.foundation import geometry
from aecore.foundation.errors import BadInput
from aecore.foundation.geometry import Points
from aecore.foundation.progress import OnProgress, ShouldStop
from aecore.parts.embeddings._distances import DistanceEmbedding
from aecore.parts.embeddings._neighbours import FittedByNeighbours, distances_of, exact, places, restored
from aecore.parts.embeddings._watch import Watch

_STEPS_AT_ONCE = 10


class NonmetricMds(DistanceEmbedding):
    """Nonmetric multidimensional scaling: only the order of the distances matters, not their size.

    Minimises Σ (‖y_i − y_j‖ − d̂_ij)² / Σ d̂_ij² by scikit-learn's SMACOF, from the result of classical MDS; d̂ is the
    non-decreasing function of the distances that is nearest to those on the map (isotonic regression). Distances of 0
    are ignored. The method cannot place new points: they are put beside their nearest neighbours. Quality:
    `nonmetric_stress_1`, Kruskal's stress-1 against d̂, and `iterations`.
    Source: Kruskal, Psychometrika 29 (1964); Borg & Groenen (2005), chapter 9.
    """

    title: ClassVar[str] = "Nonmetric MDS"
    kind: Literal["mds_nonmetric"] = "mds_nonmetric"
    max_points: ClassVar[int] = 2000
    max_iterations: int = Setting(
        300,
        ge=1,
        le=5000,
        title="Maximum iterations",
        description="The search stops after so many steps, even if the stress is still falling.",
        json_schema_extra={"unit": "steps"},
    )

    def fit(
        self, x: Points, progress: OnProgress | None = None, should_stop: ShouldStop | None = None
    ) -> FittedByNeighbours:
        """Raises `BadInput` for an empty table, NaN, infinity, a table that holds no distances, or more than
        `max_points` points; `Stopped`."""
        watch = Watch(progress, should_stop)
        watch(0.0)
        if len(geometry.finite(x)) > self.max_points:
            raise BadInput(
                f"Nonmetric MDS sorts the distances of all pairs in every step, which takes many minutes for "
                f"{len(x):,} points; choose at most {self.max_points:,}, or metric MDS."
            )
        space = self.space(x)
        packed = distances_of(space)
        found = exact(packed, self.dimensions)
        if found is None:
            found, quality = self._searched(packed.square().astype(np.float64), places(packed, self.dimensions), watch)
        else:
            quality = {"nonmetric_stress_1": 0.0, "iterations": 0.0}
        return FittedByNeighbours(space.to_scale(found), quality, self, x)

    def _searched(
        self, delta: Float64[np.ndarray, "n n"], start: Float64[np.ndarray, "n d"], watch: Watch
    ) -> tuple[Float64[np.ndarray, "n d"], dict[str, float]]:
        """Search a few steps at a time, to report progress and to stop; a step depends on the places only."""
        import sklearn.manifold

        scale: Any = sklearn.manifold.smacof
        found, stress, step = start, 1.0, 0
        while step < self.max_iterations:
            count = min(_STEPS_AT_ONCE, self.max_iterations - step)
            found, stress, taken = scale(
                delta, metric=False, n_components=self.dimensions, init=found, n_init=1, max_iter=count,
                normalized_stress=True, return_n_iter=True, random_state=0,
            )  # fmt: skip
            step += int(taken)
            watch(step / self.max_iterations)
            if taken < count:
                break
        return found, {"nonmetric_stress_1": float(stress), "iterations": float(step)}

    def restore(self, state: dict[str, np.ndarray], x: Points) -> FittedByNeighbours:
        """Rebuild the fitted object from its `state` and the points it was fitted on."""
        return restored(self, state, x)
