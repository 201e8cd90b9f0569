"""Training in a process of its own: submit, poll, stop; the queue and its locks.

A job is a run in staging. One server process holds `queue.lock` in `AECORE_HOME` and starts the next queued job when
none is running; the process it starts outlives it, and is found again after a restart by pid and start time.
`turn.lock` is held for the moment in which a queued job starts or is taken out, so that it is never both. A killed
training of several stages is queued again, and resumes at the stage it was in.
"""

import contextlib
import logging
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

from aecore.foundation.errors import BadInput
from aecore.model.config import RunConfig, with_settings
from aecore.store.folder import RunFolder, RunInfo
from aecore.store.store import RunStore
from aecore.training.run import train

QUEUE_LIMIT = 20
TICK_SECONDS = 0.2
GO = b"go"
"""What a child waits for before it trains: by then its pid is in the run's status, whatever happens to its parent."""


def submit(store: RunStore, config: RunConfig, name: str = "", images: bytes | None = None) -> str:
    """Queues a training and returns its run id. `images` (npz bytes) are kept in the run's folder.

    Raises `BadInput` when the queue is full or the disk takes nothing more.
    """
    waiting = [info for info in store.live() if info.state == "queued"]
    if len(waiting) >= QUEUE_LIMIT:
        raise BadInput(f"{len(waiting)} trainings are waiting already, which is the most; stop one or try again later")
    if config.training.threads is None:
        config = with_settings(config, {"training.threads": 1})  # the other processors belong to those who look
    try:
        return store.create(config, name, images)
    except OSError as error:
        why = error.strerror or error
        raise BadInput(f"the training could not be queued ({why}); make room on the disk and try again") from None


def queue(store: RunStore) -> list[RunInfo]:
    """The running job, if any, then those waiting, first come first."""
    return sorted(store.live(), key=lambda info: (info.state != "running", info.status.created, info.run_id))


def stop(store: RunStore, run_id: str) -> None:
    """A waiting job is taken out of the queue; a running one ends at its next step and keeps the best weights so far.

    Nothing happens to a run that has ended. Raises `RunUnavailable` when there is no such run, `BadInput` when the wish
    cannot be written down (a full disk).
    """
    try:
        with store.turn():
            info = store.info(run_id)
            if info.state == "queued":
                began = info.status.started is not None
                store.finish(run_id, "stopped", f"taken out of the queue before it {'went on' if began else 'began'}")
            elif info.state == "running":
                RunFolder(info.folder).ask_stop()
    except (OSError, Timeout) as error:
        raise BadInput(f"the training could not be stopped ({error}); try again") from None


def resume(store: RunStore, run_id: str) -> None:
    """Queues a training of several stages that ended early; it goes on at the beginning of the stage it was in.

    Raises `RunUnavailable` when there is no such run, `BadInput` when it cannot be resumed or written to.
    """
    try:
        store.resume(run_id)
    except (OSError, Timeout) as error:
        raise BadInput(f"the training could not be resumed ({error}); try again") from None


def claim(store: RunStore, run_id: str) -> None:
    """Makes a waiting run this process's own, so that no server starts it too. Raises `BadInput` when it does not
    wait.
    """
    with store.turn():
        info = store.info(run_id)
        if info.state != "queued" or info.config is None:
            raise BadInput(f"run {run_id} does not wait to be trained: it is {info.state}")
        me = psutil.Process()
        RunFolder(info.folder).update(state="running", pid=me.pid, pid_started=me.create_time())


class Runner:
    """Starts queued jobs, one at a time, from a thread of the server; servers on one home take turns by a lock."""

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
        while not self._ended.is_set():
            try:
                self.store.root.mkdir(parents=True, exist_ok=True)
                with FileLock(self.store.root / "queue.lock").acquire(blocking=False):
                    while not self._ended.wait(TICK_SECONDS):
                        self.tick()
            except Timeout:
                pass  # another server has the turn
            except Exception:
                # Whatever it was (most likely a full disk), the queue must outlive it: the next round tries again.
                logging.getLogger(__name__).exception("the queue of trainings had to pause")
            self._ended.wait(5 * TICK_SECONDS)

    def tick(self) -> None:
        """Reaps ended children, puts away what was killed, starts the next job when none runs."""
        self._children = [child for child in self._children if child.poll() is None]
        self.store.settle()
        jobs = queue(self.store)
        if jobs and jobs[0].state == "queued":
            child = start(self.store, jobs[0].run_id, self.env)
            self._children += [child] if child else []


def start(store: RunStore, run_id: str, env: Mapping[str, str]) -> subprocess.Popen[bytes] | None:
    """Starts the process that trains `run_id`: low priority, no path of the working folder, output into the run's log.

    None when it was taken out of the queue at the last moment.
    """
    folder = store.root / "staging" / run_id
    with store.turn():
        if store.info(run_id).state != "queued":
            return None
        with (folder / "log.txt").open("wb") as log:
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "aecore.training.queue", str(store.root), run_id],
                env={**env, "OMP_NUM_THREADS": "1"}, stdin=subprocess.PIPE, stdout=log, stderr=log,
                start_new_session=True, cwd=store.root,
            )  # fmt: skip
        assert child.stdin is not None
        with child.stdin, contextlib.suppress(psutil.NoSuchProcess, BrokenPipeError):
            started = psutil.Process(child.pid).create_time()
            RunFolder(folder).update(state="running", pid=child.pid, pid_started=started)
            child.stdin.write(GO)
    return child


def main(root: str, run_id: str) -> int:
    """The child: trains one queued run. SIGTERM, SIGINT or the file `stop` end it, keeping the best so far."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(10)
    asked = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        asked.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    if sys.stdin.buffer.read() != GO:
        return 1  # the parent died before it could write down whose run this is; the next one starts it anew
    store = RunStore(Path(root))
    info = store.info(run_id)
    if info.config is None or info.state != "running":
        return 1
    folder = RunFolder(info.folder)
    train(info.config, store, should_stop=lambda: asked.is_set() or folder.stop_asked(), run_id=run_id, fetch=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
