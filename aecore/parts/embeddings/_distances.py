"""The distances that a map can be made of: each between all fitted points, and from new points to the fitted ones."""

import abc
import functools
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64
from pydantic import Field as Setting

from aecore.foundation import geometry
from aecore.foundation.errors import BadInput
from aecore.foundation.geometry import Points
from aecore.parts.embeddings._classical import leading
from aecore.parts.embeddings._compile import Run, shared
from aecore.parts.embeddings._pairs import Packed, cross_distances, packed_distances, packed_matrix, padded
from aecore.parts.looking import Embedding

DistanceName = Literal["euclidean", "correlation", "cosine", "geodesic", "codes", "precomputed"]
MOST_GEODESIC = 5000
"""Points between which all shortest paths are still found in seconds."""


class DistanceEmbedding(Embedding, abc.ABC):
    """What the methods that see nothing of the points but their distances have in common."""

    distance: DistanceName = Setting(
        "euclidean",
        title="Distance",
        description="Between pixels: euclidean √Σ(a − b)²; cosine 1 − cos of the angle; correlation 1 − r; geodesic, "
        "the shortest way from neighbour to neighbour. Codes: euclidean, between the run's codes. Precomputed: the "
        "input is the matrix of distances itself.",
    )
    neighbours: int = Setting(
        10,
        ge=1,
        le=200,
        title="Neighbours of the graph",
        description="Points that each point is linked to; only for the geodesic distance.",
        json_schema_extra={"unit": "points"},
    )

    most_points: ClassVar[int]

    @property
    def uses_codes(self) -> bool:
        return self.distance == "codes"

    @property
    def limit(self) -> int | None:
        return min(self.most_points, MOST_GEODESIC) if self.distance == "geodesic" else self.most_points

    def space(self, x: Points) -> "Space":
        """The distances of the points `x`, or of the matrix `x`. Raises `BadInput` for what has none."""
        if self.distance == "precomputed":
            return _Given(x[:])
        return _Graph(x, self.neighbours) if self.distance == "geodesic" else _Rows(x, self.distance)


class Space(abc.ABC):
    """Distances in units of `scale`, which keeps single precision away from its limits."""

    n: int
    scale: float

    @abc.abstractmethod
    def packed(self, run: Run) -> Packed: ...

    @abc.abstractmethod
    def cross(self, new: Float[np.ndarray, "m f"], run: Run) -> Float32[np.ndarray, "m n"]:
        """From new points (or, of a given matrix, the rows of their distances) to the fitted ones."""

    def start(self, packed: Packed, dimensions: int) -> Float64[np.ndarray, "n d"]:
        """About the places of classical scaling, cheaply."""
        values, vectors = leading(packed, dimensions, 1e-3)
        return vectors * np.sqrt(values.clip(0))

    def to_scale(self, places: Float[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
        """Places found in units of `scale`, in those of the distances."""
        return (places * self.scale).astype(np.float32)


class _Rows(Space):
    """Euclidean distances of rows; cosine and correlation as half the squared distances of rows of length 1."""

    def __init__(self, x: Points, distance: DistanceName) -> None:
        self.distance, self.n, self.scale = distance, len(x), 1.0
        geometry.finite(x)
        if not self._directions:
            self.mean = geometry.mean_of(x)
            self.scale = max(float(np.abs(part - self.mean).max()) for part in geometry.parts_of(x)) or 1.0
        self.rows = padded(self._prepared(x))

    @property
    def _directions(self) -> bool:
        return self.distance in ("cosine", "correlation")

    def _prepared(self, x: Points) -> Float32[np.ndarray, "n g"]:
        return np.concatenate([self._part(part) for part in geometry.parts_of(x)])

    def _part(self, x: Float[np.ndarray, "n f"]) -> Float32[np.ndarray, "n g"]:
        if not self._directions:
            return ((x - self.mean) / self.scale).astype(np.float32)
        x = x.astype(np.float64)
        if self.distance == "correlation":
            x -= x.mean(1, keepdims=True)
        length = np.sqrt(np.einsum("nf,nf->n", x, x))
        # A point without a direction gets one of its own, at right angles to all others: distance 1.
        lost = length <= 1e-12 * (np.abs(x).max() or 1.0)
        rows = np.concatenate([x / np.where(lost, 1.0, length)[:, None], lost[:, None]], 1)
        rows[lost, :-1] = 0
        return rows.astype(np.float32)

    def packed(self, run: Run) -> Packed:
        found = packed_distances(self.rows[: self.n], run)
        if self._directions:
            found.flat[:] *= found.flat / 2
        return found

    def start(self, packed: Packed, dimensions: int) -> Float64[np.ndarray, "n d"]:
        """Of Euclidean distances the principal components, by subspace iteration with eight spare directions."""
        if self._directions:
            return super().start(packed, dimensions)
        rows = self.rows[: self.n]
        rank = min(dimensions + 8, rows.shape[1])
        basis = np.random.default_rng(0).standard_normal((rows.shape[1], rank)).astype(np.float32)
        for _ in range(4):
            basis, _ = np.linalg.qr(rows.T @ (rows @ basis))
        scores = (rows @ basis).astype(np.float64)
        values, turn = np.linalg.eigh(scores.T @ scores)
        kept = np.argsort(values)[::-1][:dimensions]
        turn = turn[:, kept] * np.where((basis @ turn[:, kept]).sum(0) < 0, -1.0, 1.0)
        places = np.zeros((self.n, dimensions))
        places[:, : len(kept)] = scores @ turn
        return places

    def cross(self, new: Float[np.ndarray, "m f"], run: Run) -> Float32[np.ndarray, "m n"]:
        found = cross_distances(self._prepared(geometry.finite(new, "The new points")), self.rows, run)[:, : self.n]
        return found * found / 2 if self._directions else found


class _Graph(Space):
    """Shortest ways over a graph in which each point is linked with its nearest ones (Tenenbaum et al., Science 2000).

    Parts of the graph without a link are linked where they are nearest. A new point is linked with its nearest ones.
    """

    def __init__(self, x: Points, neighbours: int) -> None:
        if len(geometry.finite(x)) > MOST_GEODESIC:
            raise BadInput(
                f"The geodesic distance needs the shortest ways between all pairs, and {len(x):,} points are too many; "
                f"choose at most {MOST_GEODESIC:,}."
            )
        self.n, self.neighbours, self.rows = len(x), neighbours, _Rows(x, "euclidean")
        self.scale = self.rows.scale

    @functools.cached_property
    def _ways(self) -> Float32[np.ndarray, "n n"]:
        import scipy.sparse.csgraph

        with shared(small=self.n < 400) as run:
            graph = _joined(self.rows.packed(run).square(), self.neighbours)
        return np.asarray(scipy.sparse.csgraph.dijkstra(graph, directed=False), np.float32)

    def packed(self, run: Run) -> Packed:
        return packed_matrix(self._ways)

    def cross(self, new: Float[np.ndarray, "m f"], run: Run) -> Float32[np.ndarray, "m n"]:
        straight, ways = self.rows.cross(new, run), self._ways
        near = _nearest(straight, self.neighbours)
        first = np.take_along_axis(straight, near, 1)
        return np.stack([(length[:, None] + ways[k]).min(0) for length, k in zip(first, near, strict=True)])


def _nearest(distances: Float[np.ndarray, "m n"], count: int) -> Int64[np.ndarray, "m k"]:
    count = min(count, distances.shape[1])
    return np.argpartition(distances, count - 1, axis=1)[:, :count].astype(np.int64)


def _joined(distances: Float32[np.ndarray, "n n"], neighbours: int) -> Any:
    """The neighbour graph, its parts linked; a link of length 0 is kept as the smallest number above 0."""
    import scipy.sparse
    import scipy.sparse.csgraph

    n = len(distances)
    lengths = np.maximum(distances, np.finfo(np.float32).tiny).astype(np.float64)
    near = _nearest(distances, neighbours + 1)
    rows = np.repeat(np.arange(n), near.shape[1])
    np.fill_diagonal(lengths, 0)
    graph = scipy.sparse.csr_array((lengths[rows, near.ravel()], (rows, near.ravel())), shape=(n, n))
    count, part = scipy.sparse.csgraph.connected_components(graph, directed=False)
    if count == 1:
        return graph
    # The shortest tree over everything has just the links that are missing; only those between parts are added.
    tree = scipy.sparse.csgraph.minimum_spanning_tree(lengths).tocoo()
    between = part[tree.row] != part[tree.col]
    links = scipy.sparse.csr_array((tree.data[between], (tree.row[between], tree.col[between])), shape=(n, n))
    return graph + links


class _Given(Space):
    """A matrix of distances."""

    def __init__(self, x: Float[np.ndarray, "n m"]) -> None:
        geometry.finite(x, "The distances")
        if x.shape[0] != x.shape[1]:
            raise BadInput(f"Distances form a square table, not one of {x.shape[0]} × {x.shape[1]}; give all pairs.")
        largest = float(np.abs(x).max())
        near = 1e-5 * largest
        if (x < 0).any() or float(np.abs(np.diagonal(x)).max()) > near or float(np.abs(x - x.T).max()) > near:
            raise BadInput(
                "This table is not one of distances: they are never negative, the same both ways, and 0 from a point "
                "to itself. Repair it, or choose another distance to make a map of rows."
            )
        self.n, self.scale, self.matrix = len(x), largest or 1.0, x

    def packed(self, run: Run) -> Packed:
        return packed_matrix((self.matrix / self.scale).astype(np.float32))

    def cross(self, new: Float[np.ndarray, "m f"], run: Run) -> Float32[np.ndarray, "m n"]:
        geometry.finite(new, "The new distances")
        if new.shape[1] != self.n or (new < 0).any():
            raise BadInput(
                f"A new point is given by its distances to the {self.n} fitted ones, none negative, not by "
                f"{new.shape[1]} numbers."
            )
        return (new / self.scale).astype(np.float32)
