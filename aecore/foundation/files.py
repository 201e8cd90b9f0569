"""Read and write whole files: a killed process or a full disk never leaves a half-written file under its final name."""

import contextlib
import os
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from aecore.foundation.errors import RunUnavailable
from aecore.foundation.leftovers import writer


@contextlib.contextmanager
def atomic_file(path: Path) -> Generator[BinaryIO]:
    """Open a temporary file beside `path` for writing; at the end sync it and rename it to `path`.

    If anything fails, the temporary file is deleted and the file at `path`, if there was one, is unchanged. After a
    kill, `remove_leftovers` deletes it.
    """
    temporary = path.with_name(f".{path.name}.{writer()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` to `path` as `atomic_file` does."""
    with atomic_file(path) as file:
        file.write(content)


def touch(path: Path) -> None:
    """Mark a file or folder as used last, of all beside it: its time is now, or later where the clock was set back."""
    folder = path.parent
    if folder not in _latest:
        _latest[folder] = max((other.stat().st_mtime_ns for other in folder.iterdir()), default=0)
    _latest[folder] = when = max(time.time_ns(), _latest[folder] + 1)
    os.utime(path, ns=(when, when))


_latest: dict[Path, int] = {}
"""{folder: the latest time that `touch` gave or found there}"""


def prune(folder: Path, max_bytes: int) -> None:
    """Delete the least recently touched files of a cache folder until at most `max_bytes` remain."""
    # Hidden files are in the making; their writers still rename them.
    files = [(path, path.stat()) for path in folder.iterdir() if not path.name.startswith(".")]
    files.sort(key=lambda entry: entry[1].st_mtime_ns)
    excess = sum(stat.st_size for _, stat in files) - max_bytes
    for path, stat in files:
        if excess <= 0:
            return
        path.unlink(missing_ok=True)
        excess -= stat.st_size


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as one safetensors file."""
    write_atomic(path, safetensors.numpy.save({name: np.ascontiguousarray(a) for name, a in arrays.items()}))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the named arrays of a safetensors file.

    Raises `RunUnavailable` when the file is missing, truncated or of another format.
    """
    try:
        return safetensors.numpy.load_file(path)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        # safetensors raises the last two for a number format that NumPy lacks.
        raise RunUnavailable(f"{path.name} is missing or damaged ({error})") from None


def array_headers(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Read {name: (shape, number format such as `F32`)} from the header of a safetensors file, without the numbers.

    Raises `RunUnavailable` when the file is missing, of another format, or not as long as its header says.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            return {name: (tuple(found.get_shape()), str(found.get_dtype())) for name, found in slices.items()}
    except (OSError, SafetensorError, ValueError) as error:
        raise RunUnavailable(f"{path.name} is missing or damaged ({error})") from None


def write_mapped(path: Path, array: np.ndarray) -> None:
    """Write an array as an `.npy` file for `mapped_array`."""
    with atomic_file(path) as file:
        np.save(file, array, allow_pickle=False)


def mapped_array(path: Path) -> np.ndarray:
    """Map an `.npy` file into memory, read-only: the disk is read only where the array is.

    Raises `RunUnavailable` when the file is missing, truncated, of another format, or holds Python objects.
    """
    try:
        # What `np.load(mmap_mode="r", allow_pickle=False)` does with such a file, but zip archives are refused too.
        return np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError) as error:
        raise RunUnavailable(f"{path.name} is missing or damaged ({error})") from None
