"""Measure how far a code is from the training codes."""

import dataclasses

import numpy as np
from jaxtyping import Int64

NEARNESS = (
    (50, "in the midst of the data"),
    (90, "as near as is usual within the data"),
    (100, "at the edge of the data"),
)
"""Words for a `Distance` whose percentile is below the number."""
FARTHEST = "farther out than any training image"


@dataclasses.dataclass(frozen=True)
class Distance:
    """How far a code is from the data: RMS difference to the nearest training code, in standard deviations per unit.

    `percentile` is its place among the same distances between neighbouring training codes: 50 is typical of the data,
    100 is farther than any of them. `nearest` are positions in `Session.codes`, nearest first.
    """

    value: float
    percentile: float
    nearest: Int64[np.ndarray, "m"]

    @property
    def words(self) -> str:
        """The percentile in plain words."""
        return next((words for below, words in NEARNESS if self.percentile < below), FARTHEST)
