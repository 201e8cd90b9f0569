"""Read pictures that visitors upload: untrusted until checked, and never written to disk."""

import dataclasses
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from aecore.foundation.errors import BadInput
from aecore.foundation.zip_guard import ZipGuard, ZipRefused
from aecore.pictures.arrays import Arrays, base_name, read_npz
from aecore.pictures.reading import MAX_BYTES as MAX_PICTURE_BYTES
from aecore.pictures.reading import open_picture, render

MAX_IMAGES = 2000
MAX_ALL_BYTES = 100 * 2**20
MAX_ALL_PIXELS = 400 * 10**6
"""About ten seconds of decoding on one core."""
MAX_ENTRIES = 10_000
MAX_RATIO = 100
FREE_RATIO_BYTES = 10 * 2**20
"""The ratio counts only above this size: a drawing may well be compressed a hundredfold."""
MAX_SIDE = 128
JUNK_NAMES = ("thumbs.db", "desktop.ini")


@dataclasses.dataclass(frozen=True, eq=False)
class Intake:
    """The images of an upload: bytes (N, C, H, W), with a name and a class each ("" where the class is unknown).

    `refused` and `notes` hold (file name, one-line reason) of what was refused or changed.
    """

    images: UInt8[np.ndarray, "n c h w"]
    names: tuple[str, ...]
    refused: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    classes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Candidate:
    """A picture not yet opened; `open` reads its header and may raise `BadInput`."""

    name: str
    open: Callable[[], Image.Image]
    label: str = ""


def read_files(files: Sequence[tuple[str, bytes]], size: tuple[int, int] | None, channels: Literal[1, 3]) -> Intake:
    """Read uploaded files, each (name, content), as pictures of `size` (H, W) with 1 (grey) or 3 (colour) channels.

    Picture files (PNG, JPEG, GIF, WebP, PGM, PPM, TIFF, BMP), zip archives of them, and `.npz` files as the dataset
    `npz` reads them; recognised by content, not by name. See `aecore.pictures.reading.render` for how a picture is
    turned, converted, cropped and resized. With `size` None, all get the size of the first picture, its sides cut to
    at most 128 pixels. Never raises for the content of a file: what cannot be used is listed in `refused`.

    Checked before anything is decoded: 100 MiB in all (also unpacked), 50 MiB and 16 million pixels a picture,
    400 million pixels in all, 2,000 pictures, 10,000 entries of an archive, unpacked at most 100 times its size.
    """
    refused: list[tuple[str, str]] = []
    # A list: all files are checked before the first picture is decoded.
    taken = list(_at_most(_candidates(files, refused), MAX_IMAGES, refused))
    return _rendered(taken, refused, size, channels, MAX_ALL_PIXELS)


def read_own(source: Path, size: tuple[int, int] | None, channels: Literal[1, 3], most: int) -> Intake:
    """Read at most `most` pictures of the local machine: of an `.npz` file, of a folder and all folders in it, or of
    another file as `read_files` reads it (a zip of pictures).

    Each is read as by `read_files`; those of a folder one after the other, so that all together may be larger than
    memory. Classes are the labels of the `.npz` file, or the names of the pictures' folders. Raises `BadInput` for a
    wrong `.npz` file.
    """
    refused: list[tuple[str, str]] = []
    if source.suffix.lower() == ".npz":
        found = _from_arrays(source.name, read_npz(source))
    elif source.is_file():
        found = _candidates([(source.name, source.read_bytes())], refused)
    else:
        found = _from_folder(source, refused)
    return _rendered(_at_most(found, most, refused), refused, size, channels, None)


def _rendered(
    candidates: Iterable[_Candidate],
    refused: list[tuple[str, str]],
    size: tuple[int, int] | None,
    channels: Literal[1, 3],
    max_pixels: int | None,
) -> Intake:
    """Decode the candidates, in order, and convert them to one size."""
    notes: list[tuple[str, str]] = []
    images: list[np.ndarray] = []
    taken: list[tuple[str, str]] = []
    pixels = 0
    for candidate in candidates:
        try:
            picture = candidate.open()
            pixels += picture.width * picture.height
            if max_pixels is not None and pixels > max_pixels:
                raise BadInput(
                    f"The pictures up to this one have over {max_pixels // 10**6} million pixels together; send fewer."
                )
            size = size or (min(picture.height, MAX_SIDE), min(picture.width, MAX_SIDE))
            image, changes = render(picture, size, channels)
        except BadInput as error:
            refused.append((candidate.name, str(error)))
            continue
        images.append(image)
        taken.append((candidate.name, candidate.label))
        notes += [(candidate.name, change) for change in changes]
    stacked = np.stack(images) if images else np.zeros((0, channels, *(size or (1, 1))), np.uint8)
    names, classes = zip(*taken, strict=True) if taken else ((), ())
    return Intake(stacked, names, tuple(refused), tuple(notes), classes)


def _at_most(candidates: Iterator[_Candidate], most: int, refused: list[tuple[str, str]]) -> Iterator[_Candidate]:
    """Cut the candidates off after `most`, with one line in `refused` for the rest."""
    for number, candidate in enumerate(candidates):
        if number == most:
            refused.append((candidate.name, f"It and all that follow: at most {most} pictures are taken at once."))
            break
        yield candidate


def _from_folder(folder: Path, refused: list[tuple[str, str]]) -> Iterator[_Candidate]:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        label = path.parent.relative_to(folder).as_posix()
        for candidate in _candidates([(path.name, path.read_bytes())], refused):
            yield dataclasses.replace(candidate, label=candidate.label or label.removeprefix("."))


def _candidates(files: Sequence[tuple[str, bytes]], refused: list[tuple[str, str]]) -> Iterator[_Candidate]:
    """List the pictures of all files, unopened; add files that cannot be read to `refused`."""
    left = MAX_ALL_BYTES
    for raw_name, data in files:
        name = base_name(raw_name)
        try:
            if len(data) > left:
                raise BadInput(
                    f"With it the files would take more than {MAX_ALL_BYTES // 2**20} MiB; send fewer at once."
                )
            left -= len(data)
            if not data.startswith(b"PK"):
                yield _Candidate(name, lambda data=data: open_picture(data))
                continue
            guard = ZipGuard(MAX_ENTRIES, left, MAX_RATIO, FREE_RATIO_BYTES)
            archive = guard.open(data)
            entries = archive.infolist()
            unpacked = sum(entry.file_size for entry in entries)
            guard.check_ratio(unpacked, len(data))
            left -= unpacked
            if entries and all(entry.filename.endswith(".npy") for entry in entries):
                yield from _from_arrays(name, read_npz(data, MAX_ALL_BYTES))
            else:
                yield from _from_archive(archive, guard)
        except ZipRefused as error:
            refused.append((name, _reason(error)))
        except BadInput as error:
            refused.append((name, str(error)))


def _reason(refused: ZipRefused) -> str:
    match refused.fault:
        case "entries":
            return f"It holds {refused.found} entries; at most {MAX_ENTRIES} are read."
        case "damaged":
            return "It is an archive that is cut off or damaged; pack it again."
        case "total":
            return f"Unpacked, the files would take more than {MAX_ALL_BYTES // 2**20} MiB; send fewer at once."
        case "ratio":
            return f"It would unpack to {refused.found} times its size, which no set of pictures does."
        case "encrypted":
            return "It is encrypted; pack it without a password."
        case "compression":
            return "It is packed in an unusual way; pack it with ordinary zip compression."
        case "size":
            return f"It is {refused.found / 2**20:.0f} MiB large; at most {MAX_PICTURE_BYTES // 2**20} MiB are read."
        case "content":
            return f"It is damaged inside the archive ({type(refused.__cause__).__name__}); pack it again."


def _from_arrays(name: str, arrays: Arrays) -> Iterator[_Candidate]:
    labels = [""] * len(arrays.images) if arrays.labels is None else [arrays.label_names[i] for i in arrays.labels]
    for index, (image, label) in enumerate(zip(arrays.images, labels, strict=True)):
        pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
        yield _Candidate(
            f"{name} [{index}]", lambda pixels=pixels: Image.fromarray(np.ascontiguousarray(pixels)), label
        )


def _from_archive(archive: zipfile.ZipFile, guard: ZipGuard) -> Iterator[_Candidate]:
    pictures = [entry for entry in archive.infolist() if not entry.is_dir() and not _is_junk(entry.filename)]
    if not pictures:
        raise BadInput("It is an archive without pictures.")
    for entry in pictures:
        yield _Candidate(base_name(entry.filename), lambda entry=entry: open_picture(_unpacked(archive, entry, guard)))


def _is_junk(name: str) -> bool:
    """True for files that file managers add to archives: resource forks, thumbnails, hidden files."""
    last = base_name(name)
    return name.startswith("__MACOSX/") or last.startswith(".") or last.lower() in JUNK_NAMES


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, guard: ZipGuard) -> bytes:
    try:
        guard.check_entry(entry, MAX_PICTURE_BYTES)
        data = guard.read(archive, entry)
    except ZipRefused as refused:
        raise BadInput(_reason(refused)) from None
    if data.startswith(b"PK\x03\x04"):
        raise BadInput("It is an archive inside an archive; unpack it and send the pictures.")
    return data
