"""Maps of images in two dimensions, measured on the same footing, aligned with each other, and kept on disk."""

import contextlib
import dataclasses
import hashlib
import json
import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Float, Float32, Num

from aecore import metrics, points
from aecore.errors import BadInput
from aecore.files import prune
from aecore.home import assets, home
from aecore.parts import Coordinates, Embedding, FittedEmbedding

FORMAT = 1
"""Number of the layout of a map file and of the meaning of its figures; others are computed anew."""
CACHE_BYTES = 200 * 2**20
"""The most that the visitor's map cache holds; the files not used for longest go first."""
MOST_MEASURED = 2000
"""Figures that compare all pairs are taken on at most this many points, spread evenly."""


@dataclasses.dataclass(frozen=True, eq=False)
class MapResult:
    """A map: where the points are, how good it is (names and units: `quality_of`), and what places new points."""

    coordinates: Coordinates
    quality: dict[str, float]
    seconds: float
    fitted: FittedEmbedding


# --- fitting and measuring -------------------------------------------------------------------------------------------


def fit_map(
    embedding: Embedding,
    x: Float32[np.ndarray, "n f"],
    codes: Float[np.ndarray, "n k"] | None = None,
    labels: Num[np.ndarray, "n"] | None = None,
) -> MapResult:
    """Fits `embedding` to the pixels `x`, or to the `codes` where it wants those, and measures it against the pixels.

    Raises `BadInput` for input that is empty or not finite, or when codes are wanted and missing.
    """
    start = time.perf_counter()
    fitted = embedding.fit(_input(embedding, x, codes))
    quality = quality_of(fitted, x, labels)
    return MapResult(fitted.coordinates, quality, time.perf_counter() - start, fitted)


def _input(
    embedding: Embedding, x: Float32[np.ndarray, "n f"], codes: Float[np.ndarray, "n k"] | None
) -> Float[np.ndarray, "n p"]:
    if not embedding.uses_codes:
        return x
    if codes is None:
        raise BadInput("This map shows an autoencoder's codes and none were given; choose a run.")
    return codes


def quality_of(
    fitted: FittedEmbedding, x: Float32[np.ndarray, "n f"], labels: Num[np.ndarray, "n"] | None = None
) -> dict[str, float]:
    """The figures of a map, always against the Euclidean distances of the pixels `x`, so that maps compare.

    `stress_1` in the map's best scale, which alone makes sense for codes (`aecore.metrics.stress_1`);
    `trustworthiness` at `trustworthiness_k` neighbours (5, fewer when there are few points); `knn_accuracy` at
    `knn_k` neighbours (15) where there are labels; `explained_variance` and `iterations` where the method has them.
    Figures without a meaning for so few points are left out. More than `MOST_MEASURED` points are measured on a part
    of them, except `knn_accuracy`.
    """
    quality = {name: value for name, value in fitted.quality.items() if name != "stress_1"}
    chosen = list(points.evenly(len(x), MOST_MEASURED))
    distances, shown = points.distances(points.checked(x)[chosen]), fitted.coordinates[chosen]
    quality["stress_1"] = metrics.stress_1(distances, shown)
    k = min(metrics.NEIGHBOURS_TRUST, (len(chosen) - 1) // 2)
    if k >= 1:
        quality["trustworthiness"] = metrics.trustworthiness(distances, shown, k)
        quality["trustworthiness_k"] = float(k)
    if labels is not None and len(x) >= 2:
        quality["knn_accuracy"] = metrics.knn_accuracy(fitted.coordinates, labels)
        quality["knn_k"] = float(min(metrics.NEIGHBOURS_KNN, len(x) - 1))
    return quality


def readings(quality: dict[str, float]) -> dict[str, str]:
    """One sentence in plain words for each figure of `quality_of` that a student should read."""
    said: dict[str, str] = {}
    if "stress_1" in quality:
        value = quality["stress_1"]
        said["stress_1"] = (
            f"Stress-1 {value:.3f}, {metrics.kruskal_words(value)} in Kruskal's words: distances on the map "
            f"differ from those between the pictures by about {value:.0%}; 0 would be a perfect map."
        )
    if "trustworthiness" in quality:
        value, k = quality["trustworthiness"], int(quality["trustworthiness_k"])
        said["trustworthiness"] = (
            f"Trustworthiness {value:.3f}, {metrics.trustworthiness_words(value)}: how far the {k} nearest on the map "
            "are also near as pictures; 1 is always, about 0.5 is chance."
        )
    if "knn_accuracy" in quality:
        value, k = quality["knn_accuracy"], int(quality["knn_k"])
        said["knn_accuracy"] = (
            f"Neighbours agree {value:.0%}: the {k} nearest on the map, by vote, name the right class that often; "
            "the map never saw the classes."
        )
    if "explained_variance" in quality:
        value = quality["explained_variance"]
        said["explained_variance"] = (
            f"Explained variance {value:.0%}: the part of all variation seen in the map's plane; the rest is hidden."
        )
    return said


# --- aligning --------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, eq=False)
class Alignment:
    """y ↦ scale · (y − source) Q + target, Q a rotation or reflection. Works for new points of the same map as well."""

    rotation: Float[np.ndarray, "d d"]
    scale: float
    source: Float[np.ndarray, "d"]
    target: Float[np.ndarray, "d"]

    def apply(self, coordinates: Coordinates) -> Coordinates:
        return (self.scale * (coordinates - self.source) @ self.rotation + self.target).astype(np.float32)


def alignment(reference: Coordinates, coordinates: Coordinates) -> Alignment:
    """The turn, mirror, scale and shift that bring `coordinates` closest to `reference` in squared distance.

    Source: Schönemann, Psychometrika 31 (1966); Gower, Psychometrika 40 (1975).
    Raises ValueError when the maps differ in shape.
    """
    if reference.shape != coordinates.shape:
        raise ValueError(f"a map of shape {coordinates.shape} cannot be aligned with one of shape {reference.shape}")
    import scipy.linalg  # here: it takes a while, and not every page needs it

    target, source = reference.mean(0, dtype=np.float64), coordinates.mean(0, dtype=np.float64)
    wanted, given = reference - target, coordinates - source
    rotation, agreement = cast(tuple[np.ndarray, float], scipy.linalg.orthogonal_procrustes(given, wanted))
    size = float((given**2).sum())
    return Alignment(rotation, float(agreement) / size if size > 0 and agreement > 0 else 1.0, source, target)


def procrustes(reference: Coordinates, coordinates: Coordinates) -> Coordinates:
    """`coordinates` turned, mirrored, scaled and shifted onto `reference`; see `alignment`."""
    return alignment(reference, coordinates).apply(coordinates)


# --- keeping ---------------------------------------------------------------------------------------------------------


def cached_map(
    embedding: Embedding,
    x: Float32[np.ndarray, "n f"],
    codes: Float[np.ndarray, "n k"] | None = None,
    labels: Num[np.ndarray, "n"] | None = None,
    key_parts: Sequence[str] | None = None,
    folder: Path | None = None,
) -> MapResult:
    """`fit_map`, looked up first in what ships with the program, then in `folder` (`cache/maps` in the home folder).

    A map is known by the SHA-256 of the embedding's settings and of the arrays themselves. Codes computed on another
    machine may differ in their last bits; `key_parts` (a data hash, the chosen images, a hash of the weights) then
    stand for `x` and `codes`, and must say all that these depend on. A file that is damaged or of another format is
    computed anew; a full disk only means that nothing is kept.
    """
    own = folder or home() / "cache" / "maps"
    name = map_key(embedding, x, codes, labels, key_parts) + ".safetensors"
    given = _input(embedding, x, codes)
    for place in (assets() / "maps", own):
        found = _read(place / name, embedding, given)
        if found is not None:
            if place == own:  # what ships with the program is never written to
                with contextlib.suppress(OSError):
                    os.utime(own / name)
            return found
    result = fit_map(embedding, x, codes, labels)
    with contextlib.suppress(OSError):
        _write(own / name, result)
        prune(own, CACHE_BYTES)
    return result


def keep_map(
    folder: Path,
    embedding: Embedding,
    x: Float32[np.ndarray, "n f"],
    codes: Float[np.ndarray, "n k"] | None = None,
    labels: Num[np.ndarray, "n"] | None = None,
    key_parts: Sequence[str] | None = None,
) -> MapResult:
    """`fit_map`, written to `folder` whatever is there, under the name by which `cached_map` looks for it.

    For maps that ship with the program. Raises OSError when the folder cannot be written.
    """
    result = fit_map(embedding, x, codes, labels)
    _write(folder / (map_key(embedding, x, codes, labels, key_parts) + ".safetensors"), result)
    return result


def map_key(
    embedding: Embedding,
    x: Float32[np.ndarray, "n f"],
    codes: Float[np.ndarray, "n k"] | None = None,
    labels: Num[np.ndarray, "n"] | None = None,
    key_parts: Sequence[str] | None = None,
) -> str:
    """SHA-256 (64 hex digits) of everything that the map and its figures depend on; see `cached_map`."""
    said = [FORMAT, embedding.model_dump(mode="json"), list(x.shape), None if key_parts is None else list(key_parts)]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    own = [] if key_parts is not None else [x, codes if embedding.uses_codes else None]
    for array in (*own, labels):
        digest.update(b"-" if array is None else f"{array.shape}{array.dtype.str}".encode())
        digest.update(b"" if array is None else np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _read(path: Path, embedding: Embedding, x: Float[np.ndarray, "n f"]) -> MapResult | None:
    """The map kept in a file; None when there is none that can be used."""
    try:
        with safetensors.safe_open(path, framework="np") as file:
            header: Any = json.loads(file.metadata()["map"])
            state: dict[str, np.ndarray] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if header["format"] != FORMAT or len(state["coordinates"]) != len(x):
            return None
        fitted = embedding.restore(state, x)
        quality = {str(name): float(value) for name, value in header["quality"].items()}
        result = MapResult(fitted.coordinates, quality, float(header["seconds"]), fitted)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, safetensors.SafetensorError):
        return None
    return result


def _write(path: Path, result: MapResult) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"format": FORMAT, "quality": result.quality, "seconds": result.seconds}
    state = {name: np.ascontiguousarray(array) for name, array in result.fitted.state().items()}
    partial = path.with_suffix(f".{secrets.token_hex(4)}.part")
    try:
        partial.write_bytes(safetensors.numpy.save(state, metadata={"map": json.dumps(header)}))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
