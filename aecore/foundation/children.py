"""Start Python modules as child processes: their environment, priority and identity, and the messages they send."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""The other cores belong to the visitors of the pages."""
MAX_LINE = 4096


def start_module(
    module: str, arguments: Sequence[str], env: Mapping[str, str], folder: Path, *, stdout: int | IO[bytes],
    stderr: IO[bytes] | None = None, start_new_session: bool = False,
) -> subprocess.Popen[bytes]:  # fmt: skip
    """Starts `python -P -m module arguments…` in `folder` on one thread, with a pipe to its standard input.

    `stdout`, `stderr` and `start_new_session` are those of `subprocess.Popen`. With `-P` a file in the working folder
    cannot take the place of a module of the same name.
    """
    command = [sys.executable, "-P", "-m", module, *arguments]
    return subprocess.Popen(
        command, env={**env, **ONE_THREAD}, cwd=folder, stdin=subprocess.PIPE, stdout=stdout, stderr=stderr,
        start_new_session=start_new_session,
    )  # fmt: skip


def identity(pid: int | None = None) -> dict[str, Any]:
    """`pid` (default: this process) and `pid_started`, by which a process is found again although pids are reused.

    Raises `psutil.NoSuchProcess`.
    """
    process = psutil.Process(pid)
    return {"pid": process.pid, "pid_started": process.create_time()}


def messages(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    """The messages that a child sends with `send`, until it closes its standard output."""
    while line := stream.readline(MAX_LINE):
        yield json.loads(line)


# --- in the child


def lower_priority() -> None:
    """Lets the server and everything else on the machine go first, where the system has priorities."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(10)


def end_with_parent() -> None:
    """Ends this process as soon as its parent is gone, however that ended: its standard input is then at its end."""

    def wait() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def send(**values: Any) -> None:
    """Sends a message to the parent: one JSON object on one line of standard output."""
    print(json.dumps(values), flush=True)
