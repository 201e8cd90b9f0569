"""How much a code may hold: with too much anything is copied, and powerful nets index images by one unit."""

import numpy as np
import pytest
import torch

from aecore.foundation import metrics
from aecore.model.config import with_settings
from aecore.model.recipes import recipe
from aecore.parts.datasets import Digits
from aecore.parts.loading import load_data
from aecore.session.session import Session
from aecore.training.run import train
from aecore.training.trainer import Trainer


def copied_noise(**change: object) -> float:
    config = with_settings(recipe("overcomplete").config, {"threads": 1, "epochs": 20, **change})
    trainer = Trainer(config, load_data(config.dataset))
    trainer.run()
    noise = metrics.noise_images((1, 8, 8))
    with torch.no_grad():
        return metrics.noise_r2(noise, trainer.model.reconstruct(torch.from_numpy(noise)).numpy())


def test_an_overcomplete_net_copies_pure_noise(store):
    session = Session(store, train(with_settings(recipe("overcomplete").config, {"epochs": 20, "threads": 1}), store))
    assert session.code_dim > 64
    assert session.status.metrics["test_sse"] < 0.01
    assert session.status.metrics["noise_r2"] >= 0.7
    assert session.status.metrics["noise_r2"] == pytest.approx(copied_noise(), abs=1e-5), "the figure kept with the run"


@pytest.mark.parametrize(
    "change",
    [
        {"code_dim": 8},
        {"corruption": {"kind": "masking", "level": 0.5}},
        {"corruption": {"kind": "gaussian", "level": 0.5}},
        {"objective": {"kind": "contractive", "weight": 0.1}},
    ],
    ids=["undercomplete", "masked", "noisy", "contractive"],
)
def test_with_a_small_code_or_a_regulariser_the_same_net_does_not(change):
    assert copied_noise(**change) < 0.35


@pytest.fixture
def few(hold):
    """16 digits to learn, the same 16 for validation (so that the last weights are kept, not those of an early stop),
    and all test digits.
    """
    digits = load_data(Digits())
    learnt, held_out = digits.indices("train")[:16], digits.indices("test")
    images = digits.images[np.concatenate([learnt, learnt, held_out])]
    return hold(images, np.repeat([0, 1, 2], [16, 16, len(held_out)]).astype(np.uint8))


def test_one_unit_between_powerful_networks_indexes_its_training_images(configure, few):
    """Goodfellow, Bengio & Courville (2016), section 14.1: with enough power around it a one-unit code can number the
    training images and say nothing about others. A plain small code learns less of these 16, and more of digits.
    """
    data = few.load()
    learnt, unknown = (torch.from_numpy(data.floats(data.indices(split))) for split in ("train", "test"))

    def errors(backbone: dict[str, object], code_dim: int, epochs: int, rate: float) -> list[float]:
        training = {"epochs": epochs, "batch_size": 16, "learning_rate": rate, "precision": "float32"}
        trainer = Trainer(configure(dataset=few, backbone=backbone, code_dim=code_dim, training=training), data)
        trainer.run()
        with torch.no_grad():
            return [float((trainer.model.reconstruct(x) - x).square().sum((1, 2, 3)).mean()) for x in (learnt, unknown)]

    grey = float((unknown - learnt.mean(0)).square().sum((1, 2, 3)).mean())
    indexed, failed = errors({"kind": "mlp", "widths": [128, 128]}, 1, 500, 1e-2)
    _, learned = errors({"kind": "mlp", "widths": []}, 8, 120, 3e-2)
    assert indexed < 0.25 * grey, "nearly all of the training images is in one number"
    assert failed > grey, "on other digits it is worse than the mean training image"
    assert learned < 0.65 * grey
