"""Distances between many points, computed in single precision from differences, and the packed form that MDS uses.

Packed form: the lower triangle of the distance matrix in groups of four rows, the last group padded with zeros. Group
q holds the rows 4q … 4q + 3 with the columns 0 … 4q + 3; entries on and above the diagonal are 0. So each pair is
stored once, rows are contiguous, and loops over a group need no special cases.
"""

import dataclasses
import itertools
import math

import numpy as np
from jaxtyping import Float, Float32, Int64

from aecore.foundation import geometry
from aecore.parts.embeddings._compile import Run, compiled

GROUP = 4
_BLOCK = 128
"""Columns per block: few enough to stay in the CPU cache while all groups are processed."""


def _tiles(
    a: np.ndarray, b: np.ndarray, flat: np.ndarray, starts: np.ndarray, strides: np.ndarray, lengths: np.ndarray,
    low: int, high: int,
) -> None:  # fmt: skip
    """flat[starts[q] + r · strides[q] + j] = ‖a_{4q+r} − b_j‖ for the groups low ≤ q < high and j < lengths[q].

    Eight distances at a time: their sums fit the registers of every CPU, and each number loaded is used two or four
    times.
    """
    features = len(a[0])  # a.shape[1] takes 0.05 s more to compile
    for j0 in range(0, lengths[high - 1], _BLOCK):
        for q in range(low, high):
            end = j0 + _BLOCK
            if end > lengths[q]:  # `min` would be compiled as a separate function
                end = lengths[q]
            x0 = a[4 * q]
            x1 = a[4 * q + 1]
            x2 = a[4 * q + 2]
            x3 = a[4 * q + 3]
            for j in range(j0, end, 2):
                y0 = b[j]
                y1 = b[j + 1]
                s00 = s01 = s10 = s11 = s20 = s21 = s30 = s31 = np.float32(0)
                for k in range(features):
                    b0 = y0[k]
                    b1 = y1[k]
                    v = x0[k]
                    s00 += (v - b0) * (v - b0)
                    s01 += (v - b1) * (v - b1)
                    v = x1[k]
                    s10 += (v - b0) * (v - b0)
                    s11 += (v - b1) * (v - b1)
                    v = x2[k]
                    s20 += (v - b0) * (v - b0)
                    s21 += (v - b1) * (v - b1)
                    v = x3[k]
                    s30 += (v - b0) * (v - b0)
                    s31 += (v - b1) * (v - b1)
                at = starts[q] + j
                flat[at] = math.sqrt(s00)
                flat[at + 1] = math.sqrt(s01)
                at += strides[q]
                flat[at] = math.sqrt(s10)
                flat[at + 1] = math.sqrt(s11)
                at += strides[q]
                flat[at] = math.sqrt(s20)
                flat[at + 1] = math.sqrt(s21)
                at += strides[q]
                flat[at] = math.sqrt(s30)
                flat[at + 1] = math.sqrt(s31)


_tiles_fast = compiled(_tiles)


def padded(x: Float[np.ndarray, "n f"]) -> Float32[np.ndarray, "m f"]:
    """`x` in single precision, with rows of zeros added up to a multiple of four."""
    rows = np.zeros((-(-len(x) // GROUP) * GROUP, x.shape[1]), np.float32)
    rows[: len(x)] = x
    return rows


@dataclasses.dataclass(frozen=True, eq=False)
class Packed:
    """The distances of all pairs of `n` points in packed form (see the module docstring)."""

    flat: Float32[np.ndarray, "p"]
    n: int

    @property
    def groups(self) -> int:
        return -(-self.n // GROUP)

    def group(self, q: int) -> Float32[np.ndarray, "4 c"]:
        """A view of the rows 4q … 4q + 3."""
        start = 2 * GROUP * q * (q + 1)
        return self.flat[start : start + GROUP * GROUP * (q + 1)].reshape(GROUP, -1)

    def between(self, i: Int64[np.ndarray, "m"], j: Int64[np.ndarray, "m"]) -> Float32[np.ndarray, "m"]:
        """The distances of the pairs (i, j)."""
        high, low = np.maximum(i, j), np.minimum(i, j)
        q, r = high // GROUP, high % GROUP
        distances = self.flat[2 * GROUP * q * (q + 1) + r * GROUP * (q + 1) + low]
        return np.where(high == low, np.float32(0), distances)

    def square(self) -> Float32[np.ndarray, "n n"]:
        """All distances as a symmetric matrix."""
        lower = np.zeros((self.groups * GROUP,) * 2, np.float32)
        for q in range(self.groups):
            lower[GROUP * q : GROUP * (q + 1), : GROUP * (q + 1)] = self.group(q)
        lower = lower[: self.n, : self.n]
        return lower + lower.T

    def part(self, count: int) -> Float32[np.ndarray, "m m"]:
        """The matrix of at most `count` points, spread evenly."""
        if self.n <= count:
            return self.square()
        chosen = np.array(geometry.evenly(self.n, count))
        return self.between(*(side.ravel() for side in np.meshgrid(chosen, chosen))).reshape(count, count)

    def sum_of_squares(self) -> float:
        """Σ_{i<j} δ_ij²."""
        parts = np.array_split(self.flat, max(1, len(self.flat) >> 20))
        return float(sum(float(np.dot(part, part)) for part in parts))


def _empty(n: int) -> Packed:
    groups = -(-n // GROUP)
    return Packed(np.empty(2 * GROUP * groups * (groups + 1), np.float32), n)


def _cleared(packed: Packed) -> Packed:
    """Set the entries on and above the diagonal, and the padding, to 0."""
    upper = np.triu_indices(GROUP)
    for q in range(packed.groups):
        packed.group(q)[:, GROUP * q :][upper] = 0
    packed.group(packed.groups - 1)[packed.n - GROUP * (packed.groups - 1) :] = 0
    return packed


def packed_distances(x: Float32[np.ndarray, "n f"], run: Run) -> Packed:
    """The Euclidean distances of all pairs of rows."""
    packed, rows = _empty(len(x)), padded(x)
    q = np.arange(packed.groups)
    starts, lengths = 2 * GROUP * q * (q + 1), GROUP * (q + 1)
    cuts = equal_shares(packed.groups, packed.flat.size)
    run(_tiles_fast(), [(rows, rows, packed.flat, starts, lengths, lengths, *cut) for cut in cuts])
    return _cleared(packed)


def packed_matrix(matrix: Float[np.ndarray, "n n"]) -> Packed:
    """The packed form of a distance matrix."""
    packed = _empty(len(matrix))
    for q in range(packed.groups):
        rows = matrix[GROUP * q : GROUP * (q + 1), : GROUP * (q + 1)]
        packed.group(q)[: rows.shape[0], : rows.shape[1]] = rows
    return _cleared(packed)


def cross_distances(
    a: Float32[np.ndarray, "m f"], reference: Float32[np.ndarray, "p f"], run: Run
) -> Float32[np.ndarray, "m p"]:
    """‖a_i − b_j‖ for rows b_j of `reference`, which is padded: its last columns may stand for no point."""
    rows = padded(a)
    groups, columns = len(rows) // GROUP, len(reference)
    flat = np.empty(len(rows) * columns, np.float32)
    starts, strides = np.arange(groups) * GROUP * columns, np.full(groups, columns)
    # One group is split over threads by columns, several by rows.
    width = columns if groups > 1 else max(GROUP, -(-columns // (4 * GROUP)) * GROUP)
    size = max(1, -(-groups // 16))
    run(
        _tiles_fast(),
        [
            (rows, reference[c : c + width], flat, starts + c, strides, np.minimum(strides - c, width), g,
             min(g + size, groups))
            for c in range(0, columns, width)
            for g in range(0, groups, size)
        ],
    )  # fmt: skip
    return flat.reshape(len(rows), columns)[: len(a)]


def equal_shares(groups: int, work: int) -> list[tuple[int, int]]:
    """Split the groups into ranges of about equal area, independent of the number of cores, so that sums are
    repeatable.
    """
    count = 16 if work > 1 << 22 else 4 if work > 1 << 16 else 1
    edges = np.unique(np.rint(groups * np.sqrt(np.linspace(0, 1, count + 1))).astype(int)).tolist()
    return list(itertools.pairwise(edges))
