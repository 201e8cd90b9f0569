"""Train in child processes: submit, stop and resume jobs; the queue and its locks.

A job is a run in staging. One server process holds `queue.lock` in `AECORE_HOME` and starts the next queued job when
none is running. The child outlives its server; after a restart it is found by pid and start time. `turn.lock` is held
while a queued job is started or removed, so that never both happen. A killed training of several stages is queued
again and resumes at the stage it was in.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from aecore.foundation.children import identity, lower_priority, start_module
from aecore.foundation.errors import BadInput, words_of
from aecore.foundation.home import cache_home
from aecore.foundation.leftovers import remove_leftovers
from aecore.model.config import RunConfig, with_settings
from aecore.store.access import OPERATOR, in_turn
from aecore.store.folder import RunFolder, RunInfo
from aecore.store.run_data import IMAGES
from aecore.store.store import RunStore
from aecore.training.quotas import check_quotas
from aecore.training.run import train

QUEUE_LIMIT = 200
"""Trainings of all visitors with which no guest may add another; each guest has a quota besides."""
TICK_SECONDS = 0.2
QUEUE = "the queue of trainings"
LATE_SECONDS = 120.0
"""After this much more than its time, a guest's training that does not end by itself is killed."""
_submitting = threading.Lock()
"""Held while quotas are checked and the training is added, so that two requests at once do not exceed them."""
GO = b"go"
"""Sent to a child once its pid is in the run's status; only then it trains, whatever happens to its parent."""


def submit(store: RunStore, config: RunConfig, name: str = "", images: bytes | None = None) -> str:
    """Queues a training of the store's visitor and returns its run id. `images` (npz bytes) are stored in the run's
    folder.

    Raises `BadInput` when the queue or the disk is full, `NotAllowed` beyond the visitor's quotas.
    """
    with _submitting:
        check_quotas(store, config, images)
        if not store.who.is_operator and len(waiting(store)) >= QUEUE_LIMIT:
            raise BadInput(f"{QUEUE_LIMIT} trainings are waiting already, which is the most; try again later")
        if config.training.threads is None:
            config = with_settings(config, {"training.threads": 1})  # the other cores are for the pages
        try:
            return store.create(config, name, images)
        except OSError as error:
            raise BadInput(f"the training could not be queued: {words_of(error)}") from None


def waiting(store: RunStore) -> list[RunInfo]:
    """The waiting jobs of all visitors in the order in which they will start, whoever asks: one of each owner in turn.

    A running job counts as its owner's first, so that nobody has a second one before everybody has had a first.
    """
    live = sorted(store.seen_by(OPERATOR).live(), key=lambda info: (info.state != "running", info.status.created))
    turns = in_turn(live, lambda info: info.status.owner)
    return [info for info in turns if info.state == "queued"]


def place(store: RunStore, run_id: str) -> int:
    """The number of trainings that start or end before this waiting one, whoever owns them; 0 if it does not wait."""
    ids = [info.run_id for info in waiting(store)]
    running = any(info.state == "running" for info in store.seen_by(OPERATOR).live())
    return ids.index(run_id) + running if run_id in ids else 0


def others_before(store: RunStore) -> int:
    """The number of other owners' trainings before the first waiting one of the store's visitor; of all that run or
    wait if the visitor has none.
    """
    jobs = queue(store.seen_by(OPERATOR))
    own = [place for place, info in enumerate(jobs) if info.status.owner == store.who.name]
    waits = next((place for place in own if jobs[place].state == "queued"), 0 if own else len(jobs))
    return sum(info.status.owner != store.who.name for info in jobs[:waits])


def queue(store: RunStore) -> list[RunInfo]:
    """The running job, if any, then the waiting ones in the order in which they will start; of those that the store's
    visitor may see.
    """
    seen = {info.run_id: info for info in store.live()}
    running = sorted((info for info in seen.values() if info.state == "running"), key=lambda info: info.status.created)
    return running + [info for info in waiting(store) if info.run_id in seen]


def stop(store: RunStore, run_id: str) -> None:
    """Removes a waiting job from the queue, or asks a running one to end at its next step, with its best weights kept.

    Does nothing to a run that has ended. Raises `RunUnavailable` when there is no such run, `NotAllowed` when it is
    another visitor's, `BadInput` when the request cannot be stored (a full disk).
    """
    try:
        with store.turn():
            info = store.own(run_id)
            if info.state == "queued":
                began = info.status.started is not None
                store.finish(run_id, "stopped", f"taken out of the queue before it {'went on' if began else 'began'}")
            elif info.state == "running":
                RunFolder(info.folder).ask_stop()
    except (OSError, Timeout) as error:
        raise BadInput(f"the training could not be stopped: {words_of(error)}") from None


def clear(store: RunStore, owner: str | None = None) -> int:
    """Stops all trainings, or those of one owner, waiting ones first, and returns their number.

    Raises `NotAllowed` unless the store is the operator's.
    """
    store.who.require_operator("clear the queue")
    jobs = [info for info in reversed(queue(store)) if owner is None or info.status.owner == owner]
    for info in jobs:
        stop(store, info.run_id)
    return len(jobs)


def resume(store: RunStore, run_id: str) -> None:
    """Queues a training of several stages that ended early; it resumes at the beginning of the stage it was in.

    Raises `RunUnavailable` when there is no such run, `NotAllowed` when it is another visitor's or beyond the quotas,
    `BadInput` when it cannot be resumed or written to.
    """
    try:
        with _submitting:
            info = store.own(run_id)
            if info.config is not None:
                check_quotas(store, info.config, _own_images(info))
            store.resume(run_id)
    except (OSError, Timeout) as error:
        raise BadInput(f"the training could not be resumed: {words_of(error)}") from None


def _own_images(info: RunInfo) -> bytes | None:
    """The images that were uploaded for a training, kept in its folder."""
    path = info.folder / IMAGES
    return path.read_bytes() if path.is_file() else None


def why_paused(store: RunStore) -> str:
    """Why this server cannot start trainings at present; empty where it can, or leaves that to another server."""
    return _paused.get(store.root, "")


_paused: dict[Path, str] = {}


def claim(store: RunStore, run_id: str) -> None:
    """Marks a waiting run as trained by this process, so that no server starts it. Raises `BadInput` for a run that is
    not waiting.
    """
    with store.turn():
        info = store.info(run_id)
        if info.state != "queued" or info.config is None:
            raise BadInput(f"run {run_id} does not wait to be trained: it is {info.state}")
        RunFolder(info.folder).update(state="running", **identity())


class Runner:
    """Starts queued jobs, one at a time, from a thread of the server. Of several servers on one home only the one that
    holds `queue.lock` starts jobs.

    Whatever keeps it from that (a full disk, a folder that may not be written to) is logged in one line when it comes
    and when it goes, and it tries again.
    """

    def __init__(self, store: RunStore, env: Mapping[str, str] | None = None) -> None:
        self.store, self.env = store, {**os.environ, **(env or {})}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="aecore-jobs", daemon=True)
        self._children: list[subprocess.Popen[bytes]] = []
        self._since: dict[str, float] = {}  # {running job: when this server saw it first}
        self._logged: dict[str, str] = {}

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stops starting jobs; the running one continues."""
        self._ended.set()
        self._thread.join(timeout=5)

    def _loop(self) -> None:
        with contextlib.suppress(OSError):
            self._remove_leftovers()
        while not self._ended.is_set():
            try:
                self.store.root.mkdir(parents=True, exist_ok=True)
                lock = self.store.root / "queue.lock"
                with FileLock(lock).acquire(blocking=False):
                    # A home that was deleted took the lock along; whoever made it anew may hold another one.
                    while not self._ended.wait(TICK_SECONDS) and lock.exists():
                        self.tick()
                        self._log(QUEUE, "")
                    if not self._ended.is_set() and not self.store.root.exists():
                        self._log(QUEUE, "the home folder was deleted or moved; an empty one takes its place")
            except Timeout:
                pass  # another server starts the jobs
            except OSError as error:
                self._log(QUEUE, words_of(error))
            except Exception as error:  # the queue must survive any error
                self._log(QUEUE, f"{type(error).__name__}: {error}", error)
            self._ended.wait(5 * TICK_SECONDS)

    def _remove_leftovers(self) -> None:
        """Delete what a kill of an earlier server, or of its trainings, has left in the home."""
        folders = [self.store.root / name for name in ("staging", "runs", "trash", "datasets")]
        remove_leftovers([*folders, cache_home()])

    def _log(self, what: str, why: str, error: Exception | None = None) -> None:
        """Logs that something pauses, and why, or that it goes on (`why` is empty); nothing if that was logged last."""
        if self._logged.get(what, "") != why:
            self._logged[what] = why
            if what == QUEUE:
                _paused[self.store.root] = why
            words = f"{what} had to pause: {why}" if why else f"{what} goes on"
            logging.getLogger(__name__).warning(words, exc_info=error)

    def tick(self) -> None:
        """Reaps ended children, ends the runs of killed ones, and starts the next job when none is running."""
        self._children = [child for child in self._children if child.poll() is None]
        self.store.settle()
        jobs = queue(self.store)
        self._end_late(jobs)
        if not jobs or jobs[0].state == "running":
            return
        failed: dict[str, OSError] = {}
        for job in jobs:
            try:
                child = start(self.store, job.run_id, self.env)
            except OSError as error:
                failed[job.run_id] = error  # the next may be able to start: its folder is another
                continue
            self._children += [child] if child else []
            for run_id, error in failed.items():
                self._log(f"the training {run_id}", words_of(error))
            return
        raise next(iter(failed.values()))

    def _end_late(self, jobs: list[RunInfo]) -> None:
        """Kills a training whose time was over long ago: one step of it may take longer than anybody should wait."""
        now = time.monotonic()
        running = {info.run_id: info for info in jobs if info.state == "running"}
        self._since = {run_id: self._since.get(run_id, now) for run_id in running}
        for run_id, info in running.items():
            limit, pid = info.status.max_seconds, info.status.pid
            if limit is None or now - self._since[run_id] < limit + LATE_SECONDS:
                continue
            if pid is not None and info.status.process_alive():
                RunFolder(info.folder).ask_stop()  # so that it is not taken up again
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def start(store: RunStore, run_id: str, env: Mapping[str, str]) -> subprocess.Popen[bytes] | None:
    """Starts the child that trains `run_id`, with its output in the run's log.

    None when the job was removed from the queue in the meantime.
    """
    folder = store.root / "staging" / run_id
    with store.turn():
        if store.info(run_id).state != "queued":
            return None
        RunFolder(folder).update()  # raises where nothing can be written, before a process is started for nothing
        with (folder / "log.txt").open("wb") as log:
            child = start_module(
                "aecore.training.queue", [str(store.root), run_id], env, store.root,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        assert child.stdin is not None
        try:
            with child.stdin, contextlib.suppress(ProcessLookupError, BrokenPipeError):
                RunFolder(folder).update(state="running", **identity(child.pid))
                child.stdin.write(GO)
        except BaseException:
            child.kill()
            child.wait()
            raise
    return child


def main(root: str, run_id: str) -> int:
    """The child: trains one queued run until its end, SIGTERM, SIGINT or the file `stop`. Returns the exit code."""
    lower_priority()
    asked = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        asked.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    if sys.stdin.buffer.read() != GO:
        return 1  # the parent died before the run had this child's pid; the next server starts the run again
    store = RunStore(Path(root))
    info = store.info(run_id)
    if info.config is None or info.state != "running":
        return 1
    folder = RunFolder(info.folder)
    train(info.config, store, should_stop=lambda: asked.is_set() or folder.stop_asked(), run_id=run_id, fetch=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
