"""Training in a process of its own: submit, poll, stop; the queue and its lock.

A job is a run in staging. One server process holds the lock in `AECORE_HOME` and starts the next queued job when none is
running; the process it starts outlives it, and is found again after a restart by pid and start time.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

import psutil
from filelock import FileLock, Timeout

from aecore.config import RunConfig, with_settings
from aecore.errors import BadInput
from aecore.store import RunFolder, RunInfo, RunStore
from aecore.training import train

QUEUE_LIMIT = 20
TICK_SECONDS = 0.3


def submit(store: RunStore, config: RunConfig, name: str = "", images: bytes | None = None) -> str:
    """Queues a training and returns its run id. `images` (npz bytes) are kept in the run's folder. Raises `BadInput` when the queue is full."""
    waiting = [info for info in store.runs() if info.state == "queued"]
    if len(waiting) >= QUEUE_LIMIT:
        raise BadInput(f"{len(waiting)} trainings are waiting already, which is the most; stop one or try again later")
    if config.training.threads is None:
        config = with_settings(config, {"training.threads": 1})  # the other processors belong to those who look
    return store.create(config, name, images)


def queue(store: RunStore) -> list[RunInfo]:
    """The running job, if any, then those waiting, first come first."""
    live = [info for info in store.runs() if info.state in ("running", "queued")]
    return sorted(live, key=lambda info: (info.state != "running", info.status.created))


def stop(store: RunStore, run_id: str) -> None:
    """A waiting job is taken out of the queue; a running one ends at its next step and keeps the best weights so far."""
    info = store.info(run_id)
    if info.state == "queued":
        store.finish(run_id, "stopped", "taken out of the queue before it began")
    elif info.state == "running":
        RunFolder(info.folder).ask_stop()


class Runner:
    """Starts queued jobs, one at a time, from a thread of the server; several servers on one home take turns by a lock."""

    def __init__(self, store: RunStore, env: Mapping[str, str] | None = None) -> None:
        self.store, self.env = store, {**os.environ, **(env or {})}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="aecore-jobs", daemon=True)
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stops starting jobs; the one that runs goes on by itself."""
        self._ended.set()
        self._thread.join(timeout=5)

    def _loop(self) -> None:
        self.store.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.store.root / "queue.lock")
        while not self._ended.is_set():
            # A full or read-only disk must not end the thread: the next tick tries again.
            with contextlib.suppress(OSError, Timeout, ValueError):
                with lock.acquire(blocking=False):
                    while not self._ended.wait(TICK_SECONDS):
                        self.tick()
            self._ended.wait(TICK_SECONDS)

    def tick(self) -> None:
        """Reaps ended children, puts away what was killed, starts the next job when none runs."""
        self._children = [child for child in self._children if child.poll() is None]
        jobs = queue(self.store)
        if jobs and jobs[0].state == "queued":
            self._children.append(start(self.store, jobs[0].run_id, self.env))


def start(store: RunStore, run_id: str, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Starts the process that trains `run_id`: low priority, no path of the working folder, output into the run's log."""
    folder = store.root / "staging" / run_id
    with (folder / "log.txt").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "aecore.jobs", str(store.root), run_id],
            env={**env, "OMP_NUM_THREADS": "1"}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, cwd=store.root,
        )  # fmt: skip
    with contextlib.suppress(psutil.Error):
        started = psutil.Process(child.pid).create_time()
        RunFolder(folder).update(state="running", pid=child.pid, pid_started=started)
    return child


def main(root: str, run_id: str) -> int:
    """The child: trains one queued run. Stops at the folder's `stop` file, SIGTERM or SIGINT, keeping the best so far."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(10)
    store = RunStore(Path(root))
    info = store.info(run_id)
    if info.config is None:
        return 1
    asked = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        asked.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    folder = RunFolder(info.folder)
    train(info.config, store, should_stop=lambda: asked.is_set() or folder.stop_asked(), run_id=run_id, fetch=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
