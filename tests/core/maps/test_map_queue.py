"""Maps made in a process of their own: real children, of a small run."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from aecore.foundation.errors import BadInput
from aecore.maps import queue
from aecore.maps.atlas import atlas
from aecore.maps.plan import is_cached
from aecore.maps.queue import MapJob, MapJobs
from aecore.maps.spec import AtlasSpec, PanelSpec
from aecore.session.session import Session
from aecore.store.store import RunStore

DEADLINE = 120.0
ENV = {"OMP_NUM_THREADS": "1"}
ROOT = Path(queue.__file__).parents[2]


def spec(n: int, *panels: str) -> AtlasSpec:
    return AtlasSpec(tuple(map(PanelSpec.parse, panels or ("pca", "code"))), n)


LONG = spec(1797, "mds_nonmetric(max_iterations=5000)", "tsne(perplexity=200)")
"""Takes minutes: nobody waits for its end."""


@pytest.fixture(scope="module")
def store(trained: tuple[RunStore, str]) -> RunStore:
    return trained[0]


@pytest.fixture
def run_id(trained: tuple[RunStore, str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AECORE_HOME", str(trained[0].root))
    return trained[1]


@pytest.fixture
def jobs(store: RunStore) -> Iterator[MapJobs]:
    made = MapJobs(store, {**ENV, "PYTHONPATH": str(ROOT)})
    with contextlib.closing(made):
        yield made


def until(happened: Callable[[], object]) -> None:
    end, pause = time.monotonic() + DEADLINE, threading.Event()
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        pause.wait(0.02)


def child_of(job: MapJob) -> psutil.Process:
    """Its process, once it works on the maps."""
    until(lambda: job.ended or (job.state == "running" and job.fraction > 0) or job.words == "Nonmetric MDS")
    assert job.state == "running", job.error
    (child,) = [p for p in psutil.Process().children() if "aecore.maps.queue" in p.cmdline()]
    return child


def test_a_child_makes_what_is_then_only_read(
    jobs: MapJobs, store: RunStore, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, wanted = Session(store, run_id), spec(77, "pca", "mds(distance=cosine)", "code~0")
    assert not is_cached(session, wanted)
    job = jobs.ask(run_id, wanted)
    assert jobs.ask(run_id, wanted) is job
    until(lambda: job.ended)
    assert (job.state, job.error, job.fraction) == ("finished", "", 1.0)
    assert jobs.find(run_id, wanted) is job
    assert is_cached(session, wanted)
    monkeypatch.setattr("aecore.maps.cache.fit_map", None)
    assert len(atlas(session, wanted)) == 77
    assert jobs.ask(run_id, wanted) is not job, "files may be gone by then"


def test_one_at_a_time_and_a_full_queue_says_so(jobs: MapJobs, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "QUEUE_LIMIT", 2)
    running = jobs.ask(run_id, LONG)
    until(lambda: running.state == "running")
    waiting = [jobs.ask(run_id, spec(n)) for n in (31, 32)]
    with pytest.raises(BadInput, match="2 other maps are waiting"):
        jobs.ask(run_id, spec(33))
    assert [job.state for job in waiting] == ["waiting", "waiting"]
    assert jobs.ask(run_id, spec(31)) is waiting[0]
    waiting[0].stop()
    running.stop()
    until(lambda: waiting[1].ended)
    assert [job.state for job in (running, *waiting)] == ["stopped", "stopped", "finished"]
    assert jobs.find(run_id, spec(33)) is None


def test_stopping_ends_the_child(jobs: MapJobs, run_id: str) -> None:
    job = jobs.ask(run_id, LONG)
    child = child_of(job)
    job.stop()
    child.wait(DEADLINE)
    assert (job.state, job.error) == ("stopped", "")
    job.stop()
    assert jobs.ask(run_id, LONG) is not job


def test_a_child_that_is_killed_is_said_and_leaves_nothing_that_is_read(
    jobs: MapJobs, store: RunStore, run_id: str
) -> None:
    job = jobs.ask(run_id, LONG)
    child_of(job).send_signal(signal.SIGKILL)
    until(lambda: job.ended)
    assert job.state == "failed"
    assert "was killed" in job.error
    assert "fewer images" in job.error
    assert not is_cached(Session(store, run_id), LONG)
    after = jobs.ask(run_id, spec(34))
    until(lambda: after.ended)
    assert after.state == "finished", "the queue goes on"


def test_what_cannot_be_made_fails_in_words(jobs: MapJobs, store: RunStore, run_id: str) -> None:
    for asked, wanted, words in [
        ("gone", spec(30), "there is no run 'gone'"),
        (run_id, spec(3000, "mds_nonmetric"), "takes at most 2,000 images"),
    ]:
        job = jobs.ask(asked, wanted)
        until(lambda job=job: job.ended)
        assert job.state == "failed"
        assert words in job.error


def test_a_disk_that_takes_nothing_is_said(jobs: MapJobs, store: RunStore, run_id: str) -> None:
    held = store.root / "cache" / "maps"
    aside = held.with_name("aside")
    held.parent.mkdir(exist_ok=True)
    if held.is_dir():
        held.rename(aside)
    held.write_bytes(b"no folder can be here")
    try:
        job = jobs.ask(run_id, spec(35))
        until(lambda: job.ended)
    finally:
        held.unlink()
        if aside.is_dir():
            aside.rename(held)
    assert job.state == "failed"
    assert "could not be kept" in job.error


SERVER = """
import sys, threading
from pathlib import Path
from aecore.maps.spec import AtlasSpec, PanelSpec
from aecore.maps.queue import MapJobs
from aecore.store.store import RunStore
jobs = MapJobs(RunStore(Path(sys.argv[1]), Path("none")))
job = jobs.ask(sys.argv[2], AtlasSpec((PanelSpec.parse("mds_nonmetric(max_iterations=5000)"),), 1797))
while job.words != "Nonmetric MDS":
    threading.Event().wait(0.02)
print(job._child.pid, flush=True)
sys.stdin.read()
"""


def test_a_server_that_is_killed_takes_its_child_along(store: RunStore, run_id: str) -> None:
    server = subprocess.Popen(
        [sys.executable, "-P", "-c", SERVER, str(store.root), run_id],
        env={**os.environ, **ENV, "PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert server.stdout is not None
    with server:
        child = psutil.Process(int(server.stdout.readline()))
        server.kill()
    child.wait(DEADLINE)


def test_a_server_that_ends_ends_its_child(store: RunStore, run_id: str) -> None:
    with contextlib.closing(MapJobs(store, {**ENV, "PYTHONPATH": str(ROOT)})) as jobs:
        job, second = jobs.ask(run_id, LONG), jobs.ask(run_id, spec(36))
        child = child_of(job)
    child.wait(DEADLINE)
    assert (job.state, second.state) == ("stopped", "stopped")
    with pytest.raises(BadInput, match="is ending"):
        jobs.ask(run_id, spec(36))


def test_only_so_many_ended_jobs_are_remembered(
    jobs: MapJobs, store: RunStore, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "REMEMBERED", 2)
    asked = [spec(n) for n in (40, 41, 42, 43)]
    running = jobs.ask(run_id, LONG)
    for wanted in asked:
        jobs.ask(run_id, wanted).stop()
    assert [jobs.find(run_id, wanted) is not None for wanted in asked] == [False, True, True, True]
    running.stop()


def test_progress_only_grows_and_is_json(
    store: RunStore, run_id: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(queue, "_end_with_parent", lambda: None)
    monkeypatch.setattr(queue.os, "nice", lambda by: by)
    assert queue.main(str(store.root), "none", run_id, "61", "0", "pca", "mds") == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert said.pop() == {"done": True}
    shares = [line["fraction"] for line in said]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert {line["words"] for line in said} == {"PCA", "MDS"}
