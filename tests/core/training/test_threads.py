"""The thread count follows from timed steps: one where threads hinder each other, more where they pay."""

import pytest
import torch

from aecore.model.config import with_settings
from aecore.training import run, threads
from aecore.training.run import train
from aecore.training.threads import ThreadTuner, thread_counts
from aecore.training.trainer import LARGE_NETWORK, Trainer


class Machine:
    """A clock, and steps that take the given seconds by thread count."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float]) -> None:
        self.now, self.threads, self.seconds = 0.0, 1, seconds
        self.steps: list[int] = []
        monkeypatch.setattr(torch, "get_num_threads", lambda: self.threads)
        monkeypatch.setattr(torch, "set_num_threads", lambda count: setattr(self, "threads", count))
        self.tuner = ThreadTuner(sorted(seconds), lambda: self.now)

    def step(self) -> None:
        self.steps.append(self.threads)
        self.now += self.seconds[self.threads]

    def run(self, seconds: float) -> list[int]:
        """The thread counts of the steps in that much time."""
        end, before = self.now + seconds, len(self.steps)
        while self.now < end:
            self.tuner.step(self.step)
        return self.steps[before:]


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        ({1: 0.020, 2: 0.011}, 2),
        ({1: 0.020, 2: 0.019}, 1),
        ({1: 0.002, 2: 0.150}, 1),
        ({1: 0.080, 2: 0.041, 4: 0.022, 6: 0.030}, 4),
    ],
    ids=["idle", "no gain", "busy", "more cores than pay"],
)
def test_the_quickest_count_is_found_and_trials_cost_little(monkeypatch, seconds, best):
    machine = Machine(monkeypatch, seconds)
    machine.run(5)
    steps = machine.run(60)
    ideal = 60 / seconds[best]
    assert len(steps) > 0.9 * ideal
    assert set(steps) == set(seconds), "trials repeat"


def test_the_choice_follows_the_load(monkeypatch):
    machine = Machine(monkeypatch, {1: 0.020, 2: 0.011})
    machine.run(10)
    machine.seconds = {1: 0.070, 2: 0.300}
    machine.run(120)
    assert machine.tuner.count == 1
    machine.seconds = {1: 0.020, 2: 0.011}
    machine.run(120)
    assert machine.tuner.count == 2


def test_a_hopeless_count_gets_one_block_of_a_trial_and_only_steps(monkeypatch):
    machine = Machine(monkeypatch, {1: 0.020, 2: 0.350})
    steps = machine.run(2)
    assert steps.count(2) == 1
    assert machine.threads == 1, "validation between the steps has the count that was chosen"


def test_one_slow_block_decides_nothing_for_long(monkeypatch):
    machine = Machine(monkeypatch, {1: 0.010, 2: 0.400})
    machine.run(0.5)
    assert machine.tuner.count == 1
    machine.seconds = {1: 0.010, 2: 0.006}
    machine.run(15)
    assert machine.tuner.count == 2


@pytest.mark.parametrize(("cores", "counts"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])])
def test_powers_of_two_and_all_cores_are_tried(cores, counts):
    assert thread_counts(cores) == counts


def test_small_networks_and_fixed_settings_have_no_choice(configure, monkeypatch):
    monkeypatch.setattr(run, "usable_cores", lambda: 4)
    config = configure(training={"threads": None})
    data = config.dataset.load()
    wide = with_settings(config, {"backbone.widths": [500]})
    trainers = [Trainer(c, data) for c in (config, wide, with_settings(wide, {"threads": 3}))]
    assert trainers[0].parameters < LARGE_NETWORK < trainers[1].parameters
    assert [run._thread_counts(trainer) for trainer in trainers] == [[1], [1, 2, 4], [3]]


def test_a_training_that_tries_thread_counts_learns_the_same_to_rounding(configure, store, monkeypatch):
    monkeypatch.setattr(run, "usable_cores", lambda: 2)
    monkeypatch.setattr(threads, "BLOCK_SECONDS", 0.0)  # each step is a block, so that both counts take part
    config = configure(backbone={"kind": "mlp", "widths": [400]}, training={"threads": None, "precision": "float32"})
    before = torch.get_num_threads()
    free, fixed = train(config, store), train(with_settings(config, {"threads": 1}), store)
    assert torch.get_num_threads() == before
    errors = [store.info(run_id).status.metrics["test_sse"] for run_id in (free, fixed)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-3)
