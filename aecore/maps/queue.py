"""Maps made off the page: each request is one child process, one at a time, shared by all who ask for the same.

A child computes an atlas and caches it on disk, from where `aecore.maps.atlas.atlas` reads it; all that it sends back
are lines with its progress. Nothing of the queue survives a restart: whoever still wants the maps asks
again, and what was finished is there. A child that is killed leaves no file that is read.
"""

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from aecore.foundation.errors import AecoreError, BadInput
from aecore.maps.atlas import atlas
from aecore.maps.plan import is_cached
from aecore.maps.spec import AtlasSpec, PanelSpec
from aecore.session.session import Session
from aecore.store.store import RunStore

QUEUE_LIMIT = 8
REMEMBERED = 32
"""Jobs that are still known after they ended, so that whoever asked learns how."""
MOST_LINE = 4096
PROGRESS_STEP = 0.005

State = Literal["waiting", "running", "finished", "failed", "stopped"]
NOT_KEPT = (
    "The maps were made, but could not be kept: the disk is full or cannot be written. Make room, then ask again."
)


class MapJob:
    """Maps that somebody waits for: `fraction` of the work is done, `words` say what is done now, `error` why it
    failed.
    """

    def __init__(self, run_id: str, spec: AtlasSpec, lock: threading.Condition) -> None:
        self.run_id, self.spec = run_id, spec
        self.state: State = "waiting"
        self.fraction, self.words, self.error = 0.0, "Waiting for other maps", ""
        self._lock = lock
        self._child: subprocess.Popen[str] | None = None

    @property
    def ended(self) -> bool:
        return self.state in ("finished", "failed", "stopped")

    def stop(self) -> None:
        """Ends it, for everybody who asked; nothing happens where it has ended."""
        with self._lock:
            if not self.ended:
                self.state = "stopped"
                if self._child is not None:
                    self._child.kill()
                self._lock.notify_all()

    def run(self, command: list[str], env: Mapping[str, str], folder: Path) -> None:
        """Starts the child and listens to it until it ends."""
        with self._lock:
            if self.ended:
                return
            child = self._child = subprocess.Popen(
                command, env={**env}, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            self.state, self.words = "running", "Reading the images"
        assert child.stdin is not None
        assert child.stdout is not None
        said: dict[str, Any] = {}
        with child.stdin, child.stdout:
            while line := child.stdout.readline(MOST_LINE):
                said = json.loads(line)
                self.fraction, self.words = said.get("fraction", self.fraction), said.get("words", self.words)
            code = child.wait()
        if code or not said.get("done"):
            return self.fail(said.get("error") or _ended_how(code))
        with self._lock:
            if not self.ended:
                self.state, self.fraction, self.words = "finished", 1.0, ""

    def fail(self, why: str) -> None:
        """It ended, and nobody stopped it."""
        with self._lock:
            if not self.ended:
                self.state, self.error = "failed", why


def _ended_how(code: int) -> str:
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
        # As for trainings: the other processors belong to those who look.
        alone = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self.env = {**os.environ, **alone, "AECORE_HOME": str(store.root), **(env or {})}
        self._lock = threading.Condition(threading.RLock())
        self._jobs: OrderedDict[tuple[str, AtlasSpec], MapJob] = OrderedDict()
        self._closed = False
        self._thread: threading.Thread | None = None

    def ask(self, run_id: str, spec: AtlasSpec) -> MapJob:
        """The job that makes these maps: the one that waits or runs already, or a new one at the end of the queue.

        Raises `BadInput` when too many wait already.
        """
        with self._lock:
            held = self._jobs.get((run_id, spec))
            if held is not None and not held.ended:
                return held
            if self._closed:
                raise BadInput("the program is ending; start it again to make maps")
            waiting = sum(job.state == "waiting" for job in self._jobs.values())
            if waiting >= QUEUE_LIMIT:
                raise BadInput(f"{waiting} other maps are waiting to be made, which is the most; try again in a while")
            self._jobs.pop((run_id, spec), None)
            job = self._jobs[run_id, spec] = MapJob(run_id, spec, self._lock)
            ended = [key for key, other in self._jobs.items() if other.ended]
            for key in ended[: max(0, len(ended) - REMEMBERED)]:
                del self._jobs[key]
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="aecore-maps", daemon=True)
                self._thread.start()
            self._lock.notify_all()
            return job

    def find(self, run_id: str, spec: AtlasSpec) -> MapJob | None:
        """The last job for these maps, also one that has ended; None where nobody has asked, or long ago."""
        with self._lock:
            return self._jobs.get((run_id, spec))

    def close(self) -> None:
        """Stops everything, the running child included."""
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
                job.run(self._command(job), self.env, self.store.root)
            except Exception as error:  # whatever it was, the queue must outlive it
                logging.getLogger(__name__).exception("the maps of %s could not be made", job.run_id)
                job.fail(f"The maps could not be made ({error}); try again later.")

    def _next(self) -> MapJob | None:
        return next((job for job in self._jobs.values() if job.state == "waiting"), None)

    def _command(self, job: MapJob) -> list[str]:
        self.store.root.mkdir(parents=True, exist_ok=True)
        n = "-" if job.spec.n is None else str(job.spec.n)
        panels = [panel.text for panel in job.spec.panels]
        where = [str(self.store.root), str(self.store.builtin.absolute())]
        return [sys.executable, "-P", "-m", "aecore.maps.queue", *where, job.run_id, n, str(job.spec.seed), *panels]


# --- the child -------------------------------------------------------------------------------------------------------


def main(root: str, builtin: str, run_id: str, n: str, seed: str, *panels: str) -> int:
    """Works out the atlas and keeps it; says how far it is, one JSON object a line."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(10)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    last = [-1.0, ""]

    def told(share: float, words: str) -> None:
        if words != last[1] or share - float(last[0]) >= PROGRESS_STEP:
            last[:] = [share, words]
            _say(fraction=round(share, 4), words=words)

    try:
        spec = AtlasSpec(tuple(map(PanelSpec.parse, panels)), None if n == "-" else int(n), int(seed))
        session = Session(RunStore(Path(root), Path(builtin)), run_id)
        atlas(session, spec, told)
        if not is_cached(session, spec):
            _say(error=NOT_KEPT)
            return 1
    except AecoreError as error:
        _say(error=str(error))
        return 1
    except MemoryError:
        _say(error="There is not enough memory for these maps; ask for fewer images.")
        return 1
    _say(done=True)
    return 0


def _say(**values: Any) -> None:
    print(json.dumps(values), flush=True)


def _end_with_parent() -> None:
    """The other end of the standard input closes when the server ends, however it does."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
