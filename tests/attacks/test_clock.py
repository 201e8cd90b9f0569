"""A clock that is set forward or back, by a person or a time server: nothing that lives is taken for dead, nothing that
is dead for alive, and nothing is deleted out of turn.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from aecore.foundation import children, leftovers
from aecore.foundation.files import prune, touch, write_atomic
from aecore.model.config import parse
from aecore.store.folder import LOST, RunFolder
from aecore.store.store import RunStore
from aecore.store.trash import TRASH_LIMIT

HOUR = 3600.0
SMALL = {
    "dataset": "digits", "corruption": "none", "likelihood": "bernoulli", "code_dim": 4, "procedure": "joint",
    "backbone": {"kind": "mlp", "widths": [16]}, "objective": "reconstruction", "training": {"epochs": 2},
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "home", tmp_path / "none")


def set_clock(patch: pytest.MonkeyPatch, seconds: float) -> None:
    """Moves the clock as the system does: also the time of the boot, from which psutil computes each start."""
    now, now_ns = time.time, time.time_ns
    patch.setattr(time, "time", lambda: now() + seconds)
    patch.setattr(time, "time_ns", lambda: now_ns() + round(seconds * 1e9))
    if sys.platform == "linux":
        booted = psutil.boot_time()
        patch.setattr(psutil._pslinux, "boot_time", lambda: booted + seconds)


def ended() -> dict[str, object]:
    """The identity of a process that is gone."""
    child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    found = children.identity(child.pid)
    child.communicate(b"\n")
    return found


def training(store: RunStore, **identity: object) -> str:
    run_id = store.create(parse(SMALL))
    RunFolder(store.folder(run_id)).update(state="running", started=time.time(), **identity)
    return run_id


@pytest.mark.parametrize("seconds", [HOUR, -HOUR, 3.0, 366 * 24 * HOUR])
def test_a_training_lives_on_while_the_clock_is_moved(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    run_id = training(store, **children.identity())
    set_clock(monkeypatch, seconds)
    assert [(info.run_id, info.state) for info in store.runs()] == [(run_id, "running")]
    assert store.folder(run_id).parent.name == "staging"


def test_a_dead_training_is_dead_whatever_the_clock_says(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    training(store, **ended())
    set_clock(monkeypatch, -HOUR)
    assert [(info.state, info.reason) for info in store.runs()] == [("stopped", LOST)]


def test_a_reused_pid_another_boot_and_a_zombie_are_not_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = children.identity()
    assert children.alive(**{"pid": mine["pid"], "started": mine["pid_started"]})
    other = children.identity(os.getppid())
    assert not children.alive(mine["pid"], other["pid_started"])
    if sys.platform == "linux":
        with monkeypatch.context() as patch:
            patch.setattr(children, "_boot", lambda: "another")
            assert not children.alive(mine["pid"], mine["pid_started"])
    zombie = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    found = children.identity(zombie.pid)
    assert children.alive(zombie.pid, found["pid_started"])
    assert zombie.stdin is not None
    zombie.stdin.close()
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has asked how
    assert not children.alive(zombie.pid, found["pid_started"])
    zombie.wait()


def test_a_home_of_an_earlier_version_still_opens(store: RunStore) -> None:
    """It says when the process began in seconds since 1970."""
    running = training(store, pid=os.getpid(), pid_started=psutil.Process().create_time())
    lost = training(store, pid=os.getpid(), pid_started=psutil.Process().create_time() - 1000)
    assert {info.run_id: info.state for info in store.runs()} == {running: "running", lost: "stopped"}


@pytest.mark.parametrize("seconds", [2 * HOUR, -2 * HOUR])
def test_what_is_written_now_is_never_taken_for_a_leftover(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    staging = store.root / "staging"
    mine = staging / f".new-{leftovers.writer()}"
    (mine / "runs").mkdir(parents=True)
    gone = ended()
    theirs = staging / f".new-pid{gone['pid']}.{gone['pid_started']}.0123abcd"
    theirs.mkdir()
    half = staging / "run" / f".status.json.pid{gone['pid']}.{gone['pid_started']}.0123abcd.tmp"
    half.parent.mkdir()
    half.write_bytes(b"{")
    earlier = staging / ".new-import-0123456789ab"  # a version that named no writer
    earlier.mkdir()
    (half.parent / ".epoch-00005.safetensors.0123abcd.tmp").write_bytes(b"")
    set_clock(monkeypatch, seconds)
    store.settle()
    assert mine.is_dir(), "an import that goes on"
    assert not theirs.exists(), "at the next start, not an hour later"
    assert not half.exists()
    assert earlier.exists() == (seconds < 0)
    assert (half.parent / ".epoch-00005.safetensors.0123abcd.tmp").exists() == (seconds < 0)


def test_the_last_deleted_run_stays_in_the_trash(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the run that was deleted a moment ago would seem the oldest, and could not be brought back."""
    for number in range(TRASH_LIMIT + 1):
        run_id = store.create(parse(SMALL))
        store.finish(run_id, "stopped")
        if number == TRASH_LIMIT:
            set_clock(monkeypatch, -HOUR)
        store.delete(run_id)
    assert store.trash()[0] == run_id
    store.restore(run_id)
    assert store.info(run_id).state == "stopped"


def test_a_full_cache_keeps_what_was_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, offset in enumerate((0.0, -HOUR, 0.0)):
        with monkeypatch.context() as patch:
            set_clock(patch, offset)
            write_atomic(tmp_path / str(number), bytes(10))
            touch(tmp_path / str(number))
    prune(tmp_path, 15)
    assert [path.name for path in tmp_path.iterdir()] == ["2"]


def test_a_full_cache_spares_what_another_process_still_writes(tmp_path: Path) -> None:
    half = tmp_path / f".map.{leftovers.writer()}.tmp"
    half.write_bytes(bytes(100))
    np.save(tmp_path / "old.npy", np.zeros(10))
    prune(tmp_path, 0)
    assert [path.name for path in tmp_path.iterdir()] == [half.name]
