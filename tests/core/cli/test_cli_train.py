"""The command train: settings, own pictures, early ends, resuming, failures in one line."""

import errno
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aecore.session.session import Session
from aecore.store.store import RunStore
from aecore.training import trainer


def press_ctrl_c(monkeypatch: pytest.MonkeyPatch, stage: str | None, epoch: int) -> None:
    """Send SIGINT to this process once training reports the first step of that stage and epoch."""
    report = trainer.Trainer._report

    def report_and_press(self: trainer.Trainer, now: str, step: int, steps: int) -> None:
        report(self, now, step, steps)
        if (stage or now, epoch, 1) == (now, self.epoch, step):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(trainer.Trainer, "_report", report_and_press)


def test_own_pictures_by_a_path_from_here(home, command):
    Path("pictures").mkdir()
    for i in range(12):
        pixels = np.random.default_rng(i).integers(0, 255, (10, 10)).astype(np.uint8)
        Image.fromarray(pixels).save(f"pictures/{i}.png")
    own = ["--dataset", "folder=pictures", "--set", "dataset.size=8"]
    run = command.json("train", "undercomplete", *command.tiny, *own)
    config = command.json("show", run["run_id"])["config"]
    assert config["dataset"] == {"kind": "folder", "path": str(Path.cwd() / "pictures"), "size": 8, "colour": False}


def test_ctrl_c_keeps_the_best_so_far(home, command, monkeypatch):
    press_ctrl_c(monkeypatch, None, 1)
    before = signal.getsignal(signal.SIGINT)
    text = command("train", "undercomplete", *command.tiny, "--set", "epochs=50")
    assert "Stopped after 1 of 50 epochs; the best weights so far are kept" in text
    assert signal.getsignal(signal.SIGINT) is before
    (info,) = [info for info in RunStore().runs() if info.state == "stopped"]
    assert Session(RunStore(), info.run_id).code_dim == 3


def test_stopping_before_the_first_epoch_fails_in_one_line(home, command, monkeypatch):
    def stop(self: trainer.Trainer) -> None:
        raise trainer.Stopped

    monkeypatch.setattr(trainer.Trainer, "run", stop)
    assert "no weights to keep" in command.failure("train", "undercomplete", *command.tiny)


def test_an_ended_training_of_several_stages_goes_on(home, command, monkeypatch):
    stages = ["--set", "procedure.levels=[]", "--set", "procedure.layer_epochs=2"]
    with monkeypatch.context() as patch:
        press_ctrl_c(patch, "layer 2", 3)
        text = command("train", "stacked_denoising", *command.tiny, *stages, "--name", "stacked")
    info = next(info for info in RunStore().runs() if info.name == "stacked")
    assert f"aecore train --resume {info.run_id}" in text
    assert "give only the run" in command.wrong_usage("train", "--resume", info.run_id, "--name", "other")
    assert "name a kind" in command.wrong_usage("train")
    run = command.json("train", "--resume", info.run_id)
    assert (run["run_id"], run["state"], run["epoch"]) == (info.run_id, "finished", 6)
    names = [stage["name"] for stage in command.json("show", info.run_id)["stages"]]
    assert names == ["layer 1", "layer 2", "joint"]
    assert "layer 1" in command("show", info.run_id)
    assert "is finished; train it anew" in command.failure("train", "--resume", info.run_id)


def test_divergence_is_a_failure_with_a_remedy(home, command):
    line = command.failure("train", "linear", "--set", "epochs=3", "--set", "learning_rate=10", "--set", "code_dim=2")
    assert "training diverged" in line
    assert "learning rate 1" in line


def test_a_full_disk_is_reported_in_words(home, command, monkeypatch):
    def full(store: RunStore, *arguments: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device", "config.json")

    monkeypatch.setattr(RunStore, "create", full)
    line = command.failure("train", "undercomplete", *command.tiny)
    assert line == "aecore: config.json: No space left on device"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nope"], "there is no recipe 'nope'; the recipes are: undercomplete"),
        (["variational", "--set", "objective.beta=-1"], "beta"),
        (["variational", "--set", "objective.gamma=1"], "gamma"),
        (["variational", "--set", "nonsense=1"], "nonsense: there is no such setting"),
        (["variational", "--set", "epochs"], "FIELD=VALUE"),
        (["variational", "--set", "epochs=many"], "epochs"),
        (["variational", "--dataset", "nope"], "unknown kind 'nope'"),
        (["variational", "--dataset", "digits=here"], "path"),
        (["variational", "--set", "backbone.code_activation=relu"], "use identity"),
    ],
)
def test_settings_that_cannot_be_are_wrong_usage_and_leave_no_run(home, command, arguments, named):
    before = sorted(home.rglob("*"))
    assert named in command.wrong_usage("train", *arguments)
    assert sorted(home.rglob("*")) == before
