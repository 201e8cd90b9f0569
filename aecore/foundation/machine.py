"""What the person who runs a server wants to know of its machine: disk, memory, versions."""

import contextlib
import dataclasses
import os
import platform
import shutil
from importlib import metadata
from pathlib import Path

import psutil

from aecore.foundation.version import __version__

PACKAGES = ("torch", "numpy", "streamlit")
"""Packages whose versions are named, where they are installed."""


@dataclasses.dataclass(frozen=True)
class Machine:
    """Bytes on the disk of a home (free, in all, taken by the home) and in memory (this process, free, in all)."""

    disk_free: int
    disk: int
    home: int
    process: int
    memory_free: int
    memory: int
    versions: dict[str, str]


def machine(home: Path) -> Machine:
    """Measure the machine and the home, which may not exist yet."""
    place = next(folder for folder in (home, *home.absolute().parents) if folder.exists())
    disk, memory = shutil.disk_usage(place), psutil.virtual_memory()
    return Machine(
        disk.free, disk.total, folder_bytes(home), psutil.Process().memory_info().rss, memory.available, memory.total,
        versions(),
    )  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions of the program, of Python and of `PACKAGES`."""
    found = {"aecore": __version__, "Python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def folder_bytes(folder: Path) -> int:
    """Add up the files in a folder and below; those that go meanwhile count nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(place, name)).st_size
    return total


def size_text(size: int) -> str:
    """`0 MB`, `3.2 MB`, `250 MB`, `1.4 GB`."""
    megabytes = size / 1e6
    if megabytes >= 1000:
        return f"{megabytes / 1000:,.1f} GB"
    return f"{megabytes:.0f} MB" if megabytes >= 10 or not size else f"{megabytes:.1f} MB"
