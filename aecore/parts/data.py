"""The data contract: what a dataset must give, and how images lie in memory."""

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
    """A frozen, validated settings object; its `kind` is its name in JSON, in the app and on the command line.

    The class docstring's first line is the one-line help; the rest is shown beside the widget. Every field carries a
    `title`, a default, its range, a `description` and, in `json_schema_extra`, its `unit`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    kind: str = ""
    title: ClassVar[str] = ""

    @classmethod
    def kind_name(cls) -> str:
        return str(cls.model_fields["kind"].default)


@dataclasses.dataclass(frozen=True, eq=False)
class Data:
    """A dataset in memory: bytes stay bytes, float is made per batch.

    `images` is uint8 (N, C, H, W) standing for [0, 1], or float32 with `value_range` declared (None: any real number).
    `split` holds 0, 1, 2 for train, validation, test: choices are made on validation, test is only reported.
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
    """What decides drawn pixels, whose last bit may differ between processors: settings, version of the drawing."""

    @property
    def shape(self) -> Shape:
        _, c, h, w = self.images.shape
        return (c, h, w)

    def __len__(self) -> int:
        return len(self.images)

    def indices(self, split: SplitName) -> Int64[np.ndarray, "m"]:
        return np.flatnonzero(self.split == SPLITS.index(split)).astype(np.int64)

    def floats(self, indices: Int64[np.ndarray, "m"] | slice) -> Float32[np.ndarray, "m c h w"]:
        """The chosen images as float32; bytes are divided by 255."""
        chosen = self.images[indices]
        return chosen.astype(np.float32) / np.float32(255) if chosen.dtype == np.uint8 else chosen

    @functools.cached_property
    def hash(self) -> str:
        """SHA-256 over shape, dtype, split and pixels, or `identity` for the pixels (first 16 hex digits): two runs
        with equal hashes saw equal data.
        """
        digest = hashlib.sha256(f"{self.images.shape}{self.images.dtype}{self.identity}".encode())
        if not self.identity:
            digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.split).data)
        return digest.hexdigest()[:16]


class Dataset(Part):
    """Where pictures come from."""

    value_range: ClassVar[tuple[float, float] | None] = (0.0, 1.0)
    on_demand: ClassVar[bool] = False
    """True where `load` may have to fetch something from the network."""
    local_path: ClassVar[bool] = False
    """True where a setting names a path on this machine: offered on the command line and in Python, never on a page."""

    @abc.abstractmethod
    def load(self, progress: OnProgress | None = None, fetch: bool = False) -> Data:
        """The data; raises `DataUnavailable` when it is not on this machine and `fetch` is False or fails."""

    def resolved(self, folder: Path) -> "Dataset":
        """This dataset with paths relative to a run's `folder` made absolute (own images travel with their run)."""
        return self

    def cache_token(self) -> str:
        """Changes when the files behind equal settings change; part of the in-memory cache's key."""
        return ""

    def available(self) -> bool:
        """Whether `load()` works now without a download."""
        return True


Pictures = Float32[np.ndarray, "n c h w"]
CodeArray = Float32[np.ndarray, "n k"]
