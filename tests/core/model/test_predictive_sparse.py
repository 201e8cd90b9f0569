"""Predictive sparse decomposition: atoms of norm 1, codes found by optimisation, and an encoder that predicts them."""

from typing import Any

import numpy as np
import pytest
import torch

from aecore.foundation.errors import BadSettings
from aecore.model.autoencoder import build
from aecore.parts.backbones import Dictionary
from aecore.parts.contracts import Batch, Code
from aecore.parts.objectives import PredictiveSparse
from aecore.parts.sparse_coding import energy
from aecore.session.session import Session
from aecore.training.run import train
from aecore.training.trainer import Trainer

PREDICTIVE: dict[str, Any] = {
    "objective": {"kind": "predictive_sparse", "weight": 8.0, "prediction": 10.0},
    "likelihood": {"kind": "gaussian", "sigma": 0.2},
}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(n=5, seed=0):
    return torch.rand((n, 1, 8, 8), generator=generator(seed))


# --- predictive sparse decomposition


def test_every_atom_has_norm_1_before_and_after_training(configure):
    config = configure(**PREDICTIVE, code_dim=20, training={"epochs": 2, "learning_rate": 1e-2})
    trainer = Trainer(config, config.dataset.load())
    for _ in range(2):
        atoms = trainer.model.decode(torch.eye(20)).flatten(1)
        torch.testing.assert_close(atoms.norm(dim=1), torch.ones(20))
        assert not trainer.model.decode(torch.zeros(1, 20)).any(), "no bias"
        trainer.run()


def test_the_codes_of_training_are_best_for_codes_and_guesses_together(configure):
    """With many steps the terms' sum is the least over z, and its gradient that of the least value (Danskin)."""
    objective = PredictiveSparse(weight=4, prediction=3, steps=1000)
    config = configure(objective=objective, likelihood={"kind": "gaussian", "sigma": 0.3}, code_dim=10)
    model, x = build(config, (1, 8, 8)).double(), images(4).double()
    batch = Batch(x, x)

    def least():
        return torch.stack(list(objective.terms(model, batch, generator()).values())).sum()

    value = least()
    h = model.encode(x).mean.detach()

    def at(z):
        nll = model.likelihood.nll(model.decode(z), x).sum()
        return float((nll + 4 * z.abs().sum() + 3 * (z - h).square().sum()).detach())

    best = objective.optimise(model, x).double()
    for z in (h, best, torch.zeros_like(h), best + 0.01 * torch.randn(h.shape, generator=generator())):
        assert value.item() <= at(z) + 1e-4
    weights = [model.decoder.atoms, model.encoder.layer.weight, model.encoder.gain]
    gradients = torch.autograd.grad(value, weights)
    for weight, gradient in zip(weights, gradients, strict=True):
        direction = torch.randn(weight.shape, generator=generator(1), dtype=torch.float64)
        with torch.no_grad():
            weight += 1e-3 * direction
            above = least().item()
            weight -= 2e-3 * direction
            below = least().item()
            weight += 1e-3 * direction
        assert float((gradient * direction).sum()) == pytest.approx((above - below) / 2e-3, rel=2e-2, abs=2e-2)


def test_optimised_codes_are_better_and_the_encoder_comes_near(configure, store):
    config = configure(**PREDICTIVE, code_dim=40, training={"epochs": 10, "learning_rate": 1e-2})
    session = Session(store, train(config, store))
    x = session.gallery(30).images
    found = session.inference(x)
    np.testing.assert_allclose(found.codes["encoder"], session.encode(x), atol=1e-6)
    assert (found.nats["optimised"] <= found.nats["encoder"] + 1e-3).all()
    nothing = session._model.likelihood.nll(torch.zeros(30, 1, 1, 8, 8), torch.from_numpy(x)).flatten(1).sum(1)
    prior = session.config.objective.prior(Code(torch.zeros(30, 40, 1)))
    gain = {name: float((nothing + prior).mean()) - found.figures(name)[2] for name in found.nats}
    assert gain["encoder"] > 0.8 * gain["optimised"], "the encoder alone keeps most of what optimisation wins"
    # The same problem in the units of `energy`: what differs is the output's constant.
    atoms = session._model.decode(torch.eye(40)).flatten(1).T
    scaled = (torch.from_numpy(x).flatten(1) / 0.2, atoms / 0.2)
    ours = energy(*scaled, torch.from_numpy(found.codes["optimised"]), 8.0)
    guess = energy(*scaled, torch.from_numpy(found.codes["encoder"]), 8.0)
    np.testing.assert_allclose((guess - ours).numpy(), found.nats["encoder"] - found.nats["optimised"], atol=2e-3)


def test_a_run_without_optimised_codes_compares_none(session):
    assert session.inference(session.gallery(2).images) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"backbone": "mlp"}, "backbone: .*use backbone=dictionary"),
        ({"likelihood": "bernoulli"}, "likelihood=gaussian"),
    ],
)
def test_predictive_sparse_says_what_it_needs(configure, changes, words):
    with pytest.raises(BadSettings, match=words):
        configure(objective="predictive_sparse", **changes)


@pytest.mark.parametrize("nonlinearity", ["shrink", "tanh"])
def test_the_dictionary_encoder_is_one_layer_with_a_gain(nonlinearity):
    encoder, _ = Dictionary(nonlinearity=nonlinearity).build((1, 8, 8), 7, 1, 1)
    with torch.no_grad():
        encoder.gain.copy_(torch.linspace(0.5, 2, 7))
    x = images()
    a = x.flatten(1) @ encoder.layer.weight.T + encoder.layer.bias
    s = torch.tanh(a) if nonlinearity == "tanh" else torch.where(a.abs() > 0.1, a - 0.1 * a.sign(), 0.0)
    torch.testing.assert_close(encoder(x)[..., 0], encoder.gain * s)
