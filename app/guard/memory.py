"""The server's memory: when it is too full for another visit, and giving back what visits that ended have held."""

import asyncio
import contextlib
import ctypes
import gc

import psutil

GB = 2**30
MOST = max(GB, min(4 * GB, psutil.virtual_memory().total // 2))
"""Bytes; above this nobody new comes in. The libraries alone take half a gigabyte, so it is never less than one."""
EVERY_SECONDS = 10.0


def used() -> int:
    """Return the bytes of memory that this process holds."""
    return int(psutil.Process().memory_info().rss)


class Returner:
    """Collects garbage and gives memory back some seconds after a visit ended, and no more often than that."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def visit_ended(self) -> None:
        """Give memory back soon, together with that of other visits that end until then."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY_SECONDS, self._begin)

    def _begin(self) -> None:
        self._timer = None
        asyncio.get_running_loop().run_in_executor(None, give_back)  # in a thread: pages and other visits go on


def give_back() -> None:
    """Collect garbage, and return free memory to the system where the C library can (glibc)."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another system's library has no such function
        ctypes.CDLL(None).malloc_trim(0)
