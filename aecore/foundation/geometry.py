"""Sets of points as matrices (n points × f numbers): validation, distances, principal axes, Gaussian samples."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64, Num

from aecore.foundation.errors import BadInput

_NEGLIGIBLE = 1e-10
"""A principal direction whose variance is below this share of the largest one is rounding noise."""


class LazyRows:
    """A matrix (n points × f numbers) whose rows are computed when they are read, as in `rows[positions]`.

    A large set of images is processed in chunks this way, without holding all of it as floats.
    """

    ndim = 2

    def __init__(self, read: Callable[[Int64[np.ndarray, "m"]], Float32[np.ndarray, "m f"]], n: int, f: int) -> None:
        self._read, self.shape = read, (n, f)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: slice | Sequence[int] | Int64[np.ndarray, "m"]) -> Float32[np.ndarray, "m f"]:
        return self._read(np.arange(len(self))[key])


Points = Num[np.ndarray, "n f"] | LazyRows
"""One row per point."""
P = TypeVar("P", bound=np.ndarray | LazyRows)


def finite(x: P, what: str = "The points") -> P:
    """Return `x` itself. Raises `BadInput` if it is not a matrix, is empty, or holds NaN or infinity."""
    if x.ndim != 2 or 0 in x.shape:
        raise BadInput(
            f"{what} have the shape {x.shape}, but a table with one row per point is needed; give at least one row."
        )
    if not all(np.isfinite(part).all() for part in parts_of(x)):
        raise BadInput(f"{what} hold NaN or infinite numbers, which have no distances; remove or replace those rows.")
    return x


def checked(x: Num[np.ndarray, "..."], what: str = "The points") -> Float64[np.ndarray, "n f"]:
    """Return `x` as float64 (n, f). Raises `BadInput` as `finite` does."""
    return finite(x, what).astype(np.float64)


def parts_of(x: Points) -> Iterator[Num[np.ndarray, "m f"]]:
    """Iterate over `x` in chunks of rows, about 16 MiB each in double precision; arrays on disk are read as needed."""
    rows = max(1, (1 << 21) // x.shape[1])
    return (x[start : start + rows] for start in range(0, len(x), rows))


def mean_of(x: Points) -> Float64[np.ndarray, "f"]:
    """Compute the mean of the rows, in chunks and in double precision."""
    total = np.zeros(x.shape[1])
    for part in parts_of(x):
        total += part.sum(0, dtype=np.float64)
    return total / len(x)


def variance_of(x: Points, mean: Float64[np.ndarray, "f"]) -> Float64[np.ndarray, "f"]:
    """Compute each column's variance around `mean`, Σ (x − mean)² / n, in chunks and in double precision."""
    total = np.zeros(x.shape[1])
    for part in parts_of(x):
        total += ((part - mean) ** 2).sum(0)
    return total / len(x)


def distances(x: Float[np.ndarray, "n f"]) -> Float64[np.ndarray, "n n"]:
    """Compute Euclidean distances δ_ij = ‖x_i − x_j‖ from differences in float64; duplicates are exactly 0 apart."""
    import scipy.spatial.distance  # here and below, because loading takes half a second and training does not need it

    return scipy.spatial.distance.squareform(scipy.spatial.distance.pdist(x), checks=False)


def distances_between(a: Float[np.ndarray, "m f"], b: Float[np.ndarray, "n f"]) -> Float64[np.ndarray, "m n"]:
    """Compute the Euclidean distances ‖a_i − b_j‖ in float64."""
    import scipy.spatial.distance

    return scipy.spatial.distance.cdist(a, b)


@dataclasses.dataclass(frozen=True, eq=False)
class PrincipalAxes:
    """Mean, orthonormal directions (rows, largest variance first), their variances, and the total variance."""

    mean: Float64[np.ndarray, "f"]
    components: Float64[np.ndarray, "d f"]
    variances: Float64[np.ndarray, "d"]
    total_variance: float

    def project(self, x: Points) -> Float64[np.ndarray, "n d"]:
        """Compute (x − mean) · componentsᵀ."""
        return np.concatenate([(part - self.mean) @ self.components.T for part in parts_of(x)])

    def inverse(self, places: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, "n f"]:
        """Compute mean + places · components, the linear reconstruction with the least squared error."""
        return self.mean + places @ self.components

    @property
    def explained(self) -> float:
        """Share of the total variance in these directions, 0 to 1; 1 if the total variance is 0."""
        return float(self.variances.sum() / self.total_variance) if self.total_variance > 0 else 1.0


def principal_axes(x: Points, count: int, report: Callable[[float], None] | None = None) -> PrincipalAxes:
    """Compute the first `count` principal axes exactly, from the smaller of XᵀX and XXᵀ in double precision.

    With more rows than columns, the rows are read twice and in chunks, so `x` may be `LazyRows` or an array on disk
    (`numpy.memmap`) larger than memory; the products are computed on the GPU if there is one. The sign of each
    direction makes its largest entry positive, so that the result is repeatable. If the data span fewer than `count`
    directions, the missing ones are zero vectors. `report` is called with the share of the work done.
    Source: Pearson (1901); Jolliffe, "Principal component analysis" (2002).
    """
    import scipy.linalg

    n, f = x.shape
    mean = mean_of(x)
    centred = None if f <= n else x[:] - mean
    scatter = _scatter(x, mean, report) if centred is None else centred @ centred.T
    size = len(scatter)
    values, vectors = scipy.linalg.eigh(scatter, subset_by_index=[size - min(count, size), size - 1])
    values, directions = values[::-1], vectors[:, ::-1].T
    significant = values > max(values[0], 0.0) * _NEGLIGIBLE
    values, directions = values[significant], directions[significant]
    if centred is not None:
        directions = directions @ centred / np.sqrt(values)[:, None]
    components = np.zeros((count, f))
    components[: len(values)] = _signed(directions)
    variances = np.zeros(count)
    variances[: len(values)] = values / max(n - 1, 1)
    return PrincipalAxes(mean, components, variances, float(np.trace(scatter)) / max(n - 1, 1))


@dataclasses.dataclass(frozen=True, eq=False)
class Scree:
    """Shares of the variance along the first principal directions, 0 to 1, and their running sum, from `n` points.

    Source: Cattell, Multivariate Behavioral Research 1 (1966).
    """

    shares: Float64[np.ndarray, "d"]
    summed: Float64[np.ndarray, "d"]
    n: int


def scree(x: Points, count: int = 20, max_points: int = 2000) -> Scree:
    """Compute the scree of at most `max_points` evenly spaced points along at most `count` directions."""
    chosen = list(evenly(len(x), max_points))
    axes = principal_axes(x[chosen], min(count, x.shape[1]))
    shares = axes.variances / (axes.total_variance or 1.0)
    return Scree(shares, shares.cumsum(), len(chosen))


def _scatter(
    x: Points, mean: Float64[np.ndarray, "f"], report: Callable[[float], None] | None
) -> Float64[np.ndarray, "f f"]:
    """Compute Σ_i (x_i − mean)(x_i − mean)ᵀ in chunks of rows."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    scatter = torch.zeros((x.shape[1],) * 2, dtype=torch.float64, device=device)
    done = 0
    for part in parts_of(x):
        centred = torch.from_numpy(part - mean).to(device)
        scatter.addmm_(centred.T, centred)
        done += len(part)
        if report is not None:
            report(done / len(x))
    return scatter.cpu().numpy()


def _signed(directions: Float64[np.ndarray, "d f"]) -> Float64[np.ndarray, "d f"]:
    """Flip directions so that the largest entry of each is positive."""
    largest = np.abs(directions).argmax(1)
    return directions * np.sign(directions[np.arange(len(directions)), largest])[:, None]


def gaussian_like(x: Float64[np.ndarray, "n f"], count: int, rng: np.random.Generator) -> Float64[np.ndarray, "m f"]:
    """Draw `count` samples from the normal distribution with mean 0 and the covariance of `x`.

    Random combinations ε (x − mean) / √(n − 1) of the points, ε ~ N(0, 1) per point, have exactly that covariance, so
    no covariance matrix is formed and f may exceed n.
    """
    n = len(x)
    return rng.standard_normal((count, n)) @ (x - x.mean(0)) / np.sqrt(max(n - 1, 1))


def evenly(n: int, most: int) -> Sequence[int]:
    """Return at most `most` indices, evenly spaced over range(n)."""
    return range(n) if n <= most else [int(i) for i in np.linspace(0, n - 1, most).round()]


def stratified(labels: np.ndarray | None, candidates: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """Choose at most `n` of `candidates`, stratified by `labels` if there are any; sorted, and repeatable by `seed`."""
    if len(candidates) <= n:
        return np.sort(candidates)
    shuffled = np.random.default_rng(seed).permutation(candidates)
    if labels is not None:
        # Taking the images of lowest relative rank within their class gives every class its share.
        own = labels[shuffled]
        rank = np.zeros(len(own))
        for label in np.unique(own):
            where = np.flatnonzero(own == label)
            rank[where] = (np.arange(len(where)) + 0.5) / len(where)
        shuffled = shuffled[np.argsort(rank, kind="stable")]
    return np.sort(shuffled[:n])
