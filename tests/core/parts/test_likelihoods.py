"""Likelihoods are those of torch's own distributions, and learned variances end at the mean squared error."""

import math

import pytest
import torch
from toolbox import LIKELIHOODS, generator, part
from torch.distributions import Bernoulli, Categorical, Normal

from aecore.parts.likelihoods import Bernoulli as BernoulliOutput
from aecore.parts.likelihoods import Categorical as CategoricalOutput
from aecore.parts.likelihoods import Gaussian as GaussianOutput
from aecore.parts.likelihoods.gaussian import MIN_VARIANCE


class Greys:
    """torch's `Categorical` over grey levels in [0, 1] instead of their indices."""

    def __init__(self, out):
        self.indices, self.greys = Categorical(logits=out.movedim(1, -1)), torch.linspace(0, 1, out.shape[1])
        self.mean = (self.indices.probs * self.greys).sum(-1)
        self.stddev = ((self.indices.probs * self.greys**2).sum(-1) - self.mean**2).sqrt()

    def sample(self):
        return self.greys[self.indices.sample()]

    def log_prob(self, x):
        return self.indices.log_prob((x * (len(self.greys) - 1)).round())


OUTPUTS = {
    "bernoulli": [(BernoulliOutput(), 1, lambda o: Bernoulli(logits=o[:, 0]))],
    "gaussian": [
        (GaussianOutput(sigma=0.3), 1, lambda o: Normal(o[:, 0], 0.3)),
        (GaussianOutput(learned=True), 2, lambda o: Normal(o[:, 0], (0.5 * o[:, 1]).exp())),
    ],
    "categorical": [
        (CategoricalOutput(levels=2), 2, Greys),
        (CategoricalOutput(levels=17), 17, Greys),
    ],
}
"""Each likelihood at some settings, the numbers a pixel that it reads, and torch's own distribution of them."""
CASES = [pytest.param(*case, id=str(case[0])) for kind in LIKELIHOODS for case in OUTPUTS.get(kind, ())]


def test_every_likelihood_has_its_distribution_here():
    assert set(OUTPUTS) == set(LIKELIHOODS)


@pytest.mark.parametrize(("likelihood", "q", "distribution"), CASES)
def test_nll_mean_and_sample_are_those_of_the_distribution(likelihood, q, distribution):
    out = torch.randn(2, q, 3, 4, 4, generator=generator())
    p = distribution(out)
    torch.manual_seed(0)
    target = p.sample()
    torch.testing.assert_close(likelihood.nll(out, target), -p.log_prob(target))
    torch.testing.assert_close(likelihood.mean(out), p.mean)
    assert torch.equal(likelihood.sample(out, generator(1)), likelihood.sample(out, generator(1)))
    many = likelihood.sample(out.repeat(4000, 1, 1, 1, 1), generator(2)).reshape(4000, 2, 3, 4, 4)
    # Five standard errors, over 96 pixels.
    assert bool(((many.mean(0) - p.mean).abs() <= 5 * p.stddev / math.sqrt(4000)).all())
    torch.testing.assert_close(many.std(0), p.stddev, rtol=0.15, atol=0.01)


@pytest.mark.parametrize(("likelihood", "q", "distribution"), CASES)
def test_the_decoder_gives_what_the_likelihood_reads(likelihood, q, distribution):
    """`params_per_output` numbers of the decoder and those that `build` appends are the q above."""
    decoded = torch.randn(2, likelihood.params_per_output, 3, 4, 4, generator=generator())
    assert likelihood.build((3, 4, 4))(decoded).shape == (2, q, 3, 4, 4)


@pytest.mark.parametrize(("likelihood", "q", "distribution"), CASES)
def test_nll_stays_finite_far_from_the_target(likelihood, q, distribution):
    # The decoder's own numbers: a learned variance is no output that could run off.
    decoded = torch.zeros(2, likelihood.params_per_output, 1, 1, 1)
    decoded[:, 0, 0, 0, 0] = torch.tensor([-1e4, 1e4])
    decoded.requires_grad_()
    nll = likelihood.nll(likelihood.build((1, 1, 1))(decoded), torch.tensor([1.0, 0.0]).reshape(2, 1, 1, 1))
    nll.sum().backward()
    assert bool(nll.isfinite().all() & decoded.grad.isfinite().all())


@pytest.mark.parametrize("levels", [2, 5, 16, 64])
def test_a_softmax_over_grey_levels_takes_the_nearest_and_returns_it(levels):
    likelihood = CategoricalOutput(levels=levels)
    x = torch.rand(2, 3, 4, 5, generator=generator())
    nearest = (x[:, None] - torch.linspace(0, 1, levels).reshape(-1, 1, 1, 1)).abs().argmin(1)
    out = 100 * torch.nn.functional.one_hot(nearest, levels).movedim(-1, 1).float()
    assert float(likelihood.nll(out, x).max()) < 1e-6
    assert float((likelihood.sample(out, generator()) - x).abs().max()) <= 0.5 / (levels - 1) + 1e-6
    torch.testing.assert_close(likelihood.mean(out), likelihood.sample(out, generator()))


def test_the_digits_are_on_the_grid_of_17_levels():
    """So nothing is lost by the softmax of the recipe for them."""
    x = part("datasets", "digits").load().floats(slice(0, 100))
    assert abs(x * 16 - (x * 16).round()).max() < 0.04


def test_a_learned_variance_is_the_mean_squared_error_of_each_channel_at_the_optimum():
    likelihood = GaussianOutput(sigma=0.5, learned=True)
    head = likelihood.build((3, 6, 6))
    decoded, scale = torch.zeros(200, 1, 3, 6, 6), torch.tensor([0.02, 0.2, 2.0]).reshape(3, 1, 1)
    target = scale * torch.randn(200, 3, 6, 6, generator=generator())
    optimiser = torch.optim.LBFGS(head.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        value = likelihood.nll(head(decoded), target).mean()
        value.backward()
        return value

    optimiser.step(loss)
    found = head(decoded)[0, 1, :, 0, 0].exp()
    torch.testing.assert_close(found, target.square().mean((0, 2, 3)), rtol=1e-3, atol=1e-6)


def test_a_learned_variance_has_a_floor_and_comes_back_from_it():
    """A channel copied exactly does not make the likelihood infinite, and an error later on lifts σ again."""
    likelihood = GaussianOutput(sigma=0.001, learned=True)
    head = likelihood.build((1, 2, 2))
    with torch.no_grad():
        head.log_excess.fill_(-1e4)
    out = head(torch.zeros(1, 1, 1, 2, 2))
    torch.testing.assert_close(out[0, 1].exp(), torch.full((1, 2, 2), MIN_VARIANCE))
    with torch.no_grad():
        head.log_excess.fill_(-15)
    nll = likelihood.nll(head(torch.zeros(1, 1, 1, 2, 2)), torch.ones(1, 1, 2, 2)).sum()
    nll.backward()
    assert bool(nll.isfinite())
    assert float(head.log_excess.grad) < -1
