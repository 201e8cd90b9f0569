"""Runs on disk: one folder a run, whole or absent.

    AECORE_HOME/staging/<run_id>/   queued and running; renamed into place when training ends
    AECORE_HOME/runs/<run_id>/      finished, stopped or failed
    AECORE_HOME/trash/<run_id>/     deleted, until undone or pushed out by later ones
    assets/runs/<run_id>/           ready-made; never written to

A run's folder holds config.json, status.json, weights.safetensors, history.jsonl, analysis.safetensors,
preview.safetensors (while it trains), snapshots/*.safetensors and, for own images, images.npz. A training of several
stages keeps the weights of the last whole one in stage-N.safetensors until it has finished, to resume there.
"""

import contextlib
import functools
import json
import os
import secrets
import shutil
import time
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock
from pydantic import ValidationError

from aecore.foundation.errors import AecoreError, BadInput, BadSettings, RunUnavailable
from aecore.foundation.files import write_atomic
from aecore.foundation.home import assets, home
from aecore.model.config import FORMAT, RunConfig, parse, words
from aecore.parts.data import Shape
from aecore.store.folder import LIVE, RUN_ID, RunFolder, RunInfo, Status, read_small
from aecore.store.weights import check_weights

TRASH_LIMIT = 10
REMEMBERED_BYTES = 2**14
LOST = "its process ended without a word (killed, or the machine went down); what it had learned until then is kept"
RESUMES = "its process ended without a word (killed, or the machine went down); it resumes at the stage it was in"
RESUME_LIMIT = 3
"""Times that a training is taken up again by itself: what kills it may be the training."""


class RunStore:
    """All runs of one home folder, with the ready-made ones beside them."""

    def __init__(self, root: Path | None = None, builtin: Path | None = None) -> None:
        self.root = root or home()
        self.builtin = builtin or assets() / "runs"
        self._checked: dict[Path, tuple[tuple[int, int], str]] = {}

    # --- listing

    def runs(self) -> list[RunInfo]:
        """Every run, newest first, ready-made ones last in their own order. Never raises for a bad folder."""
        self.settle()
        own = self.live(False) + [self._info(folder, False) for folder in _folders(self.root / "runs")]
        own.sort(key=lambda info: info.status.created, reverse=True)
        ready = [self._info(folder, True) for folder in _folders(self.builtin)]
        return own + sorted(ready, key=lambda info: info.status.created)

    def live(self, only: bool = True) -> list[RunInfo]:
        """Runs that wait or train, from staging alone and so cheaply; without `only`, also what else lies there."""
        found = [self._info(folder, False) for folder in _folders(self.root / "staging")]
        # One that ends between two looks has moved to `runs`, and only seems damaged here.
        return [info for info in found if info.folder.is_dir() and (info.state in LIVE or not only)]

    def info(self, run_id: str) -> RunInfo:
        """One run. Raises `RunUnavailable` when there is none of that id."""
        folder = self.folder(run_id)
        found = self._info(folder, folder.parent == self.builtin)
        # As in `live`: ended between two looks.
        return found if folder.is_dir() else self._info(self.folder(run_id), False)

    def folder(self, run_id: str) -> Path:
        place = self._place(run_id)
        if place is None:
            raise RunUnavailable(
                f"there is no run {run_id!r}; it may have been deleted. `aecore list` shows those that exist"
            )
        return place / run_id

    def _place(self, run_id: str) -> Path | None:
        # Staging first: a run that ends between two looks moves from staging to runs.
        places = [self.root / "staging", self.root / "runs", self.builtin]
        if not RUN_ID.fullmatch(run_id):
            return None
        return next((place for place in places if (place / run_id).is_dir()), None)

    def _info(self, folder: Path, builtin: bool) -> RunInfo:
        status, config = Status(), None
        try:
            status = _settled(folder)
            if status.format > FORMAT:
                raise RunUnavailable(
                    f"it was written by a newer version (format {status.format}); update the program to open it"
                )
            config = _config(folder)
            if status.state not in LIVE:
                self._check(folder, config, status)
        except (AecoreError, OSError, ValueError, RecursionError) as error:
            reason = words(error) if isinstance(error, ValidationError) else str(error)
            if isinstance(error, FileNotFoundError):
                reason = f"{Path(str(error.filename)).name} is missing, so this is not a whole run"
            return RunInfo(folder.name, folder, "damaged", reason, builtin, status, config)
        return RunInfo(folder.name, folder, status.state, status.reason, builtin, status, config)

    def _check(self, folder: Path, config: RunConfig, status: Status) -> None:
        """Weights fit the settings; remembered per file version, so that listing stays cheap."""
        path = folder / "weights.safetensors"
        if not path.exists() and status.state != "finished":
            return  # stopped or failed before the first good epoch
        stat = path.stat()
        version = (stat.st_mtime_ns, stat.st_size)
        known = self._checked.get(path)
        if known is None or known[0] != version:
            reason = ""
            try:
                check_weights(config, _checked_shape(status.shape), path)
            except (RunUnavailable, BadSettings) as error:
                reason = str(error)
            if len(self._checked) > 2000:
                self._checked.clear()
            known = self._checked[path] = (version, reason)
        if known[1]:
            raise RunUnavailable(known[1])

    # --- a run's life

    def create(self, config: RunConfig, name: str = "", images: bytes | None = None) -> str:
        """A new `queued` run in staging; `images` is an npz kept beside it. Returns its id."""
        day = time.strftime("%Y%m%d")
        run_id = f"{config.recipe}-{config.dataset.kind}-{day}-{secrets.token_hex(3)}".replace(".", "_")
        (self.root / "staging").mkdir(parents=True, exist_ok=True)
        new = self.root / "staging" / f".new-{run_id}"
        new.mkdir()
        status = Status(
            name=name[:80], created=time.time(), epochs=config.procedure.total_epochs(config), config_hash=config.hash
        )
        try:
            write_atomic(new / "config.json", config.json_text().encode())
            if images is not None:
                write_atomic(new / "images.npz", images)
            write_atomic(new / "status.json", (status.model_dump_json(indent=2) + "\n").encode())
            new.rename(self.root / "staging" / run_id)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        return run_id

    def finish(
        self, run_id: str, state: Literal["finished", "stopped", "failed"], reason: str = "", **changes: Any
    ) -> None:
        """Writes the last status and renames the folder into place; the last thing a training does."""
        folder = RunFolder(self.root / "staging" / run_id)
        (folder.path / "stop").unlink(missing_ok=True)
        folder.update(state=state, reason=reason, ended=time.time(), pid=None, pid_started=None, **changes)
        self._settle_one(folder.path)

    def settle(self) -> None:
        """Puts away what killed trainings left in staging: each becomes a `stopped` run, or `queued` again where it can
        resume at a stage; half-made folders go.
        """
        for folder in _folders(self.root / "staging"):
            with contextlib.suppress(AecoreError, OSError, ValueError):
                status = _settled(folder)
                if status.state == "queued" and status.pid is not None:
                    with self.turn(0.0):
                        self._queue_again(folder)
                elif status.state not in LIVE:
                    if status.pid is not None:
                        end = time.time()
                        RunFolder(folder).update(state="stopped", reason=LOST, pid=None, pid_started=None, ended=end)
                    self._settle_one(folder)
        for leftover in (self.root / "staging").glob(".new-*"):
            with contextlib.suppress(OSError):
                if time.time() - leftover.stat().st_mtime > 3600:
                    shutil.rmtree(leftover, ignore_errors=True)

    def turn(self, seconds: float = 10.0) -> FileLock:
        """Held while a run goes from waiting to training, back, or out of the queue, so that it is never two of these.

        Raises `filelock.Timeout`, an OSError, when others hold it for so long.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        return FileLock(self.root / "turn.lock", timeout=seconds)

    def _queue_again(self, folder: Path) -> None:
        status = _settled(folder)  # someone else may have done it since the last look
        if status.state == "queued" and status.pid is not None:
            resumed = status.resumed + 1
            RunFolder(folder).update(state="queued", reason=RESUMES, pid=None, pid_started=None, resumed=resumed)

    def resume(self, run_id: str) -> None:
        """Puts a run that ended early back into the queue; it goes on at the beginning of the stage it was in.

        Raises `BadInput` where that cannot be.
        """
        with self.turn():
            info = self.info(run_id)
            if not info.resumable:
                raise BadInput(
                    f"run {run_id} cannot be resumed: only a training of several stages (procedure=greedy) that was "
                    f"stopped or killed can, and this one is {info.state}; train it anew"
                )
            folder = self.root / "staging" / run_id
            folder.parent.mkdir(parents=True, exist_ok=True)
            info.folder.rename(folder)  # first: what is not queued there goes back by itself
            RunFolder(folder).update(state="queued", reason="", ended=None, resumed=0)

    def _settle_one(self, folder: Path) -> None:
        (self.root / "runs").mkdir(parents=True, exist_ok=True)
        # Another process may have settled it at the same moment; then it is where it belongs already.
        with contextlib.suppress(FileNotFoundError):
            folder.rename(self.root / "runs" / folder.name)

    # --- what a person does with runs

    def _own(self, run_id: str) -> Path:
        if self._place(run_id) == self.builtin:
            raise BadInput(
                "ready-made runs came with the program and cannot be changed or deleted; train one of your own"
            )
        return self.folder(run_id)

    def rename(self, run_id: str, name: str) -> None:
        """Changes the name people see; the id stays, so links keep working. Raises `BadInput` for an empty or long
        name.
        """
        name = " ".join(name.split())
        if not 1 <= len(name) <= 80:
            raise BadInput("a name needs 1 to 80 characters")
        RunFolder(self._own(run_id)).update(name=name)

    def delete(self, run_id: str) -> None:
        """Moves a run to the trash, from where `restore` brings it back; the trash keeps the last ten."""
        folder = self._own(run_id)
        if self.info(run_id).state in LIVE:
            raise BadInput("this run is still waiting or training; stop it first")
        trash = self.root / "trash"
        trash.mkdir(parents=True, exist_ok=True)
        folder.rename(trash / run_id)
        os.utime(trash / run_id)
        for old in sorted(_folders(trash), key=lambda f: f.stat().st_mtime)[:-TRASH_LIMIT]:
            shutil.rmtree(old, ignore_errors=True)

    def restore(self, run_id: str) -> None:
        """Brings a deleted run back. Raises `RunUnavailable` when the trash no longer holds it."""
        folder = self.root / "trash" / run_id
        if not RUN_ID.fullmatch(run_id) or not folder.is_dir():
            raise RunUnavailable("this run is no longer in the trash, so it cannot be brought back")
        folder.rename(self.root / "runs" / run_id)

    def empty_trash(self) -> None:
        """Deletes for good what `restore` could have brought back, own images included."""
        for folder in _folders(self.root / "trash"):
            shutil.rmtree(folder, ignore_errors=True)

    def trash(self) -> list[str]:
        """Ids of the runs that `restore` can bring back, the last deleted first."""
        return [f.name for f in sorted(_folders(self.root / "trash"), key=lambda f: f.stat().st_mtime, reverse=True)]


def _settled(folder: Path) -> Status:
    """The status, but where it says `running` and that process is gone (killed, or its disk full): `stopped`, or
    `queued` where it resumes by itself.
    """
    status = RunFolder(folder).status()
    if status.state == "running" and not status.process_alive():
        status = RunFolder(folder).status()  # it may have ended properly between the two looks
        if status.state == "running":
            again = status.resumed < RESUME_LIMIT and not RunFolder(folder).stop_asked() and _has_stages(folder)
            state, reason = ("queued", RESUMES) if again else ("stopped", LOST)
            return status.model_copy(update={"state": state, "reason": reason})
    return status


def _has_stages(folder: Path) -> bool:
    with contextlib.suppress(AecoreError, OSError):
        return _config(folder).procedure.several_stages
    return False


def _config(folder: Path) -> RunConfig:
    content = read_small(folder / "config.json")
    return (_parsed if len(content) <= REMEMBERED_BYTES else _parsed.__wrapped__)(content)


@functools.lru_cache(maxsize=512)
def _parsed(content: bytes) -> RunConfig:
    """The settings; remembered, since every page lists every run, and reading them anew took half of that."""
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RunUnavailable(f"config.json is not readable JSON ({error})") from None
    return parse(values)


def _folders(place: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(f for f in place.iterdir() if f.is_dir() and not f.name.startswith("."))
    return []


def _checked_shape(shape: Shape | None) -> Shape:
    if shape is None or not all(1 <= n <= 4096 for n in shape) or shape[0] * shape[1] * shape[2] > 2**22:
        raise RunUnavailable("status.json does not say what size its pictures have")
    return shape
