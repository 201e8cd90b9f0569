"""Proximal gradient finds the codes that scikit-learn's coordinate descent finds, at the speed theory promises."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import sparse_encode
from sklearn.linear_model import Lasso
from torch.nn import functional as F

from aecore.parts.sparse_coding import energy, fista, ista, laplace, lipschitz, shrink


def problem(d=20, k=35, n=12, seed=0):
    g = torch.Generator().manual_seed(seed)
    dictionary = F.normalize(torch.randn(d, k, generator=g, dtype=torch.float64), dim=0)
    return torch.randn(n, d, generator=g, dtype=torch.float64), dictionary


def test_shrinkage_is_the_proximal_map_of_the_absolute_value():
    a = torch.linspace(-2, 2, 41, dtype=torch.float64)
    z = torch.linspace(-3, 3, 6001, dtype=torch.float64)
    cost = 0.5 * (z[None] - a[:, None]).square() + 0.7 * z.abs()
    torch.testing.assert_close(shrink(a, 0.7), z[cost.argmin(1)], atol=1e-3, rtol=0)


@pytest.mark.parametrize(("method", "weight"), [(ista, 0.5), (fista, 0.5), (fista, 0.05)])
def test_codes_are_those_of_coordinate_descent(method, weight):
    x, dictionary = problem()
    found = method(x, dictionary, weight, 4000)
    options = {"max_iter": 10_000, "tol": 1e-12}
    expected = sparse_encode(x.numpy(), dictionary.T.numpy(), algorithm="lasso_cd", alpha=weight, max_iter=10_000)
    single = Lasso(alpha=weight / x.shape[1], fit_intercept=False, **options).fit(dictionary.numpy(), x[0].numpy())
    least = energy(x, dictionary, torch.from_numpy(expected), weight)
    # scikit-learn stops at its own tolerance, so ours may be a little better.
    assert bool((energy(x, dictionary, found, weight) <= least + 1e-6).all())
    torch.testing.assert_close(found[0], torch.from_numpy(single.coef_), atol=1e-4, rtol=0)


def test_the_minimum_meets_the_conditions_of_optimality():
    """|D_kᵀ(x − D z)| ≤ λ everywhere, and equal to λ sign(z_k) where z_k is not 0."""
    x, dictionary = problem(seed=1)
    z = fista(x, dictionary, 0.3, 4000)
    slope = (x - z @ dictionary.T) @ dictionary
    assert float(slope.abs().max()) <= 0.3 + 1e-6
    torch.testing.assert_close(slope[z != 0], 0.3 * z[z != 0].sign(), atol=1e-6, rtol=0)


def test_ista_never_rises_and_fista_keeps_its_bound():
    """E(z_n) − E* ≤ 2L‖z*‖² / (n + 1)² (Beck & Teboulle 2009, theorem 4.4)."""
    x, dictionary = problem(n=5, seed=2)
    best = fista(x, dictionary, 0.1, 6000)
    least, limit = energy(x, dictionary, best, 0.1), lipschitz(dictionary.T @ dictionary)
    before = energy(x, dictionary, torch.zeros_like(best), 0.1)
    for n in (1, 2, 5, 10, 20, 50):
        now = energy(x, dictionary, ista(x, dictionary, 0.1, n), 0.1)
        assert bool((now <= before + 1e-12).all())
        before = now
        above = energy(x, dictionary, fista(x, dictionary, 0.1, n), 0.1) - least
        assert bool((above <= 2 * limit * best.square().sum(1) / (n + 1) ** 2).all())
    assert bool((above < now - least).all()), "after 50 steps the momentum has paid"


@pytest.mark.parametrize("seed", range(5))
def test_the_step_is_safe_and_hardly_shorter_than_it_may_be(seed):
    _, dictionary = problem(d=15 + 10 * seed, seed=seed)
    gram = dictionary.T @ dictionary
    largest = float(torch.linalg.eigvalsh(gram)[-1])
    assert largest <= float(lipschitz(gram)) <= 1.06 * largest


def test_a_large_price_leaves_nothing_and_a_start_is_kept():
    x, dictionary = problem()
    assert not fista(x, dictionary, float((x @ dictionary).abs().max()) + 1e-9, 50).any()
    start = torch.ones(len(x), dictionary.shape[1], dtype=torch.float64)
    assert torch.equal(fista(x, dictionary, 0.1, 0, start), start)


def test_half_precision_around_it_changes_nothing():
    x, dictionary = (a.float() for a in problem())
    plain = fista(x, dictionary, 0.2, 100)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(fista(x, dictionary, 0.2, 100), plain)


def test_the_laplace_prior_is_that_of_torch_and_sums_to_one():
    z, weight = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), 1.7
    expected = -torch.distributions.Laplace(0.0, 1 / weight).log_prob(z).sum(1)
    torch.testing.assert_close(laplace(z, weight), expected)
    line = torch.linspace(-30, 30, 200_001, dtype=torch.float64)[:, None]
    density = np.exp(-laplace(line, weight).numpy())
    assert np.trapezoid(density, line[:, 0].numpy()) == pytest.approx(1, abs=1e-6)
