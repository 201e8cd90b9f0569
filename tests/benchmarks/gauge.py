"""What a server's processes use, and whether a figure meets its bar."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

MEGABYTE = 1e6


def say(
    what: str, figure: float, bar: float | None = None, unit: str = "", least: bool = False, digits: int = 1
) -> bool:
    """Print a figure, and whether it is at most (`least`: at least) its bar; without a bar it is for information."""
    good = bar is None or (figure >= bar if least else figure <= bar)
    words = "" if bar is None else f" (bar {'≥' if least else '≤'} {bar:g})"
    mark = "    " if bar is None else "ok  " if good else "MISS"
    print(f"{mark} {what}: {figure:,.{digits}f}{f' {unit}' if unit else ''}{words}", flush=True)
    return good


def family(pid: int) -> list[psutil.Process]:
    """The process and its descendants."""
    program = psutil.Process(pid)
    return [program, *program.children(recursive=True)]


def server_of(pid: int) -> psutil.Process:
    """The process of `aecore app` that serves: the larger one, started by the one with this pid."""
    return max([psutil.Process(pid), *psutil.Process(pid).children()], key=lambda process: process.memory_info().rss)


def cpu_seconds(pid: int) -> float:
    """Processor seconds that the processes have used; of those that ended, only what their parent waited for."""
    total = 0.0
    for process in family(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def need(where: bool, what: str) -> None:
    """End the command in one line unless the condition holds."""
    if not where:
        raise SystemExit(what)


def need_mnist() -> Path:
    """The file that AECORE_MNIST names; without one the command ends in one line."""
    path = Path(os.environ.get("AECORE_MNIST", ""))
    need(path.is_file(), f"Set AECORE_MNIST to an mnist.npz: {Path(sys.argv[0]).name} measures on its images.")
    return path


@contextlib.contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Keep this thread, and what it starts meanwhile, on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
