"""Picture files in a folder."""

import hashlib
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from aecore.foundation.errors import BadInput, DataUnavailable
from aecore.foundation.progress import OnProgress
from aecore.parts.data import Data, Dataset
from aecore.parts.datasets._split import divide_by_share
from aecore.pictures.arrays import printable
from aecore.pictures.reading import SUFFIXES, open_picture, render

MIN_PICTURES = 3
MAX_PICTURES = 50_000


class Folder(Dataset):
    """Pictures from a folder, or from its subfolders, one per class.

    PNG, JPEG, GIF, WebP, PGM, PPM, TIFF and BMP; each is cropped to its central square and resized. If there are
    pictures in subfolders, these are the classes, and pictures beside them are ignored. Unreadable files are skipped
    and counted in the data's source. 15 % validation, 15 % test, stratified by class. Raises `DataUnavailable` if there
    is no such folder, `BadInput` if it has fewer than three readable pictures.
    """

    kind: Literal["folder"] = "folder"
    title: ClassVar[str] = "Folder of pictures"
    local_path: ClassVar[bool] = True
    path: Path = Field(
        default=Path("images"),
        title="Folder",
        description="Path of the folder; relative paths start at the run's folder",
        json_schema_extra={"unit": ""},
    )
    size: int = Field(
        32,
        ge=8,
        le=128,
        title="Side",
        description="Height and width",
        json_schema_extra={"unit": "pixels"},
    )
    colour: bool = Field(
        default=False, title="Colour", description="Colour pictures; grey if off", json_schema_extra={"unit": ""}
    )

    def load(self, progress: OnProgress | None = None, fetch: bool = False) -> Data:
        if not self.path.is_dir():
            raise DataUnavailable(
                f"There is no folder {self.path.name}, whose pictures are needed; restore it, or name another folder."
            )
        files = self._files()
        if len(files) > MAX_PICTURES:
            raise BadInput(
                f"{self.path.name} holds {len(files)} pictures, more than the {MAX_PICTURES} that can be read; use a "
                "smaller folder."
            )
        images: list[np.ndarray] = []
        classes: list[str] = []
        skipped: list[str] = []
        for index, file in enumerate(files):
            if progress is not None and index % 50 == 0:
                progress(index / len(files), "Reading pictures")
            try:
                pixels, _ = render(open_picture(file.read_bytes()), (self.size, self.size), 3 if self.colour else 1)
            except (BadInput, OSError) as error:
                skipped.append(f"{printable(file.name)}: {error}")
                continue
            images.append(pixels)
            classes.append(printable(file.parent.name))
        if len(images) < MIN_PICTURES:
            first = f", {len(skipped)} cannot be read ({skipped[0]})" if skipped else ""
            raise BadInput(
                f"{self.path.name} holds {len(images)} readable picture(s){first}; training, validation and test "
                f"need one each, so give at least {MIN_PICTURES}."
            )
        names, labels = np.unique(classes, return_inverse=True)
        numbers = labels.astype(np.int64)
        by_class = files[0].parent != self.path
        return Data(
            images=np.stack(images),
            split=divide_by_share(numbers),
            labels=numbers if by_class else None,
            label_names=tuple(map(str, names)) if by_class else (),
            name=self.path.name,
            source=f"The folder {self.path.name}" + _report(skipped),
            licence="Yours",
        )

    def _files(self) -> list[Path]:
        """Picture files sorted by name: those of the subfolders if there are any, else the folder's own."""
        inside = [path for path in self.path.glob("*/*") if _is_picture(path) and path.parent.name[0] != "."]
        return sorted(inside or [path for path in self.path.iterdir() if _is_picture(path)])

    def resolved(self, folder: Path) -> "Folder":
        return self.model_copy(update={"path": folder / self.path})

    def cache_token(self) -> str:
        if not self.path.is_dir():
            return "absent"
        digest = hashlib.sha256(str(self.path.absolute()).encode())
        for file in self._files():
            stat = file.stat()
            digest.update(f"{file.relative_to(self.path)} {stat.st_mtime_ns} {stat.st_size};".encode())
        return digest.hexdigest()

    def unpacked_bytes(self) -> int:
        return len(self._files()) * self.size**2 * (3 if self.colour else 1) if self.path.is_dir() else 0

    def available(self) -> bool:
        return self.path.is_dir()


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _report(skipped: list[str]) -> str:
    return f"; {len(skipped)} unreadable file(s) skipped, first {skipped[0]}" if skipped else ""
