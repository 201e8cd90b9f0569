"""What each owner keeps in a home: runs, bytes, trainings; and removing all of it."""

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aecore.store.folder import LIVE, RunFolder
from aecore.store.listing import folders

if TYPE_CHECKING:
    from aecore.store.store import RunStore

PLACES = ("staging", "runs", "trash")


@dataclasses.dataclass(frozen=True)
class Owned:
    """What an owner ("" is the operator) keeps: counts of runs (ended, deleted, waiting or training), and bytes."""

    owner: str
    ended: int
    deleted: int
    live: int
    bytes: int


def owner_of(folder: Path) -> str | None:
    """Return the owner of the run in `folder`; None if its status cannot be read."""
    with contextlib.suppress(Exception):  # whatever the file holds, it then names no owner
        return RunFolder(folder).status().owner
    return None


def _owned_folders(store: "RunStore") -> Iterator[tuple[str, Path, str | None]]:
    for place in PLACES:
        for folder in folders(store.root / place):
            yield place, folder, owner_of(folder)


def owned_bytes(store: "RunStore", owner: str) -> int:
    """Add up the files of all runs of `owner`, deleted ones included."""
    return sum(_size(folder) for _, folder, of in _owned_folders(store) if of == owner)


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(place, name)).st_size
    return total


def owners(store: "RunStore") -> list[Owned]:
    """Describe what every owner keeps, the largest first. Raises `NotAllowed` unless `store` is the operator's."""
    store.who.require_operator("see what its visitors keep")
    found: dict[str, list[tuple[str, Path]]] = {}
    for place, folder, of in _owned_folders(store):
        found.setdefault(of or "", []).append((place, folder))
    rows = [
        Owned(
            owner,
            ended=sum(place == "runs" for place, _ in mine),
            deleted=sum(place == "trash" for place, _ in mine),
            live=sum(place == "staging" for place, _ in mine),
            bytes=sum(_size(folder) for _, folder in mine),
        )
        for owner, mine in found.items()
    ]
    return sorted(rows, key=lambda row: -row.bytes)


def remove_owner(store: "RunStore", owner: str) -> int:
    """Delete for good every run of a visitor that has ended, and return their number; the queue ends the others.

    Raises `NotAllowed` unless `store` is the operator's. The operator's own runs are never removed so.
    """
    store.who.require_operator("remove what a visitor keeps")
    removed = 0
    for place, folder, of in _owned_folders(store):
        if owner and of == owner and not (place == "staging" and RunFolder(folder).status().state in LIVE):
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed
