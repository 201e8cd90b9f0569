"""Load datasets through a cache that the whole process shares, bounded by bytes."""

import contextlib
import threading

import cachetools
import numpy as np

from aecore.foundation.progress import OnProgress
from aecore.parts.data import Data, Dataset

MAX_BYTES = 300 * 2**20


def _arrays(data: Data) -> list[np.ndarray]:
    labels = [] if data.labels is None else [data.labels]
    return [data.images, data.split, *labels, *data.factors.values()]


def _size(data: Data) -> int:
    return sum(array.nbytes for array in _arrays(data))


class DataCache:
    """Keep the most recently used datasets, `max_bytes` together; a larger one is loaded but not kept."""

    def __init__(self, max_bytes: int) -> None:
        self._cached: cachetools.LRUCache[tuple[str, str], Data] = cachetools.LRUCache(max_bytes, _size)
        self._loading: set[str] = set()
        self._changed = threading.Condition()
        """Guards both; notified when a load ends."""

    def load(self, dataset: Dataset, on_progress: OnProgress | None, fetch: bool) -> Data:
        """See `load_data`."""
        settings = f"{type(dataset).__module__}.{type(dataset).__qualname__} {dataset.model_dump_json()}"
        with self._changed:
            self._changed.wait_for(lambda: settings not in self._loading)
            self._loading.add(settings)
        try:
            key = settings, dataset.cache_token()
            with self._changed:
                cached = self._cached.get(key)
            return self._load(settings, dataset, on_progress, fetch) if cached is None else cached
        finally:
            with self._changed:
                self._loading.remove(settings)
                self._changed.notify_all()

    def _load(self, settings: str, dataset: Dataset, on_progress: OnProgress | None, fetch: bool) -> Data:
        data = dataset.load(on_progress, fetch)
        for array in _arrays(data):
            array.setflags(write=False)
        key = settings, dataset.cache_token()  # after loading: a download changes the token
        with self._changed, contextlib.suppress(ValueError):  # raised for a value larger than the cache
            self._cached[key] = data
        return data


_CACHE = DataCache(MAX_BYTES)


def load_data(dataset: Dataset, progress: OnProgress | None = None, fetch: bool = False) -> Data:
    """Return `dataset.load(progress, fetch)`, cached; its arrays are read-only.

    The process keeps at most 300 MiB and drops the least recently used data first. A dataset whose files have changed
    (`Dataset.cache_token`) is loaded anew. When several threads ask for equal settings at once, one loads and the
    others wait for its result. Raises what `load` raises; failures are not cached.
    """
    return _CACHE.load(dataset, progress, fetch)
