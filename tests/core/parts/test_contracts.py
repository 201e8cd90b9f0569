"""The contracts carry parts that the program does not have: small ones of a test, trained by the real trainer."""

import math
from typing import ClassVar, Literal

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from aecore.model.config import parse
from aecore.parts.contracts import Backbone, Batch, Decoder, Encoder, Objective
from aecore.session.session import Session
from aecore.training.run import train
from aecore.training.trainer import Trainer


class MaskEncoder(Encoder):
    """A dense layer on the visible pixels and the mask."""

    def __init__(self, shape, code_dim):
        super().__init__()
        self.layer = nn.Linear((shape[0] + 1) * math.prod(shape[1:]), code_dim)

    def forward(self, x, visible=None):
        mask = torch.ones_like(x[:, :1]) if visible is None else visible.to(x.dtype)
        return self.layer(torch.cat([x, mask], 1).flatten(1))[..., None]


class FlatDecoder(Decoder):
    """A dense layer."""

    def __init__(self, shape, code_dim, q):
        super().__init__()
        self.shape, self.q = shape, q
        self.layer = nn.Linear(code_dim, q * math.prod(shape))

    def forward(self, z, prefix=None):
        return self.layer(z).reshape(-1, self.q, *self.shape)


class UsesMask(Backbone):
    kind: Literal["uses_mask"] = "uses_mask"

    def build(self, shape, code_dim, params_per_code, params_per_output):
        return MaskEncoder(shape, code_dim), FlatDecoder(shape, code_dim, params_per_output)

    def refusal(self, config):
        return None if config.objective.params_per_code == 1 else "backbone: one number per unit only"


class NoisyCode(Objective):
    """The second number of a unit is the logarithm of its noise; weights are projected to norm 1 after each step."""

    kind: Literal["noisy_code"] = "noisy_code"
    params_per_code: ClassVar[int] = 2

    def terms(self, model, batch, generator):
        code = model.encode(batch.corrupted, batch.visible)
        out = model.decode(code.sample(generator))
        return {
            "reconstruction": model.likelihood.nll(out, batch.clean).flatten(1).sum(1),
            "price": -code.log_variance.clamp(max=0).sum(1),
        }

    @torch.no_grad()
    def after_step(self, model):
        weight = model.decoder.layers[-1].weight
        weight.copy_(F.normalize(weight, dim=0))


class Observed(Objective):
    """Plain reconstruction that keeps the batches it gets."""

    kind: Literal["observed"] = "observed"

    def terms(self, model, batch, generator):
        BATCHES.append(batch)
        out = model.decode(model.encode(batch.corrupted, batch.visible).mean)
        return {"reconstruction": model.likelihood.nll(out, batch.clean).flatten(1).sum(1)}


BATCHES: list[Batch] = []


def test_two_numbers_per_unit_and_a_projection_after_each_step(configure):
    config = configure(objective=NoisyCode(), training={"epochs": 1, "learning_rate": 1e-2})
    trainer = Trainer(config, config.dataset.load())
    trainer.run()
    assert trainer.model.encode(trainer.held_out[:4]).params.shape == (4, 6, 2)
    norms = trainer.model.decoder.layers[-1].weight.norm(dim=0)
    torch.testing.assert_close(norms, torch.ones_like(norms))


def test_a_likelihood_may_learn_its_variance(configure):
    """At the optimum it is the mean squared error of the training images."""
    config = configure(
        likelihood={"kind": "gaussian", "sigma": 0.5, "learned": True}, backbone="linear",
        training={"epochs": 10, "batch_size": 32, "learning_rate": 3e-2},
    )  # fmt: skip
    trainer = Trainer(config, config.dataset.load())
    trainer.run()
    x = trainer.images.float() / 255
    with torch.no_grad():
        mse = (trainer.model.reconstruct(x) - x).square().mean().item()
    assert trainer.model.head.log_excess.exp().item() == pytest.approx(mse, rel=0.1)


def test_progress_rises_over_all_stages(configure):
    progress = []
    config = configure(procedure={"kind": "greedy", "layer_epochs": 1}, training={"epochs": 1})
    Trainer(config, config.dataset.load(), on_step=lambda p: progress.append((p.stage, p.fraction))).run()
    assert list(dict.fromkeys(stage for stage, _ in progress)) == ["layer 1", "layer 2", "joint"]
    fractions = [fraction for _, fraction in progress]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_parts_that_cannot_work_together_say_so(configure):
    with pytest.raises(Exception, match="one number per unit only"):
        configure(backbone=UsesMask(), objective="variational")


def test_a_run_of_a_part_that_is_not_installed_is_listed_as_damaged(configure, store):
    """It was trained all the same, with the mask."""
    run_id = train(configure(backbone=UsesMask(), corruption="masking", training={"epochs": 1}), store)
    info = store.info(run_id)
    assert info.state == "damaged"
    assert "uses_mask" in info.reason
    assert "mlp" in info.reason
    with pytest.raises(Exception, match="uses_mask"):
        Session(store, run_id)


def test_objectives_see_float_images_between_0_and_1_and_the_mask(configure):
    BATCHES.clear()
    config = configure(objective=Observed(), corruption="masking", training={"epochs": 1})
    Trainer(config, config.dataset.load()).run()
    for batch in BATCHES:
        assert batch.clean.dtype == torch.float32
        assert 0 <= float(batch.clean.min()) <= float(batch.clean.max()) <= 1
        assert torch.equal(batch.corrupted, batch.clean * batch.visible)
    assert np.isclose(float(torch.cat([batch.clean for batch in BATCHES]).max()), 1)


def test_parts_given_as_objects_pass_through_unchanged(configure):
    part = UsesMask()
    config = configure(backbone=part)
    assert config.backbone is part
    assert config.model_dump(mode="json")["backbone"] == {"kind": "uses_mask"}
    assert parse({**config.model_dump(), "backbone": part, "dataset": config.dataset}).backbone is part
