"""Files that are whole or absent: what a kill or a full disk leaves behind never reads as a finished file."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from aecore.foundation.errors import RunUnavailable


def write_atomic(path: Path, content: bytes) -> None:
    """Writes beside `path`, syncs, then renames over it; on failure the old file stays and the new one is removed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def prune(folder: Path, most: int) -> None:
    """Deletes files of a cache until it holds `most` bytes at most; those not touched for longest go first."""
    files = sorted(((path, path.stat()) for path in folder.iterdir()), key=lambda entry: entry[1].st_mtime)
    excess = sum(stat.st_size for _, stat in files) - most
    for path, stat in files:
        if excess <= 0:
            return
        path.unlink(missing_ok=True)
        excess -= stat.st_size


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    write_atomic(path, safetensors.numpy.save({name: np.ascontiguousarray(a) for name, a in arrays.items()}))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Named arrays of a safetensors file. Raises `RunUnavailable` when it is missing, truncated or not such a file."""
    try:
        return safetensors.numpy.load_file(path)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        # The last two: a number format that NumPy does not have.
        raise RunUnavailable(f"{path.name} is missing or damaged ({error})") from None


def mapped_array(path: Path, name: str) -> np.ndarray:
    """One array of a safetensors file, read-only, of which only what is read is loaded from the disk. Raises
    `RunUnavailable` when the file is missing, truncated or without it.
    """
    headers = array_headers(path)  # checks the file as a whole
    try:
        shape, number_format = headers[name]
        kind = {"F32": np.float32, "F16": np.float16}[number_format]
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            begin = int(json.loads(file.read(size))[name]["data_offsets"][0])
        return np.memmap(path, kind, "r", 8 + size + begin, shape)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise RunUnavailable(f"{path.name} is missing or damaged ({error})") from None


def array_headers(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """{name: (shape, number format such as `F32`)} from the header alone; also checks that the file is as long as its
    header says. Raises `RunUnavailable`.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            return {name: (tuple(found.get_shape()), str(found.get_dtype())) for name, found in slices.items()}
    except (OSError, SafetensorError, ValueError) as error:
        raise RunUnavailable(f"{path.name} is missing or damaged ({error})") from None
