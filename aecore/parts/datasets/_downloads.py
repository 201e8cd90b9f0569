"""Datasets that come over the network once and then lie in `AECORE_HOME/datasets` as plain `.npz` files."""

import hashlib
import os
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from aecore.foundation.errors import BadInput, DataUnavailable
from aecore.foundation.files import write_atomic
from aecore.foundation.home import home
from aecore.foundation.progress import OnProgress
from aecore.pictures.arrays import Arrays, npz_bytes, read_npz

Fetched = dict[str, np.ndarray]


def local_file(kind: str, variable: str) -> Path:
    """Where the file is looked for: named by the environment `variable`, or `AECORE_HOME/datasets/<kind>.npz`."""
    named = os.environ.get(variable)
    return Path(named).expanduser() if named else home() / "datasets" / f"{kind}.npz"


def file_token(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:
        return "absent"
    return f"{path} {stat.st_mtime_ns} {stat.st_size}"


def obtain(
    path: Path, title: str, variable: str, progress: OnProgress | None, get: Callable[[OnProgress], Fetched] | None
) -> Arrays:
    """The file at `path`, first fetched with `get` and saved there when it is absent.

    Raises `DataUnavailable` when it is absent and `get` is None or fails, `BadInput` when the file cannot be used.
    """
    if not path.is_file():
        if os.environ.get(variable):
            raise DataUnavailable(
                f"{variable} names {path}, where there is no file; correct it, or unset it to download {title}."
            )
        if get is None:
            raise DataUnavailable(
                f"{title} is not on this machine; allow the download, or let {variable} name its .npz file."
            )
        _fetch(path, title, get, progress or (lambda fraction, words: None))
    try:
        return read_npz(path)
    except BadInput as error:
        raise BadInput(f"{path.name}, the local copy of {title}, cannot be used. {error}") from error


def _fetch(path: Path, title: str, get: Callable[[OnProgress], Fetched], progress: OnProgress) -> None:
    try:
        arrays = get(progress)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, npz_bytes(arrays))
    except OSError as error:  # URLError and TimeoutError are kinds of it, as is a full disk
        raise DataUnavailable(
            f"{title} could not be downloaded ({error}); check the network and the free disk space, then try again."
        ) from error
    except ValueError as error:  # scikit-learn's word for an answer that is not what was asked for
        raise DataUnavailable(
            f"{title} could not be downloaded: the server's answer is not the data ({error}). Try again later."
        ) from error
    progress(1.0, f"{title} is saved")


def from_openml(name: str, title: str, progress: OnProgress) -> Fetched:
    """70,000 pictures of 28 × 28 from OpenML, the first 60,000 for training, in the layout of Keras.

    scikit-learn keeps the answer as compressed ARFF text in `AECORE_HOME/downloads`: no pickle is written or read.
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


def download(url: str, sha256: str, title: str, progress: OnProgress, most: int = 64 * 2**20) -> bytes:
    """The bytes behind `url`; ValueError when their hash is not `sha256`, OSError without network."""
    request = urllib.request.Request(url, headers={"User-Agent": "aecore"})
    received = bytearray()
    with urllib.request.urlopen(request, timeout=30) as answer:
        total = int(answer.headers.get("Content-Length") or most)
        while block := answer.read(2**16):
            received += block
            if len(received) > most:
                raise ValueError(f"more than {most} bytes")
            progress(min(0.95, len(received) / total), f"Downloading {title}")
    if hashlib.sha256(received).hexdigest() != sha256:
        raise ValueError("its SHA-256 is not the published one")
    return bytes(received)
