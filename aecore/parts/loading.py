"""Datasets in memory: one copy in the process, shared by everyone, within a bound."""

import threading
from collections import OrderedDict

import numpy as np

from aecore.foundation.progress import OnProgress
from aecore.parts.data import Data, Dataset

MAX_BYTES = 300 * 2**20


def _bytes(data: Data) -> int:
    return sum(array.nbytes for array in _arrays(data))


def _arrays(data: Data) -> list[np.ndarray]:
    labels = [] if data.labels is None else [data.labels]
    return [data.images, data.split, *labels, *data.factors.values()]


class DataCache:
    """The least recently used data go first when all together would take more than `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, str], Data] = OrderedDict()
        self._loading: dict[tuple[str, str], threading.Lock] = {}

    def load(self, dataset: Dataset, progress: OnProgress | None, fetch: bool) -> Data:
        key = _key(dataset)
        with self._lock:
            if (held := self._find(key)) is not None:
                return held
            turn = self._loading.setdefault(key, threading.Lock())
        with turn:
            key = _key(dataset)  # whoever had the turn before may have fetched the file, which changes the key
            with self._lock:
                if (held := self._find(key)) is not None:
                    return held
            try:
                data = dataset.load(progress, fetch)
            finally:
                with self._lock:
                    self._loading = {k: lock for k, lock in self._loading.items() if lock is not turn}
            for array in _arrays(data):
                array.setflags(write=False)
            with self._lock:
                self._keep(_key(dataset), data)
            return data

    def _find(self, key: tuple[str, str]) -> Data | None:
        if key in self._held:
            self._held.move_to_end(key)
        return self._held.get(key)

    def _keep(self, key: tuple[str, str], data: Data) -> None:
        self._held[key] = data
        while sum(map(_bytes, self._held.values())) > self._max_bytes:
            self._held.popitem(last=False)


def _key(dataset: Dataset) -> tuple[str, str]:
    return f"{type(dataset).__module__}.{type(dataset).__qualname__} {dataset.model_dump_json()}", dataset.cache_token()


_CACHE = DataCache(MAX_BYTES)


def load_data(dataset: Dataset, progress: OnProgress | None = None, fetch: bool = False) -> Data:
    """`dataset.load(progress, fetch)`, kept for the next one who asks; its arrays are read-only.

    At most 300 MiB are kept in the process, the longest unused going first. Equal settings whose files have changed
    since (`Dataset.cache_token`) are loaded anew. Of several threads that ask at once, one loads and the others wait.
    Raises what `load` raises; a failure is not remembered.
    """
    return _CACHE.load(dataset, progress, fetch)
