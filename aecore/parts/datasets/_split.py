"""The fixed division into train, validation and test."""

import numpy as np
from jaxtyping import Int64, UInt8

TRAIN, VALIDATION, TEST = 0, 1, 2
SPLIT_SEED = 20_060_728  # the date of Hinton and Salakhutdinov's paper; a constant, so that splits never change


def _evenly(order: Int64[np.ndarray, "n"], count: int) -> Int64[np.ndarray, "m"]:
    """`count` members of `order` at equal distances: a systematic sample, so each stratum gets its share."""
    return order[((np.arange(count) + 0.5) * len(order) / max(count, 1)).astype(np.int64)]


def divide(labels: Int64[np.ndarray, "n"], validation: int, test: int) -> UInt8[np.ndarray, "n"]:
    """Return 0, 1 or 2 per image, with exactly `validation` ones and `test` twos, stratified by label; deterministic.

    Images are sorted by label, shuffled within each label, and every (n / count)-th one is taken: the number of images
    of a label differs from its proportional share by less than one.
    """
    shuffled = np.random.default_rng(SPLIT_SEED).random(len(labels))
    order = np.lexsort((shuffled, labels)).astype(np.int64)
    split = np.full(len(labels), TRAIN, np.uint8)
    split[_evenly(order, test)] = TEST
    split[_evenly(order[split[order] == TRAIN], validation)] = VALIDATION
    return split


def divide_by_share(labels: Int64[np.ndarray, "n"], share: float = 0.15) -> UInt8[np.ndarray, "n"]:
    """`divide` with the given share of the images, at least one, for validation and as many for test."""
    count = max(1, round(share * len(labels)))
    return divide(labels, count, count)
