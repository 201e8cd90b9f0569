"""Kills at chosen moments: a process kills itself at a chosen write or deletion; the next start finds whole runs only.

`tests/benchmarks/kills.py` kills whole servers at random moments.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from aecore.foundation import children, files, leftovers
from aecore.foundation.home import cache_home
from aecore.maps.cache import find_array, store_array
from aecore.model.config import RunConfig, parse
from aecore.store.archive import export_zip, import_zip
from aecore.store.folder import BEGINS_AGAIN, LOST, RESUMES, RunFolder
from aecore.store.store import RunStore
from aecore.store.trash import TRASH_LIMIT
from aecore.training import queue
from aecore.training.run import train

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the victims are forked")
JOINT = {
    "dataset": "digits", "corruption": "masking", "likelihood": "bernoulli", "code_dim": 4, "procedure": "joint",
    "backbone": {"kind": "mlp", "widths": [16]}, "objective": "reconstruction", "training": {"epochs": 2, "threads": 1},
}  # fmt: skip
GREEDY = {
    **JOINT, "backbone": {"kind": "mlp", "widths": [16, 8]},
    "procedure": {"kind": "greedy", "layer_epochs": 1, "levels": [0.1, 0.2, 0.3]},
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("AECORE_HOME", str(tmp_path / "home"))
    return RunStore(tmp_path / "home", tmp_path / "none")


@pytest.fixture
def kept(store: RunStore) -> str:
    """A finished run, which no kill may touch."""
    return train(parse(JOINT), store)


def die(*arguments: object, **more: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed(act: Callable[[], object], patch: Callable[[], None]) -> None:
    """Does `act` in a process of its own that `patch` makes kill itself on the way."""
    pid = os.fork()
    if pid == 0:
        try:
            patch()
            act()
        finally:
            os._exit(3)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), "it went through without being killed"
    assert os.WTERMSIG(status) == signal.SIGKILL


def at_write(number: int, name: str = "") -> Callable[[], None]:
    """Kills at a write of a file whose name contains `name`: its content is in a temporary file, not yet in place."""
    left = [number]
    real = Path.replace

    def replace(path: Path, target: Path) -> Path:
        if name in path.name:
            left[0] -= 1
            if left[0] <= 0:
                die()
        return real(path, target)

    return lambda: setattr(files.Path, "replace", replace)


def hidden(store: RunStore) -> list[str]:
    # Not `rglob`, which fails where a folder is deleted meanwhile.
    return [name for _, folders, names in os.walk(store.root) for name in (*folders, *names) if name.startswith(".")]


def after_a_start(store: RunStore, kept: str | None = None) -> RunStore:
    """The store after the next start of a server; only queues that are empty, or the test would train."""
    assert not queue.queue(store)
    runner = queue.Runner(store)
    runner.start()
    limit = time.monotonic() + 30
    while hidden(store) and time.monotonic() < limit:
        threading.Event().wait(0.005)
    runner.close()
    assert hidden(store) == []
    again = RunStore(store.root, store.builtin)
    assert not [info for info in again.runs() if info.state == "damaged"]
    if kept is not None:
        assert again.info(kept).state == "finished"
    return again


@pytest.mark.parametrize("number", [1, 3, 6])
def test_a_killed_training_keeps_its_best_weights_and_no_half_file(store: RunStore, kept: str, number: int) -> None:
    config = parse(JOINT)
    run_id = store.create(config)
    killed(lambda: train(config, store, run_id=run_id), at_write(number))
    if number == 1:  # the very first write says that the training begins, so that it still waits
        assert store.info(run_id).state == "queued"
        queue.stop(store, run_id)
    else:
        assert hidden(store)
        assert (store.info(run_id).state, store.info(run_id).reason) == ("stopped", LOST)
    info = after_a_start(store, kept).info(run_id)
    assert (info.state, info.folder.parent.name) == ("stopped", "runs")


def greedy_run(store: RunStore) -> tuple[RunConfig, str]:
    config = parse(GREEDY)
    return config, store.create(config)


def test_a_training_killed_in_its_second_stage_resumes_and_leaves_nothing(store: RunStore) -> None:
    config, run_id = greedy_run(store)
    killed(lambda: train(config, store, run_id=run_id), at_write(1, "stage-2"))
    assert hidden(store)
    [info] = store.runs()
    assert (info.state, info.reason, info.status.stages) == ("queued", RESUMES, ("layer 1",))
    assert hidden(store) == [], "the server that goes on tidies up too"
    assert train(config, store, run_id=run_id) == run_id
    assert store.info(run_id).state == "finished"
    assert not list(store.folder(run_id).glob("stage-*"))


def test_a_training_killed_after_its_last_word_is_finished(store: RunStore) -> None:
    """Earlier the weights to resume from were deleted first: killed then, it could neither finish nor resume."""
    config, run_id = greedy_run(store)
    killed(lambda: train(config, store, run_id=run_id), lambda: setattr(RunFolder, "forget_training", die))
    assert list((store.root / "staging" / run_id).glob("stage-*"))
    info = after_a_start(store).info(run_id)
    assert (info.state, info.folder.parent.name) == ("finished", "runs")
    assert not list(info.folder.glob("stage-*"))


def test_a_stop_that_a_kill_forestalled_is_not_obeyed_when_the_training_resumes(store: RunStore) -> None:
    config, run_id = greedy_run(store)
    killed(lambda: train(config, store, run_id=run_id), at_write(1, "stage-2"))
    RunFolder(store.folder(run_id)).ask_stop()
    store.settle()
    assert store.info(run_id).state == "stopped"
    queue.resume(store, run_id)
    assert not RunFolder(store.folder(run_id)).stop_asked()


@pytest.mark.parametrize("noted", [False, True], ids=["before its pid is noted", "before GO"])
def test_a_server_killed_while_it_starts_a_training_loses_none(store: RunStore, noted: bool) -> None:
    run_id = store.create(parse(JOINT))
    real = RunFolder.update
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    def update(folder: RunFolder, **changes: object) -> object:
        if changes and noted:
            real(folder, **changes)
        return die() if changes else real(folder)

    killed(lambda: queue.start(store, run_id, env), lambda: setattr(RunFolder, "update", update))
    if noted:
        pid = store.info(run_id).status.pid
        assert pid is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).wait(60)  # until it has seen that nobody says GO
    [info] = store.runs()
    assert (info.state, info.reason) == ("queued", BEGINS_AGAIN if noted else "")
    queue.stop(store, run_id)
    after_a_start(store)


@pytest.mark.parametrize("number", [1, 4])
def test_a_killed_import_leaves_nothing(store: RunStore, kept: str, number: int) -> None:
    data = export_zip(store, kept)
    killed(lambda: import_zip(store, data), at_write(number))
    assert hidden(store)
    assert [info.run_id for info in after_a_start(store, kept).runs()] == [kept]


@pytest.mark.parametrize("empty", [False, True], ids=["a full trash", "emptying it"])
def test_a_run_killed_while_it_is_deleted_for_good_is_whole_or_gone(store: RunStore, kept: str, empty: bool) -> None:
    for number in range(TRASH_LIMIT + 1):
        copy = f"copy-{number:02d}"
        shutil.copytree(store.folder(kept), store.root / "runs" / copy)
        if number < TRASH_LIMIT:
            store.delete(copy)

    def half(folder: Path, **more: object) -> None:
        (Path(folder) / "status.json").unlink()
        die()

    killed(store.empty_trash if empty else lambda: store.delete(copy), lambda: setattr(shutil, "rmtree", half))
    again = after_a_start(store, kept)
    assert len(again.trash()) == TRASH_LIMIT - empty
    for run_id in again.trash():
        again.restore(run_id)
        assert again.info(run_id).state == "finished"


def test_a_killed_map_leaves_no_half(store: RunStore) -> None:
    rows = np.zeros((5, 2), np.float32)
    killed(lambda: store_array("codes", ["key"], rows), lambda: setattr(files.os, "fsync", die))
    assert list((cache_home() / "maps").glob(".codes-*.tmp"))
    (cache_home() / "numba").mkdir()
    (cache_home() / "numba" / "kernel-12.py311.nbi.tmp.0123456789abcdef").write_bytes(b"half")
    assert find_array("codes", ["key"], 5) is None
    after_a_start(store)
    assert not list((cache_home() / "numba").iterdir())


def test_leftovers_of_a_living_process_are_its_own_affair(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as other:
        found = children.identity(other.pid)
        name = f"pid{found['pid']}.{found['pid_started']}.0123abcd"
        half = tmp_path / f".status.json.{name}.tmp"
        half.write_bytes(b"")
        (tmp_path / ".notes.tmp").write_bytes(b"")  # not ours
        leftovers.remove_leftovers([tmp_path])
        assert half.exists()
        other.communicate(b"\n")
        leftovers.remove_leftovers([tmp_path])
    assert [path.name for path in tmp_path.iterdir()] == [".notes.tmp"]
