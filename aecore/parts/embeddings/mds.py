import dataclasses
import functools
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float, Float32, Int64
from pydantic import Field as Setting

from aecore.foundation import geometry, metrics
from aecore.foundation.geometry import Points
from aecore.foundation.progress import OnProgress, ShouldStop
from aecore.parts.embeddings._classical import MEASURED, measured
from aecore.parts.embeddings._compile import Run, shared
from aecore.parts.embeddings._distances import MOST_GEODESIC, DistanceEmbedding, Space
from aecore.parts.embeddings._pairs import Packed
from aecore.parts.embeddings._place import place
from aecore.parts.embeddings._smacof import apart, smacof
from aecore.parts.embeddings._watch import Watch
from aecore.parts.looking import Coordinates, FittedEmbedding

TOLERANCE = 1e-6
"""The search ends when steps lower the stress by less than this share of Σ d_ij²: scikit-learn's number."""
_NUMBERS_AT_ONCE = 1 << 24


class Mds(DistanceEmbedding):
    """Metric multidimensional scaling: a map whose distances are as close as possible to those between the pictures.

    Minimises Σ_{i<j} (‖y_i − y_j‖ − δ_ij)² from classical MDS on by SMACOF's step Y ← B(Y) Y / n, its directions
    improved by L-BFGS, and taken back where the stress rose. The same numbers on the same machine every time. Beyond
    12,000 points some of them, the landmarks, are scaled to each other, and all others are put where their own stress
    against these is least, as new points are. Quality: `stress_1` (see `foundation.metrics`; with landmarks estimated
    on 2,000 points), `iterations`, and `landmarks` where there are any.
    Source: Kruskal (1964); de Leeuw (1977); Borg & Groenen, "Modern multidimensional scaling" (2005), chapter 8;
    Nocedal (1980); de Silva & Tenenbaum (2004).
    """

    title: ClassVar[str] = "MDS"
    kind: Literal["mds"] = "mds"
    most_points: ClassVar[int] = 12_000
    """With more, the distances of all pairs (300 MB) would take too much memory and landmarks stand for them."""
    max_iterations: int = Setting(
        300,
        ge=1,
        le=5000,
        title="Most iterations",
        description="Steps after which the search stops even if the stress is still falling.",
        json_schema_extra={"unit": "steps"},
    )
    landmarks: int = Setting(
        4000,
        ge=10,
        le=12_000,
        title="Landmarks",
        description="Points scaled to each other when there are too many to compare all.",
        json_schema_extra={"unit": "points"},
    )
    seed: int = Setting(0, ge=0, title="Seed", description="Of the choice of landmarks.")

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
            sample = np.sort(np.random.default_rng(self.seed).permutation(len(x))[:MEASURED])
            wanted = self.space(self.part(x, sample)).packed(run).square()
        stress = metrics.stress_1(wanted, places[sample])
        quality = {**fitted[1], "stress_1": stress, "landmarks": float(len(chosen))}
        return FittedMds(places, quality, self, x, chosen)

    @property
    def limit(self) -> int | None:
        return None

    def _landmarks(self, n: int) -> Int64[np.ndarray, "m"] | None:
        if n <= (MOST_GEODESIC if self.distance == "geodesic" else self.most_points):
            return None
        return np.sort(np.random.default_rng(self.seed).permutation(n)[: self.landmarks])

    def part(self, x: Points, chosen: Int64[np.ndarray, "m"] | None) -> Float[np.ndarray, "m g"]:
        """Some of the points, or of a matrix of distances the rows and columns of these."""
        if chosen is None:
            return x[:]
        return x[:][np.ix_(chosen, chosen)] if self.distance == "precomputed" else x[chosen]

    def _scaled(
        self, space: Space, packed: Packed, run: Run, watch: Watch
    ) -> tuple[Float32[np.ndarray, "n d"], dict[str, float]]:
        start = apart(packed, space.start(packed, self.dimensions), self.seed)

        def told(step: int, stress: float) -> None:
            # Nobody knows how many steps there will be; most searches end in about a hundred.
            watch(step / (step + 30))

        found = smacof(packed, start, run, self.max_iterations, TOLERANCE, told)
        # The sums over a pass round away what is small; then differences in double precision say it.
        exactly = found.stress_1 < 0.05 or space.n <= 500
        stress = measured(packed, found.places) if exactly else found.stress_1
        return space.to_scale(found.places), {"stress_1": stress, "iterations": float(found.steps)}

    def restore(self, state: dict[str, np.ndarray], x: Points) -> "FittedMds":
        """The fitted object again from its `state` and the points it was fitted on."""
        chosen = state["chosen"] if len(state["chosen"]) else None
        names = [name for name in ("stress_1", "iterations", "landmarks") if name in state]
        quality = {name: float(state[name][0]) for name in names}
        return FittedMds(state["coordinates"], quality, self, x, chosen)


@dataclasses.dataclass(frozen=True, eq=False)
class FittedMds(FittedEmbedding):
    """`transform` leaves the fitted points where they are and puts each new one where its own stress is least."""

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
            f"{len(self.chosen):,} of {len(self.coordinates):,} landmarks, seed {self.settings.seed}; the other points "
            f"are placed one by one; the stress is estimated on {min(MEASURED, len(self.coordinates)):,} points."
        )

    def transform(self, x: Float[np.ndarray, "n f"]) -> Coordinates:
        geometry.finite(x, "The new points")
        fitted = self.coordinates if self.chosen is None else self.coordinates[self.chosen]
        with shared(small=len(x) * self._space.n < 1 << 14) as run:
            parts = [_placed(self._space, fitted, x[part], run) for _, part in _chunks(np.arange(len(x)), len(fitted))]
        return np.concatenate(parts)

    def state(self) -> dict[str, np.ndarray]:
        """What `Mds.restore` needs beside the points, as plain arrays."""
        chosen = np.zeros(0, np.int64) if self.chosen is None else self.chosen
        figures = {name: np.array([value]) for name, value in self.quality.items()}
        return {"coordinates": self.coordinates, "chosen": chosen, **figures}


def _placed(
    space: Space, fitted: Float[np.ndarray, "n d"], new: Float[np.ndarray, "m f"], run: Run
) -> Float32[np.ndarray, "m d"]:
    return place(space.cross(new, run), fitted / space.scale, run) * np.float32(space.scale)


def _chunks(indices: Int64[np.ndarray, "m"], n: int) -> list[tuple[int, Int64[np.ndarray, "c"]]]:
    """Pieces whose distances to n points fit easily into memory, each with its place in the order."""
    size = max(4, _NUMBERS_AT_ONCE // n // 4 * 4)
    return [(low, indices[low : low + size]) for low in range(0, len(indices), size)]
