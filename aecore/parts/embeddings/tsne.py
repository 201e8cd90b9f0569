from typing import ClassVar, Literal

import numpy as np
from pydantic import Field as Setting

from aecore.foundation import geometry
from aecore.foundation.errors import BadInput
from aecore.foundation.geometry import Points
from aecore.foundation.progress import OnProgress, ShouldStop
from aecore.parts.embeddings._distances import DistanceEmbedding
from aecore.parts.embeddings._neighbours import FittedByNeighbours, distances_of, exact, places, restored
from aecore.parts.embeddings._watch import Watch


class Tsne(DistanceEmbedding):
    """t-SNE: neighbours stay neighbours; large distances mean little.

    Minimises KL(P ‖ Q) by scikit-learn's Barnes–Hut gradient descent, from the result of classical MDS. P are the
    neighbourhoods of the points (Gaussians, each wide enough for `perplexity` neighbours), Q those on the map
    (Student's t). The method cannot place new points: they are put beside their nearest neighbours. The search itself
    cannot be stopped. Quality: `kl_divergence` in nats.
    Source: van der Maaten & Hinton, JMLR 9 (2008); van der Maaten, JMLR 15 (2014); Kobak & Berens (2019) for the start.
    """

    title: ClassVar[str] = "t-SNE"
    kind: Literal["tsne"] = "tsne"
    max_points: ClassVar[int] = 10_000
    perplexity: float = Setting(
        30.0,
        ge=2,
        le=200,
        title="Perplexity",
        description="Effective number of neighbours of each point; at most a third of the points.",
        json_schema_extra={"unit": "points"},
    )
    seed: int = Setting(
        0, ge=0, title="Seed", description="Of the random numbers that separate coinciding points at the start."
    )

    def fit(
        self, x: Points, progress: OnProgress | None = None, should_stop: ShouldStop | None = None
    ) -> FittedByNeighbours:
        """Raises `BadInput` for an empty table, NaN, infinity, a table that holds no distances, or more than
        `max_points` points; `Stopped`."""
        watch = Watch(progress, should_stop)
        watch(0.0)
        if len(geometry.finite(x)) > self.max_points:
            raise BadInput(f"t-SNE of {len(x):,} points takes many minutes; choose at most {self.max_points:,}.")
        space = self.space(x)
        packed = distances_of(space)
        found = exact(packed, self.dimensions)
        if found is not None:
            return FittedByNeighbours(space.to_scale(found), {"kl_divergence": 0.0}, self, x)
        import sklearn.manifold

        watch(0.1)
        start = places(packed, self.dimensions)
        # t-SNE needs a small start (Kobak & Berens), and no two points in the same place.
        start = 1e-4 * start / start[:, 0].std()
        start += 1e-8 * np.random.default_rng(self.seed).standard_normal(start.shape)
        model = sklearn.manifold.TSNE(
            self.dimensions, perplexity=min(self.perplexity, (space.n - 1) / 3), metric="precomputed",
            init=start.astype(np.float32), random_state=self.seed,
        )  # fmt: skip
        found = model.fit_transform(packed.square())
        watch(1.0)
        return FittedByNeighbours(found.astype(np.float32), {"kl_divergence": float(model.kl_divergence_)}, self, x)

    def restore(self, state: dict[str, np.ndarray], x: Points) -> FittedByNeighbours:
        """Rebuild the fitted object from its `state` and the points it was fitted on."""
        return restored(self, state, x)
