"""Datasets that are downloaded once and then kept in `AECORE_HOME/datasets` as plain `.npz` files."""

import abc
import hashlib
import os
import urllib.request
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from aecore.foundation.errors import BadInput, DataUnavailable, words_of
from aecore.foundation.files import write_atomic
from aecore.foundation.home import home
from aecore.foundation.progress import OnProgress
from aecore.parts.data import Data, Dataset
from aecore.parts.datasets._split import TEST, divide
from aecore.pictures.arrays import Arrays, npz_bytes, read_npz

Fetched = dict[str, np.ndarray]


class Downloaded(Dataset, abc.ABC):
    """A dataset in an `.npz` file: the one that the environment `variable` names, else
    `AECORE_HOME/datasets/<kind>.npz`, which `load(fetch=True)` downloads if it is absent.
    """

    on_demand: ClassVar[bool] = True
    variable: ClassVar[str]
    contents: ClassVar[str]
    """Number and size of the pictures, in words."""

    @abc.abstractmethod
    def download(self, progress: OnProgress) -> Fetched:
        """Fetch the arrays of the file. Raises `OSError` without network, `ValueError` for a wrong answer."""

    @abc.abstractmethod
    def data(self, arrays: Arrays) -> Data | None:
        """The dataset in the arrays of the file; None if they are something else."""

    def load(self, progress: OnProgress | None = None, fetch: bool = False) -> Data:
        """Read the file, after downloading it if it is absent and `fetch` is true.

        Raises `DataUnavailable` if it stays absent, `BadInput` if it cannot be used.
        """
        path = self._file()
        if not path.is_file():
            self._fetch(path, progress or (lambda fraction, words: None), fetch)
        try:
            data = self.data(read_npz(path))
        except BadInput as error:
            raise BadInput(f"{path.name}, the local copy of {self.title}, cannot be used. {error}") from error
        if data is None:
            raise BadInput(f"{path.name} is not {self.title}: it must hold {self.contents}; use another file.")
        return data

    def cache_token(self) -> str:
        path = self._file()
        try:
            stat = path.stat()
        except OSError:
            return "absent"
        return f"{path} {stat.st_mtime_ns} {stat.st_size}"

    def available(self) -> bool:
        return self._file().is_file()

    def _file(self) -> Path:
        named = os.environ.get(self.variable)
        return Path(named).expanduser() if named else home() / "datasets" / f"{self.kind}.npz"

    def _fetch(self, path: Path, progress: OnProgress, fetch: bool) -> None:
        if os.environ.get(self.variable):
            raise DataUnavailable(
                f"{self.variable} names a file that is not there ({path.name}); correct it, or unset it to download "
                f"{self.title}."
            )
        if not fetch:
            raise DataUnavailable(
                f"{self.title} is not on this machine; allow the download, or let {self.variable} name its .npz file."
            )
        try:
            arrays = self.download(progress)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, npz_bytes(arrays))
        except OSError as error:  # includes URLError, TimeoutError and a full disk
            raise DataUnavailable(
                f"{self.title} could not be downloaded: {words_of(error)}; check the network too."
            ) from error
        except ValueError as error:  # raised by `download_bytes` and by scikit-learn
            raise DataUnavailable(
                f"{self.title} could not be downloaded: the server's answer is not the data ({error}). Try again later."
            ) from error
        progress(1.0, f"{self.title} is saved")


def from_openml(name: str, title: str, progress: OnProgress) -> Fetched:
    """Fetch 70,000 pictures of 28 × 28 from OpenML, the first 60,000 for training, in the layout of Keras.

    scikit-learn caches the answer as compressed ARFF text in `AECORE_HOME/downloads`, so no pickle is written or read.
    """
    from sklearn.datasets import fetch_openml

    progress(
        0.0, f"Downloading {title} from openml.org (about 15 to 30 MB), then unpacking it; this takes a minute or two"
    )
    answer: Any = fetch_openml(
        name, version=1, as_frame=False, parser="liac-arff", data_home=str(home() / "downloads"), n_retries=1
    )
    images = np.asarray(answer.data).astype(np.uint8).reshape(70_000, 28, 28)
    labels = np.asarray(answer.target).astype(np.uint8)
    progress(0.9, f"Saving {title}")
    return {
        "x_train": images[:60_000],
        "y_train": labels[:60_000],
        "x_test": images[60_000:],
        "y_test": labels[60_000:],
    }


def mnist_like(arrays: Arrays, label_names: tuple[str, ...], name: str, source: str, licence: str) -> Data | None:
    """60,000 + 10,000 pictures of 28 × 28: 5,000 of the former for validation, stratified, the latter for test."""
    if arrays.images.shape != (70_000, 1, 28, 28) or arrays.labels is None or arrays.test != 10_000:
        return None
    split = np.concatenate([divide(arrays.labels[:-10_000], 5000, 0), np.full(10_000, TEST, np.uint8)])
    return Data(arrays.images, split, arrays.labels, label_names, name=name, source=source, licence=licence)


def download_bytes(url: str, sha256: str, title: str, progress: OnProgress, max_bytes: int = 64 * 2**20) -> bytes:
    """Download `url`. Raises `ValueError` if its hash is not `sha256`, `OSError` without network."""
    request = urllib.request.Request(url, headers={"User-Agent": "aecore"})
    received = bytearray()
    with urllib.request.urlopen(request, timeout=30) as answer:
        total = int(answer.headers.get("Content-Length") or max_bytes)
        while block := answer.read(2**16):
            received += block
            if len(received) > max_bytes:
                raise ValueError(f"more than {max_bytes} bytes")
            progress(min(0.95, len(received) / total), f"Downloading {title}")
    if hashlib.sha256(received).hexdigest() != sha256:
        raise ValueError("its SHA-256 is not the published one")
    return bytes(received)
