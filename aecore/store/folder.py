"""Read and write the files of one run's folder."""

import contextlib
import dataclasses
import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import torch
from pydantic import BaseModel, ConfigDict, Field

from aecore.foundation.errors import RunUnavailable
from aecore.foundation.files import read_arrays, write_arrays, write_atomic
from aecore.model.config import FORMAT, RunConfig

State = Literal["queued", "running", "stopped", "finished", "failed", "damaged"]
LIVE: tuple[State, ...] = ("queued", "running")
RUN_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")
MAX_JSON_BYTES = 2**20


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
    pid_started: float | None = None
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
    """Those that are whole, of a training of several; the last one is not among them."""
    resumed: int = 0
    imported: bool = False

    def process_alive(self) -> bool:
        """Whether the process that trains this run still exists: same pid, same start time, not a zombie."""
        if self.pid is None or self.pid_started is None:
            return False
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.pid_started) < 2 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


@dataclasses.dataclass(frozen=True)
class RunInfo:
    """A run as listed: every folder has one, also where it cannot be opened (`damaged`, with the reason)."""

    run_id: str
    folder: Path
    state: State
    reason: str
    builtin: bool
    status: Status
    config: RunConfig | None

    @property
    def name(self) -> str:
        return self.status.name or self.run_id

    @property
    def resumable(self) -> bool:
        """Whether it ended early and can go on at the beginning of the stage it was in."""
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
    """Reads and writes the files of one run; every file but the history is replaced whole."""

    def __init__(self, folder: Path) -> None:
        self.path = folder

    def status(self) -> Status:
        return Status.model_validate_json(read_small(self.path / "status.json"))

    def update(self, **changes: Any) -> Status:
        status = self.status().model_copy(update=changes)
        write_atomic(self.path / "status.json", (status.model_dump_json(indent=2) + "\n").encode())
        return status

    def add_history(self, row: Mapping[str, Any]) -> None:
        with (self.path / "history.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def history(self) -> list[dict[str, Any]]:
        """One dict per epoch. A last line cut by a kill is left out."""
        rows: list[dict[str, Any]] = []
        with contextlib.suppress(FileNotFoundError):
            for line in (self.path / "history.jsonl").read_text(encoding="utf-8", errors="replace").splitlines():
                with contextlib.suppress(ValueError, RecursionError):
                    row = json.loads(line)
                    if isinstance(row, dict):
                        rows.append(row)
        return rows

    def keep_history(self, stages: Collection[str]) -> None:
        """Leaves out the rows of all other stages."""
        rows = self.history()
        kept = [row for row in rows if row.get("stage") in stages]
        if len(kept) < len(rows):
            write_atomic(self.path / "history.jsonl", "".join(json.dumps(row) + "\n" for row in kept).encode())

    def forget_stages(self) -> None:
        """Removes what only a resumption would need."""
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

    def stop_asked(self) -> bool:
        return (self.path / "stop").exists()

    def ask_stop(self) -> None:
        (self.path / "stop").touch()


def stage_file(stages: int | str) -> str:
    """The name of the file with the weights after so many stages."""
    return f"stage-{stages}.safetensors"


def read_small(path: Path) -> bytes:
    """The bytes of a settings file. Raises `RunUnavailable` for one too large to be such a file."""
    with path.open("rb") as file:
        content = file.read(MAX_JSON_BYTES + 1)
    if len(content) > MAX_JSON_BYTES:
        raise RunUnavailable(f"{path.name} is larger than such a file can be, so this is not a run")
    return content
