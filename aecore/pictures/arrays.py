"""Pictures in `.npz` files: checked before anything is allocated, and never unpickled."""

import dataclasses
import io
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8
from numpy.lib import format as npy

from aecore.foundation.errors import BadInput

MAX_BYTES = 2 * 2**30
SMALLEST_SIDE = 4
KERAS = ("x_train", "y_train", "x_test", "y_test")
READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Other compressions let a few bytes of the file ask for gigabytes of dictionary."""


@dataclasses.dataclass(frozen=True, eq=False)
class Arrays:
    """What an `.npz` file holds; the last `test` images are the file's own test set (0: it names none)."""

    images: UInt8[np.ndarray, "n c h w"]
    labels: Int64[np.ndarray, "n"] | None
    label_names: tuple[str, ...]
    test: int


def read_npz(file: Path | bytes, max_bytes: int = MAX_BYTES) -> Arrays:
    """Images and labels of an `.npz` file.

    Images are the array `images` or `x`, or the only one there is; labels (optional) are `labels` or `y`. The layout
    of Keras (`x_train`, `y_train`, `x_test`, `y_test`) is known too. Images are (N, H, W), (N, H, W, C) or
    (N, C, H, W) with C 1 or 3 and sides of at least 4 pixels, in bytes 0 to 255 or real numbers 0 to 1.

    Raises `BadInput` with a one-line reason for anything else.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(file) if isinstance(file, bytes) else file) as archive:
            arrays = _members(archive, max_bytes)
    except BadInput:
        raise
    except Exception as error:  # hostile bytes break zlib, zipfile and the header parser in many ways
        raise BadInput(f"It is not a whole .npz file ({error}); write it again with numpy.savez.") from error
    if set(KERAS) <= arrays.keys():
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
    train, test = to_images(arrays["x_train"]), to_images(arrays["x_test"])
    if train.shape[1:] != test.shape[1:]:
        raise BadInput(f"x_train holds pictures of {train.shape[1:]} and x_test of {test.shape[1:]}; make them equal.")
    if (arrays["y_train"].size, arrays["y_test"].size) != (len(train), len(test)):
        raise BadInput("x_train and y_train, or x_test and y_test, differ in length; each picture needs one label.")
    images = np.concatenate([train, test])
    _refuse_constant(images)
    if arrays["y_train"].dtype.kind != arrays["y_test"].dtype.kind:
        raise BadInput("y_train and y_test are of different types; give both integers or both words.")
    numbers, names = _labels(np.concatenate([arrays["y_train"].reshape(-1), arrays["y_test"].reshape(-1)]), len(images))
    return Arrays(images, numbers, names, test=len(test))


def _members(archive: zipfile.ZipFile, max_bytes: int) -> dict[str, np.ndarray]:
    """{name: array}; sizes, dtypes and headers are compared with what the archive declares before an array is made."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > 32:
        raise BadInput(f"It holds {len(entries)} arrays; an .npz file of pictures holds at most 32.")
    if sum(entry.file_size for entry in entries) > max_bytes:
        raise BadInput(f"Unpacked it would take over {max_bytes // 2**20} MiB; use fewer or smaller pictures.")
    found: dict[str, np.ndarray] = {}
    for entry in entries:
        name = entry.filename.removesuffix(".npy")
        if entry.flag_bits & 1 or entry.compress_type not in READABLE or name == entry.filename:
            raise BadInput(f"{printable(entry.filename)} is not a plain array; write the file with numpy.savez.")
        with archive.open(entry) as stream:
            found[name] = _array(stream, entry.file_size, printable(name))
    return found


def _array(stream: Any, size: int, name: str) -> np.ndarray:
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
    flat = np.frombuffer(stream.read(), dtype, count)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def to_images(array: np.ndarray) -> UInt8[np.ndarray, "n c h w"]:
    """Any of the accepted layouts and number types as bytes (N, C, H, W); `BadInput` says what is wrong with others."""
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[3] in (1, 3):
        array = array.transpose(0, 3, 1, 2)
    elif array.ndim != 4 or array.shape[1] not in (1, 3):
        wanted = "(N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3"
        raise BadInput(f"The pictures have the shape {array.shape}; it must be {wanted}.")
    if len(array) == 0 or min(array.shape[2:]) < SMALLEST_SIDE:
        raise BadInput(
            f"The shape {array.shape} holds no picture of at least {SMALLEST_SIDE} × {SMALLEST_SIDE} pixels."
        )
    return np.ascontiguousarray(to_bytes(array))


def to_bytes(array: np.ndarray) -> UInt8[np.ndarray, "..."]:
    """0 to 255 as they are; truth values and real numbers in [0, 1] times 255, rounded. Raises `BadInput` otherwise."""
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
    return np.rint(array * (255 // top)).astype(np.uint8)


def _refuse_constant(images: UInt8[np.ndarray, "n c h w"]) -> None:
    if images.min() == images.max():
        raise BadInput(f"Every pixel has the value {images.flat[0]}; there is nothing to learn from.")


def _labels(labels: np.ndarray | None, count: int) -> tuple[Int64[np.ndarray, "n"] | None, tuple[str, ...]]:
    """Class numbers 0, 1, … and their names, whatever integers or words the file used."""
    if labels is None:
        return None, ()
    if labels.size != count or labels.dtype.kind not in "biuU":
        raise BadInput(
            f"Labels of shape {labels.shape} and type {labels.dtype} do not give {count} pictures one class each."
        )
    values, numbers = np.unique(labels.reshape(-1), return_inverse=True)
    return numbers.astype(np.int64), tuple(printable(str(value)) for value in values)


def npz_bytes(arrays: Mapping[str, Any]) -> bytes:
    """A compressed `.npz` file of plain arrays, equal bytes for equal arrays."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def base_name(path: str) -> str:
    """The last part of a path of any system, made `printable`."""
    return printable(path.replace("\\", "/").rstrip("/").rpartition("/")[2])


def printable(text: str) -> str:
    """`text` without control and bidirectional marks, at most 80 characters: safe to show in one line."""
    clean = "".join(c for c in text if c.isprintable()).strip()
    return clean[:79] + "…" if len(clean) > 80 else clean or "unnamed"
