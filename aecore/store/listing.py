"""Keep the list of runs of each visitor, so that a page does not read every run's files each time."""

import contextlib
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cachetools import LRUCache

from aecore.store.access import Visitor
from aecore.store.folder import RunInfo

SETTLED_NS = 50_000_000
"""A folder that changed less than this ago is read again: times of change have the resolution of the kernel's tick."""
MAX_KEPT_LISTS = 200
"""Visitors whose list of runs is kept."""

Describe = Callable[[Path], RunInfo]


class Listing:
    """The runs in one folder, described anew only when one came, went or was changed.

    `RunFolder.write_status` marks such a change by the time of change of the folder that holds the run, which all
    processes see. Files changed by hand are seen with the next change. Safe to share between threads.
    """

    def __init__(self, place: Path, describe: Describe) -> None:
        self.place, self._describe = place, describe
        self._lock = threading.Lock()
        self._version: int | None = None
        self._infos: tuple[RunInfo, ...] = ()

    def infos(self) -> tuple[RunInfo, ...]:
        """List the runs in the order of their ids: the same tuple as long as nothing changed."""
        version = _changed_ns(self.place)
        with self._lock:
            if version is not None and version == self._version:
                return self._infos
            # Read under the lock: other threads wait and then take the same result.
            version = _changed_ns(self.place)
            infos = tuple(map(self._describe, folders(self.place)))
            settled = version is not None and abs(time.time_ns() - version) > SETTLED_NS
            self._version, self._infos = version if settled else None, infos
            return infos


def _changed_ns(place: Path) -> int | None:
    with contextlib.suppress(OSError):
        return place.stat().st_mtime_ns
    return None


def folders(place: Path) -> list[Path]:
    """List the folders of runs in `place`, by name; those that begin with a dot are not whole yet."""
    with contextlib.suppress(OSError):
        return sorted(f for f in place.iterdir() if f.is_dir() and not f.name.startswith("."))
    return []


def sees(who: Visitor, info: RunInfo) -> bool:
    """Whether the run exists for this visitor."""
    return who.is_operator or info.builtin or info.status.shared or who.owns(info.status.owner)


class SortedRuns:
    """The sorted list of runs of each visitor, kept while nothing changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: LRUCache[Visitor, tuple[tuple[RunInfo, ...], ...]] = LRUCache(MAX_KEPT_LISTS)

    def runs(
        self, who: Visitor, staged: tuple[RunInfo, ...], ended: tuple[RunInfo, ...], ready: tuple[RunInfo, ...]
    ) -> tuple[RunInfo, ...]:
        """Sort what the visitor may see, newest first, `ready` last; the same tuple for the same arguments."""
        with self._lock:
            kept = self._kept.get(who)
            if kept is not None and kept[0] == staged and kept[1] is ended and kept[2] is ready:
                return kept[3]
        own = sorted(filter(partial(sees, who), (*staged, *ended)), key=_created, reverse=True)
        found = (*own, *sorted(ready, key=_created))
        with self._lock:
            self._kept[who] = (staged, ended, ready, found)
        return found


def _created(info: RunInfo) -> float:
    return info.status.created
