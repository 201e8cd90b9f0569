"""Keep deleted runs for a while, the last ones of each owner."""

import contextlib
from pathlib import Path

from aecore.foundation.files import touch
from aecore.foundation.leftovers import discard
from aecore.store.listing import folders
from aecore.store.owners import owner_of

TRASH_LIMIT = 10
"""Deleted runs of each owner that can be restored."""


class Trash:
    """The deleted runs in `place`. `owner` None stands for all owners."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def put(self, folder: Path, owner: str) -> None:
        """Move a run's folder here, and delete the owner's oldest beyond `TRASH_LIMIT` for good."""
        self.place.mkdir(parents=True, exist_ok=True)
        moved = folder.rename(self.place / folder.name)
        with contextlib.suppress(OSError):
            touch(moved)  # the order of `list`
        for old in self.list(owner)[TRASH_LIMIT:]:
            discard(old)

    def list(self, owner: str | None) -> list[Path]:
        """List an owner's deleted runs, the last deleted first."""
        found = [folder for folder in folders(self.place) if owner is None or owner_of(folder) == owner]
        return sorted(found, key=_changed, reverse=True)

    def empty(self, owner: str | None) -> None:
        """Delete an owner's deleted runs for good, with their images."""
        for folder in self.list(owner):
            discard(folder)


def _changed(folder: Path) -> int:
    with contextlib.suppress(OSError):
        return folder.stat().st_mtime_ns
    return 0
