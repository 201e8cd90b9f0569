"""Keep fitted maps and large arrays on disk, within a bound."""

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Float32, Num

from aecore.foundation.errors import RunUnavailable
from aecore.foundation.files import mapped_array, prune, write_arrays
from aecore.foundation.geometry import Points, Rows
from aecore.foundation.home import assets, home
from aecore.foundation.progress import OnProgress, ShouldStop
from aecore.maps.fit import MapResult, fit_map, points_of
from aecore.maps.quality import Decode
from aecore.parts.looking import Embedding

FORMAT = 2
"""Number of the layout of a map file and of the meaning of its figures; others are computed anew."""
CACHE_BYTES = 2**30
"""The most that the visitor's map cache holds, of which the codes of 70,000 images by 1,000 units are a quarter; the
files not used for longest go first."""


def cached_map(
    embedding: Embedding,
    x: Points,
    codes: Num[np.ndarray, "n k"] | Rows | None = None,
    labels: Num[np.ndarray, "n"] | None = None,
    key_parts: Sequence[str] | None = None,
    folder: Path | None = None,
    decode: Decode | None = None,
    progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> MapResult:
    """`fit_map`, looked up first in what ships with the program, then in `folder` (`cache/maps` in the home folder).

    A map is known by the SHA-256 of the embedding's settings and of the arrays themselves. Codes computed on another
    machine may differ in their last bits; `key_parts` (a data hash, the chosen images, a hash of the weights) then
    stand for `x` and `codes`, and must say all that these depend on. A file that is damaged or of another format is
    computed anew; a full disk only means that nothing is kept.
    """
    own = folder or _folder()
    key = map_key(embedding, x, codes, labels, key_parts)
    found = kept_map(key, embedding, points_of(embedding, x, codes), own)
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
