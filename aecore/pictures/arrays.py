"""Read and write images in `.npz` files: checked before anything is allocated, and never unpickled."""

import dataclasses
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8
from numpy.lib import format as npy

from aecore.foundation.errors import BadInput
from aecore.foundation.zip_guard import ZipGuard, ZipRefused

MAX_BYTES = 2 * 2**30
MAX_ARRAYS = 32
MIN_SIDE = 4
CONVERTED_AT_ONCE = 2**22
"""Numbers that are converted to bytes at a time."""
READ_AT_ONCE = 2**20
"""Bytes."""


@dataclasses.dataclass(frozen=True, eq=False)
class Arrays:
    """The images and labels of an `.npz` file; the last `test` images are its own test set (0: it has none)."""

    images: UInt8[np.ndarray, "n c h w"]
    labels: Int64[np.ndarray, "n"] | None
    label_names: tuple[str, ...]
    test: int


def read_npz(file: Path | bytes, max_bytes: int = MAX_BYTES) -> Arrays:
    """Read the images and labels of an `.npz` file.

    Images are the array `images` or `x`, or the only one there is; labels (optional) are `labels` or `y`. The layout
    of Keras (`x_train`, `y_train`, `x_test`, `y_test`; all but the first may be missing) is read too. Images are
    (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3 and sides of at least 4 pixels, in bytes 0 to 255 or real
    numbers 0 to 1.

    Raises `BadInput` with a one-line reason for anything else.
    """
    try:
        arrays = _members(file, ZipGuard(MAX_ARRAYS, max_bytes))
    except ZipRefused as refused:
        raise BadInput(_reason(refused, max_bytes)) from refused
    except BadInput:
        raise
    except Exception as error:  # hostile bytes break zlib, zipfile and the header parser in many ways
        raise BadInput(f"It is not a whole .npz file ({error}); write it again with numpy.savez.") from error
    if "x_train" in arrays:
        return _keras(arrays)
    labels = next((arrays.pop(name) for name in ("labels", "y") if name in arrays), None)
    name = next((n for n in ("images", "x") if n in arrays), None) or (next(iter(arrays)) if len(arrays) == 1 else None)
    if name is None:
        found = ", ".join(sorted(arrays)[:6]) or "nothing else"
        raise BadInput(f"No array is called 'images' or 'x' (found: {found}); name the pictures 'images'.")
    images = to_images(arrays[name])
    _refuse_constant(images)
    numbers, names = _labels(labels, len(images))
    return Arrays(images, numbers, names, test=0)


def _keras(arrays: dict[str, np.ndarray]) -> Arrays:
    parts = ["train", "test"] if "x_test" in arrays else ["train"]
    images = [to_images(arrays.pop(f"x_{part}")) for part in parts]
    labels = [arrays[f"y_{part}"].reshape(-1) for part in parts if f"y_{part}" in arrays]
    if images[0].shape[1:] != images[-1].shape[1:]:
        shapes = f"{images[0].shape[1:]} and x_test of {images[-1].shape[1:]}"
        raise BadInput(f"x_train holds pictures of {shapes}; make them equal.")
    if labels and [len(part) for part in labels] != [len(part) for part in images]:
        raise BadInput("x_train and y_train, or x_test and y_test, differ in length; each picture needs one label.")
    if len({part.dtype.kind for part in labels}) > 1:
        raise BadInput("y_train and y_test are of different types; give both integers or both words.")
    together = np.concatenate(images) if len(images) > 1 else images[0]
    _refuse_constant(together)
    numbers, names = _labels(np.concatenate(labels) if labels else None, len(together))
    return Arrays(together, numbers, names, test=len(images[1]) if len(images) > 1 else 0)


def unpacked_bytes(file: Path) -> int:
    """Read from the directory of an `.npz` file how many bytes its arrays take; 0 where it is not such a file."""
    try:
        with ZipGuard(MAX_ARRAYS, MAX_BYTES).open(file) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except ZipRefused as refused:
        return refused.found if refused.fault == "total" else 0


def _reason(refused: ZipRefused, max_bytes: int) -> str:
    match refused.fault:
        case "entries":
            return f"It holds {refused.found} arrays; an .npz file of pictures holds at most {MAX_ARRAYS}."
        case "total" | "size":
            return f"Unpacked it would take over {max_bytes // 2**20} MiB; use fewer or smaller pictures."
        case "encrypted" | "compression":
            return "An array in it is encrypted or packed in an unusual way; write the file with numpy.savez."
        case _:
            return f"It is not a whole .npz file ({refused.__cause__}); write it again with numpy.savez."


def _members(file: Path | bytes, guard: ZipGuard) -> dict[str, np.ndarray]:
    """Read {name: array}; sizes, types and headers are compared with the zip's directory before an array is made."""
    found: dict[str, np.ndarray] = {}
    with guard.open(file) as archive:
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            name = entry.filename.removesuffix(".npy")
            if name == entry.filename:
                raise BadInput(f"{printable(name)} is not a plain array; write the file with numpy.savez.")
            guard.check_entry(entry, guard.max_bytes)
            with archive.open(entry) as stream:
                found[name] = _array(stream, entry.file_size, printable(name))
    return found


def _array(stream: Any, size: int, name: str) -> np.ndarray:
    """Read one array from a member of `size` bytes; nothing is allocated that its header only claims to hold."""
    version = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise BadInput(f"Array '{name}' has a structure with named fields; give plain numbers.")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    if dtype.hasobject:
        raise BadInput(f"Array '{name}' holds pickled Python objects, which are never read; save plain numbers.")
    count = math.prod(shape)
    if min(shape, default=0) < 0 or count * dtype.itemsize != size - stream.tell():
        raise BadInput(f"Array '{name}' says it is {shape}, which is not the size of its data; the file is damaged.")
    flat = np.empty(count, dtype)
    left = flat.view(np.uint8).data if flat.nbytes else memoryview(b"")
    while left:  # into the array itself: reading everything at once would hold it twice
        read_bytes = stream.readinto(left[:READ_AT_ONCE])
        if not read_bytes:
            raise BadInput(f"Array '{name}' is cut off; write the file again with numpy.savez.")
        left = left[read_bytes:]
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def to_images(array: np.ndarray) -> UInt8[np.ndarray, "n c h w"]:
    """Convert any of the accepted layouts and number types to bytes (N, C, H, W); see `read_npz`. Raises `BadInput`."""
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[3] in (1, 3):
        array = array.transpose(0, 3, 1, 2)
    elif array.ndim != 4 or array.shape[1] not in (1, 3):
        layouts = "(N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3"
        raise BadInput(f"The pictures have the shape {array.shape}; it must be {layouts}.")
    if len(array) == 0 or min(array.shape[2:]) < MIN_SIDE:
        raise BadInput(f"The shape {array.shape} holds no picture of at least {MIN_SIDE} × {MIN_SIDE} pixels.")
    return np.ascontiguousarray(to_bytes(array))


def to_bytes(array: np.ndarray) -> UInt8[np.ndarray, "..."]:
    """Convert to bytes: integers 0 to 255 unchanged; booleans and reals in [0, 1] times 255, rounded. Raises `BadInput`
    for all other types and values.
    """
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind not in "biuf":
        raise BadInput(f"The pictures are of type {array.dtype}; give bytes 0 to 255 or real numbers 0 to 1.")
    low, high = float(array.min()), float(array.max())
    if not math.isfinite(low) or not math.isfinite(high):
        raise BadInput("Some values are not finite (NaN or infinity); replace them by numbers.")
    top = 255 if array.dtype.kind in "iu" else 1
    if low < 0 or high > top:
        raise BadInput(f"Values reach from {low:g} to {high:g}; scale them to 0 to {top}.")
    converted = np.empty(array.shape, np.uint8)
    step = max(1, CONVERTED_AT_ONCE * len(array) // max(array.size, 1))
    for start in range(0, len(array), step):  # piece by piece: the products of all together are as large as the array
        converted[start : start + step] = np.rint(array[start : start + step] * (255 // top))
    return converted


def _refuse_constant(images: UInt8[np.ndarray, "n c h w"]) -> None:
    if images.min() == images.max():
        raise BadInput(f"Every pixel has the value {images.flat[0]}; there is nothing to learn from.")


def _labels(labels: np.ndarray | None, count: int) -> tuple[Int64[np.ndarray, "n"] | None, tuple[str, ...]]:
    """Number the classes 0, 1, … in sorted order, and name them by the integers or words of the file."""
    if labels is None:
        return None, ()
    if labels.size != count or labels.dtype.kind not in "biuU":
        raise BadInput(
            f"Labels of shape {labels.shape} and type {labels.dtype} do not give {count} pictures one class each."
        )
    values, numbers = np.unique(labels.reshape(-1), return_inverse=True)
    return numbers.astype(np.int64), tuple(printable(str(value)) for value in values)


def npz_bytes(arrays: Mapping[str, Any]) -> bytes:
    """Write arrays as a compressed `.npz` file; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def base_name(path: str) -> str:
    """Return the last part of a path with slashes or backslashes, made `printable`."""
    return printable(path.replace("\\", "/").rstrip("/").rpartition("/")[2])


def printable(text: str) -> str:
    """Remove control and bidirectional characters and cut to 80: safe to show in one line."""
    clean = "".join(c for c in text if c.isprintable()).strip()
    return clean[:79] + "…" if len(clean) > 80 else clean or "unnamed"
