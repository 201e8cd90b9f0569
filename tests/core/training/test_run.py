"""A training as a run: what is kept of it, also when the data or the disk fails."""

import errno
import itertools

import numpy as np
import pytest

from aecore.foundation.errors import DataUnavailable
from aecore.foundation.files import read_arrays
from aecore.parts.loading import load_data
from aecore.pictures.sheets import HIDDEN
from aecore.session.session import Session
from aecore.store.folder import RunFolder
from aecore.training.run import outlook, train
from aecore.training.trainer import Trainer


def weights(store, run_id):
    return read_arrays(store.folder(run_id) / "weights.safetensors")


def test_a_finished_run_has_all_its_files(configure, store):
    run_id = train(configure(training={"epochs": 20}), store, name="Kept")
    folder = store.folder(run_id)
    assert folder.parent.name == "runs"
    assert not list((store.root / "staging").iterdir())
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "status.json", "weights.safetensors", "history.jsonl", "analysis.safetensors"} <= names
    assert 3 <= len(list((folder / "snapshots").iterdir())) <= 6
    status = RunFolder(folder).status()
    assert (status.state, status.name, status.epoch, status.epochs) == ("finished", "Kept", 20, 20)
    assert status.pid is None
    assert status.seconds > 0
    assert status.data_hash == configure().dataset.load().hash
    assert status.config_hash == configure(training={"epochs": 20}).hash
    assert not [path for path in folder.rglob("*") if path.name.startswith(".")]


def test_what_is_shown_while_it_trains_tells_hidden_from_black(configure, store):
    config = configure(corruption={"kind": "masking", "level": 0.5})
    preview = store.folder(train(config, store)) / "preview.safetensors"
    shown = read_arrays(preview)
    hidden = (shown["corrupted"] == np.array(HIDDEN, np.uint8).reshape(1, 3, 1, 1)).all(1)
    assert 0.4 < hidden.mean() < 0.6
    seen = np.broadcast_to(shown["clean"], shown["corrupted"].shape).transpose(0, 2, 3, 1)
    assert (shown["corrupted"].transpose(0, 2, 3, 1)[~hidden] == seen[~hidden]).all()
    before = outlook(config, load_data(config.dataset))
    assert (before.corrupted == shown["corrupted"]).all(), "the page shows the same before it begins"


def test_the_recorded_test_error_is_that_of_the_kept_weights(configure, store):
    run_id = train(configure(corruption={"kind": "gaussian", "level": 0.2}), store)
    session = Session(store, run_id)
    data = session.data
    images = data.floats(data.indices("test"))
    direct = np.square(session.reconstruct(images) - images).sum((1, 2, 3)).mean()
    assert session.status.metrics["test_sse"] == pytest.approx(float(direct), rel=1e-5)
    # Noise of σ 0.2 on 64 pixels: 64 σ² = 2.56.
    assert session.status.metrics["corrupted_sse"] == pytest.approx(2.56, rel=0.05)


def test_a_queued_run_is_carried_on_with(configure, store):
    config = configure()
    run_id = store.create(config, "Waiting")
    assert store.info(run_id).state == "queued"
    assert train(config, store, run_id=run_id) == run_id
    assert (store.info(run_id).state, store.info(run_id).name) == ("finished", "Waiting")


def test_trainers_without_a_folder_write_nothing(configure, own_home):
    config = configure()
    Trainer(config, config.dataset.load()).run()
    assert not own_home.exists()


# --- what goes wrong


def test_data_that_is_not_here_fails_with_the_reason(configure, store, tmp_path):
    config = configure(dataset={"kind": "npz", "path": str(tmp_path / "absent.npz")})
    with pytest.raises(DataUnavailable, match=r"absent\.npz"):
        train(config, store, fetch=False)
    [info] = store.runs()
    assert info.state == "failed"
    assert "absent.npz" in info.reason


def test_a_full_disk_ends_the_training_and_nothing_else(configure, store, monkeypatch):
    whole = train(configure(), store)
    before = weights(store, whole)
    writes = []
    real = RunFolder.write_arrays

    def full(self, name, arrays):
        writes.append(name)
        if len(writes) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, name, arrays)

    monkeypatch.setattr(RunFolder, "write_arrays", full)
    monkeypatch.setattr("aecore.training.journal.time.monotonic", itertools.count(0.0).__next__)
    run_id = train(configure(training={"epochs": 9}), store)
    info = store.info(run_id)
    assert info.state == "failed"
    assert "disk is full after" in info.reason
    assert store.info(whole).state == "finished"
    after = weights(store, whole)
    assert all(np.array_equal(after[name], array) for name, array in before.items())


def test_other_errors_of_the_disk_are_raised_and_recorded(configure, store, monkeypatch):
    def broken(self, name, arrays):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(RunFolder, "write_arrays", broken)
    with pytest.raises(OSError, match="Input/output"):
        train(configure(), store)
    [info] = store.runs()
    assert (info.state, "Input/output error" in info.reason) == ("failed", True)
