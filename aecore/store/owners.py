"""What each owner keeps in a home, and what only the operator may do about it."""

import contextlib
import dataclasses
import zipfile
from collections.abc import Iterator
from pathlib import Path

from numpy.lib import format as npy

from aecore.foundation.leftovers import discard
from aecore.foundation.machine import Machine, folder_bytes, machine
from aecore.parts.data import Dataset
from aecore.parts.download import Download
from aecore.store.access import Visitor
from aecore.store.folder import LIVE, RunFolder, RunInfo
from aecore.store.listing import folders
from aecore.store.run_data import IMAGES

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


def _owned_folders(root: Path) -> Iterator[tuple[str, Path, str | None]]:
    for place in PLACES:
        for folder in folders(root / place):
            yield place, folder, owner_of(folder)


def owned_bytes(root: Path, owner: str) -> int:
    """Add up the files of all runs of `owner` in the home `root`, deleted ones included."""
    return sum(folder_bytes(folder) for _, folder, of in _owned_folders(root) if of == owner)


def owners(who: Visitor, root: Path) -> list[Owned]:
    """Describe what every owner keeps, the largest first. Raises `NotAllowed` unless `who` is the operator."""
    who.require_operator("see what its visitors keep")
    found: dict[str, list[tuple[str, Path]]] = {}
    for place, folder, of in _owned_folders(root):
        found.setdefault(of or "", []).append((place, folder))
    rows = [
        Owned(
            owner,
            ended=sum(place == "runs" for place, _ in mine),
            deleted=sum(place == "trash" for place, _ in mine),
            live=sum(place == "staging" for place, _ in mine),
            bytes=sum(folder_bytes(folder) for _, folder in mine),
        )
        for owner, mine in found.items()
    ]
    return sorted(rows, key=lambda row: -row.bytes)


def machine_of(who: Visitor, root: Path) -> Machine:
    """Describe the machine that serves the home `root`. Raises `NotAllowed` unless `who` is the operator."""
    who.require_operator("see the state of its machine")
    return machine(root)


def own_images(info: RunInfo) -> int:
    """Count the uploaded images that a run keeps, without reading them; 0 if it keeps none."""
    count = 0
    with contextlib.suppress(OSError, ValueError, zipfile.BadZipFile), zipfile.ZipFile(info.folder / IMAGES) as file:
        for name in file.namelist():
            with file.open(name) as array:
                read = npy.read_array_header_1_0 if npy.read_magic(array) == (1, 0) else npy.read_array_header_2_0
                shape, _, _ = read(array)
                count += shape[0] if len(shape) >= 3 else 0
    return count


def remove_owner(who: Visitor, root: Path, owner: str) -> int:
    """Delete for good every run of a visitor that has ended, and return their number; the queue ends the others.

    Raises `NotAllowed` unless `who` is the operator. The operator's own runs are never removed so.
    """
    who.require_operator("remove what a visitor keeps")
    removed = 0
    for place, folder, of in _owned_folders(root):
        if owner and of == owner and not (place == "staging" and RunFolder(folder).status().state in LIVE):
            discard(folder)
            removed += 1
    return removed


def start_download(who: Visitor, dataset: Dataset) -> Download:
    """Start to download a dataset. Raises `NotAllowed` unless `who` is the operator."""
    who.require_operator("download datasets to it")
    found = Download(dataset)
    found.start()
    return found
