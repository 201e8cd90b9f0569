"""Encoder and decoder as distributions: draws, the chain x → h → x → …, log p(x) against closed forms, dead units."""

import math

import numpy as np
import pytest
import torch

import aecore
from aecore.foundation.errors import BadInput
from aecore.model import generative
from aecore.model.analysis import COLLAPSED_NATS
from aecore.model.autoencoder import build
from aecore.model.config import parse
from aecore.parts.contracts import Batch
from aecore.session.inputs import MAX_IMAGES
from aecore.session.session import Session
from aecore.training.run import train


@pytest.fixture
def images(session):
    return session.gallery(5).images


@pytest.fixture
def plain(configure, store):
    """A run whose encoder gives points, trained for a moment."""
    return Session(store, train(configure(training={"epochs": 1}), store))


# --- draws


def test_codes_are_drawn_from_the_encoders_normal_distribution(session, images):
    drawn = session.draw_codes(images, 2000, seed=3)
    assert session.stochastic_encoder
    assert drawn.shape == (5, 2000, 6)
    code = session._model.encode(torch.from_numpy(images))
    mean, sigma = code.mean.numpy(), (0.5 * code.log_variance).exp().numpy()
    assert (np.abs(drawn.mean(1) - mean) <= 5 * sigma / math.sqrt(2000)).all()
    np.testing.assert_allclose(drawn.std(1), sigma, rtol=0.1)
    np.testing.assert_array_equal(drawn, session.draw_codes(images, 2000, seed=3))
    assert not np.array_equal(drawn, session.draw_codes(images, 2000, seed=4))


def test_an_encoder_of_points_draws_the_point_itself(plain):
    images = plain.gallery(3).images
    assert not plain.stochastic_encoder
    np.testing.assert_array_equal(plain.draw_codes(images, 4), np.repeat(plain.encode(images)[:, None], 4, 1))


def test_images_are_drawn_around_the_decoders_mean(session):
    drawn = session.draw_images(session.codes[:3], 3000, seed=1)
    assert drawn.shape == (3, 3000, 1, 8, 8)
    assert set(np.unique(drawn)) == {0, 1}, "each pixel of a Bernoulli output is on or off"
    mean = session.decode(session.codes[:3])
    assert (np.abs(drawn.mean(1) - mean) <= 5 * np.sqrt(mean * (1 - mean) / 3000) + 1e-3).all()
    np.testing.assert_array_equal(drawn[0, :7], session.draw_images(session.codes[:3], 7, seed=1)[0])


@pytest.mark.parametrize("n", [0, -1, MAX_IMAGES + 1])
def test_impossible_numbers_of_draws_are_refused(session, images, n):
    for act in (session.draw_codes, session.chain, lambda x, n: session.draw_images(session.codes[:1], n)):
        with pytest.raises(BadInput, match="1 to 10000 draws"):
            act(images[:1], n)


# --- the chain


def test_a_step_of_the_chain_is_corruption_code_and_draw(session, images):
    chain = session.chain(images, steps=3, seed=7)
    assert chain.inputs.shape == chain.means.shape == chain.samples.shape == (3, 5, 1, 8, 8)
    assert chain.codes.shape == (3, 5, 6)
    for step in range(3):
        np.testing.assert_allclose(chain.means[step], session.decode(chain.codes[step]), atol=1e-6)
        before = images if step == 0 else chain.samples[step - 1]
        hidden = chain.inputs[step] != before
        assert hidden.any(), "this run's corruption hides pixels"
        assert (chain.inputs[step][hidden] == 0).all()
    assert set(np.unique(chain.samples)) == {0, 1}
    # The codes belong to what the encoder saw: within six standard deviations of its distribution.
    code = session._model.encode(torch.from_numpy(chain.inputs[1]))
    z = (torch.from_numpy(chain.codes[1]) - code.mean) / (0.5 * code.log_variance).exp()
    assert float(z.abs().max()) < 6
    assert float(z.std()) == pytest.approx(1, abs=0.5)


def test_equal_seeds_repeat_the_chain(session, images):
    one, again, other = (session.chain(images, 4, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.samples, again.samples)
    assert not np.array_equal(one.samples, other.samples)


def test_a_chain_at_level_0_feeds_the_draw_itself(session, images):
    chain = session.chain(images, 3, level=0.0)
    np.testing.assert_array_equal(chain.inputs[0], images)
    np.testing.assert_array_equal(chain.inputs[1:], chain.samples[:-1])


def test_distances_of_a_chain_are_squared_errors(session, images):
    chain = session.chain(images, 2)
    data = session.data.floats(session.code_indices)
    reference = session._reference.images
    assert len(reference) == min(len(data), generative.REFERENCE_IMAGES)

    def sse(a, b):
        return np.square(a[:, None].astype(float) - b[None]).sum((2, 3, 4))

    for step in range(2):
        np.testing.assert_allclose(chain.from_start[step], np.diag(sse(chain.means[step], images)), rtol=1e-5)
        np.testing.assert_allclose(chain.from_data[step], sse(chain.means[step], reference).min(1), rtol=1e-5)
    np.testing.assert_allclose(chain.unrelated, sse(images, reference).mean(1), rtol=1e-5)
    among = sse(reference, reference) + np.diag(np.full(len(reference), np.inf))
    assert chain.usual == pytest.approx(np.median(among.min(1)), rel=1e-5)


def chain_with(from_start, from_data):
    """A chain of one image with these distances; unrelated images are 10 apart, neighbours 1."""
    nothing = np.zeros((1, 1, 2, 2), np.float32)
    steps = np.repeat(nothing[None], len(from_start), 0)
    return generative.Chain(
        nothing, steps, np.zeros((len(from_start), 1, 3), np.float32), steps, steps,
        np.array(from_start, float)[:, None], np.array(from_data, float)[:, None], np.full(1, 10.0), 1.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("start", "data", "after", "words"),
    [
        ([1, 5, 9], [1, 1, 1], 3, "After 3 steps the start is forgotten; the pictures stay realistic."),
        ([9, 1], [1, 1], 1, "After 1 step the start is forgotten"),
        ([1, 2, 3], [1, 1, 1], None, "Slow mixing: after 3 steps it has gone 30% of the way"),
        ([1, 2, 9], [1, 2, 5], 3, "drift away from the data, to 5.0 times"),
    ],
)
def test_a_chain_says_how_it_mixes(start, data, after, words):
    chain = chain_with(start, data)
    assert chain.forgotten_after == after
    assert words in chain.words


def test_denoising_training_makes_encoder_and_decoder_compatible():
    """With the noise of its training the chain stays at the data and forgets its start; without it, or of a plain
    autoencoder, the pictures leave the data.
    """
    denoiser, plain = aecore.open("digits-denoising"), aecore.open("digits-undercomplete")
    images = denoiser.gallery(30).images
    noisy = denoiser.chain(images, 30)
    assert noisy.from_data[-1].mean() < 1.6 * noisy.usual
    assert noisy.from_start[-1].mean() > 0.7 * noisy.unrelated.mean()
    for other in (denoiser.chain(images, 30, level=0.0), plain.chain(images, 30)):
        assert other.from_data[-1].mean() > 1.3 * noisy.from_data[-1].mean()


# --- log p(x)


def linear_gaussian(configure):
    """A model with known p(x) = N(c, V Vᵀ + σ² I), its encoder near the exact posterior but not equal to it."""
    config = configure(
        backbone="linear", likelihood={"kind": "gaussian", "sigma": 0.5}, objective="variational", code_dim=2
    )
    model = build(config, (1, 3, 2))
    random = torch.Generator().manual_seed(5)
    v, c = torch.randn(6, 2, generator=random), torch.randn(6, generator=random)
    precision = torch.eye(2) + v.T @ v / 0.25
    posterior = torch.linalg.solve(precision, v.T / 0.25)
    with torch.no_grad():
        decoder, encoder = model.decoder.layers[0], model.encoder.layers[0]
        decoder.weight.copy_(v)
        decoder.bias.copy_(c)
        encoder.weight[0::2] = posterior  # the mean, next to each the log variance
        encoder.weight[1::2] = 0
        encoder.bias[0::2] = -posterior @ c + 0.1
        encoder.bias[1::2] = torch.linalg.inv(precision).diagonal().log() + 0.4
    x = (torch.randn(40, 2, generator=random) @ v.T + c + 0.5 * torch.randn(40, 6, generator=random)).reshape(
        40, 1, 3, 2
    )
    exact = torch.distributions.MultivariateNormal(c, v @ v.T + 0.25 * torch.eye(6)).log_prob(x.flatten(1))
    return model, config.objective, x, exact.detach().double().numpy()


def test_log_p_of_x_converges_to_that_of_a_linear_gaussian_model(configure):
    model, objective, x, exact = linear_gaussian(configure)
    found = generative.log_likelihood(model, objective, x, 20_000, seed=0)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, exact, atol=0.03)


KS = (1, 3, 10, 100)


def test_the_bound_grows_with_the_number_of_samples(configure):
    model, objective, x, exact = linear_gaussian(configure)
    bounds = [generative.log_likelihood(model, objective, x.repeat(1200 // k, 1, 1, 1), k, 0).mean() for k in KS]
    gaps = exact.mean() - np.array(bounds)
    assert (np.diff(gaps) < 0).all()
    assert gaps[0] > 0.1
    assert abs(gaps[-1]) < 0.01


def test_one_sample_gives_the_evidence_lower_bound_in_expectation(configure):
    model, objective, x, _ = linear_gaussian(configure)
    repeated = x[:1].expand(20_000, -1, -1, -1)
    with torch.no_grad():
        terms = objective.terms(model, Batch(repeated, repeated), torch.Generator().manual_seed(1))
    found = generative.log_likelihood(model, objective, repeated, 1, seed=2)
    assert found.mean() == pytest.approx(-float(sum(terms.values()).mean()), abs=5 * found.std() / math.sqrt(10_000))


@pytest.mark.parametrize(
    "likelihood", ["bernoulli", {"kind": "gaussian", "sigma": 1.0, "learned": True}, {"kind": "categorical"}]
)
def test_log_p_of_x_is_the_integral_over_the_code(configure, monkeypatch, likelihood):
    """For one unit the integral can be had by quadrature, whatever the output."""
    model = build(configure(likelihood=likelihood, objective="variational", code_dim=1), (1, 3, 3))
    config = configure(likelihood=likelihood, objective="variational", code_dim=1)
    x = torch.rand(4, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    z = torch.linspace(-9, 9, 4001)[:, None]
    with torch.no_grad():
        out = model.decode(z)
        nll = torch.stack([model.likelihood.nll(out, one.expand(4001, -1, -1, -1)).flatten(1).sum(1) for one in x], 1)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(z)
    exact = torch.logsumexp((normal - nll).double() + math.log(18 / 4000), 0)
    found = generative.log_likelihood(model, config.objective, x, 20_000, seed=0)
    np.testing.assert_allclose(found, exact.numpy(), atol=0.06)
    monkeypatch.setattr(generative, "OUTPUTS_AT_ONCE", 9 * 3000)  # in pieces
    pieces = generative.log_likelihood(model, config.objective, x, 20_000, seed=0)
    np.testing.assert_allclose(pieces, exact.numpy(), atol=0.06)


def test_a_run_without_a_prior_is_refused_in_words(session, images, plain):
    assert session.log_likelihood(images, 5).shape == (5,)
    with pytest.raises(BadInput, match=r"needs a model.*'?reconstruction.* take a variational run"):
        plain.log_likelihood(plain.gallery(2).images, 5)
    with pytest.raises(BadInput, match="not 0"):
        session.log_likelihood(images, 0)


def test_pixels_are_drawn_with_their_grey_as_probability():
    x = np.full((300, 1, 8, 8), 0.3, np.float32)
    drawn = generative.binarised(x, seed=1)
    assert set(np.unique(drawn)) == {0, 1}
    assert drawn.mean() == pytest.approx(0.3, abs=5 * math.sqrt(0.21 / x.size))
    np.testing.assert_array_equal(drawn, generative.binarised(x, seed=1))
    np.testing.assert_array_equal(generative.binarised(np.round(x), 0), np.round(x))


# --- collapsed units


def test_units_that_cost_more_than_they_carry_collapse(configure, store, tmp_path):
    """Images of two factors, five units and a large β: two units are kept, three carry nothing."""
    random = np.random.default_rng(0)
    strength, pattern = random.random((400, 2)), np.kron(np.eye(2), np.ones((2, 2)))[[0, 2]].repeat(4, 0)
    images = np.rint(255 * (strength @ pattern.reshape(2, -1))).reshape(400, 1, 4, 4).astype(np.uint8)
    np.savez(tmp_path / "two.npz", images=images)
    config = configure(
        dataset={"kind": "npz", "path": str(tmp_path / "two.npz")}, likelihood="gaussian", code_dim=5,
        objective={"kind": "variational", "beta": 20}, backbone={"kind": "mlp", "widths": [16]},
        training={"epochs": 120, "batch_size": 40, "learning_rate": 2e-2, "precision": "float32"},
    )  # fmt: skip
    session = Session(store, train(config, store))
    kl = session.unit_figures["kl"]
    np.testing.assert_array_equal(session.collapsed, kl < COLLAPSED_NATS)
    assert session.collapsed.sum() == 3
    assert kl[~session.collapsed].min() > 0.3
    assert session.status.metrics["collapsed_units"] == 3
    drawn = session.draw_codes(session.gallery(50).images, 200)[:, :, session.collapsed]
    assert np.abs(drawn.mean((1, 2))).max() < 0.3, "whatever the image"
    assert drawn.std() == pytest.approx(1, abs=0.1)


def test_a_run_without_kl_has_no_collapsed_units(plain):
    assert not plain.collapsed.any()
    assert "collapsed_units" not in plain.status.metrics


# --- refusals


@pytest.mark.parametrize("likelihood", ["categorical", "bernoulli"])
def test_an_output_for_pictures_refuses_other_data_and_names_the_remedy(configure, hold, likelihood):
    dataset = hold(np.random.default_rng(0).normal(size=(20, 1, 2, 2)).astype(np.float32), value_range=None)
    with pytest.raises(Exception, match=r"likelihood: .* need.* data in \[0, 1\]; use likelihood=gaussian"):
        parse(
            {
                **configure().model_dump(),
                "dataset": type("Real", (type(dataset),), {"value_range": None})(),
                "likelihood": likelihood,
            }
        )


def test_grey_levels_refuse_tied_weights(configure):
    with pytest.raises(Exception, match=r"backbone\.tied: .* set backbone\.tied=false"):
        configure(likelihood="categorical", backbone={"kind": "linear", "tied": True})
    configure(likelihood={"kind": "gaussian", "learned": True}, backbone={"kind": "linear", "tied": True})
