"""Loops as machine code, made by numba when a map is first computed and kept on disk for the next process.

Kernels are plain functions over given numpy arrays; they make none, nor Python objects. They release the GIL, and
`shared` spreads them over threads of its own that end with the work: OpenMP, and with it torch's pool, is never
touched, and nothing spins.
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

from aecore.foundation.home import home

MOST_THREADS = 16
_MAKING = threading.RLock()

Run = Callable[..., None]
"""`run(kernel, jobs)`: calls `kernel(*job)` for each job and returns when all are done."""


def compiled(function: Callable[..., Any]) -> Callable[[], Callable[..., Any]]:
    """A function that gives `function` as machine code, compiled at its first call for each type of arguments.

    The code is kept in `NUMBA_CACHE_DIR`, or else in `cache/numba` of the home folder, where a program that is
    installed read-only can write too; where nothing can be written it lives as long as the process.
    """

    @functools.cache
    def get() -> Callable[..., Any]:
        with _MAKING, _no_collection():
            import numba
            from numba.core import config

            plain = inspect.unwrap(function)  # type checks put round it cannot be compiled

            options: dict[str, Any] = {"nogil": True, "fastmath": True, "error_model": "numpy"}
            # A quarter less to compile: kernels make no arrays that would have to be counted, are called from Python
            # alone, and have nothing that numba's rewriting finds.
            options |= {"_nrt": False, "no_cfunc_wrapper": True, "no_rewrites": True}
            with _cache_folder(config):
                try:
                    fast = numba.njit(cache=True, **options)(plain)
                except (RuntimeError, OSError):  # no folder that can be written
                    fast = numba.njit(**options)(plain)

        def kernel(*arguments: Any) -> None:
            if fast.nopython_signatures:
                fast(*arguments)
            else:
                with _no_collection():
                    fast(*arguments)

        return kernel

    return get


@contextlib.contextmanager
def _no_collection() -> Generator[None]:
    """Numba makes so many objects that, with torch loaded, a quarter of the time would go into looking for garbage."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


@contextlib.contextmanager
def _cache_folder(config: Any) -> Generator[None]:
    """Other users of numba in this process keep their own folder."""
    before = config.CACHE_DIR
    config.CACHE_DIR = before or str(home() / "cache" / "numba")
    try:
        yield
    finally:
        config.CACHE_DIR = before


def cores() -> int:
    """Processors that this process may use, at most `MOST_THREADS`."""
    try:
        return min(MOST_THREADS, len(os.sched_getaffinity(0)))
    except AttributeError:  # only Linux tells
        return min(MOST_THREADS, os.cpu_count() or 1)


@contextlib.contextmanager
def shared(small: bool = False) -> Generator[Run]:
    """A `run` over as many threads as there are cores; over none for work too small to be worth handing over."""

    def alone(kernel: Callable[..., Any], jobs: Sequence[tuple[Any, ...]]) -> None:
        for job in jobs:
            kernel(*job)

    if small or cores() == 1:
        yield alone
        return
    with ThreadPoolExecutor(cores(), "map") as pool:

        def spread(kernel: Callable[..., Any], jobs: Sequence[tuple[Any, ...]]) -> None:
            if len(jobs) == 1:  # handing one over takes longer than many a job
                return alone(kernel, jobs)
            for future in [pool.submit(kernel, *job) for job in jobs]:
                future.result()

        yield spread
