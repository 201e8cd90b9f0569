"""Maps of images in two dimensions, measured on the same footing, aligned with each other, and kept on disk."""

import dataclasses
import time

import numpy as np
from jaxtyping import Num

from aecore.foundation.errors import BadInput
from aecore.foundation.geometry import Points, Rows
from aecore.foundation.progress import OnProgress, ShouldStop
from aecore.maps.align import alignment
from aecore.maps.quality import Decode, inverse_error, quality_of, same_pixels
from aecore.parts.looking import Coordinates, Embedding, FittedEmbedding


@dataclasses.dataclass(frozen=True, eq=False)
class MapResult:
    """A map: where the points are, how good it is (names and units: `quality_of`), and what places new points."""

    coordinates: Coordinates
    quality: dict[str, float]
    seconds: float
    fitted: FittedEmbedding


def fit_map(
    embedding: Embedding,
    x: Points,
    codes: Num[np.ndarray, "n k"] | Rows | None = None,
    labels: Num[np.ndarray, "n"] | None = None,
    decode: Decode | None = None,
    progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> MapResult:
    """Fits `embedding` to the pixels `x`, or to the `codes` where it wants those, and measures it against the pixels.

    `decode` leads from codes back to pixels, so that a map of codes gets a `reconstruction_sse` too. Raises `BadInput`
    for input that is empty or not finite, or when codes are wanted and missing; `Stopped`.
    """
    start = time.perf_counter()
    fitted = embedding.fit(points_of(embedding, x, codes), progress, should_stop)
    quality = quality_of(fitted, x, labels) | inverse_error(fitted, x, decode if embedding.uses_codes else same_pixels)
    return MapResult(fitted.coordinates, quality, time.perf_counter() - start, fitted)


def points_of(
    embedding: Embedding, x: Points, codes: Num[np.ndarray, "n k"] | Rows | None
) -> Num[np.ndarray, "n p"] | Rows:
    if not embedding.uses_codes:
        return x
    if codes is None:
        raise BadInput("This map shows an autoencoder's codes and none were given; choose a run.")
    return codes


def procrustes(reference: Coordinates, coordinates: Coordinates) -> Coordinates:
    """`coordinates` turned, mirrored, scaled and shifted onto `reference`; see `alignment`."""
    return alignment(reference, coordinates).apply(coordinates)
