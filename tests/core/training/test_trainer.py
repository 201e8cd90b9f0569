"""Training: repeatable, interruptible, honest about what went wrong, and blind to the test images."""

import itertools
import math

import numpy as np
import pytest
import torch

from aecore.foundation.errors import BadInput, Stopped
from aecore.foundation.files import read_arrays
from aecore.model.config import with_settings
from aecore.parts.contracts import Objective
from aecore.parts.data import Data
from aecore.session.session import Session
from aecore.store.folder import RunFolder
from aecore.training.run import train
from aecore.training.trainer import Diverged, Trainer, TrainingProgress, learning_rate


def weights(store, run_id):
    return read_arrays(store.folder(run_id) / "weights.safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def digits(config) -> Data:
    return config.dataset.load()


# --- repeatable


@pytest.mark.parametrize("objective", ["reconstruction", "variational", "contractive"])
def test_equal_seeds_give_bit_for_bit_equal_runs(configure, store, objective):
    config = configure(objective=objective, corruption="masking")
    one, two = train(config, store), train(config, store)
    assert one != two
    assert same(weights(store, one), weights(store, two))
    figures = [read_arrays(store.folder(run) / "analysis.safetensors") for run in (one, two)]
    assert same(*figures)
    rows = [RunFolder(store.folder(run)).history() for run in (one, two)]
    assert [{**row, "seconds": 0} for row in rows[0]] == [{**row, "seconds": 0} for row in rows[1]]
    other = train(with_settings(config, {"seed": 1}), store)
    assert not same(weights(store, one), weights(store, other))


def test_the_state_of_the_process_does_not_matter_and_is_left_alone(configure, store):
    config = configure(corruption="gaussian")
    torch.manual_seed(1)
    one = train(config, store)
    torch.manual_seed(2)
    np.random.seed(3)  # noqa: NPY002 (the legacy generator is what must not matter)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    two = train(with_settings(config, {"threads": 2, "epochs": 1}), store)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    three = train(config, store)
    assert same(weights(store, one), weights(store, three))
    assert store.info(two).state == "finished"


def test_the_thread_count_comes_back_after_an_error_too(configure, store):
    def fail(progress):
        raise RuntimeError("from outside")

    threads = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="from outside"):
        train(configure(training={"threads": threads + 1}), store, fail)
    assert torch.get_num_threads() == threads
    [info] = store.runs()
    assert (info.state, info.reason) == ("failed", "RuntimeError: from outside")


def test_test_images_never_influence_training(configure, store, hold):
    config = configure()
    data = digits(config)
    images = data.images.copy()
    images[data.indices("test")] = 255 - images[data.indices("test")]
    runs = [train(configure(dataset=hold(x, data.split)), store) for x in (data.images, images)]
    assert same(*(weights(store, run) for run in runs))
    one, two = (RunFolder(store.folder(run)).status() for run in runs)
    assert one.metrics["test_sse"] != two.metrics["test_sse"]
    assert one.data_hash != two.data_hash


def test_training_sees_every_training_image_once_an_epoch_and_no_other(configure):
    seen = []

    class Watch(Objective):
        kind: str = "watch"

        def terms(self, model, batch, generator):
            if model.training:
                seen.append(batch.clean)
            out = model.decode(model.encode(batch.corrupted).mean)
            return {"reconstruction": model.likelihood.nll(out, batch.clean).flatten(1).sum(1)}

    config = configure(objective=Watch(), training={"epochs": 2, "batch_size": 100})
    data = digits(config)
    Trainer(config, data).run()
    expected = data.floats(data.indices("train")).reshape(-1, 64)
    steps = -(-len(expected) // 100)
    assert len(seen) == 2 * steps
    for epoch in (seen[:steps], seen[steps:]):
        shown = torch.cat(epoch).flatten(1).numpy()
        assert np.array_equal(np.sort(shown.view("V256"), axis=0), np.sort(expected.copy().view("V256"), axis=0))
    assert not torch.equal(seen[0], seen[steps]), "another order every epoch"


# --- progress, stopping


def test_progress_rises_to_1_and_carries_the_figures(configure):
    seen: list[TrainingProgress] = []
    config = configure(training={"epochs": 3, "batch_size": 200})
    Trainer(config, digits(config), on_step=seen.append).run()
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert len(set(fractions)) == len(fractions)
    assert fractions[0] > 0
    assert fractions[-1] == 1
    assert seen[-1].seconds_left == 0
    assert all(math.isfinite(p.loss) and p.validation_sse > 0 and p.seconds_left >= 0 for p in seen)
    assert [p.epoch for p in seen if p.step == 0] == [1, 2, 3]


def test_stopping_keeps_the_best_so_far(configure, store):
    calls = []
    steps = 10  # 1,257 training images in batches of 128

    def stop() -> bool:
        calls.append(1)
        return len(calls) > 3 * steps + 2

    run_id = train(configure(training={"epochs": 50}), store, should_stop=stop)
    info = store.info(run_id)
    assert info.state == "stopped"
    assert "after 3 of 50 epochs" in info.reason
    assert info.explorable
    assert info.status.epoch == 3
    session = Session(store, run_id)
    assert len(session.history()) == 4
    assert session.gallery(4).images.shape == (4, 1, 8, 8)


def test_stopping_at_once_leaves_a_run_without_weights(configure, store):
    run_id = train(configure(), store, should_stop=lambda: True)
    info = store.info(run_id)
    assert (info.state, info.explorable) == ("stopped", False)
    with pytest.raises(Exception, match=r"cannot be opened.*stopped by hand after 0 of 2"):
        Session(store, run_id)


def test_the_best_epoch_by_validation_is_kept_not_the_last(configure, store):
    """The objective's own step spoils the weights in the last epoch."""

    class Spoils(Objective):
        kind: str = "spoils"

        def terms(self, model, batch, generator):
            out = model.decode(model.encode(batch.corrupted).mean)
            return {"reconstruction": model.likelihood.nll(out, batch.clean).flatten(1).sum(1)}

        def after_step(self, model):
            steps.append(1)
            if len(steps) > 30:
                with torch.no_grad():
                    model.decoder.layers[-1].weight.mul_(0.8)

    steps: list[int] = []
    config = configure(objective=Spoils(), training={"epochs": 4, "learning_rate": 1e-2, "schedule": "constant"})
    trainer = Trainer(config, digits(config))
    trainer.run()
    assert trainer.best_epoch == 3
    trainer.model.eval()
    kept = trainer.model.state_dict()
    assert all(torch.equal(kept[name], value) for name, value in trainer.best.items())
    with torch.no_grad():
        error = (trainer.model.reconstruct(trainer.held_out) - trainer.held_out).square().flatten(1).sum(1).mean()
    assert error.item() < trainer.sse, "the last epoch was worse"


# --- what goes wrong


LINEAR = {"backbone": "linear", "likelihood": "gaussian"}


@pytest.mark.parametrize(
    ("recipe", "rate"),
    [
        (LINEAR, 1.0),
        (LINEAR, 10.0),
        ({"objective": "variational"}, 1.0),
        ({"objective": "variational"}, 10.0),
        ({}, 10.0),
    ],
)
def test_an_absurd_learning_rate_is_noticed(configure, store, rate, recipe):
    config = configure(**recipe, training={"epochs": 6, "learning_rate": rate, "schedule": "constant"})
    run_id = train(config, store)
    info = store.info(run_id)
    assert info.state == "failed"
    assert "diverged in epoch" in info.reason
    assert f"learning rate {rate / 10:g}" in info.reason
    kept = weights(store, run_id) if info.explorable else {}
    assert all(np.isfinite(array).all() for array in kept.values())


def test_divergence_after_good_epochs_keeps_the_good_weights(configure, store):
    class Explodes(Objective):
        kind: str = "explodes"

        def terms(self, model, batch, generator):
            out = model.decode(model.encode(batch.corrupted).mean)
            factor = math.nan if len(steps) > 25 and model.training else 1.0
            return {"reconstruction": factor * model.likelihood.nll(out, batch.clean).flatten(1).sum(1)}

        def after_step(self, model):
            steps.append(1)

    steps: list[int] = []
    run_id = train(configure(objective=Explodes(), training={"epochs": 9}), store)
    status = RunFolder(store.folder(run_id)).status()
    assert status.state == "failed"
    assert "diverged in epoch 3: the loss became infinite; the weights of epoch 2 are kept" in status.reason
    assert all(np.isfinite(array).all() for array in weights(store, run_id).values())
    assert (store.folder(run_id) / "analysis.safetensors").is_file()
    assert status.metrics["test_sse"] > 0


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.full((40, 1, 8, 8), np.nan, np.float32), "not numbers"),
        (np.full((40, 1, 8, 8), 9, np.uint8), "the same.*nothing to learn"),
        (np.zeros((2, 1, 8, 8), np.uint8), "too few images"),
    ],
)
def test_useless_data_is_refused_in_words_and_recorded(configure, store, hold, images, words):
    with pytest.raises(BadInput, match=words):
        train(configure(dataset=hold(images)), store)
    [info] = store.runs()
    assert info.status.state == "failed"
    assert not info.explorable


def test_one_nan_among_good_images_is_found(configure, store, hold):
    images = np.random.default_rng(0).random((40, 1, 8, 8), np.float32)
    images[17, 0, 3, 3] = np.nan
    with pytest.raises(BadInput, match="not numbers"):
        train(configure(dataset=hold(images)), store)


def test_a_handful_of_nearly_equal_images_is_no_divergence(configure, store, hold):
    """One image for validation has no spread of its own, and the untrained model's error is far above the data's."""
    images = np.full((5, 3, 8, 8), 250, np.uint8)
    images[:, 0, 0, 0] = np.arange(5)
    run_id = train(configure(dataset=hold(images), likelihood="gaussian", training={"epochs": 3}), store)
    assert store.info(run_id).status.state == "finished"


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_the_learning_rate_never_exceeds_its_peak_nor_falls_below_0(configure, schedule):
    settings = configure(training={"schedule": schedule, "learning_rate": 0.1}).training
    rates = [learning_rate(settings, step / 1000) for step in range(1001)]
    assert max(rates) == pytest.approx(0.1)
    assert min(rates) >= 0
    assert rates[-1] == pytest.approx(0.1 if schedule == "constant" else 0, abs=1e-9)
    assert max(abs(a - b) for a, b in itertools.pairwise(rates)) < 1e-3, "no jumps"


def test_stopped_and_diverged_are_told_apart(configure):
    config = configure()
    trainer = Trainer(config, digits(config), should_stop=lambda: True)
    with pytest.raises(Stopped):
        trainer.run()
    assert trainer.epoch == 0
    hot = with_settings(config, {"learning_rate": 10, "objective": "variational", "schedule": "constant"})
    with pytest.raises(Diverged, match=r"Try learning rate 1"):
        Trainer(hot, digits(hot)).run()
