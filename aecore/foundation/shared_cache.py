"""A cache that the threads of a process share, bounded by bytes."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import cachetools

V = TypeVar("V")


class SharedCache(Generic[V]):
    """Keep values by name, `max_bytes` of them together, of each name one version; the least recently used is dropped
    first. A value that is larger than all is kept alone.
    """

    def __init__(self, max_bytes: int, size: Callable[[V], int]) -> None:
        def bounded(entry: tuple[Hashable, V]) -> int:
            return min(size(entry[1]), max_bytes)

        self._kept: cachetools.LRUCache[str, tuple[Hashable, V]] = cachetools.LRUCache(max_bytes, bounded)
        self._making: set[str] = set()
        self._changed = threading.Condition()
        """Guards both; notified when a value was made, or could not be."""

    def get(self, name: str, version: Callable[[], Hashable], make: Callable[[], V]) -> V:
        """Return the value of that name, made by `make` unless it is kept in the present `version`.

        When several threads ask for a name at once, one makes the value and the others wait for it. Raises what `make`
        raises; failures are not kept.
        """
        with self._changed:
            self._changed.wait_for(lambda: name not in self._making)
            self._making.add(name)
        try:
            found = version()
            with self._changed:
                kept = self._kept.get(name)
            if kept is not None and kept[0] == found:
                return kept[1]
            value = make()
            entry = version(), value  # again: making it may have changed the version, as a download does
            with self._changed:
                self._kept[name] = entry
            return value
        finally:
            with self._changed:
                self._making.remove(name)
                self._changed.notify_all()

    @property
    def bytes(self) -> int:
        """The size of all kept values."""
        with self._changed:
            return int(self._kept.currsize)
