import dataclasses
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float, Float64
from pydantic import Field as Setting

from aecore import metrics, points
from aecore.errors import BadInput
from aecore.parts import Coordinates, Embedding, FittedEmbedding

_TOLERANCE = 1e-6
"""Iteration stops when the squared stress falls by less than this share of itself."""
_NEIGHBOURS = 10
_CHUNK = 256


@dataclasses.dataclass(frozen=True, eq=False)
class FittedMds(FittedEmbedding):
    """`transform` leaves the fitted points where they are and puts each new one where its own stress is least."""

    coordinates: Coordinates
    quality: dict[str, float]
    x: Float[np.ndarray, "n f"]
    max_iterations: int

    def transform(self, x: Float[np.ndarray, "n f"]) -> Coordinates:
        new = points.checked(x, "The new points")
        places = np.empty((len(new), 2), np.float32)
        for start in range(0, len(new), _CHUNK):
            wanted = points.distances_between(new[start : start + _CHUNK], self.x)
            places[start : start + _CHUNK] = place(wanted, self.coordinates.astype(np.float64), self.max_iterations)
        return places

    def state(self) -> dict[str, np.ndarray]:
        """What `Mds.restore` needs beside the pixels, as plain arrays."""
        return {"coordinates": self.coordinates, **{name: np.array([value]) for name, value in self.quality.items()}}


class Mds(Embedding):
    """Metric multidimensional scaling: a map whose distances are as close as possible to those between the pictures.

    Minimises Σ_{i<j} (‖y_i − y_j‖ − δ_ij)², δ_ij the Euclidean distance of the pixels, by SMACOF: from classical MDS
    on, each step is the Guttman transform Y ← B(Y) Y / n, which never raises the stress. There is no randomness. A
    new point goes where its own stress against the fitted points is least. Quality: `stress_1` (see `aecore.metrics`)
    and `iterations`.
    Source: Kruskal (1964); de Leeuw (1977); Borg & Groenen, "Modern multidimensional scaling" (2005), chapter 8.
    """

    title: ClassVar[str] = "MDS"
    kind: Literal["mds"] = "mds"
    most_points: ClassVar[int] = 5000
    """The n × n distances of more points would not fit comfortably in memory."""
    max_iterations: int = Setting(
        300,
        ge=1,
        le=5000,
        title="Most iterations",
        description="Steps after which the search stops even if the stress is still falling.",
        json_schema_extra={"unit": "steps"},
    )

    def fit(self, x: Float[np.ndarray, "n f"]) -> FittedMds:
        """Raises `BadInput` for an empty table, NaN or infinity, or more than `most_points` points."""
        checked = points.checked(x)
        if len(checked) > self.most_points:
            raise BadInput(
                f"MDS compares every pair and {len(checked)} points are too many; choose at most {self.most_points}."
            )
        wanted = points.distances(checked)
        coordinates, iterations = smacof(wanted, classical_mds(wanted), self.max_iterations)
        quality = {"stress_1": metrics.stress_1(wanted, coordinates), "iterations": float(iterations)}
        return FittedMds(coordinates.astype(np.float32), quality, x, self.max_iterations)

    def restore(self, state: dict[str, np.ndarray], x: Float[np.ndarray, "n f"]) -> FittedMds:
        """The fitted object again from its `state` and the points it was fitted on."""
        quality = {name: float(state[name][0]) for name in ("stress_1", "iterations")}
        return FittedMds(state["coordinates"], quality, x, self.max_iterations)


def classical_mds(distances: Float64[np.ndarray, "n n"]) -> Float64[np.ndarray, "n 2"]:
    """The two leading eigenvectors of −½ J δ² J, J = I − 11ᵀ/n, times the roots of their eigenvalues.

    On Euclidean distances this is PCA up to the signs of the two axes, which are fixed here by the largest entry.
    Source: Torgerson (1952); Gower (1966).
    """
    import scipy.linalg  # here: it takes a while, and training does not need it

    n = len(distances)
    squared = distances**2
    inner = -0.5 * (squared - squared.mean(0) - squared.mean(1, keepdims=True) + squared.mean())
    kept = min(2, n)
    values, vectors = scipy.linalg.eigh(inner, subset_by_index=[n - kept, n - 1])
    places = np.zeros((n, 2))
    places[:, :kept] = vectors[:, ::-1] * np.sqrt(values[::-1].clip(0))
    largest = places[np.abs(places).argmax(0), [0, 1]]
    return places * np.where(largest < 0, -1.0, 1.0)


def smacof(
    distances: Float64[np.ndarray, "n n"], start: Float64[np.ndarray, "n 2"], max_iterations: int
) -> tuple[Float64[np.ndarray, "n 2"], int]:
    """The least-stress configuration found from `start`, and the number of steps taken.

    Step: y_i ← (1/n) Σ_j (δ_ij / d_ij) (y_i − y_j), with 0 for d_ij = 0. The result is in the scale of least stress.
    """
    wanted = torch.from_numpy(distances)
    total = float(wanted.square().sum())
    y = torch.from_numpy(_apart(distances, start))
    # No squared stress exceeds 1, so a previous one of 2 lets the first step happen.
    n, before, step = len(y), 2.0, 0
    if total == 0:
        return np.zeros_like(start), 0
    while True:
        shown = torch.cdist(y, y, compute_mode="donot_use_mm_for_euclid_dist")
        agreement, square = float(torch.dot(wanted.view(-1), shown.view(-1))), float(shown.square().sum())
        stress = 1 - agreement**2 / (total * square)
        if step == max_iterations or before - stress <= _TOLERANCE * before or stress < 1e-14:
            return (y * (agreement / square)).numpy(), step
        ratio = torch.div(wanted, shown, out=shown).nan_to_num_(nan=0.0, posinf=0.0)
        y = (ratio.sum(1, keepdim=True) * y - ratio @ y) / n
        y -= y.mean(0)
        before, step = stress, step + 1


def _apart(distances: Float64[np.ndarray, "n n"], start: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, "n 2"]:
    """`start`, nudged where different points coincide on the map: the Guttman transform alone cannot part them."""
    scale = distances.max()
    if not ((points.distances(start) < 1e-9 * scale) & (distances > 1e-9 * scale)).any():
        return start
    return start + 1e-4 * scale * np.random.default_rng(0).standard_normal(start.shape)


def place(
    wanted: Float64[np.ndarray, "m n"], fitted: Float64[np.ndarray, "n 2"], max_iterations: int
) -> Float64[np.ndarray, "m 2"]:
    """Where m new points have the least stress Σ_j (‖y − y_j‖ − δ_j)² against the n fitted ones, δ = `wanted`.

    Starts at the mean of the nearest fitted points, weighted by 1/δ, and repeats the majorising step
    y ← (1/n) Σ_j (y_j + δ_j (y − y_j) / ‖y − y_j‖), which never raises the stress.
    """
    scale = wanted.max(initial=0.0)
    y = _near(wanted, fitted)
    for _ in range(max_iterations):
        away = y[:, None] - fitted
        shown = np.sqrt(np.einsum("mnd,mnd->mn", away, away))
        # Any direction is a valid majoriser where a new point lies exactly on a fitted one.
        away[shown == 0] = (1.0, 0.0)
        shown[shown == 0] = 1.0
        moved = fitted.mean(0) + np.einsum("mn,mnd->md", wanted / shown, away) / len(fitted)
        change = np.abs(moved - y).max(initial=0.0)
        y = moved
        if change <= 1e-6 * scale:
            break
    return y


def _near(wanted: Float64[np.ndarray, "m n"], fitted: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, "m 2"]:
    count = min(_NEIGHBOURS, len(fitted))
    nearest = np.argpartition(wanted, count - 1, axis=1)[:, :count]
    found = np.take_along_axis(wanted, nearest, 1)
    weights = 1 / np.maximum(found, 1e-9 * max(float(wanted.max(initial=0.0)), 1e-300))
    weights /= weights.sum(1, keepdims=True)
    return np.einsum("mk,mkd->md", weights, fitted[nearest])
