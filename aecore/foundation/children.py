"""Start Python modules as child processes: their environment, priority and identity, and the messages they send."""

import contextlib
import functools
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
    """`pid` (default: this process) and `pid_started`, by which `alive` finds a process again although pids are reused.

    Raises `ProcessLookupError` where there is no such process.
    """
    pid = os.getpid() if pid is None else pid
    return {"pid": pid, "pid_started": _look(pid)[0]}


def alive(pid: int, started: str | float) -> bool:
    """Whether the process with this `identity` still exists and is not a zombie, whatever the clock was set to since.

    A number of seconds since 1970 was written by an earlier version; it is compared with a tolerance of two seconds.
    """
    try:
        if isinstance(started, str):
            return _look(pid) == (started, True)
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < 2 and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.Error):
        return False


def _look(pid: int) -> tuple[str, bool]:
    """When a process started, in letters, digits and hyphens, and whether it still runs (False for a zombie).

    The start is never derived from the clock, which people and time servers change. Linux: clock ticks since the boot,
    and the boot's id, because pids and ticks begin anew with each. Elsewhere: the time that the system stored.
    Raises `ProcessLookupError`.
    """
    if sys.platform == "linux":
        try:
            # The name in parentheses may hold anything. After it come the third field (state) and the others.
            fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        except FileNotFoundError:
            raise ProcessLookupError(f"there is no process {pid}") from None
        return f"{fields[19]}-{_boot()}", fields[0] not in "ZX"
    try:
        process = psutil.Process(pid)
        # `create_time()` of macOS follows later changes of the clock; the identity that psutil compares does not.
        stored = float(process._ident[1])  # pyright: ignore[reportPrivateUsage]
        return str(round(1000 * stored)), process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        raise ProcessLookupError(f"there is no process {pid}") from None


@functools.cache
def _boot() -> str:
    """The first digits of Linux's id of this boot; empty where a container hides it."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    return ""


def messages(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    """The messages that a child sends with `send`, until it closes its standard output."""
    while line := stream.readline(MAX_LINE):
        yield json.loads(line)


# --- in the child


def lower_priority() -> None:
    """Lets the server and everything else on the machine go first, where the system has priorities."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(10)
    with contextlib.suppress(OSError):
        # Linux: where memory runs out, this process ends, not the server.
        Path("/proc/self/oom_score_adj").write_text("800")


def end_with_parent() -> None:
    """Ends this process as soon as its parent is gone, however that ended: its standard input is then at its end."""

    def wait() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def send(**values: Any) -> None:
    """Sends a message to the parent: one JSON object on one line of standard output."""
    print(json.dumps(values), flush=True)
