"""The contracts of parts in general and of datasets, and the layout of images in memory."""

import abc
import dataclasses
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float32, Int64, Num, UInt8
from pydantic import BaseModel, ConfigDict

from aecore.foundation.progress import OnProgress

Shape = tuple[int, int, int]
SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


class Part(BaseModel):
    """A frozen, validated settings object. `kind` is its name in JSON, in the app and on the command line.

    The first line of the class docstring is the short help, the rest is shown beside the widget. Each field has a
    default, a `title`, a `description`, its range and, in `json_schema_extra`, its `unit`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    kind: str = ""
    title: ClassVar[str] = ""

    @classmethod
    def kind_name(cls) -> str:
        return str(cls.model_fields["kind"].default)


@dataclasses.dataclass(frozen=True, eq=False)
class Data:
    """A dataset in memory; bytes are converted to float per batch.

    `images` (N, C, H, W) are uint8, where 0 to 255 stands for [0, 1], or float32 within `value_range` (None: any real
    number). `split` is 0, 1 or 2 per image for train, validation, test; choices are made on validation only.
    """

    images: UInt8[np.ndarray, "n c h w"] | Float32[np.ndarray, "n c h w"]
    split: UInt8[np.ndarray, "n"]
    labels: Int64[np.ndarray, "n"] | None = None
    label_names: tuple[str, ...] = ()
    factors: Mapping[str, Num[np.ndarray, "n"]] = dataclasses.field(default_factory=dict)
    value_range: tuple[float, float] | None = (0.0, 1.0)
    name: str = ""
    source: str = ""
    licence: str = ""
    identity: str = ""
    """Settings and version of a drawing. They replace its pixels in `hash`, whose last bit may differ between CPUs."""

    @property
    def shape(self) -> Shape:
        _, c, h, w = self.images.shape
        return (c, h, w)

    def __len__(self) -> int:
        return len(self.images)

    def indices(self, split: SplitName) -> Int64[np.ndarray, "m"]:
        """Positions of the images of a split, ascending."""
        return np.flatnonzero(self.split == SPLITS.index(split)).astype(np.int64)

    def floats(self, indices: Int64[np.ndarray, "m"] | slice) -> Float32[np.ndarray, "m c h w"]:
        """The images at `indices` as float32; bytes are divided by 255."""
        chosen = self.images[indices]
        return chosen.astype(np.float32) / np.float32(255) if chosen.dtype == np.uint8 else chosen

    @functools.cached_property
    def hash(self) -> str:
        """First 16 hex digits of the SHA-256 of shape, dtype, split and pixels (or `identity`): runs with equal hashes
        were trained on equal data.
        """
        digest = hashlib.sha256(f"{self.images.shape}{self.images.dtype}{self.identity}".encode())
        if not self.identity:
            digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.split).data)
        return digest.hexdigest()[:16]


class Dataset(Part):
    """A source of pictures."""

    value_range: ClassVar[tuple[float, float] | None] = (0.0, 1.0)
    on_demand: ClassVar[bool] = False
    """True if `load` may need a download."""
    local_path: ClassVar[bool] = False
    """True if a setting is a path on this machine: available on the command line and in Python, never on a page."""

    @abc.abstractmethod
    def load(self, progress: OnProgress | None = None, fetch: bool = False) -> Data:
        """Load the data, downloading it if needed and `fetch` is true; otherwise raises `DataUnavailable`."""

    def resolved(self, folder: Path) -> "Dataset":
        """A copy with paths relative to a run's `folder` made absolute (own images are stored with their run)."""
        return self

    def cache_token(self) -> str:
        """A string that changes when the files behind equal settings change; part of the cache key."""
        return ""

    def unpacked_bytes(self) -> int:
        """About how many bytes `load` reads from files of the user's own, before any of them is decoded; 0 for data
        whose size the settings bound.
        """
        return 0

    def available(self) -> bool:
        """True if `load()` needs no download."""
        return True


Pictures = Float32[np.ndarray, "n c h w"]
CodeArray = Float32[np.ndarray, "n k"]
