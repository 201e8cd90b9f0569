import importlib
import importlib.util
import warnings
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field as Setting

from aecore.foundation import geometry
from aecore.foundation.errors import BadInput
from aecore.foundation.geometry import Points
from aecore.foundation.progress import OnProgress, ShouldStop
from aecore.parts.embeddings._distances import DistanceEmbedding
from aecore.parts.embeddings._neighbours import FittedByNeighbours, distances_of, exact, places, restored
from aecore.parts.embeddings._watch import Watch


class Umap(DistanceEmbedding):
    """UMAP: neighbours stay neighbours, as with t-SNE; needs the optional package umap-learn.

    Minimises the cross-entropy between the fuzzy neighbour graphs of the points and of the map by umap-learn, from the
    result of classical MDS. New points are put beside their nearest neighbours, because umap-learn's own model for them
    cannot be stored as plain arrays. The search itself cannot be stopped. Quality: none of its own.
    Source: McInnes, Healy & Melville, arXiv:1802.03426 (2018).
    """

    title: ClassVar[str] = "UMAP"
    kind: Literal["umap"] = "umap"
    max_points: ClassVar[int] = 10_000
    graph_neighbours: int = Setting(
        15,
        ge=2,
        le=200,
        title="Neighbours",
        description="Nearest points that each point is linked to in UMAP's graph.",
        json_schema_extra={"unit": "points"},
    )
    min_distance: float = Setting(
        0.1, ge=0, le=0.99, title="Minimum distance", description="Smallest distance between points on the map."
    )
    seed: int = Setting(0, ge=0, title="Seed", description="Of the random numbers of the search.")

    @staticmethod
    def installed() -> bool:
        """True if the optional package umap-learn is installed."""
        found = importlib.util.find_spec("umap")
        return found is not None and found.origin is not None  # an empty folder of that name is not the package

    def fit(
        self, x: Points, progress: OnProgress | None = None, should_stop: ShouldStop | None = None
    ) -> FittedByNeighbours:
        """Raises `BadInput` without umap-learn, for an empty table, NaN, infinity, a table that holds no distances, or
        more than `max_points` points; `Stopped`."""
        watch = Watch(progress, should_stop)
        watch(0.0)
        if len(geometry.finite(x)) > self.max_points:
            raise BadInput(f"UMAP of {len(x):,} points takes too much memory; choose at most {self.max_points:,}.")
        if not self.installed():
            raise BadInput("UMAP needs the package umap-learn, which is not installed: pip install 'aecore[umap]'.")
        space = self.space(x)
        packed = distances_of(space)
        found = exact(packed, self.dimensions)
        if found is None:
            watch(0.1)
            start = places(packed, self.dimensions)
            start = 10 * start / np.abs(start).max()
            start += 1e-3 * np.random.default_rng(self.seed).standard_normal(start.shape)
            found = self._searched(packed.square(), start)
            watch(1.0)
            return FittedByNeighbours(found.astype(np.float32), {}, self, x)
        return FittedByNeighbours(space.to_scale(found), {}, self, x)

    def _searched(self, distances: Float[np.ndarray, "n n"], start: Float[np.ndarray, "n d"]) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they concern umap-learn's defaults, not the user's settings
            make: Any = importlib.import_module("umap").UMAP
            model = make(
                n_neighbors=min(self.graph_neighbours, len(distances) - 1), n_components=self.dimensions,
                min_dist=self.min_distance, metric="precomputed", init=start.astype(np.float32),
                random_state=self.seed, n_jobs=1,
            )  # fmt: skip
            return np.asarray(model.fit_transform(distances))

    def restore(self, state: dict[str, np.ndarray], x: Points) -> FittedByNeighbours:
        """Rebuild the fitted object from its `state` and the points it was fitted on."""
        return restored(self, state, x)
