"""The queue of maps: with true children of a small run where processes are what is proved, else with stand-ins."""

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
ROOT = Path(queue.__file__).parents[2]


def spec(n: int, *panels: str) -> AtlasSpec:
    return AtlasSpec(tuple(map(PanelSpec.parse, panels or ("pca", "code"))), n)


LONG = spec(1797, "mds_nonmetric(max_iterations=5000)", "tsne(perplexity=200)")
"""Takes minutes; always killed before its end."""


@pytest.fixture(scope="module")
def store(trained: tuple[RunStore, str]) -> RunStore:
    return trained[0]


@pytest.fixture
def run_id(trained: tuple[RunStore, str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AECORE_HOME", str(trained[0].root))
    return trained[1]


@pytest.fixture
def jobs(store: RunStore) -> Iterator[MapJobs]:
    made = MapJobs(store, {"PYTHONPATH": str(ROOT)})
    with contextlib.closing(made):
        yield made


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`stand_in(code)`: from now on children run this code, which loads nothing."""

    def become(code: str) -> None:
        def start(module: str, arguments: list[str], env: object, folder: Path, **streams: int) -> object:
            return subprocess.Popen([sys.executable, "-S", "-c", code], cwd=folder, stdin=subprocess.PIPE, **streams)

        monkeypatch.setattr(queue, "start_module", start)

    return become


WAITS = """import sys; print('{"fraction": 0.25, "words": "MDS"}', flush=True); sys.stdin.read()"""
DONE = """print('{"done": true}')"""


def until(happened: Callable[[], object]) -> None:
    end, pause = time.monotonic() + DEADLINE, threading.Event()
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        pause.wait(0.02)


def child_of(job: MapJob) -> psutil.Process:
    """Its process, once it has sent a message."""
    until(lambda: job.ended or job.words not in ("Waiting for other maps", "Reading the images"))
    assert job.state == "running", job.error
    return psutil.Process(job._child.pid)


# --- true children


def test_a_killed_child_fails_in_words_and_the_next_one_makes_its_maps(
    jobs: MapJobs, store: RunStore, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, wanted = Session(store, run_id), spec(77, "pca", "mds(distance=cosine)", "code~0")
    long, job = jobs.ask(run_id, LONG), jobs.ask(run_id, wanted)
    assert jobs.ask(run_id, wanted) is job
    child = child_of(long)
    assert child.nice() >= 10
    assert job.state == "waiting", "one at a time"
    children = [p.cmdline() for p in psutil.Process().children() if "aecore.maps.queue" in p.cmdline()]
    assert [command[1:4] for command in children] == [["-P", "-m", "aecore.maps.queue"]]
    child.send_signal(signal.SIGKILL)
    until(lambda: long.ended)
    assert long.state == "failed"
    assert "was killed" in long.error
    assert "fewer images" in long.error
    assert not is_cached(session, LONG)

    until(lambda: job.ended)
    assert (job.state, job.error, job.fraction) == ("finished", "", 1.0)
    assert jobs.find(run_id, wanted) is job
    assert is_cached(session, wanted)
    monkeypatch.setattr("aecore.maps.cache.fit_map", None)
    assert len(atlas(session, wanted)) == 77, "read, not computed"


SERVER = """
import os, subprocess, sys
from pathlib import Path
from aecore.foundation.children import messages, start_module
root, *arguments = sys.argv[1:]
child = start_module("aecore.maps.queue", [root, "none", *arguments], os.environ, Path(root), stdout=subprocess.PIPE)
next(messages(child.stdout))
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_server_that_is_killed_takes_its_child_along(store: RunStore, run_id: str) -> None:
    arguments = [str(store.root), run_id, "1797", "0", "mds_nonmetric(max_iterations=5000)"]
    server = subprocess.Popen(
        [sys.executable, "-P", "-c", SERVER, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert server.stdout is not None
    with server:
        child = psutil.Process(int(server.stdout.readline()))
        server.kill()
    child.wait(DEADLINE)


# --- what a child does, in this process


@pytest.fixture
def child(
    store: RunStore, run_id: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, list[dict[str, object]]]]:
    """`child(run_id, n, panel, …)`: the exit code of the child's work and the messages that it sends."""
    monkeypatch.setattr(queue, "end_with_parent", lambda: None)
    monkeypatch.setattr(queue, "lower_priority", lambda: None)

    def work(run_id: str, n: int, *panels: str) -> tuple[int, list[dict[str, object]]]:
        code = queue.main(str(store.root), "none", run_id, str(n), "0", *panels)
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return work


def test_progress_only_grows_and_is_json(child, run_id: str) -> None:
    code, messages = child(run_id, 61, "pca", "mds")
    assert (code, messages.pop()) == (0, {"done": True})
    shares = [message["fraction"] for message in messages]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert {message["words"] for message in messages} == {"PCA", "MDS"}


def test_what_cannot_be_made_fails_in_words(child, run_id: str) -> None:
    for asked, n, panel, words in [
        ("gone", 30, "pca", "there is no run 'gone'"),
        (run_id, 3000, "mds_nonmetric", "takes at most 2,000 images"),
    ]:
        code, messages = child(asked, n, panel)
        assert code == 1
        assert words in messages[-1]["error"]


def test_a_disk_that_takes_nothing_fails_in_words(child, store: RunStore, run_id: str) -> None:
    cache = store.root / "cache" / "maps"
    aside = cache.with_name("aside")
    cache.parent.mkdir(exist_ok=True)
    if cache.is_dir():
        cache.rename(aside)
    cache.write_bytes(b"no folder can be here")
    try:
        code, messages = child(run_id, 35, "pca", "code")
    finally:
        cache.unlink()
        if aside.is_dir():
            aside.rename(cache)
    assert code == 1
    assert "could not be kept" in messages[-1]["error"]


# --- the queue, with stand-ins for children


def test_a_full_queue_refuses_in_words(jobs: MapJobs, run_id: str, stand_in, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "QUEUE_LIMIT", 2)
    stand_in(WAITS)
    running = jobs.ask(run_id, LONG)
    until(lambda: running.fraction == 0.25)
    waiting = [jobs.ask(run_id, spec(n)) for n in (31, 32)]
    with pytest.raises(BadInput, match="2 other maps are waiting"):
        jobs.ask(run_id, spec(33))
    assert [job.state for job in (running, *waiting)] == ["running", "waiting", "waiting"]
    assert jobs.ask(run_id, spec(31)) is waiting[0]
    stand_in(DONE)
    waiting[0].stop()
    running.stop()
    until(lambda: waiting[1].ended)
    assert [job.state for job in (running, *waiting)] == ["stopped", "stopped", "finished"]
    assert jobs.find(run_id, spec(33)) is None
    assert jobs.ask(run_id, spec(32)) is not waiting[1], "its files may be gone by now"


def test_stopping_ends_the_child(jobs: MapJobs, run_id: str, stand_in) -> None:
    stand_in(WAITS)
    job = jobs.ask(run_id, LONG)
    child = child_of(job)
    job.stop()
    child.wait(DEADLINE)
    assert (job.state, job.error) == ("stopped", "")
    job.stop()
    assert jobs.ask(run_id, LONG) is not job


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("""import sys; print('{"error": "too many"}'); sys.exit(1)""", "too many"),
        ("import sys; sys.exit(3)", "ended early (exit code 3)"),
        ("print('no JSON')", "could not be made"),
    ],
)
def test_a_child_that_ends_badly_fails_its_job_alone(
    jobs: MapJobs, run_id: str, stand_in, code: str, words: str
) -> None:
    stand_in(code)
    job = jobs.ask(run_id, LONG)
    until(lambda: job.ended)
    assert job.state == "failed"
    assert words in job.error
    stand_in(DONE)
    after = jobs.ask(run_id, LONG)
    until(lambda: after.ended)
    assert after.state == "finished"


def test_a_server_that_ends_ends_its_child(store: RunStore, run_id: str, stand_in) -> None:
    stand_in(WAITS)
    with contextlib.closing(MapJobs(store)) as jobs:
        job, second = jobs.ask(run_id, LONG), jobs.ask(run_id, spec(36))
        child = child_of(job)
    child.wait(DEADLINE)
    assert (job.state, second.state) == ("stopped", "stopped")
    with pytest.raises(BadInput, match="is ending"):
        jobs.ask(run_id, spec(36))


def test_only_so_many_ended_jobs_are_remembered(
    jobs: MapJobs, run_id: str, stand_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "MAX_ENDED_JOBS", 2)
    stand_in(WAITS)
    asked = [spec(n) for n in (40, 41, 42, 43)]
    jobs.ask(run_id, LONG)
    for wanted in asked:
        jobs.ask(run_id, wanted).stop()
    assert [jobs.find(run_id, wanted) is not None for wanted in asked] == [False, True, True, True]
