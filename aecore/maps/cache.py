"""Cache fitted maps and large arrays on disk, within a bound."""

import contextlib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Float32, Num

from aecore.foundation.errors import RunUnavailable
from aecore.foundation.files import mapped_array, prune, touch, write_atomic, write_mapped
from aecore.foundation.geometry import LazyRows, Points
from aecore.foundation.home import assets, cache_home
from aecore.foundation.progress import OnProgress, ShouldStop
from aecore.maps.fit import MapResult, fit_map, points_of
from aecore.maps.quality import Decode
from aecore.parts.looking import Embedding

FORMAT = 2
"""Version of the map files' layout and of the meaning of their figures; files of another version are ignored."""
CACHE_BYTES = 2**30
"""Bound of the cache folder; the codes of 70,000 images with 1,000 units take a quarter of it."""


def cached_map(
    embedding: Embedding,
    x: Points,
    codes: Num[np.ndarray, "n k"] | LazyRows | None = None,
    labels: Num[np.ndarray, "n"] | None = None,
    key_parts: Sequence[str] | None = None,
    folder: Path | None = None,
    decode: Decode | None = None,
    progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> MapResult:
    """Return `fit_map(…)` from the maps that ship with the program, from `folder` (default: `maps` in `cache_home`), or
    computed and then stored there.

    A map is identified by its `map_key`: a hash of the embedding's settings and of the arrays. Codes computed on
    another machine may differ in their last bits, so `key_parts` (hashes of data, chosen images and weights) can stand
    for `x` and `codes`; they must determine both. Damaged files and files of another format are ignored. If the disk
    is full, the map is returned but not stored.
    """
    folder = folder or _folder()
    key = map_key(embedding, x, codes, labels, key_parts)
    found = find_map(key, embedding, points_of(embedding, x, codes), folder)
    if found is None:
        found = fit_map(embedding, x, codes, labels, decode, progress, should_stop)
        store_map(key, found, folder)
    return found


def find_map(key: str, embedding: Embedding, points: Points, folder: Path | None = None) -> MapResult | None:
    """Return the cached map with this `map_key`, fitted to `points` (pixels or codes); None if there is none."""
    folder = folder or _folder()
    for place in (assets() / "maps", folder):
        path = place / f"{key}.safetensors"
        found = _read_map(path, embedding, points)
        if found is not None:
            if place == folder:  # what ships with the program is never written to
                _touch(path)
            return found
    return None


def store_map(key: str, result: MapResult, folder: Path | None = None) -> None:
    """Store a map for `find_map`. If the disk is full, it is not stored."""
    folder = folder or _folder()
    with contextlib.suppress(OSError):
        write_map(folder / f"{key}.safetensors", result)
        touch(folder / f"{key}.safetensors")
        prune(folder, CACHE_BYTES)


def find_array(name: str, key_parts: Sequence[str], rows: int) -> Float32[np.ndarray, "n ..."] | None:
    """Return the array that `store_array` stored under these names; None if there is none with `rows` rows.

    The array is mapped into memory: what is read of it is loaded, and the system may drop it again.
    """
    path = _array_path(name, key_parts)
    try:
        found = mapped_array(path)
    except RunUnavailable:
        return None
    if found.dtype != np.float32 or found.ndim == 0 or len(found) != rows:
        return None
    _touch(path)
    return found


def store_array(name: str, key_parts: Sequence[str], array: Float32[np.ndarray, "n ..."]) -> None:
    """Store an array with one row per image beside the maps. If the disk is full, it is not stored."""
    path = _array_path(name, key_parts)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_mapped(path, array)
        touch(path)
        prune(path.parent, CACHE_BYTES)


def _array_path(name: str, key_parts: Sequence[str]) -> Path:
    digest = hashlib.sha256(json.dumps([FORMAT, name, *key_parts]).encode())
    return _folder() / f"{name}-{digest.hexdigest()}.npy"


def _folder() -> Path:
    return cache_home() / "maps"


def _touch(path: Path) -> None:
    """Mark a file as used last: `prune` deletes the least recently touched files first."""
    with contextlib.suppress(OSError):
        touch(path)


def map_key(
    embedding: Embedding,
    x: Points,
    codes: Num[np.ndarray, "n k"] | LazyRows | None = None,
    labels: Num[np.ndarray, "n"] | None = None,
    key_parts: Sequence[str] | None = None,
) -> str:
    """Hash (SHA-256, 64 hex digits) everything that the map and its figures depend on; see `cached_map`.

    Settings at their defaults are left out, so a setting that an embedding gains later changes no key.
    """
    settings = {**embedding.model_dump(mode="json", exclude_defaults=True), "kind": embedding.kind}
    header = [FORMAT, settings, list(x.shape), None if key_parts is None else list(key_parts)]
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    arrays = [] if key_parts is not None else [x[:], codes[:] if embedding.uses_codes and codes is not None else None]
    for array in (*arrays, labels):
        digest.update(b"-" if array is None else f"{array.shape}{array.dtype.str}".encode())
        digest.update(b"" if array is None else np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _read_map(path: Path, embedding: Embedding, points: Points) -> MapResult | None:
    """Read the map in a file; None if the file is missing, damaged or of another format."""
    try:
        with safetensors.safe_open(path, framework="np") as file:
            header: Any = json.loads(file.metadata()["map"])
            state: dict[str, np.ndarray] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if header["format"] != FORMAT or len(state["coordinates"]) != len(points):
            return None
        fitted = embedding.restore(state, points)
        quality = {str(name): float(value) for name, value in header["quality"].items()}
        return MapResult(fitted.coordinates, quality, float(header["seconds"]), fitted)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, safetensors.SafetensorError):
        return None


def write_map(path: Path, result: MapResult) -> None:
    """Write a map to a file, which `find_map` finds if its name is the `map_key`. Raises OSError if it cannot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"format": FORMAT, "quality": result.quality, "seconds": result.seconds}
    state = {name: np.ascontiguousarray(array) for name, array in result.fitted.state().items()}
    write_atomic(path, safetensors.numpy.save(state, metadata={"map": json.dumps(header)}))
