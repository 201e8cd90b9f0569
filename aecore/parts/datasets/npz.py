"""Pictures in a NumPy file."""

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Int64, UInt8
from pydantic import Field

from aecore.foundation.errors import BadInput, DataUnavailable
from aecore.foundation.progress import OnProgress
from aecore.parts.data import Data, Dataset
from aecore.parts.datasets._split import TEST, divide, divide_by_share
from aecore.pictures.arrays import Arrays, npz_bytes, read_npz, unpacked_bytes

MIN_PICTURES = 3


class Npz(Dataset):
    """Pictures from an `.npz` file: the array `images` or `x`, or the only one; labels in `labels` or `y`.

    Shapes (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3; bytes 0 to 255 or real numbers 0 to 1. At least three
    pictures; 15 % validation, 15 % test, stratified by label. The layout of Keras (`x_train`, `y_train`, `x_test`,
    `y_test`) keeps its test set, if it has one. Raises `DataUnavailable` if there is no such file, `BadInput` if it
    cannot be used.
    """

    kind: Literal["npz"] = "npz"
    title: ClassVar[str] = "NumPy file"
    local_path: ClassVar[bool] = True
    path: Path = Field(
        default=Path("images.npz"),
        title="File",
        description="Path of the .npz file; relative paths start at the run's folder",
        json_schema_extra={"unit": ""},
    )

    def load(self, progress: OnProgress | None = None, fetch: bool = False) -> Data:
        if not self.path.is_file():
            raise DataUnavailable(
                f"There is no file {self.path.name}, whose pictures are needed; restore it, or name another file."
            )
        try:
            arrays = read_npz(self.path)
        except BadInput as error:
            raise BadInput(f"{self.path.name} cannot be used. {error}") from error
        if len(arrays.images) < MIN_PICTURES:
            raise BadInput(
                f"{self.path.name} cannot be used. It holds {len(arrays.images)} picture(s); training, validation "
                f"and test need one each, so give at least {MIN_PICTURES}."
            )
        return Data(
            images=arrays.images,
            split=_split(arrays),
            labels=arrays.labels,
            label_names=arrays.label_names,
            name=self.path.stem,
            source=f"The file {self.path.name}",
            licence="Yours",
        )

    def resolved(self, folder: Path) -> "Npz":
        return self.model_copy(update={"path": folder / self.path})

    def cache_token(self) -> str:
        try:
            stat = self.path.stat()
        except OSError:
            return "absent"
        return f"{self.path.absolute()} {stat.st_mtime_ns} {stat.st_size}"

    def unpacked_bytes(self) -> int:
        return unpacked_bytes(self.path)

    def available(self) -> bool:
        return self.path.is_file()


def _split(arrays: Arrays) -> np.ndarray:
    labels = np.zeros(len(arrays.images), np.int64) if arrays.labels is None else arrays.labels
    train = len(labels) - arrays.test
    if not arrays.test or train < 2:
        return divide_by_share(labels)
    validation = max(1, min(5000, round(0.15 * train)))
    return np.concatenate([divide(labels[:train], validation, 0), np.full(arrays.test, TEST, np.uint8)])


def save_npz(images: UInt8[np.ndarray, "n c h w"], labels: Int64[np.ndarray, "n"] | None = None) -> bytes:
    """Write pictures as an `.npz` file from which `Npz` and `read_files` read the same pixels."""
    return npz_bytes({"images": images} if labels is None else {"images": images, "labels": labels})


def as_data(images: UInt8[np.ndarray, "n c h w"]) -> Data:
    """The dataset that `Npz` reads from `save_npz(images)`. Raises `BadInput` if it would refuse that file."""
    if len(images) < MIN_PICTURES:
        raise BadInput(
            f"There are {len(images)} pictures of your own; training, validation and test need one each, so give at "
            f"least {MIN_PICTURES}, better some dozens."
        )
    if images.min() == images.max():
        raise BadInput(f"Every pixel has the value {images.flat[0]}; there is nothing to learn from.")
    split = divide_by_share(np.zeros(len(images), np.int64))
    return Data(images, split, name="Your own images", source="You", licence="Yours")
