"""Name temporary files and folders after the process that writes them, and delete those whose writer is gone.

The writer's name, not an age, says what a kill has left: the clock may be wrong, or be set while a file is written.
"""

import contextlib
import functools
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from aecore.foundation.children import alive, identity

_WRITER = re.compile(r"pid(\d{1,10})\.([0-9a-z-]{1,40})\.[0-9a-f]{8}")
_FILE = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")
"""A temporary file of `files.atomic_file`."""
_FOLDER = re.compile(r"\.(new|gone)-.+")
"""A folder that is not yet complete, or no longer."""
_NUMBA = re.compile(r".+\.nb[ci]\.tmp\.[0-9a-f]+")
"""Match a temporary file of numba's cache. Its name holds no writer; deleting it costs at most one compilation."""
EARLIER_SECONDS = 3600
"""Age from which names without a writer, which earlier versions gave, are taken for leftovers."""


def writer() -> str:
    """Make a part of a file's name that says which process writes it, different each time."""
    pid = os.getpid()
    return f"pid{pid}.{_started(pid)}.{secrets.token_hex(4)}"


@functools.cache
def _started(pid: int) -> str:
    return identity(pid)["pid_started"]


def is_abandoned(path: Path) -> bool:
    """Whether the process that `writer` named in this file's or folder's name is gone. False where it is deleted."""
    found = _WRITER.search(path.name)
    if found is not None:
        return not alive(int(found[1]), found[2])
    with contextlib.suppress(OSError):
        return time.time() - path.stat().st_mtime > EARLIER_SECONDS
    return False


def remove_leftovers(folders: Iterable[Path]) -> None:
    """Delete what killed processes left anywhere in these folders: temporary files and incomplete folders."""
    for folder in folders:
        for place, folders_inside, files in os.walk(folder):
            for name in [name for name in folders_inside if _FOLDER.fullmatch(name)]:
                folders_inside.remove(name)  # never looked into: it may be in the making
                remove_abandoned(Path(place, name))
            for name in files:
                if _FILE.fullmatch(name):
                    remove_abandoned(Path(place, name))
                elif _NUMBA.fullmatch(name):
                    with contextlib.suppress(OSError):
                        Path(place, name).unlink()


def remove_abandoned(path: Path) -> None:
    """Delete a file or folder if its writer is gone; one that cannot be deleted is left."""
    if is_abandoned(path):
        if os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()


def discard(folder: Path) -> None:
    """Delete a folder: renamed first, so that a kill meanwhile never leaves half of it under its name.

    One that cannot be deleted is left.
    """
    gone = folder.with_name(f".gone-{writer()}")
    with contextlib.suppress(OSError):
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
