"""Compile loops with numba at the first map, cache the machine code on disk, and run it in threads.

Kernels are plain functions that read and write the numpy arrays they are given; they allocate nothing and create no
Python objects. They release the GIL, and `shared` runs them in threads of its own, which end with the work. OpenMP,
and with it torch's pool, is not used, so no idle thread spins.
"""

import contextlib
import functools
import gc
import inspect
import os
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aecore.foundation.home import cache_home

MAX_THREADS = 16
_COMPILING = threading.RLock()

Run = Callable[..., None]
"""`run(kernel, jobs)` calls `kernel(*job)` for each job and returns when all are done."""


def compiled(function: Callable[..., Any]) -> Callable[[], Callable[..., Any]]:
    """Return a getter for the compiled `function`, which numba compiles at the first call with each argument type.

    The machine code is cached in `NUMBA_CACHE_DIR`, or else in `numba` of `cache_home`, so that a read-only
    installation can cache too; if it cannot be written or the disk is full, it lasts as long as the process.
    """

    @functools.cache
    def get() -> Callable[..., Any]:
        with _COMPILING, _no_collection():
            fast = _jitted(function, cache=True)

        def kernel(*arguments: Any) -> None:
            nonlocal fast
            try:
                _call(fast, arguments)
            except Exception:
                # Most likely the cache: a full disk, a folder that is gone, a damaged file. The kernel has not run yet.
                # Any other error comes again.
                with _COMPILING:
                    fast = _jitted(function, cache=False)
                _call(fast, arguments)

        return kernel

    return get


def _jitted(function: Callable[..., Any], cache: bool) -> Any:
    import numba
    from numba.core import config

    plain = inspect.unwrap(function)  # numba cannot compile the type checks that tests wrap around it
    options: dict[str, Any] = {"nogil": True, "fastmath": True, "error_model": "numpy"}
    # These save a quarter of the compile time: kernels allocate no arrays that need reference counts, are called from
    # Python only, and contain nothing for numba's rewrite passes.
    options |= {"_nrt": False, "no_cfunc_wrapper": True, "no_rewrites": True}
    with _cache_folder(config):
        try:
            return numba.njit(cache=cache, **options)(plain)
        except (RuntimeError, OSError):  # no writable folder
            return numba.njit(**options)(plain)


def _call(fast: Any, arguments: tuple[Any, ...]) -> None:
    if fast.nopython_signatures:
        fast(*arguments)
    else:
        with _no_collection():
            fast(*arguments)


@contextlib.contextmanager
def _no_collection() -> Generator[None]:
    """Switch garbage collection off: numba creates so many objects that, with torch loaded, it takes a quarter of the
    compile time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def _cache_folder(config: Any) -> Generator[None]:
    """Set numba's cache folder, and reset it for other users of numba in this process."""
    before = config.CACHE_DIR
    config.CACHE_DIR = before or str(cache_home() / "numba")
    try:
        yield
    finally:
        config.CACHE_DIR = before


def cores() -> int:
    """CPU cores that this process may use, at most `MAX_THREADS`."""
    try:
        return min(MAX_THREADS, len(os.sched_getaffinity(0)))
    except AttributeError:  # Linux only
        return min(MAX_THREADS, os.cpu_count() or 1)


@contextlib.contextmanager
def shared(small: bool = False) -> Generator[Run]:
    """A `Run` with one thread per core; without threads for work too small to profit from them."""

    def serial(kernel: Callable[..., Any], jobs: Sequence[tuple[Any, ...]]) -> None:
        for job in jobs:
            kernel(*job)

    if small or cores() == 1:
        yield serial
        return
    with ThreadPoolExecutor(cores(), "map") as pool:

        def threaded(kernel: Callable[..., Any], jobs: Sequence[tuple[Any, ...]]) -> None:
            if len(jobs) == 1:  # many jobs are shorter than passing one to a thread
                return serial(kernel, jobs)
            for future in [pool.submit(kernel, *job) for job in jobs]:
                future.result()

        yield threaded
