"""Maps of images in two dimensions, measured on the same footing, aligned with each other, and kept on disk."""

import contextlib
import dataclasses
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Float, Float32, Float64, Num

from aecore.foundation import geometry, metrics
from aecore.foundation.errors import BadInput, RunUnavailable
from aecore.foundation.files import mapped_array, prune, write_arrays
from aecore.foundation.home import assets, home
from aecore.parts.contracts import Coordinates, Embedding, FittedEmbedding, Reporter, Stopper
from aecore.foundation.geometry import Points, Rows

FORMAT = 2
"""Number of the layout of a map file and of the meaning of its figures; others are computed anew."""
CACHE_BYTES = 2**30
"""The most that the visitor's map cache holds, of which the codes of 70,000 images by 1,000 units are a quarter; the
files not used for longest go first."""
MOST_MEASURED = 2000
"""Figures that compare all pairs are taken on at most this many points, spread evenly."""
MOST_CURVED = 500
"""Curves over the number of neighbours are taken on at most this many points, spread evenly."""
CURVED_AT = (1, 2, 3, 4, 5, 7, 10, 14, 20, 28, 40, 57, 80, 100)
"""Numbers of neighbours of these curves, each about √2 times the one before."""


@dataclasses.dataclass(frozen=True, eq=False)
class MapResult:
    """A map: where the points are, how good it is (names and units: `quality_of`), and what places new points."""

    coordinates: Coordinates
    quality: dict[str, float]
    seconds: float
    fitted: FittedEmbedding


Decode = Callable[[Float32[np.ndarray, "n k"]], Float32[np.ndarray, "n f"]]
"""Codes to pixels, both as rows."""


# --- fitting and measuring -------------------------------------------------------------------------------------------


def fit_map(
    embedding: Embedding,
    x: Points,
    codes: Num[np.ndarray, "n k"] | Rows | None = None,
    labels: Num[np.ndarray, "n"] | None = None,
    decode: Decode | None = None,
    progress: Reporter | None = None,
    should_stop: Stopper | None = None,
) -> MapResult:
    """Fits `embedding` to the pixels `x`, or to the `codes` where it wants those, and measures it against the pixels.

    `decode` leads from codes back to pixels, so that a map of codes gets a `reconstruction_sse` too. Raises `BadInput`
    for input that is empty or not finite, or when codes are wanted and missing; `Stopped`.
    """
    start = time.perf_counter()
    fitted = embedding.fit(_input(embedding, x, codes), progress, should_stop)
    quality = quality_of(fitted, x, labels) | _way_back(fitted, x, decode if embedding.uses_codes else _same)
    return MapResult(fitted.coordinates, quality, time.perf_counter() - start, fitted)


def _input(
    embedding: Embedding, x: Points, codes: Num[np.ndarray, "n k"] | Rows | None
) -> Num[np.ndarray, "n p"] | Rows:
    if not embedding.uses_codes:
        return x
    if codes is None:
        raise BadInput("This map shows an autoencoder's codes and none were given; choose a run.")
    return codes


def quality_of(fitted: FittedEmbedding, x: Points, labels: Num[np.ndarray, "n"] | None = None) -> dict[str, float]:
    """The figures of a map, always against the Euclidean distances of the pixels `x`, so that maps compare.

    `stress_1` in the map's best scale, which alone makes sense for codes (`aecore.foundation.metrics.stress_1`);
    `trustworthiness` and `continuity` at `trustworthiness_k` neighbours (5, fewer when there are few points);
    `knn_accuracy` at `knn_k` neighbours (15) where there are labels; `own_stress_1`, against the distances that the
    method was given; `explained_variance` and `iterations` where the method has them.
    Figures without a meaning for so few points are left out. More than `MOST_MEASURED` points are measured on a part
    of them, except `knn_accuracy`.
    """
    quality = {"own_stress_1" if name == "stress_1" else name: value for name, value in fitted.quality.items()}
    chosen = list(geometry.evenly(len(x), MOST_MEASURED))
    distances, shown = geometry.distances(geometry.checked(x[chosen])), fitted.coordinates[chosen]
    quality["stress_1"] = metrics.stress_1(distances, shown)
    k = min(metrics.NEIGHBOURS_TRUST, (len(chosen) - 1) // 2)
    if k >= 1:
        quality["trustworthiness"] = metrics.trustworthiness(distances, shown, k)
        quality["continuity"] = metrics.continuity(distances, shown, k)
        quality["trustworthiness_k"] = float(k)
    if labels is not None and len(x) >= 2:
        quality["knn_accuracy"] = metrics.knn_accuracy(fitted.coordinates, labels)
        quality["knn_k"] = float(min(metrics.NEIGHBOURS_KNN, len(x) - 1))
    return quality


@dataclasses.dataclass(frozen=True, eq=False)
class Curves:
    """A map's `metrics.trustworthiness`, `metrics.continuity` and, where there are labels, `metrics.knn_accuracy` at
    `ks` neighbours, all on the same `n` points.
    """

    ks: tuple[int, ...]
    n: int
    trustworthiness: Float64[np.ndarray, "m"]
    continuity: Float64[np.ndarray, "m"]
    knn_accuracy: Float64[np.ndarray, "m"] | None


def curves(
    x: Points,
    coordinates: Float[np.ndarray, "n d"],
    labels: Num[np.ndarray, "n"] | None = None,
    most: int = MOST_CURVED,
) -> Curves:
    """How a map of the rows `x` does from the nearest neighbours to wide neighbourhoods (`CURVED_AT`), on at most
    `most` points, spread evenly. Too few points for a single neighbour have empty curves.
    """
    chosen = list(geometry.evenly(len(x), most))
    n = len(chosen)
    ks = tuple(k for k in CURVED_AT if k < n / 2)
    if not ks:
        nothing = np.zeros(0)
        return Curves(ks, n, nothing, nothing, None)
    distances, shown = geometry.distances(geometry.checked(x[chosen])), coordinates[chosen]
    return Curves(
        ks, n, metrics.trustworthiness_curve(distances, shown, ks), metrics.continuity_curve(distances, shown, ks),
        None if labels is None else metrics.knn_curve(shown, labels[chosen], ks),
    )  # fmt: skip


def _same(pixels: Float32[np.ndarray, "n f"]) -> Float32[np.ndarray, "n f"]:
    return pixels


def _way_back(fitted: FittedEmbedding, x: Points, decode: Decode | None) -> dict[str, float]:
    """`reconstruction_sse`: the mean squared error per image of what the places on the map lead back to."""
    chosen = list(geometry.evenly(len(x), MOST_MEASURED))
    back = fitted.inverse(fitted.coordinates[chosen])
    if back is None or decode is None:
        return {}
    drawn = decode(back.astype(np.float32))
    return {"reconstruction_sse": float(metrics.sse(x[chosen][:, None, None], drawn[:, None, None]).mean())}


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
    if "continuity" in quality:
        value, k = quality["continuity"], int(quality["trustworthiness_k"])
        said["continuity"] = (
            f"Continuity {value:.3f}, {metrics.trustworthiness_words(value)}: how far the {k} most alike pictures are "
            "also near on the map; it falls where the map tears them apart."
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
    if "reconstruction_sse" in quality:
        said["reconstruction_sse"] = (
            f"Squared error {quality['reconstruction_sse']:.2f} per image between the pictures and what their places "
            "on the map alone lead back to."
        )
    return said


DEFINITIONS = {
    "stress_1": (
        "Stress-1 = √(Σ (u δ − d)² / Σ d²) over all pairs of images: δ is their distance as pictures, d that on the "
        "map, and u = Σ δd / Σ δ² the scale that suits the map best, so that maps in any units compare. 0: all "
        "distances are right; 1: all images in one place. Source: Kruskal, Psychometrika 29 (1964)."
    ),
    "trustworthiness": (
        "Trustworthiness = 1 − 2 / (n k (2n − 3k − 1)) Σ max(0, r − k), summed over each image's k nearest on the "
        "map; r is a neighbour's rank among the images most alike as pictures. 1: all neighbours on the map are "
        "alike; about 0.5: chance. Source: Venna & Kaski, ICANN (2001)."
    ),
    "continuity": (
        "Continuity = 1 − 2 / (n k (2n − 3k − 1)) Σ max(0, r − k), summed over the k pictures most alike to each "
        "image; r is their rank among its neighbours on the map. 1: what is alike stays together; about 0.5: chance. "
        "Source: Venna & Kaski, ICANN (2001)."
    ),
    "knn_accuracy": (
        "Neighbours agree = share of the images whose class wins the vote of the k nearest others on the map. 1: "
        "always; one over the number of classes: chance. Source: Cover & Hart, IEEE Trans. Inf. Theory 13 (1967)."
    ),
    "explained_variance": (
        "Explained variance = (λ₁ + λ₂) / Σ λ, λ the variances along the principal directions of what the map shows. "
        "1: nothing lies outside its plane; 0: everything does. Source: Jolliffe, Principal Component Analysis "
        "(2002)."
    ),
    "reconstruction_sse": (
        "Squared error = Σ (x − r)² over an image's pixels, averaged over the images: x is the image, r what its "
        "place on the map leads back to, by the plane of PCA or by the decoder. 0: nothing is lost; it has no upper "
        "end. Source: Hinton & Salakhutdinov, Science 313 (2006)."
    ),
    "distortion": (
        "Distortion of an image i = √(Σ (u δ − d)² / Σ d²) over its pairs with other images j, with δ, d and u as in "
        "stress-1, which is the weighted mean of all images' distortions (of their squares). 0: the image lies right "
        "to all others; 1: on top of them. Source: the terms of Kruskal's stress-1, Psychometrika 29 (1964)."
    ),
}
"""What each figure of `readings` is: its formula, what its ends mean, its source; and the distortion of an image."""


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

    def undo(self, aligned: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
        """The coordinates that `apply` brings to these places."""
        return (aligned - self.target) @ self.rotation.T / self.scale + self.source


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
    x: Points,
    codes: Num[np.ndarray, "n k"] | Rows | None = None,
    labels: Num[np.ndarray, "n"] | None = None,
    key_parts: Sequence[str] | None = None,
    folder: Path | None = None,
    decode: Decode | None = None,
    progress: Reporter | None = None,
    should_stop: Stopper | None = None,
) -> MapResult:
    """`fit_map`, looked up first in what ships with the program, then in `folder` (`cache/maps` in the home folder).

    A map is known by the SHA-256 of the embedding's settings and of the arrays themselves. Codes computed on another
    machine may differ in their last bits; `key_parts` (a data hash, the chosen images, a hash of the weights) then
    stand for `x` and `codes`, and must say all that these depend on. A file that is damaged or of another format is
    computed anew; a full disk only means that nothing is kept.
    """
    own = folder or _folder()
    key = map_key(embedding, x, codes, labels, key_parts)
    found = kept_map(key, embedding, _input(embedding, x, codes), own)
    if found is None:
        found = fit_map(embedding, x, codes, labels, decode, progress, should_stop)
        keep_map(key, found, own)
    return found


def kept_map(key: str, embedding: Embedding, given: Points, folder: Path | None = None) -> MapResult | None:
    """What `cached_map` finds under a `map_key`, of the points (pixels or codes) that were `given`; None where it would
    have to compute.
    """
    own = folder or _folder()
    for place in (assets() / "maps", own):
        path = place / f"{key}.safetensors"
        found = _read(path, embedding, given)
        if found is not None:
            if place == own:  # what ships with the program is never written to
                _used(path)
            return found
    return None


def keep_map(key: str, result: MapResult, folder: Path | None = None) -> None:
    """Keeps a map for `kept_map`; a full disk only means that it is not kept."""
    own = folder or _folder()
    with contextlib.suppress(OSError):
        write_map(own / f"{key}.safetensors", result)
        prune(own, CACHE_BYTES)


def kept_array(what: str, key_parts: Sequence[str], rows: int) -> Float32[np.ndarray, "n ..."] | None:
    """An array with one row an image that `keep_array` wrote under these names; None where it has to be computed, also
    because its file is damaged. It stays on the disk: what is read of it is loaded, and may be dropped again.
    """
    path = _array_path(what, key_parts)
    try:
        found = mapped_array(path, what)
    except RunUnavailable:
        return None
    if found.dtype != np.float32 or found.ndim == 0 or len(found) != rows:
        return None
    _used(path)
    return found


def keep_array(what: str, key_parts: Sequence[str], array: Float32[np.ndarray, "n ..."]) -> None:
    """Keeps an array beside the maps; a full disk only means that it is not kept."""
    path = _array_path(what, key_parts)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(path, {what: array})
        prune(path.parent, CACHE_BYTES)


def _array_path(what: str, key_parts: Sequence[str]) -> Path:
    digest = hashlib.sha256(json.dumps([FORMAT, what, *key_parts]).encode())
    return _folder() / f"{what}-{digest.hexdigest()}.safetensors"


def _folder() -> Path:
    return home() / "cache" / "maps"


def _used(path: Path) -> None:
    """The files not used for longest are the first to go."""
    with contextlib.suppress(OSError):
        os.utime(path)


def map_key(
    embedding: Embedding,
    x: Points,
    codes: Num[np.ndarray, "n k"] | Rows | None = None,
    labels: Num[np.ndarray, "n"] | None = None,
    key_parts: Sequence[str] | None = None,
) -> str:
    """SHA-256 (64 hex digits) of everything that the map and its figures depend on; see `cached_map`.

    Settings at their defaults are left out, so that a setting which an embedding gets later changes no key.
    """
    own_settings = {**embedding.model_dump(mode="json", exclude_defaults=True), "kind": embedding.kind}
    said = [FORMAT, own_settings, list(x.shape), None if key_parts is None else list(key_parts)]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    own = [] if key_parts is not None else [x[:], codes[:] if embedding.uses_codes and codes is not None else None]
    for array in (*own, labels):
        digest.update(b"-" if array is None else f"{array.shape}{array.dtype.str}".encode())
        digest.update(b"" if array is None else np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _read(path: Path, embedding: Embedding, x: Points) -> MapResult | None:
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


def write_map(path: Path, result: MapResult) -> None:
    """Writes a map for `kept_map`, which looks for it under its `map_key`. Raises OSError where that cannot be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"format": FORMAT, "quality": result.quality, "seconds": result.seconds}
    state = {name: np.ascontiguousarray(array) for name, array in result.fitted.state().items()}
    partial = path.with_suffix(f".{secrets.token_hex(4)}.part")
    try:
        partial.write_bytes(safetensors.numpy.save(state, metadata={"map": json.dumps(header)}))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
