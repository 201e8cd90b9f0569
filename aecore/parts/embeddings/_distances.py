"""The distances from which maps are computed, between all fitted points and from new points to the fitted ones."""

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
MAX_GEODESIC_POINTS = 5000
"""All shortest paths between so many points still take seconds."""


class DistanceEmbedding(Embedding, abc.ABC):
    """Settings and points of the methods that use distances only."""

    distance: DistanceName = Setting(
        "euclidean",
        title="Distance",
        description="Between pixels: euclidean √Σ(a − b)²; cosine 1 − cos of the angle; correlation 1 − r; geodesic, "
        "the shortest path in the graph of nearest neighbours. Codes: euclidean, between the run's codes. Precomputed: "
        "the input is the distance matrix.",
    )
    neighbours: int = Setting(
        10,
        ge=1,
        le=200,
        title="Neighbours of the graph",
        description="Nearest points that each point is linked to; geodesic distance only.",
        json_schema_extra={"unit": "points"},
    )

    max_points: ClassVar[int]

    @property
    def uses_codes(self) -> bool:
        return self.distance == "codes"

    @property
    def limit(self) -> int | None:
        return min(self.max_points, MAX_GEODESIC_POINTS) if self.distance == "geodesic" else self.max_points

    def space(self, x: Points) -> "Space":
        """The distances between the points `x`, or given by the matrix `x`. Raises `BadInput` if `x` has none."""
        if self.distance == "precomputed":
            return _Matrix(x[:])
        return _Graph(x, self.neighbours) if self.distance == "geodesic" else _Rows(x, self.distance)


class Space(abc.ABC):
    """Distances in units of `scale`, so that they stay within the range of single precision."""

    n: int
    scale: float

    @abc.abstractmethod
    def packed(self, run: Run) -> Packed:
        """The distances between all fitted points."""

    @abc.abstractmethod
    def cross(self, new: Float[np.ndarray, "m f"], run: Run) -> Float32[np.ndarray, "m n"]:
        """The distances of m new points to the n fitted ones; `new` holds these itself if the space is a matrix."""

    def start(self, packed: Packed, dimensions: int) -> Float64[np.ndarray, "n d"]:
        """Start of a search: classical scaling, to three digits."""
        values, vectors = leading(packed, dimensions, 1e-3)
        return vectors * np.sqrt(values.clip(0))

    def to_scale(self, places: Float[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
        """Convert places from units of `scale` to the units of the distances."""
        return (places * self.scale).astype(np.float32)


class _Rows(Space):
    """Euclidean distances of rows; cosine and correlation are half the squared distances of rows of norm 1."""

    def __init__(self, x: Points, distance: DistanceName) -> None:
        self.distance, self.n, self.scale = distance, len(x), 1.0
        geometry.finite(x)
        if not self._unit_norm:
            self.mean = geometry.mean_of(x)
            self.scale = max(float(np.abs(part - self.mean).max()) for part in geometry.parts_of(x)) or 1.0
        self.rows = padded(self._prepared(x))

    @property
    def _unit_norm(self) -> bool:
        return self.distance in ("cosine", "correlation")

    def _prepared(self, x: Points) -> Float32[np.ndarray, "n g"]:
        return np.concatenate([self._part(part) for part in geometry.parts_of(x)])

    def _part(self, x: Float[np.ndarray, "n f"]) -> Float32[np.ndarray, "n g"]:
        if not self._unit_norm:
            return ((x - self.mean) / self.scale).astype(np.float32)
        x = x.astype(np.float64)
        if self.distance == "correlation":
            x -= x.mean(1, keepdims=True)
        norm = np.sqrt(np.einsum("nf,nf->n", x, x))
        # Rows of norm 0 have no direction: an extra column makes them orthogonal to all others, at distance 1.
        zero = norm <= 1e-12 * (np.abs(x).max() or 1.0)
        rows = np.concatenate([x / np.where(zero, 1.0, norm)[:, None], zero[:, None]], 1)
        rows[zero, :-1] = 0
        return rows.astype(np.float32)

    def packed(self, run: Run) -> Packed:
        packed = packed_distances(self.rows[: self.n], run)
        if self._unit_norm:
            packed.flat[:] *= packed.flat / 2
        return packed

    def start(self, packed: Packed, dimensions: int) -> Float64[np.ndarray, "n d"]:
        """For Euclidean distances classical scaling is PCA: the first principal components, by a randomised SVD.

        Source: Halko, Martinsson & Tropp, SIAM Review 53 (2011).
        """
        if self._unit_norm:
            return super().start(packed, dimensions)
        from sklearn.utils import extmath  # here, because the import takes most of a second

        svd: Any = extmath.randomized_svd

        # Three power iterations come within 1e-4 of the exact components; so few need no normalisation in between.
        left, values, right = svd(
            self.rows[: self.n], dimensions, n_oversamples=8, n_iter=3, power_iteration_normalizer="none",
            flip_sign=False, random_state=0,
        )  # fmt: skip
        places = np.zeros((self.n, dimensions))
        places[:, : len(values)] = left * values * np.where(right.sum(1) < 0, -1.0, 1.0)
        return places

    def cross(self, new: Float[np.ndarray, "m f"], run: Run) -> Float32[np.ndarray, "m n"]:
        rows = self._prepared(geometry.finite(new, "The new points"))
        distances = cross_distances(rows, self.rows, run)[:, : self.n]
        return distances * distances / 2 if self._unit_norm else distances


class _Graph(Space):
    """Shortest paths in the graph that links each point with its nearest neighbours (Tenenbaum et al., Science 2000).

    Components of the graph are linked by their nearest pairs. A new point is linked with its nearest neighbours.
    """

    def __init__(self, x: Points, neighbours: int) -> None:
        if len(geometry.finite(x)) > MAX_GEODESIC_POINTS:
            raise BadInput(
                f"The geodesic distance needs the shortest paths between all pairs, and {len(x):,} points are too "
                f"many; choose at most {MAX_GEODESIC_POINTS:,}."
            )
        self.n, self.neighbours, self.rows = len(x), neighbours, _Rows(x, "euclidean")
        self.scale = self.rows.scale

    @functools.cached_property
    def _paths(self) -> Float32[np.ndarray, "n n"]:
        import scipy.sparse.csgraph

        with shared(small=self.n < 400) as run:
            graph = _neighbour_graph(self.rows.packed(run).square(), self.neighbours)
        return np.asarray(scipy.sparse.csgraph.dijkstra(graph, directed=False), np.float32)

    def packed(self, run: Run) -> Packed:
        return packed_matrix(self._paths)

    def cross(self, new: Float[np.ndarray, "m f"], run: Run) -> Float32[np.ndarray, "m n"]:
        direct, paths = self.rows.cross(new, run), self._paths
        near = _nearest(direct, self.neighbours)
        links = np.take_along_axis(direct, near, 1)
        return np.stack([(link[:, None] + paths[k]).min(0) for link, k in zip(links, near, strict=True)])


def _nearest(distances: Float[np.ndarray, "m n"], count: int) -> Int64[np.ndarray, "m k"]:
    count = min(count, distances.shape[1])
    return np.argpartition(distances, count - 1, axis=1)[:, :count].astype(np.int64)


def _neighbour_graph(distances: Float32[np.ndarray, "n n"], neighbours: int) -> Any:
    """The graph of nearest neighbours, made connected. Links of length 0 get the smallest positive number, because
    sparse matrices drop zeros.
    """
    import scipy.sparse
    import scipy.sparse.csgraph

    n = len(distances)
    lengths = np.maximum(distances, np.finfo(np.float32).tiny).astype(np.float64)
    near = _nearest(distances, neighbours + 1)
    rows = np.repeat(np.arange(n), near.shape[1])
    np.fill_diagonal(lengths, 0)
    graph = scipy.sparse.csr_array((lengths[rows, near.ravel()], (rows, near.ravel())), shape=(n, n))
    count, component = scipy.sparse.csgraph.connected_components(graph, directed=False)
    if count == 1:
        return graph
    # The minimum spanning tree contains the shortest links between components; only these are added.
    tree = scipy.sparse.csgraph.minimum_spanning_tree(lengths).tocoo()
    between = component[tree.row] != component[tree.col]
    links = scipy.sparse.csr_array((tree.data[between], (tree.row[between], tree.col[between])), shape=(n, n))
    return graph + links


class _Matrix(Space):
    """Distances given as a matrix."""

    def __init__(self, x: Float[np.ndarray, "n m"]) -> None:
        geometry.finite(x, "The distances")
        if x.shape[0] != x.shape[1]:
            raise BadInput(f"A distance matrix is square, this table is {x.shape[0]} × {x.shape[1]}; give all pairs.")
        largest = float(np.abs(x).max())
        tolerance = 1e-5 * largest
        if (x < 0).any() or max(float(np.abs(np.diagonal(x)).max()), float(np.abs(x - x.T).max())) > tolerance:
            raise BadInput(
                "This table is no distance matrix: distances are never negative, symmetric, and 0 on the diagonal. "
                "Correct it, or choose another distance to make a map of the rows."
            )
        self.n, self.scale, self.matrix = len(x), largest or 1.0, x

    def packed(self, run: Run) -> Packed:
        return packed_matrix((self.matrix / self.scale).astype(np.float32))

    def cross(self, new: Float[np.ndarray, "m f"], run: Run) -> Float32[np.ndarray, "m n"]:
        geometry.finite(new, "The new distances")
        if new.shape[1] != self.n or (new < 0).any():
            raise BadInput(
                f"A new point needs its distances to the {self.n} fitted ones, none negative; this row has "
                f"{new.shape[1]} numbers."
            )
        return (new / self.scale).astype(np.float32)
