import numpy as np
import pytest
import sklearn.mixture

from aecore.foundation.errors import BadInput
from aecore.parts.looking import Sampler
from aecore.parts.registry import make, members
from aecore.parts.samplers import Empirical, Gaussian, Mixture, Normal

KINDS = members("samplers", Sampler)


def blobs(n=600, k=5, seed=0):
    """Two clusters far apart, with correlated units inside each."""
    rng = np.random.default_rng(seed)
    spread = rng.standard_normal((n, k)) @ (np.eye(k) + 0.5)
    return (spread + 12 * rng.choice([-1, 1], n)[:, None]).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_every_sampler_is_repeatable_by_seed(kind):
    sampler, codes = make("samplers", Sampler, kind), blobs()
    one = sampler.sample(codes, 7, seed=1)
    assert one.shape == (7, 5)
    assert one.dtype == np.float32
    assert np.isfinite(one).all()
    np.testing.assert_array_equal(one, sampler.sample(codes, 7, seed=1))
    assert not np.array_equal(one, sampler.sample(codes, 7, seed=2))
    assert sampler.sample(codes, 0, seed=1).shape == (0, 5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "codes",
    [np.ones((1, 3)), np.ones((20, 3)), np.eye(4, 50), np.arange(30.0)[:, None], np.tile(np.eye(2), (40, 1))],
    ids=["one code", "constant", "more units than codes", "one unit", "two distinct codes"],
)
def test_every_sampler_survives_degenerate_codes(kind, codes):
    drawn = make("samplers", Sampler, kind).sample(codes.astype(np.float32), 9, seed=0)
    assert drawn.shape == (9, codes.shape[1])
    assert np.isfinite(drawn).all()


@pytest.mark.parametrize("sampler", [Empirical(), Gaussian(), Mixture()])
@pytest.mark.parametrize("codes", [np.zeros((0, 3)), np.full((5, 3), np.nan)], ids=["none", "nan"])
def test_samplers_that_look_at_the_codes_refuse_unusable_ones(sampler, codes):
    with pytest.raises(BadInput, match="codes"):
        sampler.sample(codes, 3, seed=0)


def test_normal_has_mean_0_and_covariance_1():
    drawn = Normal().sample(blobs(), 20_000, seed=0)
    np.testing.assert_allclose(drawn.mean(0), 0, atol=0.05)
    np.testing.assert_allclose(np.cov(drawn.T), np.eye(5), atol=0.05)


def test_empirical_keeps_each_unit_and_forgets_their_correlation():
    codes = blobs()
    drawn = Empirical().sample(codes, 20_000, seed=0)
    for unit in range(5):
        assert np.isin(drawn[:, unit], codes[:, unit]).all()
    np.testing.assert_allclose(
        np.quantile(drawn, [0.1, 0.4, 0.9], axis=0), np.quantile(codes, [0.1, 0.4, 0.9], axis=0), atol=0.4
    )
    correlations = np.corrcoef(drawn.T)[~np.eye(5, dtype=bool)]
    assert np.abs(correlations).max() < 0.05
    assert np.corrcoef(codes.T).min() > 0.9


@pytest.mark.parametrize("sampler", [Gaussian(), Mixture()], ids=lambda part: part.kind)
@pytest.mark.parametrize("k", [5, 40], ids=["few units", "more than the principal directions"])
def test_mean_and_covariance_are_those_of_the_codes(sampler, k):
    codes = blobs(k=k)
    drawn = sampler.sample(codes, 20_000, seed=0)
    scale = np.cov(codes.T).max()
    np.testing.assert_allclose(drawn.mean(0), codes.mean(0), atol=0.03 * np.sqrt(scale))
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), atol=0.05 * scale)


def test_gaussian_with_more_units_than_codes_stays_in_their_span():
    codes = np.random.default_rng(0).standard_normal((6, 30)).astype(np.float32)
    drawn = Gaussian().sample(codes, 50, seed=0) - codes.mean(0)
    basis = np.linalg.svd(codes - codes.mean(0))[2][:5]
    np.testing.assert_allclose(drawn @ basis.T @ basis, drawn, atol=1e-4)


def test_mixture_follows_clusters_where_one_gaussian_fills_the_gap():
    codes = blobs()

    def in_the_gap(sampler):
        return (np.abs(sampler.sample(codes, 2000, seed=0).mean(1)) < 5).mean()

    assert in_the_gap(Gaussian()) > 0.2
    assert in_the_gap(Mixture(components=2)) < 0.02


def test_mixture_does_not_draw_component_by_component():
    drawn = Mixture(components=2).sample(blobs(), 400, seed=0).mean(1) > 0
    assert np.count_nonzero(np.diff(drawn)) > 100


def test_mixture_fits_no_more_than_it_can_in_a_moment(monkeypatch):
    fitted = []

    class Recording(sklearn.mixture.GaussianMixture):
        def fit(self, x, y=None):
            fitted.append(x.shape)
            return super().fit(x, y)

    monkeypatch.setattr(sklearn.mixture, "GaussianMixture", Recording)
    codes = np.random.default_rng(0).standard_normal((2500, 200)).astype(np.float32)
    assert Mixture(components=2).sample(codes, 8, seed=0).shape == (8, 200)
    assert fitted == [(2000, 32)]
