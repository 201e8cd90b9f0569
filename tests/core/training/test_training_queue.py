"""Trainings in child processes: the queue, its locks, restarts, stops, kills and full disks."""

import contextlib
import errno
import io
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

from aecore.foundation import files
from aecore.foundation.errors import BadInput, RunUnavailable
from aecore.model.config import RunConfig, with_settings
from aecore.model.recipes import recipe
from aecore.session.session import Session
from aecore.store import store as store_module
from aecore.store.access import Visitor
from aecore.store.folder import BEGINS_AGAIN, LOST, RunFolder
from aecore.store.store import RunStore
from aecore.training import queue
from aecore.training.run import train

REPO = Path(__file__).parents[3]
ENV = {"PYTHONPATH": str(REPO)}
DEADLINE = 120.0


def settings(epochs: int = 2, **more: object) -> RunConfig:
    return with_settings(recipe("denoising").config, {"epochs": epochs, "backbone.widths": [16], "code_dim": 4, **more})


def until(happened: Callable[[], object]) -> None:
    """Waits for a state; fails if it does not come."""
    end, pause = time.monotonic() + DEADLINE, threading.Event()
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        pause.wait(0.02)


def rows(store: RunStore, run_id: str) -> int:
    with contextlib.suppress(RunUnavailable):
        return len(RunFolder(store.folder(run_id)).history())
    return 0


def state(store: RunStore, run_id: str) -> str:
    return store.info(run_id).state


@contextlib.contextmanager
def runner(store: RunStore) -> Iterator[queue.Runner]:
    """A server's runner; whatever it started is ended and reaped afterwards."""
    made = queue.Runner(store, ENV)
    made.start()
    try:
        yield made
    finally:
        made.close()
        for child in made._children:
            child.kill()
            child.wait()


@contextlib.contextmanager
def child_of(store: RunStore, run_id: str) -> Iterator[subprocess.Popen[bytes]]:
    child = queue.start(store, run_id, {**os.environ, **ENV})
    assert child is not None
    try:
        yield child
    finally:
        child.kill()
        child.wait()


# --- the queue


def test_a_job_waits_with_one_thread_and_its_images(store: RunStore) -> None:
    run_id = queue.submit(store, settings(), "Mine", images=b"npz")
    info = store.info(run_id)
    assert (info.state, info.name) == ("queued", "Mine")
    assert info.config is not None
    assert info.config.training.threads == 1
    assert (info.folder / "images.npz").read_bytes() == b"npz"


def test_the_queue_is_in_order_and_has_a_limit(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "QUEUE_LIMIT", 3)
    ids = [queue.submit(store, settings()) for _ in range(3)]
    assert [info.run_id for info in queue.queue(store)] == ids
    with pytest.raises(BadInput, match="3 trainings are waiting"):
        queue.submit(store.seen_by(Visitor("a" * 16, "guest")), settings())
    queue.submit(store, settings())  # visitors must not keep the operator out
    queue.stop(store, queue.queue(store)[-1].run_id)
    queue.stop(store, ids[1])
    assert [info.run_id for info in queue.queue(store)] == [ids[0], ids[2]]
    queue.submit(store, settings())


def test_a_waiting_job_can_be_taken_out(store: RunStore) -> None:
    run_id = queue.submit(store, settings())
    queue.stop(store, run_id)
    info = store.info(run_id)
    assert (info.state, info.folder.parent.name, info.explorable) == ("stopped", "runs", False)
    assert "before it began" in info.reason
    queue.stop(store, run_id)  # twice is once
    assert store.info(run_id).reason == info.reason
    with pytest.raises(RunUnavailable, match="no run"):
        queue.stop(store, "unknown")
    assert queue.start(store, run_id, {}) is None, "it can no longer begin"


def test_one_bad_folder_does_not_hold_up_the_queue(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(queue, "start", lambda store, run_id, env: started.append(run_id))
    run_id = queue.submit(store, settings())
    for name, content in {"a-nothing": None, "a-garbage": b"\x00{", "a-foreign": b'{"state": "dancing"}'}.items():
        (store.root / "staging" / name).mkdir()
        if content is not None:
            (store.root / "staging" / name / "status.json").write_bytes(content)
    queue.Runner(store).tick()
    assert started == [run_id]
    damaged = {info.run_id for info in store.runs() if info.state == "damaged"}
    assert damaged == {"a-nothing", "a-garbage", "a-foreign"}
    store.delete("a-garbage")  # and it can be thrown away
    assert "a-garbage" not in {info.run_id for info in store.runs()}


# --- processes


def test_two_servers_on_one_home_train_one_job_at_a_time(store: RunStore) -> None:
    ids = [queue.submit(store, settings(3)) for _ in range(2)]
    most = 0

    def both_ended() -> bool:
        nonlocal most
        states = [state(store, run_id) for run_id in ids]
        most = max(most, states.count("running"))
        assert states != ["queued", "running"], "first come, first served"
        return states == ["finished", "finished"]

    with runner(store), runner(RunStore(store.root, store.builtin)):
        until(both_ended)
    assert most == 1
    for run_id in ids:
        assert rows(store, run_id) == 4  # before the first epoch, and after each
        assert Session(store, run_id).info.status.metrics["test_sse"] > 0


def test_a_restarted_server_finds_the_running_job_and_can_stop_it(store: RunStore) -> None:
    run_id, next_id = queue.submit(store, settings(10_000)), queue.submit(store, settings())
    with contextlib.ExitStack() as stack:
        first = queue.Runner(store, ENV)
        first.start()
        until(lambda: rows(store, run_id) >= 2)
        first.close()
        for child in first._children:
            stack.callback(child.wait)
            stack.callback(child.kill)

        again = RunStore(store.root, store.builtin)
        pid = again.info(run_id).status.pid
        assert pid is not None
        assert psutil.Process(pid).nice() >= 10
        with runner(again):
            seen = rows(again, run_id)
            until(lambda: rows(again, run_id) > seen)
            assert state(again, next_id) == "queued"  # one at a time, also after the restart
            with pytest.raises(BadInput, match="stop it first"):
                again.delete(run_id)
            queue.stop(again, run_id)
            until(lambda: state(again, run_id) == "stopped")
            until(lambda: state(again, next_id) == "running")
    info = again.info(run_id)
    assert "stopped by hand" in info.reason
    assert not (info.folder / "stop").exists()
    assert len(Session(again, run_id).codes) > 100


def test_sigterm_keeps_the_best_weights(store: RunStore) -> None:
    run_id = queue.submit(store, settings(10_000))
    with child_of(store, run_id) as child:
        until(lambda: rows(store, run_id) >= 3)
        child.terminate()
        assert child.wait(DEADLINE) == 0
    assert state(store, run_id) == "stopped"
    assert Session(store, run_id).status.epoch >= 2


@pytest.mark.parametrize("sent", [b"", queue.GO])
def test_a_child_trains_only_once_its_parent_has_noted_its_pid(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """The parent died before it noted the pid, or the run was removed from the queue in the meantime."""
    run_id = queue.submit(store, settings())
    monkeypatch.setattr(queue, "lower_priority", lambda: None)
    monkeypatch.setattr(queue.signal, "signal", lambda number, handler: None)
    monkeypatch.setattr(queue.sys, "stdin", io.TextIOWrapper(io.BytesIO(sent)))
    assert queue.main(str(store.root), run_id) == 1
    assert state(store, run_id) == "queued"
    assert rows(store, run_id) == 0


@pytest.mark.parametrize("epochs", [0, 1, 5])
def test_a_kill_at_any_moment_leaves_whole_runs(store: RunStore, epochs: int) -> None:
    """SIGKILL while the child starts, in the first epochs, and later."""
    finished = train(settings(1), store)
    whole = {path.name: path.read_bytes() for path in store.folder(finished).iterdir() if path.is_file()}
    run_id = queue.submit(store, settings(10_000))
    with child_of(store, run_id) as child:
        until(lambda: rows(store, run_id) >= epochs)
        child.send_signal(signal.SIGKILL)
        child.wait(DEADLINE)

    listed = {info.run_id: info for info in RunStore(store.root, store.builtin).runs()}
    assert set(listed) == {finished, run_id}
    assert listed[finished].state == "finished"
    assert {name: (store.folder(finished) / name).read_bytes() for name in whole} == whole
    killed = listed[run_id]
    if killed.status.started is None:  # the training had not begun, so that it waits again
        assert (epochs, killed.state, killed.reason) == (0, "queued", BEGINS_AGAIN)
        return
    assert (killed.state, killed.reason, killed.folder.parent.name) == ("stopped", LOST, "runs")
    assert killed.explorable or epochs <= 2
    if killed.explorable:
        session = Session(store, run_id)
        low, high = session.unit_range(int(session.units_by_effect()[0]))
        assert high - low > 0.01  # measured now, because the training could not
    assert queue.queue(store) == []


# --- full disks


class _FullDisk:
    """`os.fsync` for a disk that takes so many files and then no more, until it is given room."""

    def __init__(self, takes: int) -> None:
        self.takes = takes

    def __call__(self, number: int) -> None:
        self.takes -= 1
        if self.takes < 0:
            raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("takes", [4, 6])
def test_a_disk_that_fills_up_fails_the_run_with_words(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, takes: int
) -> None:
    run_id = store.create(settings(3), "")
    disk = _FullDisk(takes)
    monkeypatch.setattr(files.os, "fsync", disk)
    real = store.finish

    def finish_with_room(*args: object, **changes: object) -> None:
        disk.takes = 1  # the preview that was removed makes room for one small file
        real(*args, **changes)

    monkeypatch.setattr(store, "finish", finish_with_room)
    assert train(settings(3), store, run_id=run_id) == run_id
    monkeypatch.undo()
    info = store.info(run_id)
    assert info.state == "failed"
    assert "the disk is full" in info.reason
    assert "make room" in info.reason
    assert not (info.folder / "preview.safetensors").exists()
    assert not list(info.folder.glob(".*.tmp"))
    assert train(settings(1), store) in {other.run_id for other in store.runs() if other.state == "finished"}


def test_a_full_disk_refuses_a_job_in_words_and_leaves_nothing(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files.os, "fsync", _FullDisk(1))
    with pytest.raises(BadInput, match=r"the disk is full; make room"):
        queue.submit(store, settings())
    assert list((store.root / "staging").iterdir()) == []


def test_a_dead_process_is_not_waited_for_where_nothing_can_be_written(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = queue.submit(store, settings())
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    RunFolder(store.folder(run_id)).update(state="running", started=1.0, pid=gone.pid, pid_started=time.time())

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store_module, "write_atomic", full)
    info = next(info for info in store.runs() if info.run_id == run_id)
    assert (info.state, info.reason) == ("stopped", LOST)
    assert queue.queue(store) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MB, where mounting one is permitted."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_real_disk_that_is_full_ends_the_training_in_words(small_disk: Path, tmp_path: Path) -> None:
    store = RunStore(small_disk / "home", tmp_path / "none")
    small = train(settings(1), store)
    # Weights of 0.3 MB, written beside the old ones: they fit once or twice, then never again.
    run_id = queue.submit(store, settings(50, **{"backbone.widths": [256], "code_dim": 64}))
    with child_of(store, run_id) as child:
        child.wait(DEADLINE)
    info = next(info for info in store.runs() if info.run_id == run_id)
    assert info.state in ("failed", "stopped")
    assert info.state == "stopped" or "disk is full" in info.reason
    assert Session(store, small).status.state == "finished"
    assert queue.queue(store) == []
    with pytest.raises(BadInput, match="make room"):
        queue.submit(store, settings(), images=bytes(2**21))


def test_a_training_ends_when_its_time_is_over_and_keeps_what_it_learned(store: RunStore) -> None:
    run_id = queue.submit(store, settings(epochs=10_000))
    RunFolder(store.folder(run_id)).update(max_seconds=1e-3)
    with runner(store):
        until(lambda: state(store, run_id) == "stopped")
    assert "minutes that a training may take here were over" in store.info(run_id).reason


def test_a_training_that_does_not_end_when_its_time_is_long_over_is_killed(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One step may take minutes, and nobody is asked before it ends."""
    monkeypatch.setattr(queue, "LATE_SECONDS", 0.0)
    run_id = queue.submit(store, settings(epochs=10_000))
    with runner(store) as made:
        until(lambda: rows(store, run_id) > 1)
        pid = store.info(run_id).status.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)  # it asks nobody any more
        RunFolder(store.folder(run_id)).update(max_seconds=1e-3)
        until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
        until(lambda: state(store, run_id) == "stopped")
        assert made is not None
