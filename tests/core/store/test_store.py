"""The store: whatever lies in its folders, `runs()` lists it and never raises."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aecore.foundation.errors import AecoreError, BadInput, RunUnavailable
from aecore.foundation.files import read_arrays, write_arrays, write_atomic
from aecore.session.session import Session
from aecore.store.folder import MAX_JSON_BYTES, RunFolder
from aecore.store.store import LOST, TRASH_LIMIT, RunStore


@pytest.fixture
def copied(store, trained):
    """A store of this test alone with a copy of the trained run; (store, run id, folder)."""
    origin, run_id = trained
    folder = store.root / "runs" / run_id
    shutil.copytree(origin.folder(run_id), folder)
    return store, run_id, folder


def only(store):
    [info] = store.runs()
    return info


def dead_process():
    """The id of a process that has ended, and when it had started."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    started = psutil.Process(child.pid).create_time()
    child.wait()
    return {"pid": child.pid, "pid_started": started}


# --- damage


def weights_of(folder):
    return read_arrays(folder / "weights.safetensors")


def save(folder, **changes):
    arrays = {**weights_of(folder), **changes}
    write_arrays(folder / "weights.safetensors", {name: a for name, a in arrays.items() if a is not None})


def edit(folder, name, **changes):
    values = json.loads((folder / name).read_text())
    for path, value in changes.items():
        *way, last = path.split("__")
        place = values
        for step in way:
            place = place[step]
        place[last] = value
    (folder / name).write_text(json.dumps(values))


def deep(depth):
    return b'{"corruption": ' + b"[" * depth + b"]" * depth + b"}"


DAMAGE = {
    "no weights": (lambda f: (f / "weights.safetensors").unlink(), "weights.safetensors is missing"),
    "empty weights": (lambda f: (f / "weights.safetensors").write_bytes(b""), "weights.safetensors.*damaged"),
    "truncated weights": (lambda f: os.truncate(f / "weights.safetensors", 5000), "weights.safetensors.*damaged"),
    "text as weights": (lambda f: (f / "weights.safetensors").write_text("hello" * 99), "weights.safetensors.*damaged"),
    "weights of another size": (lambda f: edit(f, "config.json", code_dim=7), "do not belong.*differing"),
    "one array missing": (lambda f: save(f, **{"encoder.layers.0.bias": None}), "differing: encoder.layers.0.bias"),
    "one array too many": (lambda f: save(f, extra=np.zeros(3)), "differing: extra"),
    "no settings": (lambda f: (f / "config.json").unlink(), "config.json is missing"),
    "empty settings": (lambda f: (f / "config.json").write_bytes(b""), "config.json is not readable JSON"),
    "settings not JSON": (lambda f: (f / "config.json").write_text("{epochs: 3"), "config.json is not readable JSON"),
    "settings not text": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe\xd8"), "config.json is not readable"),
    "settings a list": (lambda f: (f / "config.json").write_text("[1, 2]"), "must be a JSON object"),
    "settings a number": (lambda f: (f / "config.json").write_text("NaN"), "must be a JSON object"),
    "settings too deep": (lambda f: (f / "config.json").write_bytes(deep(100_000)), "config.json is not readable"),
    "settings deep": (lambda f: (f / "config.json").write_bytes(deep(400)), "corruption.*unknown kind"),
    "settings huge": (lambda f: (f / "config.json").write_bytes(b" " * (MAX_JSON_BYTES + 1)), "config.json is larger"),
    "a number of 5,000 digits": (lambda f: (f / "config.json").write_text('{"a": ' + "9" * 5000 + "}"), "config.json"),
    "settings a folder": (lambda f: ((f / "config.json").unlink(), (f / "config.json").mkdir()), "directory"),
    "an unknown part": (lambda f: edit(f, "config.json", backbone={"kind": "quantum"}), "unknown kind 'quantum'.*mlp"),
    "an unknown field": (lambda f: edit(f, "config.json", colour="red"), "colour.*not permitted"),
    "an impossible value": (lambda f: edit(f, "config.json", corruption__level=7), "corruption.*level.*less than"),
    "a wrong type": (lambda f: edit(f, "config.json", code_dim="six"), "code_dim.*integer"),
    "parts that do not fit": (
        lambda f: edit(f, "config.json", backbone={"kind": "mlp", "widths": [32], "tied": True}), "backbone.tied=false"
    ),
    "newer settings": (lambda f: edit(f, "config.json", format=2), "format 2.*update the program"),
    "newer status": (lambda f: edit(f, "status.json", format=2), "newer version.*format 2.*update"),
    "no status": (lambda f: (f / "status.json").unlink(), "status.json is missing"),
    "empty status": (lambda f: (f / "status.json").write_bytes(b""), "JSON"),
    "unknown state": (lambda f: edit(f, "status.json", state="dreaming"), "state.*running"),
    "a status of lies": (lambda f: edit(f, "status.json", pid=10**30), "pid"),
    "status too deep": (lambda f: (f / "status.json").write_bytes(deep(100_000)), "JSON"),
    "status huge": (lambda f: (f / "status.json").write_bytes(b" " * (MAX_JSON_BYTES + 1)), "status.json is larger"),
    "no size": (lambda f: edit(f, "status.json", shape=None), "size its pictures"),
    "an absurd size": (lambda f: edit(f, "status.json", shape=[3, 4000, 4000]), "size its pictures"),
    "a size of 0": (lambda f: edit(f, "status.json", shape=[0, 8, 8]), "size its pictures"),
    "another size": (lambda f: edit(f, "status.json", shape=[1, 8, 9]), "do not belong"),
    "nothing at all": (lambda f: (shutil.rmtree(f), f.mkdir()), "status.json is missing"),
    "somebody's photos": (lambda f: (shutil.rmtree(f), f.mkdir(), (f / "a.jpg").write_bytes(b"x")), "is missing"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_and_foreign_folders_are_listed_with_the_reason(copied, name):
    store, run_id, folder = copied
    damage, words = DAMAGE[name]
    damage(folder)
    info = only(store)
    assert info.state == "damaged"
    assert not info.explorable
    assert info.run_id == run_id
    assert info.reason
    with pytest.raises(RunUnavailable, match=rf"(?s)cannot be opened.*{words}"):
        Session(store, run_id)
    store.delete(run_id)
    assert store.runs() == [], "what is damaged can still be deleted"


def test_the_intact_copy_opens(copied):
    store, run_id, _ = copied
    assert only(store).state == "finished"
    assert len(Session(store, run_id).codes)


def test_damage_done_after_a_first_look_is_seen(copied):
    store, _, folder = copied
    assert only(store).state == "finished"
    os.truncate(folder / "weights.safetensors", 5000)
    assert only(store).state == "damaged"


def test_weights_in_a_number_format_numpy_lacks_are_refused(copied):
    store, run_id, folder = copied
    bfloat16 = {name: torch.from_numpy(a).bfloat16() for name, a in weights_of(folder).items()}
    safetensors.torch.save_file(bfloat16, folder / "weights.safetensors")
    assert only(store).state == "damaged"
    with pytest.raises(RunUnavailable, match="not floats of 32 or 16 bits, but BF16"):
        Session(store, run_id)


def test_weights_that_are_not_numbers_are_refused(copied):
    store, run_id, folder = copied
    save(folder, **{"encoder.layers.0.bias": np.full(32, np.nan, np.float32)})
    with pytest.raises(RunUnavailable, match="not numbers"):
        Session(store, run_id)


@pytest.mark.parametrize(
    "changes",
    [
        {"codes": np.zeros((3, 9), np.float32)},
        {"codes": np.zeros(6, np.float32)},
        {"codes": np.zeros((0, 6), np.float32)},
        {"codes": np.full((3, 6), np.nan, np.float32)},
        {"codes": np.zeros((3, 6), np.int64)},
        {"effects": np.zeros(5, np.float32)},
        {"quantiles": np.zeros((4, 6), np.float32)},
        {"quantiles": None},
        {"indices": np.zeros(2, np.int64)},
        {"labels": np.zeros((7, 7), np.int64)},
        {"labels": np.zeros(3, np.float32)},
    ],
    ids=str,
)
def test_a_wrong_analysis_is_refused_in_words(copied, changes):
    store, run_id, folder = copied
    arrays = {**read_arrays(folder / "analysis.safetensors"), **changes}
    write_arrays(folder / "analysis.safetensors", {name: a for name, a in arrays.items() if a is not None})
    with pytest.raises(RunUnavailable, match=r"analysis\.safetensors"):
        Session(store, run_id)


def test_a_missing_analysis_is_made_again_from_the_data(copied):
    store, run_id, folder = copied
    before = Session(store, run_id)
    (folder / "analysis.safetensors").unlink()
    after = Session(store, run_id)
    np.testing.assert_allclose(after.codes, before.codes, atol=1e-5)
    np.testing.assert_allclose(after.effects, before.effects, atol=1e-5)


def test_without_analysis_and_data_a_run_still_decodes(copied):
    store, run_id, folder = copied
    (folder / "analysis.safetensors").unlink()
    edit(folder, "status.json", data_hash="0" * 16)
    session = Session(store, run_id)
    assert session.decode(session.codes).shape == (1, 1, 8, 8)
    assert session.sample(2, "normal")[1].shape == (2, 1, 8, 8)
    assert len(session.walk(session.code_mean, 0)[0]) == 9


def test_a_history_cut_by_a_kill_is_read_up_to_there(copied):
    _, _, folder = copied
    whole = RunFolder(folder).history()
    with (folder / "history.jsonl").open("ab") as file:
        file.write(b'{"epoch": 9, "sta\xff\n[1]\n' + b"[" * 50_000 + b"\n" + b"9" * 5000 + b"\n" + b'{"epo')
    assert RunFolder(folder).history() == whole
    (folder / "history.jsonl").unlink()
    assert RunFolder(folder).history() == []


junk = st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_runs_never_raises_whatever_the_files_hold(copied, data):
    """Whole files of junk, and good files with one value replaced by junk."""
    store, _, folder = copied
    name = data.draw(st.sampled_from(["config.json", "status.json"]))
    good = (folder / name).read_bytes()
    values = json.loads(good)
    if data.draw(st.booleans()):
        bad = data.draw(junk)
    else:
        place = values
        if name == "config.json" and data.draw(st.booleans()):
            place = values[
                data.draw(st.sampled_from([key for key, value in values.items() if isinstance(value, dict)]))
            ]
        junk_value = st.none() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.integers(), max_size=4)
        place[data.draw(st.sampled_from(sorted(place)))] = data.draw(junk_value)
        bad = json.dumps(values).encode()
    (folder / name).write_bytes(bad)
    try:
        info = only(RunStore(store.root, store.builtin))
        if info.explorable:
            with contextlib.suppress(RunUnavailable):
                Session(store, info.run_id)
    finally:
        staged = store.root / "staging" / folder.name
        if staged.exists():
            staged.rename(folder)
        (folder / name).write_bytes(good)


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
    assert store.runs() == []
    assert not store.root.exists()


def test_a_home_that_is_a_file_has_no_runs(tmp_path):
    (tmp_path / "file").write_text("")
    assert RunStore(tmp_path / "file", tmp_path / "none").runs() == []


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
    assert store.runs() == []
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
    assert store.runs() == []
    assert leftover.exists(), "it may be in the making at this moment"
    long_ago = time.time() - 7200
    os.utime(leftover, (long_ago, long_ago))
    assert store.runs() == []
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
    assert store.runs() == []


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
