"""Sets of points as matrices (n points × f numbers): their check, distances, principal axes and Gaussian."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64, Num

from aecore.foundation.errors import BadInput

_NEGLIGIBLE = 1e-10
"""Variance, as a share of the largest one, below which a principal direction is only rounding noise."""


class Rows:
    """A matrix (n points × f numbers) whose rows are made when they are read, as `table[positions]`: a large set of
    images is so worked through piece by piece, and never all of it is held as floats.
    """

    ndim = 2

    def __init__(self, read: Callable[[Int64[np.ndarray, "m"]], Float32[np.ndarray, "m f"]], n: int, f: int) -> None:
        self._read, self.shape = read, (n, f)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: slice | Sequence[int] | Int64[np.ndarray, "m"]) -> Float32[np.ndarray, "m f"]:
        return self._read(np.arange(len(self))[key])


Points = Num[np.ndarray, "n f"] | Rows
"""One row a point."""
P = TypeVar("P", bound=np.ndarray | Rows)


def finite(x: P, what: str = "The points") -> P:
    """`x` itself; raises `BadInput` when it is not a matrix, is empty, or holds NaN or infinity."""
    if x.ndim != 2 or 0 in x.shape:
        raise BadInput(
            f"{what} have the shape {x.shape}, but a table with one row a point is needed; give at least one row."
        )
    if not all(np.isfinite(part).all() for part in parts_of(x)):
        raise BadInput(f"{what} hold NaN or infinite numbers, which have no distances; remove or replace those rows.")
    return x


def checked(x: Num[np.ndarray, "..."], what: str = "The points") -> Float64[np.ndarray, "n f"]:
    """`x` as float64 (n, f); raises `BadInput` as `finite` does."""
    return finite(x, what).astype(np.float64)


def parts_of(x: Points) -> Iterator[Num[np.ndarray, "m f"]]:
    """The rows of `x` as views of about 16 MiB in double precision: what lies on disk is read piece by piece."""
    rows = max(1, (1 << 21) // x.shape[1])
    return (x[start : start + rows] for start in range(0, len(x), rows))


def mean_of(x: Points) -> Float64[np.ndarray, "f"]:
    """The mean of the rows, summed in double precision and piece by piece."""
    total = np.zeros(x.shape[1])
    for part in parts_of(x):
        total += part.sum(0, dtype=np.float64)
    return total / len(x)


def variance_of(x: Points, mean: Float64[np.ndarray, "f"]) -> Float64[np.ndarray, "f"]:
    """The mean squared difference of the rows from their `mean`, as `mean_of` is summed."""
    total = np.zeros(x.shape[1])
    for part in parts_of(x):
        total += ((part - mean) ** 2).sum(0)
    return total / len(x)


def distances(x: Float[np.ndarray, "n f"]) -> Float64[np.ndarray, "n n"]:
    """Euclidean distances δ_ij = ‖x_i − x_j‖, from differences in float64: duplicates are exactly 0 apart."""
    import scipy.spatial.distance  # here and below: it takes half a second, and training does not need it

    return scipy.spatial.distance.squareform(scipy.spatial.distance.pdist(x), checks=False)


def distances_between(a: Float[np.ndarray, "m f"], b: Float[np.ndarray, "n f"]) -> Float64[np.ndarray, "m n"]:
    """Euclidean distances ‖a_i − b_j‖, in float64."""
    import scipy.spatial.distance

    return scipy.spatial.distance.cdist(a, b)


@dataclasses.dataclass(frozen=True, eq=False)
class PrincipalAxes:
    """Mean, orthonormal directions (rows, most variance first), their variances, and the variance in all directions."""

    mean: Float64[np.ndarray, "f"]
    components: Float64[np.ndarray, "d f"]
    variances: Float64[np.ndarray, "d"]
    total_variance: float

    def project(self, x: Points) -> Float64[np.ndarray, "n d"]:
        """(x − mean) · componentsᵀ."""
        return np.concatenate([(part - self.mean) @ self.components.T for part in parts_of(x)])

    def inverse(self, places: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, "n f"]:
        """mean + places · components: the linear reconstruction, nearest in squared error to what was projected."""
        return self.mean + places @ self.components

    @property
    def explained(self) -> float:
        """Share of the variance that lies in these directions, 0 to 1; 1 when there is no variance to explain."""
        return float(self.variances.sum() / self.total_variance) if self.total_variance > 0 else 1.0


def principal_axes(x: Points, count: int, told: Callable[[float], None] | None = None) -> PrincipalAxes:
    """The first `count` principal axes, exact, from the smaller of XᵀX and XXᵀ in double precision.

    Where there are more rows than columns the rows are read twice, piece by piece, so `x` may be `Rows`, or an
    array on disk (`numpy.memmap`) larger than memory; the products are taken on the GPU where there is one. Each
    direction is signed so that its largest entry is positive, which makes the result repeatable. Where the data have
    fewer directions than `count`, the missing ones are zero vectors. `told` hears the share of the work done.
    Source: Pearson (1901); Jolliffe, "Principal component analysis" (2002).
    """
    import scipy.linalg

    n, f = x.shape
    mean = mean_of(x)
    centred = None if f <= n else x[:] - mean
    scatter = _scatter(x, mean, told) if centred is None else centred @ centred.T
    size = len(scatter)
    kept = min(count, size)
    values, vectors = scipy.linalg.eigh(scatter, subset_by_index=[size - kept, size - 1])
    values, directions = values[::-1], vectors[:, ::-1].T
    real = values > max(values[0], 0.0) * _NEGLIGIBLE
    values, directions = values[real], directions[real]
    if centred is not None:
        directions = directions @ centred / np.sqrt(values)[:, None]
    components = np.zeros((count, f))
    components[: len(values)] = _signed(directions)
    variances = np.zeros(count)
    variances[: len(values)] = values / max(n - 1, 1)
    return PrincipalAxes(mean, components, variances, float(np.trace(scatter)) / max(n - 1, 1))


@dataclasses.dataclass(frozen=True, eq=False)
class Scree:
    """Shares of the variance along the first principal directions, 0 to 1, and their running sum; measured on `n`
    points. Source: Cattell, Multivariate Behavioral Research 1 (1966).
    """

    shares: Float64[np.ndarray, "d"]
    summed: Float64[np.ndarray, "d"]
    n: int


def scree(x: Points, count: int = 20, most: int = 2000) -> Scree:
    """The variances of at most `most` points, spread evenly, along at most `count` directions."""
    chosen = list(evenly(len(x), most))
    axes = principal_axes(x[chosen], min(count, x.shape[1]))
    shares = axes.variances / (axes.total_variance or 1.0)
    return Scree(shares, shares.cumsum(), len(chosen))


def _scatter(
    x: Points, mean: Float64[np.ndarray, "f"], told: Callable[[float], None] | None
) -> Float64[np.ndarray, "f f"]:
    """Σ_i (x_i − mean)(x_i − mean)ᵀ, summed over parts of the rows."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    found = torch.zeros((x.shape[1],) * 2, dtype=torch.float64, device=device)
    done = 0
    for part in parts_of(x):
        centred = torch.from_numpy(part - mean).to(device)
        found.addmm_(centred.T, centred)
        done += len(part)
        if told is not None:
            told(done / len(x))
    return found.cpu().numpy()


def _signed(directions: Float64[np.ndarray, "d f"]) -> Float64[np.ndarray, "d f"]:
    largest = np.abs(directions).argmax(1)
    return directions * np.sign(directions[np.arange(len(directions)), largest])[:, None]


def gaussian_like(x: Float64[np.ndarray, "n f"], count: int, rng: np.random.Generator) -> Float64[np.ndarray, "m f"]:
    """`count` draws from the normal distribution with mean 0 and the covariance of `x` around its mean.

    Random mixtures ε (x − mean) / √(n − 1) of the points themselves, ε ~ N(0, 1) per point, have exactly that
    covariance, so no covariance matrix is formed or inverted and f may exceed n.
    """
    n = len(x)
    return rng.standard_normal((count, n)) @ (x - x.mean(0)) / np.sqrt(max(n - 1, 1))


def evenly(n: int, most: int) -> Sequence[int]:
    """At most `most` indices spread evenly over range(n)."""
    return range(n) if n <= most else [int(i) for i in np.linspace(0, n - 1, most).round()]


def stratified(labels: np.ndarray | None, candidates: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """At most `n` of `candidates`, sorted, the classes in the proportions they have there; the same for the
    same seed.
    """
    if len(candidates) <= n:
        return np.sort(candidates)
    shuffled = np.random.default_rng(seed).permutation(candidates)
    if labels is not None:
        # Ranking each image within its class and taking the lowest relative ranks gives every class its share.
        own = labels[shuffled]
        rank = np.zeros(len(own))
        for label in np.unique(own):
            where = np.flatnonzero(own == label)
            rank[where] = (np.arange(len(where)) + 0.5) / len(where)
        shuffled = shuffled[np.argsort(rank, kind="stable")]
    return np.sort(shuffled[:n])
