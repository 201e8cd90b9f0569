"""Objectives: finite terms per image, gradients everywhere, a falling loss, and the formulas themselves."""

import math
import re

import pytest
import torch
from toolbox import BACKBONES, LIKELIHOODS, OBJECTIVES, generator, images, part
from torch.distributions import Normal, kl_divergence

from aecore.foundation.errors import BadSettings
from aecore.model.autoencoder import build
from aecore.parts.contracts import Batch, Encoder
from aecore.parts.objectives import Contractive, SparseL1, Variational

SMALL = {
    "mlp": {"kind": "mlp", "widths": [16]}, "conv": {"kind": "conv", "widths": [8, 8]},
    "gru": {"kind": "gru", "width": 8}, "transformer": {"kind": "transformer", "width": 8, "depth": 1, "heads": 2},
}  # fmt: skip
"""Smaller networks than the defaults."""


def refused(configure, **fields) -> bool:
    """True if parts refuse to work together; then they name a field and its remedy."""
    words = ""
    try:
        configure(**fields)
    except BadSettings as refusal:
        words = str(refusal)
    assert not words or re.search(r"\b(\w+): .*use \1=\w+", words)
    return bool(words)


def model_for(configure, objective, **fields):
    return build(configure(objective=objective, **fields), (1, 8, 8))


PAIRS = [
    (kind, backbone, LIKELIHOODS[(i + j) % len(LIKELIHOODS)])
    for i, kind in enumerate(OBJECTIVES)
    for j, backbone in enumerate(BACKBONES)
]
"""All pairs of objective and backbone, of objective and likelihood, of backbone and likelihood."""
PAIRS += [("predictive_sparse", "dictionary", "gaussian")]


@pytest.mark.parametrize(("kind", "backbone", "likelihood"), PAIRS)
def test_objective_is_finite_per_image_and_falls(configure, kind, backbone, likelihood):
    objective = part("objectives", kind)
    if refused(configure, objective=objective, likelihood=likelihood, backbone=backbone):
        return
    model = model_for(configure, objective, likelihood=likelihood, backbone=SMALL.get(backbone, backbone))
    batch = Batch(images(16), images(16))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)

    def loss():
        terms = objective.terms(model, batch, generator(5))
        assert next(iter(terms)) == "reconstruction"
        assert all(term.shape == (16,) and bool(term.isfinite().all()) for term in terms.values())
        return torch.stack(list(terms.values())).sum(0).mean()

    before = loss()
    before.backward()
    assert all(w.grad is not None and float(w.grad.abs().max()) > 0 for w in model.parameters())
    for _ in range(6):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
        objective.after_step(model)
    assert loss().item() < before.item()
    report = objective.unit_report(model.encode(batch.clean))
    assert all(figures.shape == (6,) and bool(figures.isfinite().all()) for figures in report.values())


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_the_sum_of_terms_does_not_depend_on_batch_mates(configure, kind):
    """Per-image terms: those of an image are the same in a batch of one, given the same noise."""
    objective = part("objectives", kind)
    model, x = model_for(configure, objective), images(5)
    together = objective.terms(model, Batch(x, x), generator(2))
    alone = objective.terms(model, Batch(x[:1], x[:1]), generator(2))
    for name, term in alone.items():
        # A generator draws other noise for another batch size; a mean activity is the batch's own.
        if (kind, name) not in (("variational", "reconstruction"), ("sparse_kl", "sparsity")):
            torch.testing.assert_close(term[0], together[name][0])


def test_kl_equals_that_of_the_distributions(configure):
    model = model_for(configure, Variational())
    code = model.encode(images(7))
    expected = kl_divergence(Normal(code.mean, (0.5 * code.log_variance).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(Variational.kl(code), expected)
    terms = Variational(beta=3).terms(model, Batch(images(7), images(7)), generator())
    torch.testing.assert_close(terms["kl"], 3 * expected.sum(1))
    torch.testing.assert_close(Variational().unit_report(code)["kl"], expected.mean(0))


def test_the_variational_reconstruction_is_the_expectation_over_the_code(configure):
    """The mean over many draws of the code equals a direct Monte-Carlo estimate with torch's own distribution."""
    model, x = model_for(configure, Variational(), code_dim=2), images(1)
    with torch.no_grad():
        repeated = x.expand(4000, -1, -1, -1)
        found = Variational().terms(model, Batch(repeated, repeated), generator())["reconstruction"]
        code = model.encode(x)
        torch.manual_seed(1)
        z = Normal(code.mean[0], (0.5 * code.log_variance[0]).exp()).sample((4000,))
        direct = model.likelihood.nll(model.decode(z), repeated).flatten(1).sum(1)
    standard_error = float(torch.hypot(found.std(), direct.std())) / math.sqrt(4000)
    assert float(found.mean()) == pytest.approx(float(direct.mean()), abs=5 * standard_error)
    assert float(found.std()) > 0


def test_sparsity_and_contraction_are_weighted_sums_over_units(configure):
    x = images(3)
    model = model_for(configure, SparseL1())
    terms = SparseL1(weight=2.5).terms(model, Batch(x, x), generator())
    torch.testing.assert_close(terms["sparsity"], 2.5 * model.encode(x).mean.abs().sum(1))
    terms = Contractive(weight=0.5).terms(model, Batch(x, x), generator())
    torch.testing.assert_close(terms["contraction"], 0.5 * Encoder.jacobian_squared_norm(model.encoder, x))


@pytest.mark.parametrize("objective", [SparseL1(weight=0), Contractive(weight=0)], ids=str)
def test_a_weight_of_0_leaves_plain_reconstruction(configure, objective):
    model, x = model_for(configure, objective), images(3)
    terms = objective.terms(model, Batch(x, x), generator())
    plain = part("objectives", "reconstruction").terms(model, Batch(x, x), generator())
    torch.testing.assert_close(sum(terms.values()), plain["reconstruction"])
