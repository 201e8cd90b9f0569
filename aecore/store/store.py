"""Runs on disk: one folder a run, whole or absent.

    AECORE_HOME/staging/<run_id>/   queued and running; renamed into place when training ends
    AECORE_HOME/runs/<run_id>/      finished, stopped or failed
    AECORE_HOME/trash/<run_id>/     deleted; can be restored until later deletions push it out
    assets/runs/<run_id>/           ready-made; never written to

A run's folder holds config.json, status.json, weights.safetensors, history.jsonl, analysis.safetensors,
preview.safetensors (while it trains), snapshots/*.safetensors and, for own images, images.npz. A training of several
stages keeps the weights of the last completed one in stage-N.safetensors until it has finished, to resume there.
"""

import contextlib
import copy
import os
import shutil
import time
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock
from pydantic import ValidationError

from aecore.foundation.errors import AecoreError, BadInput, BadSettings, NotAllowed, RunUnavailable, words_of
from aecore.foundation.files import write_atomic
from aecore.foundation.home import assets, home
from aecore.foundation.leftovers import remove_leftovers, writer
from aecore.foundation.text import one_line
from aecore.model.config import FORMAT, RunConfig, error_text
from aecore.store.access import OPERATOR, Visitor
from aecore.store.folder import LIVE, RUN_ID, RunFolder, RunInfo, Status, new_run_id
from aecore.store.listing import Listing, SortedRuns, sees
from aecore.store.listing import folders as _folders
from aecore.store.owners import owned_bytes
from aecore.store.run_data import IMAGES
from aecore.store.trash import Trash
from aecore.store.weights import check_headers

MAX_CHECKED = 2000
"""Files of weights whose check is remembered."""


class RunStore:
    """All runs of one home folder that a visitor may see, with the ready-made ones beside them.

    `who` is that visitor: the operator sees and may change everything, a guest sees ready-made and shared runs and
    changes only own ones. Others' runs do not exist for a guest.
    """

    def __init__(self, root: Path | None = None, builtin: Path | None = None, who: Visitor = OPERATOR) -> None:
        self.root = root or home()
        self.builtin = builtin or assets() / "runs"
        self.who = who
        self._checked: dict[Path, tuple[tuple[int, int], str]] = {}
        self._ended = Listing(self.root / "runs", lambda folder: self._info(folder, False))
        self._ready = Listing(self.builtin, lambda folder: self._info(folder, True))
        self._sorted = SortedRuns()
        self._trash = Trash(self.root / "trash")

    def seen_by(self, who: Visitor) -> "RunStore":
        """Return the same store for another visitor."""
        seen = copy.copy(self)
        seen.who = who
        return seen

    # --- listing

    def runs(self) -> tuple[RunInfo, ...]:
        """List every run, newest first, ready-made ones last in their own order. Never raises for a bad folder.

        The same tuple as before while no run changed.
        """
        self.settle()
        staged = tuple(self._staged())
        return self._sorted.runs(self.who, staged, self._ended.infos(), self._ready.infos())

    def live(self, only: bool = True) -> list[RunInfo]:
        """List the runs in staging, which is cheap: those that wait or train; without `only`, all that are there."""
        return [info for info in self._staged() if sees(self.who, info) and (info.state in LIVE or not only)]

    def live_of(self, owner: str) -> list[RunInfo]:
        """List an owner's runs that wait or train, whoever asks."""
        return [info for info in self._staged() if info.status.owner == owner and info.state in LIVE]

    def _staged(self) -> list[RunInfo]:
        found = [self._info(folder, False) for folder in _folders(self.root / "staging")]
        # A run that ends meanwhile moves to `runs`, and only seems damaged here.
        return [info for info in found if os.path.isdir(info.folder)]

    def info(self, run_id: str) -> RunInfo:
        """Describe one run. Raises `RunUnavailable` when there is none of that id that the visitor may see."""
        place = self._place(run_id)
        if place is not None:
            found = self._info(place / run_id, place == self.builtin)
            if not os.path.isdir(found.folder) and (place := self._place(run_id)) is not None:
                found = self._info(place / run_id, False)  # as in `_staged`: the run may have ended meanwhile
            if sees(self.who, found):
                return found
        raise RunUnavailable(f"there is no run {run_id!r}; it may have been deleted")

    def folder(self, run_id: str) -> Path:
        """Find the run's folder. Raises `RunUnavailable` as `info` does."""
        place = self._place(run_id)
        if place is not None and (self.who.is_operator or place == self.builtin):
            return place / run_id
        return self.info(run_id).folder

    def _place(self, run_id: str) -> Path | None:
        """Find the folder that holds the run's."""
        # Staging first: a run that ends meanwhile moves from staging to runs.
        places = [self.root / "staging", self.root / "runs", self.builtin]
        if not RUN_ID.fullmatch(run_id):
            return None
        return next((place for place in places if os.path.isdir(place / run_id)), None)

    def _info(self, folder: Path, builtin: bool) -> RunInfo:
        """Describe the run in `folder`, whatever that holds."""
        status, config = Status(), None
        try:
            status = RunFolder(folder).settled_status()
            if status.format > FORMAT:
                raise RunUnavailable(
                    f"it was written by a newer version (format {status.format}); update the program to open it"
                )
            config = RunFolder(folder).config()
            if status.state not in LIVE:
                self._check(folder, config, status)
        except (AecoreError, OSError, ValueError, RecursionError) as error:
            reason = error_text(error) if isinstance(error, ValidationError) else words_of(error)
            if isinstance(error, FileNotFoundError):
                reason = f"{Path(str(error.filename)).name} is missing, so this is not a whole run"
            return RunInfo(folder.name, folder, "damaged", reason, builtin, status, config)
        return RunInfo(folder.name, folder, status.state, status.reason, builtin, status, config)

    def _check(self, folder: Path, config: RunConfig, status: Status) -> None:
        """Raise `RunUnavailable` unless the weights fit the settings. Cached by file version, so listing is cheap."""
        path = folder / "weights.safetensors"
        if not path.exists() and status.state != "finished":
            return  # stopped or failed before the first good epoch
        stat = path.stat()
        version = (stat.st_mtime_ns, stat.st_size)
        known = self._checked.get(path)
        if known is None or known[0] != version:
            reason = ""
            try:
                check_headers(config, status.checked_shape(), path)
            except (RunUnavailable, BadSettings) as error:
                reason = str(error)
            if len(self._checked) > MAX_CHECKED:
                self._checked.clear()
            known = self._checked[path] = (version, reason)
        if known[1]:
            raise RunUnavailable(known[1])

    # --- a run's life

    def create(self, config: RunConfig, name: str = "", images: bytes | None = None) -> str:
        """Make a `queued` run in staging, with `images` (the bytes of an npz file) beside it, and return its id.

        Raises `NotAllowed` for a reader, and for a guest whose runs fill their space.
        """
        self.require_space(len(images or b""))
        run_id = new_run_id(config)
        (self.root / "staging").mkdir(parents=True, exist_ok=True)
        new = self.root / "staging" / f".new-{writer()}"
        new.mkdir()
        status = Status(
            name=one_line(name)[:80], created=time.time(), epochs=config.procedure.total_epochs(config),
            config_hash=config.hash,
            owner=self.who.name, max_seconds=None if self.who.is_operator else 60 * self.who.quotas.minutes,
        )  # fmt: skip
        try:
            write_atomic(new / "config.json", config.json_text().encode())
            if images is not None:
                write_atomic(new / IMAGES, images)
            RunFolder(new).write_status(status)
            new.rename(self.root / "staging" / run_id)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        return run_id

    def finish(
        self, run_id: str, state: Literal["finished", "stopped", "failed"], reason: str = "", **changes: Any
    ) -> None:
        """Write the last status and rename the folder into place: the last step of a training."""
        folder = RunFolder(self.root / "staging" / run_id)
        folder.update(state=state, reason=reason, ended=time.time(), pid=None, pid_started=None, **changes)
        self._settle_one(folder.path)

    def settle(self) -> None:
        """Move killed trainings out of staging: each becomes a `stopped` run, or `queued` again if it can resume at a
        stage. Delete what killed processes left half written. Nothing for a reader, for whom nothing is written.
        """
        if self.who.role == "reader":
            return
        remove_leftovers([self.root / "staging"])
        for folder in _folders(self.root / "staging"):
            with contextlib.suppress(AecoreError, OSError, ValueError):
                status = RunFolder(folder).settled_status()
                if status.state == "queued" and status.pid is not None:
                    with self.turn(0.0):
                        self._queue_again(folder)
                elif status.state not in LIVE:
                    if status.pid is not None:
                        RunFolder(folder).write_settled(status, ended=time.time())
                    self._settle_one(folder)

    def turn(self, seconds: float = 10.0) -> FileLock:
        """Return the lock under which a run changes between waiting and training, or leaves the queue.

        Acquiring it raises `filelock.Timeout`, an OSError, when another process holds it for `seconds`.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        return FileLock(self.root / "turn.lock", timeout=seconds)

    def _queue_again(self, folder: Path) -> None:
        status = RunFolder(folder).settled_status()  # another process may have done it meanwhile
        if status.state == "queued" and status.pid is not None:
            RunFolder(folder).write_settled(status, resumed=status.resumed + 1)

    def resume(self, run_id: str) -> None:
        """Put a stopped run back into the queue, to continue at the beginning of the stage it was in.

        Raises `BadInput` for a run that cannot be resumed, `RunUnavailable` for one that does not exist.
        """
        with self.turn():
            info = self.own(run_id)
            if not info.resumable:
                raise BadInput(
                    f"run {run_id} cannot be resumed: only a training of several stages (procedure=greedy) that was "
                    f"stopped or killed can, and this one is {info.state}; train it anew"
                )
            folder = self.root / "staging" / run_id
            folder.parent.mkdir(parents=True, exist_ok=True)
            info.folder.rename(folder)  # first: if this is killed before the update, `settle` moves the run back
            RunFolder(folder).update(state="queued", reason="", ended=None, resumed=0)

    def _settle_one(self, folder: Path) -> None:
        """Move an ended run out of staging, without what only its training needed."""
        RunFolder(folder).forget_training()
        (self.root / "runs").mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # another process may have moved it at the same moment
            folder.rename(self.root / "runs" / folder.name)

    # --- what only the owner may do

    def own(self, run_id: str) -> RunInfo:
        """Describe a run that the visitor may change. Raises `NotAllowed` for others' runs, `BadInput` for a ready-made
        one, `RunUnavailable` where the visitor sees none of that id.
        """
        info = self.info(run_id)
        self.who.require_writing()
        if info.builtin:
            raise BadInput(
                "ready-made runs came with the program and cannot be changed or deleted; train one of your own"
            )
        if not self.who.owns(info.status.owner):
            raise NotAllowed("this run belongs to somebody else, who shares it for looking; only they may change it")
        return info

    def require_space(self, more: int = 0) -> None:
        """Raise `NotAllowed` unless `more` bytes of runs may be kept for this visitor."""
        self.who.require_writing()
        if self.who.is_operator:
            return
        limit = self.who.quotas.megabytes
        if owned_bytes(self.root, self.who.name) + more > limit * 10**6:
            raise NotAllowed(
                f"your runs would take more than the {limit} MB that a visitor may fill here; delete some on the Runs "
                "page, for good"
            )

    def rename(self, run_id: str, name: str) -> None:
        """Change the displayed name; the id stays, so links keep working. Raises `BadInput` for an empty or long name,
        and as `own` does.
        """
        name = one_line(name)
        if not 1 <= len(name) <= 80:
            raise BadInput("a name needs 1 to 80 characters")
        RunFolder(self.own(run_id).folder).update(name=name)

    def share(self, run_id: str, shared: bool = True) -> None:
        """Show a run to every visitor, with the images that it was trained on, or no longer. Raises as `own` does, and
        `BadInput` for a run that waits or trains.
        """
        info = self.own(run_id)
        if info.state in LIVE:
            raise BadInput("this run is still waiting or training; share it when it has ended")
        RunFolder(info.folder).update(shared=shared)

    def delete(self, run_id: str) -> None:
        """Move a run to the trash, which keeps the last ten of each owner, and from which `restore` brings it
        back.

        Raises as `own` does, and `BadInput` for a run that waits or trains.
        """
        info = self.own(run_id)
        if info.state in LIVE:
            raise BadInput("this run is still waiting or training; stop it first")
        self._trash.put(info.folder, info.status.owner)

    def _deleted(self) -> list[Path]:
        """List the deleted runs that are this visitor's to restore, the last deleted first."""
        if self.who.is_operator:
            return self._trash.list(None)
        return self._trash.list(self.who.name) if self.who.owns(self.who.name) else []

    def restore(self, run_id: str) -> None:
        """Bring a deleted run back. Raises `RunUnavailable` when the visitor's trash no longer holds it."""
        self.who.require_writing()
        folder = next((folder for folder in self._deleted() if folder.name == run_id), None)
        if folder is None:
            raise RunUnavailable("this run is no longer in the trash, so it cannot be brought back")
        folder.rename(self.root / "runs" / run_id)

    def empty_trash(self) -> None:
        """Delete for good all runs that `restore` could bring back, with their images."""
        self.who.require_writing()
        self._trash.empty(None if self.who.is_operator else self.who.name)

    def trash(self) -> list[str]:
        """List the ids of the runs that `restore` can bring back, the last deleted first."""
        return [folder.name for folder in self._deleted()]
