"""Damaged and foreign folders: `runs()` lists them with a reason and never raises."""

import contextlib
import json
import os
import shutil

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aecore.foundation.errors import RunUnavailable
from aecore.foundation.files import read_arrays, write_arrays
from aecore.session.session import Session
from aecore.store.folder import MAX_JSON_BYTES, RunFolder
from aecore.store.store import RunStore


def only(store):
    [info] = store.runs()
    return info


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
    assert store.runs() == (), "what is damaged can still be deleted"


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
