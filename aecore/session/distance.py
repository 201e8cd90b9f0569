"""Measure how far a code is from the training codes."""

import dataclasses
import functools

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64

from aecore.parts.data import CodeArray

NEARNESS = (
    (50, "well inside the data"),
    (90, "typical of the data"),
    (100, "at the edge of the data"),
)
"""Words for a `Distance` whose percentile is below the number."""
FARTHEST = "farther out than any training image"


@dataclasses.dataclass(frozen=True)
class Distance:
    """The distance of a code from the data: RMS difference to the nearest training code, in standard deviations per
    unit.

    `percentile` is its rank among the distances between neighbouring training codes: 50 is typical of the data, 100 is
    farther than any of them. `nearest` are positions in `Session.codes`, nearest first.
    """

    value: float
    percentile: float
    nearest: Int64[np.ndarray, "m"]

    @property
    def words(self) -> str:
        """Describe the percentile."""
        return next((words for below, words in NEARNESS if self.percentile < below), FARTHEST)


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingCodes:
    """The training codes (N, K), to which distances are measured."""

    codes: CodeArray
    mean: Float32[np.ndarray, "k"]
    deviation: Float32[np.ndarray, "k"]

    @property
    def scale(self) -> Float32[np.ndarray, "k"]:
        """The standard deviation of each unit, at least a thousandth of the largest: units that hardly vary must not
        decide the distance.
        """
        return np.maximum(self.deviation, 1e-6 + 1e-3 * self.deviation.max()).astype(np.float32)

    def _scaled(self, codes: CodeArray) -> CodeArray:
        return ((codes - self.mean) / self.scale).astype(np.float32)

    @functools.cached_property
    def _standardised(self) -> CodeArray:
        return self._scaled(self.codes)

    @functools.cached_property
    def neighbour_distances(self) -> Float[np.ndarray, "n"]:
        """The distance of every training code to its nearest other one, sorted; [0] for a single code."""
        if len(self.codes) < 2:
            return np.zeros(1)
        points = torch.from_numpy(self._standardised)
        apart = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)
        return np.sort(apart.amin(1).numpy() / np.sqrt(self.codes.shape[1]))

    def distance(self, code: Float32[np.ndarray, "k"], nearest: int) -> Distance:
        """Measure the distance of one code, and find its `nearest` training codes."""
        apart = np.sqrt(np.square(self._standardised - self._scaled(code[None])).mean(1))
        order = np.argsort(apart, kind="stable")[:nearest]
        usual, value = self.neighbour_distances, float(apart[order[0]])
        percentile = 100 * float(np.searchsorted(usual, apart[order[0]], side="right")) / len(usual)
        return Distance(value, percentile, order.astype(np.int64))
