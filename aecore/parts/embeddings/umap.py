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
    """UMAP: neighbours stay neighbours, as on t-SNE's map, found with a graph; needs the package umap-learn.

    Minimises the cross-entropy between the fuzzy neighbour graph of the points and that of the map, from classical MDS
    on, by umap-learn. New points are put beside their nearest ones, because what places them otherwise cannot be kept.
    It can be stopped before the search only. Quality: none of its own.
    Source: McInnes, Healy & Melville, arXiv:1802.03426 (2018).
    """

    title: ClassVar[str] = "UMAP"
    kind: Literal["umap"] = "umap"
    most_points: ClassVar[int] = 10_000
    graph_neighbours: int = Setting(
        15,
        ge=2,
        le=200,
        title="Neighbours",
        description="Points that each point is linked to in UMAP's graph.",
        json_schema_extra={"unit": "points"},
    )
    min_distance: float = Setting(
        0.1, ge=0, le=0.99, title="Least distance", description="How close points may lie on the map."
    )
    seed: int = Setting(0, ge=0, title="Seed", description="Of the search.")

    @staticmethod
    def installed() -> bool:
        """True where the optional package umap-learn is there."""
        found = importlib.util.find_spec("umap")
        return found is not None and found.origin is not None  # an empty folder of that name is no package

    def fit(
        self, x: Points, progress: OnProgress | None = None, should_stop: ShouldStop | None = None
    ) -> FittedByNeighbours:
        """Raises `BadInput` without umap-learn, for an empty table, NaN, infinity, a table that holds no distances, or
        more than `most_points` points; `Stopped`."""
        watch = Watch(progress, should_stop)
        watch(0.0)
        if len(geometry.finite(x)) > self.most_points:
            raise BadInput(f"UMAP of {len(x):,} points takes too much memory; choose at most {self.most_points:,}.")
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
            warnings.simplefilter("ignore")  # its remarks on its own defaults mean nothing to whoever reads them here
            make: Any = importlib.import_module("umap").UMAP
            model = make(
                n_neighbors=min(self.graph_neighbours, len(distances) - 1), n_components=self.dimensions,
                min_dist=self.min_distance, metric="precomputed", init=start.astype(np.float32),
                random_state=self.seed, n_jobs=1,
            )  # fmt: skip
            return np.asarray(model.fit_transform(distances))

    def restore(self, state: dict[str, np.ndarray], x: Points) -> FittedByNeighbours:
        """The fitted object again from its `state` and the points it was fitted on."""
        return restored(self, state, x)
