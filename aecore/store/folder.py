"""Read and write the files of one run's folder."""

import contextlib
import dataclasses
import functools
import json
import os
import re
import secrets
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from aecore.foundation.children import alive
from aecore.foundation.errors import AecoreError, RunUnavailable
from aecore.foundation.files import read_arrays, write_arrays, write_atomic
from aecore.model import analysis
from aecore.model.config import FORMAT, RunConfig, parse
from aecore.parts.data import Shape

RunState = Literal["queued", "running", "stopped", "finished", "failed", "damaged"]
LIVE: tuple[RunState, ...] = ("queued", "running")
RUN_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")
MAX_JSON_BYTES = 2**20
MAX_CACHED_CONFIG_BYTES = 2**14
LOST = "its process ended without a word (killed, or the machine went down); what it had learned until then is kept"
RESUMES = "its process ended without a word (killed, or the machine went down); it resumes at the stage it was in"
BEGINS_AGAIN = "its process ended before the training began (killed, or the machine went down); it starts again"
RESUME_LIMIT = 3
"""Automatic resumptions of one training: if it is killed again and again, the training itself may be the cause."""


def new_run_id(config: RunConfig) -> str:
    """Make a unique id such as `denoising-digits-20260131-a1b2c3`: recipe, dataset, day, six random hex digits."""
    return f"{config.recipe}-{config.dataset.kind}-{time.strftime('%Y%m%d')}-{secrets.token_hex(3)}".replace(".", "_")


class Status(BaseModel):
    """What is known of a run besides its settings; times are seconds since 1970."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: int = FORMAT
    state: Literal["queued", "running", "stopped", "finished", "failed"] = "queued"
    name: str = Field(default="", max_length=80)
    reason: str = ""
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    pid: int | None = Field(default=None, ge=0, lt=2**31)
    pid_started: str | float | None = None
    """As `children.identity` gives it; seconds since 1970 in runs of earlier versions."""
    epoch: int = 0
    epochs: int = 0
    seconds: float = 0.0
    parameters: int = 0
    shape: tuple[int, int, int] | None = None
    data_hash: str = ""
    config_hash: str = ""
    versions: dict[str, str] = {}
    metrics: dict[str, float] = {}
    stages: tuple[str, ...] = ()
    """Names of the completed stages, of a training of several; the last stage is never listed."""
    resumed: int = 0
    imported: bool = False
    owner: str = Field(default="", max_length=64)
    """The visitor who made the run (`Visitor.name`); "" for the operator's. Never exported."""
    shared: bool = False
    """Whether all visitors see the run, with the images it was trained on. Never exported."""
    max_seconds: float | None = None
    """The longest that this training may take; None for no limit."""

    def checked_shape(self) -> Shape:
        """Return (C, H, W) of the images. Raises `RunUnavailable` if it is missing or impossible."""
        shape = self.shape
        if shape is None or not all(1 <= n <= 4096 for n in shape) or shape[0] * shape[1] * shape[2] > 2**22:
            raise RunUnavailable("status.json does not say what size its pictures have")
        return shape

    def process_alive(self) -> bool:
        """Whether the process that trains this run still exists."""
        return self.pid is not None and self.pid_started is not None and alive(self.pid, self.pid_started)


@dataclasses.dataclass(frozen=True)
class RunInfo:
    """A run as listed. Every folder has one; where it cannot be opened, `state` is `damaged` and `reason` says why."""

    run_id: str
    folder: Path
    state: RunState
    reason: str
    builtin: bool
    status: Status
    config: RunConfig | None

    @property
    def name(self) -> str:
        return self.status.name or self.run_id

    @property
    def token(self) -> str:
        """A text for the keys of caches. Another run under the same id, of another visitor too, has another one."""
        status = self.status
        parts = (self.folder, status.owner, status.imported, status.created, status.data_hash, status.config_hash)
        return "|".join(map(str, parts))

    @property
    def resumable(self) -> bool:
        """Whether training was stopped and can continue at the beginning of the stage it was in."""
        several = self.config is not None and self.config.procedure.several_stages
        return several and not self.builtin and self.state == "stopped" and not self.status.imported

    @property
    def explorable(self) -> bool:
        """Whether it has weights to look at: finished, or stopped or failed after at least one good epoch."""
        return (
            self.config is not None
            and self.state not in ("damaged", *LIVE)
            and (self.folder / "weights.safetensors").is_file()
        )


class RunFolder:
    """The files of one run; every file but the history is replaced as a whole."""

    def __init__(self, folder: Path) -> None:
        self.path = folder

    # --- settings and status

    def config(self) -> RunConfig:
        """Read the settings. Raises `RunUnavailable` or `BadSettings`, `FileNotFoundError` where there are none."""
        content = read_small(self.path / "config.json")
        return (_parsed if len(content) <= MAX_CACHED_CONFIG_BYTES else _parsed.__wrapped__)(content)

    def status(self) -> Status:
        return Status.model_validate_json(read_small(self.path / "status.json"))

    def settled_status(self) -> Status:
        """Read the status, corrected if it says `running` but that process is gone (killed, or its disk full).

        The corrected state is `queued` if the training had not begun or resumes by itself, else `stopped`; nothing is
        written.
        """
        status = self.status()
        if status.state == "running" and not status.process_alive():
            status = self.status()  # it may have ended properly between the two looks
            if status.state == "running":
                state, reason = "stopped", LOST
                if status.resumed < RESUME_LIMIT and not self.stop_asked():
                    if status.started is None:
                        state, reason = "queued", BEGINS_AGAIN
                    elif self._has_several_stages():
                        state, reason = "queued", RESUMES
                return status.model_copy(update={"state": state, "reason": reason})
        return status

    def write_settled(self, status: Status, **changes: Any) -> None:
        """Write what `settled_status` found, without the process that is gone."""
        self.update(state=status.state, reason=status.reason, pid=None, pid_started=None, **changes)

    def _has_several_stages(self) -> bool:
        with contextlib.suppress(AecoreError, OSError):
            return self.config().procedure.several_stages
        return False

    def write_status(self, status: Status) -> None:
        write_atomic(self.path / "status.json", (status.model_dump_json(indent=2) + "\n").encode())
        with contextlib.suppress(OSError):
            os.utime(self.path.parent)  # tells every process that lists these runs; see `listing.Listing`

    def update(self, **changes: Any) -> Status:
        """Replace fields of the status, and return it."""
        status = self.status().model_copy(update=changes)
        self.write_status(status)
        return status

    # --- history

    def add_history(self, row: Mapping[str, Any]) -> None:
        with (self.path / "history.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def history(self) -> list[dict[str, Any]]:
        """Read one dict per epoch. A last line cut off by a kill is left out."""
        rows: list[dict[str, Any]] = []
        with contextlib.suppress(FileNotFoundError):
            for line in (self.path / "history.jsonl").read_text(encoding="utf-8", errors="replace").splitlines():
                with contextlib.suppress(ValueError, RecursionError):
                    row = json.loads(line)
                    if isinstance(row, dict):
                        rows.append(row)
        return rows

    def keep_history(self, stages: Collection[str]) -> None:
        """Delete the rows of all other stages."""
        rows = self.history()
        kept = [row for row in rows if row.get("stage") in stages]
        if len(kept) < len(rows):
            write_atomic(self.path / "history.jsonl", "".join(json.dumps(row) + "\n" for row in kept).encode())

    # --- arrays

    def forget_training(self) -> None:
        """Delete what only a training needs: the request to stop and, once it has finished, the weights to resume."""
        (self.path / "stop").unlink(missing_ok=True)
        if self.status().state == "finished":
            for path in self.path.glob(stage_file("*")):
                path.unlink()

    def write_weights(self, state: Mapping[str, torch.Tensor], name: str = "weights.safetensors") -> None:
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        write_arrays(path, {key: value.detach().cpu().numpy() for key, value in state.items()})

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        return read_arrays(self.path / name)

    def write_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        write_arrays(self.path / name, arrays)

    def analysis(self, code_dim: int) -> dict[str, np.ndarray] | None:
        """Read what was measured when training ended; None where there is no such file.

        Raises `RunUnavailable` for arrays that cannot be those of a code of `code_dim` units; see `analysis.refusal`.
        """
        if not (self.path / "analysis.safetensors").is_file():
            return None
        found = self.arrays("analysis.safetensors")
        if (refusal := analysis.refusal(found, code_dim)) is not None:
            raise RunUnavailable(f"analysis.safetensors: {refusal}")
        return found

    # --- stopping

    def stop_asked(self) -> bool:
        return (self.path / "stop").exists()

    def ask_stop(self) -> None:
        (self.path / "stop").touch()


def stage_file(stages: int | str) -> str:
    """Return the name of the file with the weights after so many stages."""
    return f"stage-{stages}.safetensors"


def read_small(path: Path) -> bytes:
    """Read the bytes of a settings file. Raises `RunUnavailable` for one too large to be such a file."""
    with path.open("rb") as file:
        content = file.read(MAX_JSON_BYTES + 1)
    if len(content) > MAX_JSON_BYTES:
        raise RunUnavailable(f"{path.name} is larger than such a file can be, so this is not a run")
    return content


@functools.lru_cache(maxsize=512)
def _parsed(content: bytes) -> RunConfig:
    """Parse settings. Cached: every page lists every run, and parsing took half of that time."""
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RunUnavailable(f"config.json is not readable JSON ({error})") from None
    return parse(values)
