"""Training in stages: each layer alone, the weights that the next stage starts from, and a kill during any of them."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from aecore.foundation.errors import BadInput, BadSettings, Stopped
from aecore.foundation.files import read_arrays
from aecore.model.config import RunConfig, parse
from aecore.session.session import Session
from aecore.store.folder import LOST, RESUME_LIMIT, RESUMES, RunFolder
from aecore.store.stages import stages
from aecore.store.store import RunStore
from aecore.training import queue
from aecore.training.run import train
from aecore.training.trainer import Trainer, TrainingProgress

REPO = Path(__file__).parents[3]
ENV = {"PYTHONPATH": str(REPO)}
GREEDY = {"kind": "greedy", "layer_epochs": 3}


def greedy(configure, activation="gelu", tied=False, **more) -> RunConfig:
    backbone = {"kind": "mlp", "widths": [24], "activation": activation, "tied": tied}
    more = {"procedure": GREEDY, "corruption": "masking", **more}
    return configure(**{"backbone": backbone, "training": {"epochs": 4}, **more})


def weights(store: RunStore, run_id: str) -> dict[str, np.ndarray]:
    return read_arrays(store.folder(run_id) / "weights.safetensors")


# --- layer by layer


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("activation", ["gelu", "sigmoid"])
def test_each_stage_learns_its_own_layer_and_its_mirror_image(configure, activation, tied):
    config = greedy(configure, activation, tied)
    before: dict[str, torch.Tensor] = {}
    changed: dict[str, set[str]] = {}

    def look(progress: TrainingProgress) -> None:
        now = {name: value.clone() for name, value in trainer.model.state_dict().items()}
        if progress.stage in changed:  # the first look at a stage has nothing of it to compare with
            changed[progress.stage] |= {name for name in now if not torch.equal(now[name], before[name])}
        changed.setdefault(progress.stage, set())
        before.update(now)

    trainer = Trainer(config, config.dataset.load(), on_step=look)
    trainer.run()
    assert list(changed) == ["layer 1", "layer 2", "joint"]
    for stage, down, up in (("layer 1", 0, 1), ("layer 2", 1, 0)):
        mirror = {f"decoder.biases.{up}"} if tied else {f"decoder.layers.{up}.{x}" for x in ("weight", "bias")}
        assert changed[stage] == {f"encoder.layers.{down}.{x}" for x in ("weight", "bias")} | mirror
    assert changed["joint"] == set(before)


def test_a_stack_of_one_layer_is_an_ordinary_autoencoder(configure):
    """Of a network with one layer, its stage and joint training are one thing, bit for bit."""
    one = {"kind": "mlp", "widths": []}
    training = {"epochs": 3, "precision": "float32"}
    stage = configure(backbone=one, procedure={"kind": "greedy", "layer_epochs": 3}, training=training)
    joint = configure(backbone=one, training=training)
    losses = []
    for config in (stage, joint):
        found: list[float] = []
        Trainer(config, config.dataset.load(), on_step=lambda p, found=found: found.append(p.loss)).run()
        losses.append(found[: 3 * 10])
    assert losses[0] == losses[1]


def test_the_best_weights_of_a_stage_go_on_and_its_error_is_that_of_the_stack(configure, store):
    config = greedy(configure, "tanh")
    run_id = train(config, store)
    session = Session(store, run_id)
    found = session.stages()
    assert [(s.name, s.first, s.last) for s in found] == [("layer 1", 1, 3), ("layer 2", 4, 6), ("joint", 7, 10)]
    assert found == stages(session.history())
    rows = session.history()
    assert all(s.loss == min(r["validation_loss"] for r in rows if r["stage"] == s.name) for s in found)
    assert found[0].sse < rows[0]["validation_sse"]
    assert found[2].sse < found[1].sse
    assert not list(session.folder.glob("stage-*"))
    # The last stage's best, not the lowest loss of any stage, is what is kept.
    trainer = Trainer(config, session.data)
    trainer.run()
    assert trainer.best_epoch == found[2].kept
    assert trainer.best_loss == pytest.approx(found[2].loss)


def test_the_redrawing_of_all_layers_is_the_reconstruction_of_the_model(configure):
    from aecore.parts.procedures.greedy import Stack, redrawing

    for tied in (False, True):
        config = greedy(configure, "sigmoid", tied)
        trainer = Trainer(config, config.dataset.load())
        x = trainer.held_out[:7]
        with torch.no_grad():
            torch.testing.assert_close(redrawing(Stack(trainer.model), 2)(x, None), trainer.model.reconstruct(x))


def test_noise_of_its_own_for_each_layer(configure):
    """Where a layer's whole input is masked, its weights learn nothing and its bias is all it has."""
    config = greedy(configure, procedure={**GREEDY, "levels": [0, 1]})
    trainer = Trainer(config, config.dataset.load())
    start = [layer.weight.clone() for layer in trainer.model.encoder.layers]
    trainer.should_stop = lambda: trainer.epoch == 6  # before the joint stage
    with pytest.raises(Stopped):
        trainer.run()
    moved = [not torch.equal(a, layer.weight) for a, layer in zip(start, trainer.model.encoder.layers, strict=True)]
    assert moved == [True, False]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"backbone": "conv"}, r"procedure: .*set backbone=mlp"),
        ({"procedure": {**GREEDY, "levels": [0.1]}}, r"procedure\.levels: 1 given.*has 2 layers"),
        ({"procedure": {**GREEDY, "levels": [0.1, 2]}}, r"procedure\.levels: .*0 to 1"),
        (
            {"procedure": {**GREEDY, "levels": [0.1, 0.2]}, "corruption": "none"},
            r"procedure\.levels.*corruption=masking",
        ),
    ],
)
def test_what_cannot_be_trained_layer_by_layer_is_refused(configure, fields, words):
    with pytest.raises(BadSettings, match=words):
        greedy(configure, **fields)


# --- recirculation


def recirculation(configure, tied=False, regression=0.75, **more) -> RunConfig:
    backbone = {"kind": "mlp", "widths": [], "code_activation": "sigmoid", "tied": tied}
    procedure = {"kind": "recirculation", "regression": regression}
    return configure(**{"backbone": backbone, "procedure": procedure, "code_dim": 12, **more})


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("activation", ["sigmoid", "identity"])
def test_with_symmetric_weights_its_changes_become_the_gradient(configure, tied, activation):
    """As λ → 1: autograd's gradient of −log p(x | h), which the rule itself never computes."""
    config = recirculation(configure, tied, 0.999)
    config = parse(
        {**config.model_dump(mode="json"), "backbone": {**config.backbone.model_dump(), "code_activation": activation}}
    )
    trainer = Trainer(config, config.dataset.load())
    model = trainer.model.double()
    with torch.no_grad():
        if not tied:
            model.decoder.layers[0].weight.copy_(model.encoder.layers[0].weight.T)
    x = trainer.held_out[:50].double()
    batch = type(trainer.batches.corrupted(trainer.images[:1]))(x, x)
    changes, loss = config.procedure.changes(model, batch)
    found = {name: change for (name, _), change in zip(model.named_parameters(), changes, strict=True)}
    expected = F.binary_cross_entropy_with_logits(model.decode(model.encode(x).mean)[:, 0], x, reduction="none")
    torch.testing.assert_close(loss, expected.flatten(1).sum(1).detach())
    expected.flatten(1).sum(1).mean().backward()
    for name, p in model.named_parameters():
        torch.testing.assert_close(found[name], p.grad, rtol=0.01, atol=0.002 * float(p.grad.abs().max()), msg=name)


def test_recirculation_learns_digits_without_gradients(configure, store, monkeypatch):
    def forbidden(*args: object, **kwargs: object) -> None:
        raise AssertionError("no back-propagation here")

    monkeypatch.setattr(torch.Tensor, "backward", forbidden)
    monkeypatch.setattr(torch.autograd, "grad", forbidden)
    training = {"epochs": 12, "learning_rate": 0.03}
    session = Session(store, train(recirculation(configure, training=training), store))
    history = session.history()
    assert history[-1]["validation_sse"] < 0.4 * history[0]["validation_sse"]
    assert [stage.name for stage in session.stages()] == ["recirculation"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"backbone": "mlp"}, r"backbone\.widths=\[\]"),
        ({"backbone": "conv"}, r"procedure: .*set backbone=mlp"),
        ({"backbone": {"kind": "mlp", "widths": [], "code_activation": "tanh"}}, r"code_activation: .*use sigmoid"),
        ({"objective": "sparse_l1"}, r"objective: .*set objective=reconstruction"),
        ({"corruption": "masking"}, r"corruption: .*set corruption=none"),
    ],
)
def test_what_recirculation_cannot_train_is_refused(configure, fields, words):
    with pytest.raises(BadSettings, match=words):
        recirculation(configure, **fields)


# --- killed and resumed


class Killed(BaseException):
    """Ends a training at once; afterwards its folder is put back as it was at that moment."""


def kill_in(store: RunStore, run_id: str, stage: str, epoch: int, copy: Path) -> None:
    """Trains the waiting run up to the middle of an epoch and leaves what SIGKILL leaves: the files of that moment, and
    a status that names a process that has ended.
    """
    folder = store.folder(run_id)

    def kill(progress: TrainingProgress) -> None:
        if (progress.stage, progress.epoch, progress.step) == (stage, epoch, 5):
            shutil.copytree(folder, copy)
            raise Killed

    queue.claim(store, run_id)
    config = store.info(run_id).config
    assert config is not None
    with pytest.raises(Killed):
        train(config, store, kill, run_id=run_id)
    shutil.rmtree(store.folder(run_id))
    copy.rename(folder)
    RunFolder(folder).update(**gone())


def gone() -> dict[str, float]:
    """The identity of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return {"pid": process.pid, "pid_started": time.time()}


def test_a_training_killed_in_every_stage_ends_as_if_nothing_had_happened(
    configure, store: RunStore, tmp_path: Path
) -> None:
    """Killed in the second epoch of each stage; then a server's queue takes it up once more, and its child ends it."""
    config = greedy(configure)
    whole = train(config, store)
    run_id = queue.submit(store, config)
    done = []
    for stage, epoch in (("layer 1", 1), ("layer 2", 4), ("joint", 8)):
        kill_in(store, run_id, stage, epoch, tmp_path / "copy")
        assert store.info(run_id).reason == RESUMES
        listed = {info.run_id: info for info in store.runs()}
        assert (listed[run_id].state, listed[whole].state) == ("queued", "finished")
        done.append(listed[run_id].status.stages)
        assert RunFolder(listed[run_id].folder).history()[-1]["epoch"] == epoch
    assert done == [(), ("layer 1",), ("layer 1", "layer 2")]
    assert sorted(p.name for p in store.folder(run_id).glob("stage-*")) == ["stage-2.safetensors"]

    child = queue.start(store, run_id, {**os.environ, **ENV})
    assert child is not None
    assert child.wait(120) == 0
    info = store.info(run_id)
    assert (info.state, info.reason, info.status.resumed) == ("finished", "", 3)
    assert {p.name for p in info.folder.iterdir()} - {"log.txt"} == {p.name for p in store.folder(whole).iterdir()}
    one, two = weights(store, whole), weights(store, run_id)
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[name], two[name]) for name in one)
    rows = [[{**row, "seconds": 0} for row in RunFolder(store.folder(r)).history()] for r in (whole, run_id)]
    assert rows[0] == rows[1]
    assert info.status.metrics == store.info(whole).status.metrics


def lose(store: RunStore, run_id: str) -> None:
    """As a kill leaves it: the status names a process that has ended."""
    RunFolder(store.folder(run_id)).update(state="running", started=time.time(), **gone())


def test_a_training_that_is_killed_each_time_is_not_resumed_for_ever(configure, store: RunStore) -> None:
    run_id = queue.submit(store, greedy(configure))
    for resumed in range(1, RESUME_LIMIT + 1):
        lose(store, run_id)
        [info] = store.runs()
        assert (info.state, info.reason, info.status.resumed) == ("queued", RESUMES, resumed)
        assert queue.queue(store)[0].run_id == run_id
    lose(store, run_id)
    [info] = store.runs()
    assert (info.state, info.reason, info.resumable) == ("stopped", LOST, True)
    queue.resume(store, run_id)
    assert (store.info(run_id).state, store.info(run_id).status.resumed) == ("queued", 0)
    store.settle()
    assert train(greedy(configure), store, run_id=run_id) == run_id
    assert store.info(run_id).state == "finished"
    with pytest.raises(BadInput, match=r"only a training of several stages.*is finished; train it anew"):
        queue.resume(store, run_id)


def test_a_training_that_was_asked_to_stop_is_not_resumed_after_a_kill(configure, store: RunStore) -> None:
    run_id = queue.submit(store, greedy(configure))
    RunFolder(store.folder(run_id)).ask_stop()
    lose(store, run_id)
    [info] = store.runs()
    assert (info.state, info.reason) == ("stopped", LOST)


def test_a_training_stopped_by_hand_can_go_on(configure, store: RunStore) -> None:
    config = greedy(configure)
    calls = []

    def stop() -> bool:
        calls.append(1)
        return len(calls) > 45  # in the second layer's second epoch, at ten steps an epoch

    run_id = train(config, store, should_stop=stop)
    info = store.info(run_id)
    assert (info.state, info.resumable, info.explorable) == ("stopped", True, True)
    queue.resume(store, run_id)
    queue.claim(store, run_id)
    with pytest.raises(BadInput, match="does not wait"):
        queue.claim(store, run_id)
    train(config, store, run_id=run_id)
    whole = weights(store, train(config, store))
    assert all(np.array_equal(array, whole[name]) for name, array in weights(store, run_id).items())


def test_a_training_of_one_stage_is_not_resumed(configure, store: RunStore) -> None:
    run_id = train(configure(), store, should_stop=lambda: True)
    assert not store.info(run_id).resumable
    with pytest.raises(BadInput, match="cannot be resumed"):
        queue.resume(store, run_id)
