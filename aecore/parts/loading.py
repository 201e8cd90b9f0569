"""Load datasets through a cache that the whole process shares, bounded by bytes."""

import numpy as np

from aecore.foundation.progress import OnProgress
from aecore.foundation.shared_cache import SharedCache
from aecore.parts.data import Data, Dataset

MAX_BYTES = 300 * 2**20


def _arrays(data: Data) -> list[np.ndarray]:
    labels = [] if data.labels is None else [data.labels]
    return [data.images, data.split, *labels, *data.factors.values()]


def _size(data: Data) -> int:
    return sum(array.nbytes for array in _arrays(data))


class DataCache:
    """Keep the most recently used datasets, `max_bytes` together; a larger one is kept alone."""

    def __init__(self, max_bytes: int) -> None:
        self._cache: SharedCache[Data] = SharedCache(max_bytes, _size)

    def load(self, dataset: Dataset, on_progress: OnProgress | None, fetch: bool) -> Data:
        """See `load_data`."""

        def load() -> Data:
            data = dataset.load(on_progress, fetch)
            for array in _arrays(data):
                array.setflags(write=False)
            return data

        settings = f"{type(dataset).__module__}.{type(dataset).__qualname__} {dataset.model_dump_json()}"
        return self._cache.get(settings, dataset.cache_token, load)


_CACHE = DataCache(MAX_BYTES)


def load_data(dataset: Dataset, progress: OnProgress | None = None, fetch: bool = False) -> Data:
    """Return `dataset.load(progress, fetch)`, cached; its arrays are read-only.

    The process keeps at most 300 MiB, or one dataset that is larger, and drops the least recently used data first. A
    dataset whose files have changed (`Dataset.cache_token`) is loaded anew. When several threads ask for equal settings
    at once, one loads and the others wait for its result. Raises what `load` raises; failures are not cached.
    """
    return _CACHE.load(dataset, progress, fetch)
