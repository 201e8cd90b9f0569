"""The store: ids, renaming, deleting, killed trainings, new runs."""

import contextlib
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from aecore.foundation.errors import AecoreError, BadInput, RunUnavailable
from aecore.foundation.files import read_arrays, write_arrays, write_atomic
from aecore.session.session import Session
from aecore.store.folder import LOST, RunFolder
from aecore.store.store import RunStore
from aecore.store.trash import TRASH_LIMIT


def only(store):
    [info] = store.runs()
    return info


def dead_process():
    """The id of a process that has ended, and when it had started."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    started = psutil.Process(child.pid).create_time()
    child.wait()
    return {"pid": child.pid, "pid_started": started}


# --- names


@pytest.mark.parametrize(
    "run_id", ["../x", "..", ".", "", "/etc", "a/b", "a\\b", "x" * 81, "A", "a\n", ".hidden", "a\x00b", "-a", "é"]
)
def test_ids_that_are_not_ids_reach_no_folder(copied, run_id):
    store, _, _ = copied
    (store.root / "x").mkdir()
    for act in (
        store.info,
        store.folder,
        store.delete,
        store.restore,
        lambda r: store.rename(r, "n"),
        lambda r: Session(store, r),
    ):
        with pytest.raises(RunUnavailable):
            act(run_id)
    assert (store.root / "x").is_dir()


def test_hidden_and_loose_files_are_no_runs(copied):
    store, _, folder = copied
    (folder.parent / ".DS_Store").write_bytes(b"")
    (folder.parent / ".hidden").mkdir()
    (folder.parent / "notes.txt").write_text("hello")
    assert len(store.runs()) == 1


def test_an_empty_or_absent_home_has_no_runs_and_listing_makes_none(store):
    assert store.runs() == ()
    assert not store.root.exists()


def test_a_home_that_is_a_file_has_no_runs(tmp_path):
    (tmp_path / "file").write_text("")
    assert RunStore(tmp_path / "file", tmp_path / "none").runs() == ()


# --- renaming, deleting, undoing


def test_a_new_name_keeps_the_id(copied):
    store, run_id, _ = copied
    store.rename(run_id, "  Mein\n Löwe 🦁 ")
    assert only(store).name == "Mein Löwe 🦁"
    assert only(store).run_id == run_id
    for bad in ("", "   ", "x" * 81):
        with pytest.raises(BadInput, match="1 to 80"):
            store.rename(run_id, bad)


def test_delete_can_be_undone(copied):
    store, run_id, _ = copied
    store.delete(run_id)
    assert store.runs() == ()
    assert store.trash() == [run_id]
    with pytest.raises(RunUnavailable, match="no run"):
        store.delete(run_id)
    store.restore(run_id)
    assert only(store).state == "finished"
    assert store.trash() == []
    with pytest.raises(RunUnavailable, match="no longer in the trash"):
        store.restore(run_id)


def test_the_trash_keeps_the_last_ten(copied):
    store, run_id, folder = copied
    names = [f"run-{number:02d}" for number in range(TRASH_LIMIT + 3)]
    for number, name in enumerate(names):
        shutil.copytree(folder, folder.with_name(name))
        store.delete(name)
        os.utime(store.root / "trash" / name, (number, number))
    assert store.trash() == names[:2:-1]
    store.delete(run_id)
    assert len(store.trash()) == TRASH_LIMIT
    assert store.trash()[0] == run_id


def test_ready_made_runs_cannot_be_changed(copied, tmp_path):
    store, run_id, folder = copied
    shutil.move(folder, tmp_path / "builtin" / run_id)
    store = RunStore(store.root, tmp_path / "builtin")
    before = {path: path.read_bytes() for path in (tmp_path / "builtin").rglob("*") if path.is_file()}
    info = only(store)
    assert info.builtin
    for act in (lambda: store.rename(run_id, "Mine"), lambda: store.delete(run_id)):
        with pytest.raises(BadInput, match="ready-made"):
            act()
    assert Session(store, run_id).info.builtin
    assert {path: path.read_bytes() for path in (tmp_path / "builtin").rglob("*") if path.is_file()} == before


def test_newest_first_and_ready_made_last(copied, tmp_path):
    store, run_id, folder = copied
    for number, name in enumerate(["older", "newer"]):
        shutil.copytree(folder, folder.with_name(name))
        RunFolder(folder.with_name(name)).update(created=float(number))
    shutil.copytree(folder, tmp_path / "builtin" / "ready")
    listed = [info.run_id for info in RunStore(store.root, tmp_path / "builtin").runs()]
    assert listed == [run_id, "newer", "older", "ready"]


# --- kills


def staged(store, trained, **status):
    """A training in staging as a kill would leave it: with or without weights, its status as given."""
    origin, run_id = trained
    folder = store.root / "staging" / "killed"
    shutil.copytree(origin.folder(run_id), folder)
    RunFolder(folder).update(**status)
    return folder


def test_a_killed_training_becomes_a_stopped_run_with_its_best_so_far(store, trained):
    staged(store, trained, state="running", **dead_process())
    info = only(store)
    assert (info.state, info.reason) == ("stopped", LOST)
    assert info.explorable
    assert info.folder.parent.name == "runs"
    assert info.status.pid is None
    assert Session(store, "killed").decode(np.zeros((1, 6), np.float32)).shape == (1, 1, 8, 8)


def test_a_training_killed_before_its_first_epoch_has_nothing_to_show(store, trained):
    folder = staged(store, trained, state="running", **dead_process())
    (folder / "weights.safetensors").unlink()
    assert (only(store).state, only(store).explorable) == ("stopped", False)


def test_a_pid_that_now_belongs_to_another_process_is_not_taken_for_the_training(store, trained):
    staged(store, trained, state="running", pid=os.getpid(), pid_started=psutil.Process().create_time() - 1000)
    assert only(store).state == "stopped"


def test_a_living_training_stays_where_it_is(store, trained):
    staged(store, trained, state="running", pid=os.getpid(), pid_started=psutil.Process().create_time())
    assert only(store).state == "running"
    assert not only(store).explorable
    assert only(store).folder.parent.name == "staging"
    with pytest.raises(BadInput, match="stop it first"):
        store.delete("killed")


@pytest.mark.parametrize("state", ["finished", "failed", "stopped"])
def test_a_kill_between_the_last_word_and_the_move_loses_nothing(store, trained, state):
    staged(store, trained, state=state)
    info = only(store)
    assert (info.state, info.folder.parent.name, info.explorable) == (state, "runs", True)


def test_a_kill_while_a_run_is_made_leaves_nothing_to_see(store):
    leftover = store.root / "staging" / ".new-run"
    leftover.mkdir(parents=True)
    assert store.runs() == ()
    assert leftover.exists(), "it may be in the making at this moment"
    long_ago = time.time() - 7200
    os.utime(leftover, (long_ago, long_ago))
    assert store.runs() == ()
    assert not leftover.exists()


def test_a_kill_at_any_write_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "status.json"
    write_atomic(path, b"old")
    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            if step == "fsync":
                patch.setattr(os, "fsync", raise_full)
            else:
                patch.setattr(type(path), "replace", raise_full)
            with pytest.raises(OSError, match="full"):
                write_atomic(path, b"new")
        assert path.read_bytes() == b"old"
        assert [p.name for p in tmp_path.iterdir()] == ["status.json"]
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"


def raise_full(*args):
    raise OSError("disk full")


def test_a_process_killed_while_training_leaves_every_other_run_whole(copied, configure):
    """A real SIGKILL in the middle of an epoch, after weights were written."""
    store, whole, _ = copied
    config = configure(training={"epochs": 5000})
    run_id = store.create(config)
    code = (
        "import sys; from pathlib import Path; from aecore.store.store import RunStore;"
        "from aecore.training.run import train;"
        "s = RunStore(Path(sys.argv[1]), Path('none')); train(s.info(sys.argv[2]).config, s, run_id=sys.argv[2])"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(store.root), run_id])
    folder = store.root / "staging" / run_id
    try:
        deadline = time.monotonic() + 90
        while not (folder / "weights.safetensors").exists() and time.monotonic() < deadline and child.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(0.05)
    finally:
        child.kill()
        child.wait()
    states = {info.run_id: info.state for info in store.runs()}
    assert states == {whole: "finished", run_id: "stopped"}
    assert Session(store, run_id).encode(np.zeros((1, 1, 8, 8), np.float32)).shape == (1, 6)


# --- making


def test_a_new_run_is_queued_with_its_settings_and_images(configure, store):
    config = configure(objective="variational")
    run_id = store.create(config, "n" * 200, images=b"npz bytes")
    info = store.info(run_id)
    assert (info.state, info.name, info.config) == ("queued", "n" * 80, config)
    assert (info.folder / "images.npz").read_bytes() == b"npz bytes"
    assert only(store).state == "queued", "listing does not put a waiting run away"


def test_a_disk_full_when_a_run_is_made_leaves_no_run(configure, store, monkeypatch):
    monkeypatch.setattr(os, "fsync", raise_full)
    with pytest.raises(OSError, match="full"):
        store.create(configure())
    assert store.runs() == ()


def test_arrays_survive_their_file_and_are_never_pickles(tmp_path):
    path = tmp_path / "a.safetensors"
    arrays = {"x": np.arange(12.0).reshape(3, 4).T, "y": np.array([1, 2], np.uint8)}
    write_arrays(path, arrays)
    back = read_arrays(path)
    assert all(np.array_equal(back[name], arrays[name]) for name in arrays)
    np.savez(tmp_path / "b.npz", x=np.array([{}], dtype=object))
    shutil.move(tmp_path / "b.npz", path)
    with pytest.raises(AecoreError, match="damaged"):
        read_arrays(path)
