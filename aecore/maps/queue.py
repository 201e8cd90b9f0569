"""Compute maps in child processes, one at a time; equal requests share one job.

A child computes an atlas and caches it on disk, from where `aecore.maps.atlas.atlas` reads it; it sends back only its
progress. The queue is not kept over a restart: a page asks again, and finds cached what was finished. A killed child
leaves no incomplete file in the cache.
"""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from aecore.foundation.children import end_with_parent, lower_priority, messages, send, start_module
from aecore.foundation.errors import AecoreError, BadInput, NotAllowed, words_of
from aecore.foundation.home import cache_home
from aecore.maps.atlas import atlas
from aecore.maps.plan import is_cached
from aecore.maps.spec import AtlasSpec, PanelSpec
from aecore.session.session import Session
from aecore.store.access import OPERATOR, Visitor, in_turn
from aecore.store.store import RunStore

QUEUE_LIMIT = 60
"""Maps of all visitors that may wait; each guest has a quota besides."""
MAX_ENDED_JOBS = 32
"""Ended jobs that `MapJobs.find` still knows, so that pages can show how they ended."""
PROGRESS_STEP = 0.005
"""A smaller growth of the share that is done is not sent."""

State = Literal["waiting", "running", "finished", "failed", "stopped"]
NOT_KEPT = (
    "The maps were made, but could not be kept: the disk is full or cannot be written. Make room, then ask again."
)


def _asker(who: Visitor) -> str:
    """The name under which a visitor waits for maps; all guests without a name are one."""
    return who.name or ("" if who.is_operator else "nameless")


class MapJob:
    """A requested atlas: `fraction` of the work is done, `words` describe the present step, `error` why it failed."""

    def __init__(self, run_id: str, spec: AtlasSpec, asker: str, lock: threading.Condition) -> None:
        self.run_id, self.spec = run_id, spec
        self.askers = [asker]
        """Names of the visitors who wait for it, who asked first in front; "" is the operator."""
        self.state: State = "waiting"
        self.fraction, self.words, self.error = 0.0, "Waiting for other maps", ""
        self._lock = lock
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def ended(self) -> bool:
        return self.state in ("finished", "failed", "stopped")

    def stop(self, who: Visitor = OPERATOR) -> None:
        """Remove a visitor from those who wait for the job, and end it, its child included, when none is left.

        For the operator it ends at once. Does nothing to a job that has ended.
        """
        with self._lock:
            self.askers = [] if who.is_operator else [name for name in self.askers if name != _asker(who)]
            if not self.ended and not self.askers:
                self.state = "stopped"
                if self._child is not None:
                    self._child.kill()
                self._lock.notify_all()

    def run(self, store: RunStore, env: Mapping[str, str]) -> None:
        """Starts the child and follows its messages until it ends."""
        n = "-" if self.spec.n is None else str(self.spec.n)
        arguments = [str(store.root), str(store.builtin.absolute()), self.run_id, n, str(self.spec.seed)]
        arguments += [panel.text for panel in self.spec.panels]
        folder = cache_home()
        folder.mkdir(parents=True, exist_ok=True)
        with self._lock:
            if self.ended:
                return
            child = start_module("aecore.maps.queue", arguments, env, folder, stdout=subprocess.PIPE)
            self._child = child
            self.state, self.words = "running", "Reading the images"
        assert child.stdout is not None
        message: dict[str, Any] = {}
        with child:
            for message in messages(child.stdout):
                self.fraction = message.get("fraction", self.fraction)
                self.words = message.get("words", self.words)
            code = child.wait()
        if code or not message.get("done"):
            return self.fail(message.get("error") or _exit_reason(code))
        with self._lock:
            if not self.ended:
                self.state, self.fraction, self.words = "finished", 1.0, ""

    def fail(self, why: str) -> None:
        """Ends the job as failed, unless it was stopped."""
        with self._lock:
            if not self.ended:
                self.state, self.error = "failed", why


def _exit_reason(code: int) -> str:
    if code < 0:
        return (
            "The process that made the maps was killed, most likely because the machine ran out of memory. "
            "Ask again with fewer images."
        )
    return f"The process that made the maps ended early (exit code {code}); the server's log says why. Ask again."


class MapJobs:
    """The queue of one server. Every method may be called from any thread."""

    def __init__(self, store: RunStore, env: Mapping[str, str] | None = None) -> None:
        self.store = store
        self.env = {**os.environ, "AECORE_HOME": str(store.root), **(env or {})}
        self._lock = threading.Condition(threading.RLock())
        self._jobs: dict[tuple[str, AtlasSpec], MapJob] = {}
        self._closed = False
        self._thread: threading.Thread | None = None

    def ask(self, run_id: str, spec: AtlasSpec, who: Visitor = OPERATOR) -> MapJob:
        """The job that computes these maps: the one that is already waiting or running, or a new one at the end of the
        queue.

        Raises `RunUnavailable` if one of the runs does not exist for the visitor, `BadInput` when the queue is full or
        closed, `NotAllowed` beyond the visitor's quota.
        """
        for shown in (run_id, *(panel.run for panel in spec.panels if panel.run is not None)):
            self.store.seen_by(who).info(shown)
        with self._lock:
            held = self._jobs.get((run_id, spec))
            if held is not None and not held.ended:
                if _asker(who) not in held.askers:
                    held.askers.append(_asker(who))
                return held
            self._check(who)
            self._jobs.pop((run_id, spec), None)
            job = self._jobs[run_id, spec] = MapJob(run_id, spec, _asker(who), self._lock)
            ended = [key for key, other in self._jobs.items() if other.ended]
            for key in ended[: max(0, len(ended) - MAX_ENDED_JOBS)]:
                del self._jobs[key]
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="aecore-maps", daemon=True)
                self._thread.start()
            self._lock.notify_all()
            return job

    def _check(self, who: Visitor) -> None:
        """Raises why the visitor may not have another job now."""
        if self._closed:
            raise BadInput("the program is ending; start it again to make maps")
        live = [job for job in self._jobs.values() if not job.ended]
        own = sum(_asker(who) in job.askers for job in live)
        if not who.is_operator and own >= who.quotas.maps:
            raise NotAllowed(f"you have asked for {own} maps that are not made yet, the most here; wait for their end")
        waiting = sum(job.state == "waiting" for job in live)
        if waiting >= QUEUE_LIMIT:
            raise BadInput(f"{waiting} other maps are waiting to be made, which is the most; try again in a while")

    def live(self, who: Visitor = OPERATOR) -> list[MapJob]:
        """The jobs that wait or run, in the order in which they end; of all visitors for the operator."""
        with self._lock:
            jobs = [job for job in self._jobs.values() if not job.ended]
            jobs.sort(key=lambda job: job.state != "running")
            turns = in_turn(jobs, lambda job: job.askers[0] if job.askers else "")
            return [job for job in turns if who.is_operator or _asker(who) in job.askers]

    def clear(self, who: Visitor, owner: str | None = None) -> int:
        """Stops all jobs, or lets one visitor no longer wait for any, and returns their number.

        Raises `NotAllowed` unless `who` is the operator.
        """
        who.require_operator("clear the queue of maps")
        jobs = [job for job in reversed(self.live()) if owner is None or owner in job.askers]
        for job in jobs:
            job.stop(who if owner is None else Visitor(owner, "guest"))
        return len(jobs)

    def find(self, run_id: str, spec: AtlasSpec) -> MapJob | None:
        """The latest job for these maps, also an ended one; None if they were never requested, or too long ago."""
        with self._lock:
            return self._jobs.get((run_id, spec))

    def close(self) -> None:
        """Stops all jobs, the running one included."""
        with self._lock:
            self._closed = True
            for job in self._jobs.values():
                job.stop()
            self._lock.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _loop(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._closed or self._next() is not None)
                job = self._next()
                if job is None:
                    return
            try:
                job.run(self.store, self.env)
            except OSError as error:
                logging.getLogger(__name__).warning("the maps of %s could not be made: %s", job.run_id, error)
                job.fail(f"The maps could not be made: {words_of(error)}.")
            except Exception as error:  # the queue must survive any error
                logging.getLogger(__name__).exception("the maps of %s could not be made", job.run_id)
                job.fail(f"The maps could not be made ({error}); try again later.")

    def _next(self) -> MapJob | None:
        return next((job for job in self.live() if job.state == "waiting"), None)


# --- the child -------------------------------------------------------------------------------------------------------


def main(root: str, builtin: str, run_id: str, n: str, seed: str, *panels: str) -> int:
    """Computes the atlas, caches it, and sends its progress to the parent. Returns the exit code."""
    lower_priority()
    end_with_parent()
    last_share, last_words = -1.0, ""

    def on_progress(share: float, words: str) -> None:
        nonlocal last_share, last_words
        if words != last_words or share - last_share >= PROGRESS_STEP:
            last_share, last_words = share, words
            send(fraction=round(share, 4), words=words)

    try:
        spec = AtlasSpec(tuple(map(PanelSpec.parse, panels)), None if n == "-" else int(n), int(seed))
        session = Session(RunStore(Path(root), Path(builtin)), run_id)
        atlas(session, spec, on_progress)
        if not is_cached(session, spec):
            send(error=NOT_KEPT)
            return 1
    except AecoreError as error:
        send(error=str(error))
        return 1
    except MemoryError:
        send(error="There is not enough memory for these maps; ask for fewer images.")
        return 1
    send(done=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
