import dataclasses
import functools
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float, Float32, Int64
from pydantic import Field as Setting

from aecore.foundation import geometry, metrics
from aecore.foundation.geometry import Points
from aecore.foundation.progress import OnProgress, ShouldStop
from aecore.parts.embeddings._classical import MAX_STRESS_POINTS, kruskal_stress
from aecore.parts.embeddings._compile import Run, shared
from aecore.parts.embeddings._distances import MAX_GEODESIC_POINTS, DistanceEmbedding, Space
from aecore.parts.embeddings._pairs import Packed
from aecore.parts.embeddings._place import place
from aecore.parts.embeddings._smacof import apart, smacof
from aecore.parts.embeddings._watch import Watch
from aecore.parts.looking import Coordinates, FittedEmbedding

TOLERANCE = 1e-6
"""The search ends when steps lower the stress by less than this share of Σ d_ij²; scikit-learn's default."""
_MAX_DISTANCES = 1 << 24
"""Distances of new points that are held in memory at a time."""


class Mds(DistanceEmbedding):
    """Metric multidimensional scaling: distances on the map are as close as possible to those between the images.

    Minimises Σ_{i<j} (‖y_i − y_j‖ − δ_ij)² by SMACOF steps Y ← B(Y) Y / n, accelerated with L-BFGS, from the result of
    classical MDS. Repeatable on the same machine. Of more than 12,000 points only a sample, the landmarks, is scaled;
    all others are placed, like new points, where their own stress against the landmarks is least. Quality: `stress_1`
    (`foundation.metrics`; with landmarks estimated on 2,000 points), `iterations`, and `landmarks` if there are any.
    Source: Kruskal (1964); de Leeuw (1977); Borg & Groenen, "Modern multidimensional scaling" (2005), chapter 8;
    Nocedal (1980); de Silva & Tenenbaum (2004).
    """

    title: ClassVar[str] = "MDS"
    kind: Literal["mds"] = "mds"
    max_points: ClassVar[int] = 12_000
    """More points use landmarks: the distances of all pairs, 300 MB here, would take too much memory."""
    max_iterations: int = Setting(
        300,
        ge=1,
        le=5000,
        title="Maximum iterations",
        description="The search stops after so many steps, even if the stress is still falling.",
        json_schema_extra={"unit": "steps"},
    )
    landmarks: int = Setting(
        4000,
        ge=10,
        le=12_000,
        title="Landmarks",
        description="Points that are scaled to each other if there are too many to compare all pairs.",
        json_schema_extra={"unit": "points"},
    )
    seed: int = Setting(0, ge=0, title="Seed", description="Decides which points are landmarks.")

    def fit(self, x: Points, progress: OnProgress | None = None, should_stop: ShouldStop | None = None) -> "FittedMds":
        """Raises `BadInput` for an empty table, NaN, infinity, or a table that holds no distances; `Stopped`."""
        watch = Watch(progress, should_stop)
        watch(0.0)
        chosen = self._landmarks(len(geometry.finite(x)))
        space = self.space(self.part(x, chosen))
        with shared(small=space.n < 400) as run:
            packed = space.packed(run)
            watch(0.1)
            fitted = self._scaled(space, packed, run, watch.part(0.1, 1.0 if chosen is None else 0.4))
            if chosen is None:
                return FittedMds(fitted[0], fitted[1], self, x, None)
            places = np.empty((len(x), self.dimensions), np.float32)
            places[chosen] = fitted[0]
            others = np.setdiff1d(np.arange(len(x)), chosen)
            for low, part in _chunks(others, space.n):
                new = x[part][:, chosen] if self.distance == "precomputed" else x[part]
                places[part] = _placed(space, fitted[0], new, run)
                watch(0.4 + 0.6 * low / len(others))
            sample = np.sort(np.random.default_rng(self.seed).permutation(len(x))[:MAX_STRESS_POINTS])
            delta = self.space(self.part(x, sample)).packed(run).square()
        stress = metrics.stress_1(delta, places[sample])
        quality = {**fitted[1], "stress_1": stress, "landmarks": float(len(chosen))}
        return FittedMds(places, quality, self, x, chosen)

    @property
    def limit(self) -> int | None:
        return None

    def _landmarks(self, n: int) -> Int64[np.ndarray, "m"] | None:
        if n <= (MAX_GEODESIC_POINTS if self.distance == "geodesic" else self.max_points):
            return None
        return np.sort(np.random.default_rng(self.seed).permutation(n)[: self.landmarks])

    def part(self, x: Points, chosen: Int64[np.ndarray, "m"] | None) -> Float[np.ndarray, "m g"]:
        """The chosen points; of a distance matrix their rows and columns."""
        if chosen is None:
            return x[:]
        return x[:][np.ix_(chosen, chosen)] if self.distance == "precomputed" else x[chosen]

    def _scaled(
        self, space: Space, packed: Packed, run: Run, watch: Watch
    ) -> tuple[Float32[np.ndarray, "n d"], dict[str, float]]:
        start = apart(packed, space.start(packed, self.dimensions), self.seed)

        def on_step(step: int) -> None:
            watch(step / (step + 30))  # the number of steps is unknown; most searches take about a hundred

        scaling = smacof(packed, start, run, self.max_iterations, TOLERANCE, on_step)
        # A small stress is lost in the rounding error of single precision, so it is computed again.
        again = scaling.stress_1 < 0.05 or space.n <= 500
        stress = kruskal_stress(packed, scaling.places) if again else scaling.stress_1
        return space.to_scale(scaling.places), {"stress_1": stress, "iterations": float(scaling.steps)}

    def restore(self, state: dict[str, np.ndarray], x: Points) -> "FittedMds":
        """Rebuild the fitted object from its `state` and the points it was fitted on."""
        chosen = state["chosen"] if len(state["chosen"]) else None
        names = [name for name in ("stress_1", "iterations", "landmarks") if name in state]
        quality = {name: float(state[name][0]) for name in names}
        return FittedMds(state["coordinates"], quality, self, x, chosen)


@dataclasses.dataclass(frozen=True, eq=False)
class FittedMds(FittedEmbedding):
    """`transform` puts each new point where its own stress is least and leaves the fitted points in place."""

    coordinates: Coordinates
    quality: dict[str, float]
    settings: Mds
    x: Points
    chosen: Int64[np.ndarray, "m"] | None

    @functools.cached_property
    def _space(self) -> Space:
        return self.settings.space(self.settings.part(self.x, self.chosen))

    @property
    def note(self) -> str:
        if self.chosen is None:
            return ""
        return (
            f"{len(self.chosen):,} of {len(self.coordinates):,} points are landmarks, seed {self.settings.seed}; the "
            "others are placed one by one; the stress is estimated on "
            f"{min(MAX_STRESS_POINTS, len(self.coordinates)):,} points."
        )

    def transform(self, x: Float[np.ndarray, "n f"]) -> Coordinates:
        geometry.finite(x, "The new points")
        fitted = self.coordinates if self.chosen is None else self.coordinates[self.chosen]
        with shared(small=len(x) * self._space.n < 1 << 14) as run:
            parts = [_placed(self._space, fitted, x[part], run) for _, part in _chunks(np.arange(len(x)), len(fitted))]
        return np.concatenate(parts)

    def state(self) -> dict[str, np.ndarray]:
        """Plain arrays from which `Mds.restore` rebuilds this object, given the points."""
        chosen = np.zeros(0, np.int64) if self.chosen is None else self.chosen
        figures = {name: np.array([value]) for name, value in self.quality.items()}
        return {"coordinates": self.coordinates, "chosen": chosen, **figures}


def _placed(
    space: Space, fitted: Float[np.ndarray, "n d"], new: Float[np.ndarray, "m f"], run: Run
) -> Float32[np.ndarray, "m d"]:
    return place(space.cross(new, run), fitted / space.scale, run) * np.float32(space.scale)


def _chunks(indices: Int64[np.ndarray, "m"], n: int) -> list[tuple[int, Int64[np.ndarray, "c"]]]:
    """Split indices into chunks whose distances to n points fit into memory, each with its offset."""
    size = max(4, _MAX_DISTANCES // n // 4 * 4)
    return [(low, indices[low : low + size]) for low in range(0, len(indices), size)]
