"""Fit a map of images and measure it."""

import dataclasses
import time

import numpy as np
from jaxtyping import Num

from aecore.foundation.errors import BadInput
from aecore.foundation.geometry import LazyRows, Points
from aecore.foundation.progress import OnProgress, ShouldStop
from aecore.maps.quality import Decode, identity, inverse_error, quality_of
from aecore.parts.looking import Coordinates, Embedding, FittedEmbedding


@dataclasses.dataclass(frozen=True, eq=False)
class MapResult:
    """A map: coordinates, quality (see `quality_of`), seconds taken, and the embedding, which places new points."""

    coordinates: Coordinates
    quality: dict[str, float]
    seconds: float
    fitted: FittedEmbedding


def fit_map(
    embedding: Embedding,
    x: Points,
    codes: Num[np.ndarray, "n k"] | LazyRows | None = None,
    labels: Num[np.ndarray, "n"] | None = None,
    decode: Decode | None = None,
    progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> MapResult:
    """Fit `embedding` to the pixels `x`, or to the `codes` if it uses those, and measure the map against the pixels.

    With `decode` (codes to pixels) a map of codes gets a `reconstruction_sse` too. Raises `BadInput` for input that is
    empty or not finite, or if the embedding uses codes and none are given; `Stopped` if `should_stop` returns True.
    """
    start = time.perf_counter()
    fitted = embedding.fit(points_of(embedding, x, codes), progress, should_stop)
    decode = decode if embedding.uses_codes else identity
    quality = quality_of(fitted, x, labels) | inverse_error(fitted, x, decode)
    return MapResult(fitted.coordinates, quality, time.perf_counter() - start, fitted)


def points_of(
    embedding: Embedding, x: Points, codes: Num[np.ndarray, "n k"] | LazyRows | None
) -> Num[np.ndarray, "n p"] | LazyRows:
    """Return the pixels or codes that `embedding` is fitted to. Raises `BadInput` if it uses codes and has none."""
    if not embedding.uses_codes:
        return x
    if codes is None:
        raise BadInput("This map shows an autoencoder's codes and none were given; choose a run.")
    return codes
