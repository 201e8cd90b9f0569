"""Sparse kinds: the form of their codes, their penalties, and what is measured of their units."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, kl_divergence

from aecore.foundation.errors import BadSettings
from aecore.model import activity
from aecore.model.autoencoder import build
from aecore.model.filters import decoder_filters
from aecore.parts.backbones import Conv, Dictionary, Mlp
from aecore.parts.contracts import Batch, Code, Encoder
from aecore.parts.objectives import Contractive, SparseKL, SparseL1, TopK
from aecore.parts.objectives.contractive import along
from aecore.session.session import Session
from aecore.training.run import train
from aecore.training.trainer import Trainer

ONE_LAYER = {"kind": "mlp", "widths": []}
PREDICTIVE: dict[str, Any] = {
    "objective": {"kind": "predictive_sparse", "weight": 8.0, "prediction": 10.0},
    "likelihood": {"kind": "gaussian", "sigma": 0.2},
}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(n=5, seed=0):
    return torch.rand((n, 1, 8, 8), generator=generator(seed))


@pytest.fixture
def runs(configure, store):
    """`runs(objective=…)`: the session of a short run on digits."""

    def make(**fields):
        training = {"epochs": 3, "learning_rate": 1e-2, **fields.pop("training", {})}
        return Session(store, train(configure(backbone=ONE_LAYER, training=training, **fields), store))

    return make


# --- k largest


def test_only_the_k_largest_stay_and_keep_their_value(configure):
    model, x = build(configure(objective=TopK(k=2)), (1, 8, 8)), images()
    raw, h = model.encoder(x)[..., 0], model.encode(x).mean
    kept = h != 0
    assert bool((kept.sum(1) == 2).all())
    assert torch.equal(h[kept], raw[kept])
    assert bool((raw.masked_fill(kept, -math.inf).amax(1) < raw.masked_fill(~kept, math.inf).amin(1)).all())


def test_the_gradient_reaches_only_units_that_stayed(configure):
    model, x = build(configure(objective=TopK(k=2), backbone=ONE_LAYER), (1, 8, 8)), images(1)
    TopK(k=2).terms(model, Batch(x, x), generator())["reconstruction"].sum().backward()
    reached = model.encoder.layers[0].weight.grad.abs().sum(1) > 0
    assert torch.equal(reached, model.encode(x).mean[0] != 0)


def test_all_units_kept_is_plain_reconstruction(configure):
    model, x = build(configure(objective=TopK(k=6)), (1, 8, 8)), images()
    assert torch.equal(model.encode(x).params, model.encoder(x))


def test_everything_that_encodes_sees_the_sparse_code(runs):
    session = runs(objective=TopK(k=2), code_dim=9)
    x = session.gallery(7).images
    codes = session.encode(x)
    assert ((codes != 0).sum(1) == 2).all()
    assert ((session.codes != 0).sum(1) == 2).all()
    np.testing.assert_allclose(session.reconstruct(x), session.decode(codes), atol=1e-6)
    np.testing.assert_allclose(session.denoise(x).reconstruction, session.decode(codes), atol=1e-6)
    assert session.status.metrics["active_rate"] == pytest.approx(2 / 9)


def test_more_active_units_than_there_are_is_refused(configure):
    with pytest.raises(BadSettings, match=r"objective\.k: 7 .*set objective\.k to 6 at most, or code_dim to 7"):
        configure(objective=TopK(k=7))


# --- target rate


def test_the_penalty_is_the_kl_of_the_mean_activity(configure):
    objective = SparseKL(rate=0.1, weight=2.5)
    model, x = build(configure(objective=objective), (1, 8, 8)), images(9)
    h = model.encode(x).mean
    torch.testing.assert_close(h, torch.sigmoid(model.encoder(x)[..., 0]))
    expected = kl_divergence(Bernoulli(torch.tensor(0.1)), Bernoulli(h.mean(0))).sum()
    term = objective.terms(model, Batch(x, x), generator())["sparsity"]
    torch.testing.assert_close(term, (2.5 * expected).expand(9))
    torch.testing.assert_close(objective.unit_report(model.encode(x))["activity"], h.mean(0))


def test_the_penalty_is_0_at_the_target_and_stays_finite_at_the_ends():
    assert float(SparseKL(rate=0.2).kl(torch.full((3, 4), 0.2)).abs().max()) < 1e-6
    edge = torch.tensor([[0.0, 1.0]], requires_grad=True)
    cost = SparseKL().kl(edge).sum()
    cost.backward()
    assert bool(cost.isfinite())
    assert bool(edge.grad.isfinite().all())


def test_training_draws_mean_activities_to_the_target(configure):
    training = {"epochs": 15, "learning_rate": 2e-2}
    config = configure(objective=SparseKL(rate=0.1, weight=20), backbone=ONE_LAYER, code_dim=20, training=training)
    trainer = Trainer(config, config.dataset.load())
    trainer.run()
    with torch.no_grad():
        mean = trainer.model.encode(trainer.held_out).mean.mean(0)
    assert float((mean - 0.1).abs().max()) < 0.04


def test_a_code_bounded_twice_is_refused(configure):
    with pytest.raises(BadSettings, match=r"backbone\.code_activation.*use identity"):
        configure(objective="sparse_kl", backbone=Mlp(code_activation="tanh"))


# --- activity and nats


def test_activity_counts_the_training_images(runs):
    session = runs(objective=SparseL1(weight=1), code_dim=12, training={"epochs": 4})
    data = session.data
    codes = session.encode(data.floats(data.indices("train")))
    rate = (np.abs(codes) > 0.01).mean(0)
    np.testing.assert_allclose(session.unit_figures["rate"], rate, atol=1e-6)
    assert session.status.metrics["active_rate"] == pytest.approx(rate.mean(), abs=1e-6)
    assert session.status.metrics["dead_units"] == (rate == 0).sum()


def test_a_unit_that_cannot_be_active_is_counted_dead(configure):
    config = configure(objective="sparse_l1", backbone={**ONE_LAYER, "code_activation": "relu"}, code_dim=4)
    model, data = build(config, (1, 8, 8)), config.dataset.load()
    with torch.no_grad():
        model.encoder.layers[0].weight[2] = 0
        model.encoder.layers[0].bias[2] = -1
    rate = activity.rates(model, config, data)
    assert rate[2] == 0
    assert activity.rate_figures(rate)["dead_units"] == (rate == 0).sum() >= 1


def test_plain_codes_have_neither_activity_nor_prior(runs):
    session = runs(objective="reconstruction")
    assert not {"active_rate", "dead_units", "reconstruction_nats", "prior_nats"} & set(session.status.metrics)
    assert session.nats == {}
    assert SparseL1(weight=0).prior(Code(torch.ones(2, 3, 1))) is None, "a flat prior has no density"


@pytest.mark.parametrize("fields", [{"objective": SparseL1(weight=0.7)}, {**PREDICTIVE, "backbone": Dictionary()}])
def test_the_price_of_a_code_is_reported_in_nats(configure, store, fields):
    session = Session(store, train(configure(**fields), store))
    objective, data = session.config.objective, session.data
    kept = session.status.metrics
    for split, before in (("test", ""), ("validation", "validation_")):
        x = data.floats(data.indices(split))
        h = torch.from_numpy(session.encode(x))
        laplace = torch.distributions.Laplace(0.0, 1 / objective.weight)
        assert kept[f"{before}prior_nats"] == pytest.approx(float(-laplace.log_prob(h).sum(1).mean()), rel=1e-4)
        with torch.no_grad():
            nll = session.config.likelihood.nll(session._model.decode(h), torch.from_numpy(x))
        assert kept[f"{before}reconstruction_nats"] == pytest.approx(float(nll.flatten(1).sum(1).mean()), rel=1e-4)
    assert session.nats["prior_nats"] == kept["prior_nats"]


def test_nats_of_a_run_that_kept_none_are_computed(runs):
    session = runs(objective=SparseL1(weight=0.7))
    kept = dict(session.status.metrics)
    session.status.metrics.clear()
    assert session.nats == pytest.approx({name: value for name, value in kept.items() if name.endswith("_nats")})


# --- filters


def test_filters_of_a_linear_run_are_its_columns_and_weights(runs):
    session = runs(likelihood={"kind": "gaussian", "sigma": 0.2}, objective="sparse_l1", code_dim=5)
    found = session.filters()
    columns = session._model.decoder.layers[0].weight.T.reshape(5, 1, 8, 8).numpy()
    np.testing.assert_allclose(found.decoder, columns, atol=1e-4)
    assert np.array_equal(found.encoder.reshape(5, -1), session._model.encoder.layers[0].weight.numpy())
    rate = session.unit_figures["rate"]
    assert (np.diff(rate[found.order]) <= 0).all()
    assert np.array_equal(found.dead, rate == 0)


def test_filters_of_a_bernoulli_output_are_the_derivative_of_the_mean(runs):
    session = runs(code_dim=4)
    assert session.filters().rate is None
    assert np.array_equal(session.filters().order, session.units_by_effect())
    z = torch.from_numpy(session.code_mean.copy())

    def mean(h):
        return torch.sigmoid(session._model.decode(h[None])[0, 0])

    expected = torch.func.jacrev(mean)(z).movedim(-1, 0).numpy()
    found = decoder_filters(session._model, session.code_mean, np.full(4, 0.05, np.float32))
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_a_deep_encoder_looks_for_no_single_picture(session):
    assert session.filters().encoder is None


def test_drawn_filters_are_white_at_0_coloured_by_sign_and_grey_when_dead(session):
    found = session.filters()
    signed = np.zeros((6, 1, 8, 8), np.float32)
    signed[:, 0, 0, 0], signed[:, 0, 0, 1] = 3, -1.5
    found.dead[:], found.dead[found.order[1]] = False, True
    drawn = found.drawn(signed, 4)
    assert drawn.shape == (4, 3, 8, 8)
    assert (drawn[:, :, 1:] == 255).all()
    assert drawn[0, 0, 0, 0] > drawn[0, 2, 0, 0], "orange above 0"
    assert drawn[0, 0, 0, 1] < drawn[0, 2, 0, 1], "blue below"
    assert (drawn[1] == drawn[1, :1]).all()


# --- contraction


@pytest.mark.parametrize(
    "backbone", [Mlp(widths=(7,), code_activation="tanh"), Conv(widths=(3,)), Dictionary()], ids=str
)
def test_the_estimate_is_unbiased_over_all_signs(backbone):
    """The mean of ‖vᵀJ‖² over all 2^K sign vectors is exactly ‖J‖²."""
    encoder = backbone.build((1, 8, 8), 4, 1, 1)[0].double()
    x = images(3).double()
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=4)), dtype=torch.float64)
    mean = torch.stack([along(encoder, x, v.expand(3, 4)) for v in signs]).mean(0)
    exact = Encoder.jacobian_squared_norm(encoder, x)
    torch.testing.assert_close(mean, exact)
    weights = list(encoder.parameters())
    options = {"allow_unused": True, "materialize_grads": True}
    found, expected = (torch.autograd.grad(norm.sum(), weights, **options) for norm in (mean, exact))
    torch.testing.assert_close(found, expected)


def test_more_probes_come_nearer_and_equal_seeds_agree(configure):
    model, x = build(configure(backbone="conv", code_dim=16), (1, 8, 8)), images(20)
    batch = Batch(x, x)
    exact = Contractive(weight=1).terms(model, batch, generator())["contraction"].detach()
    errors = {}
    for probes in (1, 64):
        objective = Contractive(weight=1, estimate="hutchinson", probes=probes)
        found = objective.terms(model, batch, generator(1))["contraction"]
        assert torch.equal(found, objective.terms(model, batch, generator(1))["contraction"])
        errors[probes] = float((found.detach() - exact).square().mean())
    assert errors[64] < errors[1] / 16
    with torch.no_grad():
        torch.testing.assert_close(objective.terms(model, batch, generator(1))["contraction"], found.detach())


def test_an_estimated_contraction_trains_a_deep_encoder(configure):
    norms = []
    for weight in (0.0, 1.0):
        objective = Contractive(weight=weight, estimate="hutchinson")
        config = configure(
            objective=objective, backbone=Mlp(widths=(24,)), training={"epochs": 5, "learning_rate": 5e-3}
        )
        trainer = Trainer(config, config.dataset.load())
        trainer.run()
        norms.append(float(trainer.model.encoder.jacobian_squared_norm(trainer.held_out).detach().mean()))
    assert norms[1] < 0.5 * norms[0]
