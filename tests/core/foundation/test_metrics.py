import inspect
import math

import numpy as np
import pytest
import skimage.metrics
import sklearn.manifold
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from aecore.foundation import geometry, metrics
from aecore.foundation.errors import BadInput


def pictures(n, c, h, w, seed=0):
    return np.random.default_rng(seed).random((n, c, h, w), dtype=np.float32)


def test_sse_and_mse_are_the_sum_and_mean_over_pixels_and_channels():
    x = np.zeros((2, 3, 4, 5), np.float32)
    r = x.copy()
    r[1] = 0.5
    np.testing.assert_allclose(metrics.sse(x, r), [0, 3 * 4 * 5 * 0.25])
    np.testing.assert_allclose(metrics.mse(x, r), [0, 0.25])


def test_errors_refuse_to_broadcast():
    # Unwrapped, because under pytest the type checker would refuse first.
    for figure in (metrics.sse, metrics.ssim):
        with pytest.raises(ValueError, match="cannot be compared"):
            inspect.unwrap(figure)(pictures(2, 1, 8, 8), pictures(1, 1, 8, 8))


@pytest.mark.parametrize("shape", [(5, 1, 8, 8), (5, 3, 32, 32), (4, 1, 28, 28)])
def test_psnr_equals_skimage(shape):
    x, r = pictures(*shape), pictures(*shape, seed=1)
    expected = [skimage.metrics.peak_signal_noise_ratio(a, b, data_range=1) for a, b in zip(x, r, strict=True)]
    np.testing.assert_allclose(metrics.psnr(x, r), expected, rtol=1e-6)


def test_noise_r2_of_copies_means_and_projections():
    x = metrics.noise_images((1, 8, 8), n=2000, seed=3)
    assert x.dtype == np.float32
    assert abs(x.mean() - 0.5) < 0.01
    assert abs(x.var() - 1 / 12) < 0.002
    assert metrics.noise_r2(x, x) == 1
    assert metrics.noise_r2(x, np.full_like(x, x.mean())) == pytest.approx(0, abs=1e-6)
    assert metrics.noise_r2(x, 1 - x) == pytest.approx(-3, abs=0.01)
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(64, 16)))[0]
    onto = ((x - 0.5).reshape(-1, 64) @ axes @ axes.T + 0.5).reshape(x.shape).astype(np.float32)
    assert metrics.noise_r2(x, onto) == pytest.approx(16 / 64, abs=0.01), "a projection keeps its share of directions"


def test_noise_images_follow_from_the_seed_and_fill_their_range():
    a, b = metrics.noise_images((3, 4, 5), (-2.0, 2.0)), metrics.noise_images((3, 4, 5), (-2.0, 2.0), seed=1)
    assert np.array_equal(a, metrics.noise_images((3, 4, 5), (-2.0, 2.0)))
    assert not np.array_equal(a, b)
    assert -2 <= a.min() < -1.9 < 1.9 < a.max() <= 2


def test_psnr_of_identical_pictures_is_infinite():
    x = pictures(2, 1, 8, 8)
    assert np.isposinf(metrics.psnr(x, x)).all()


def test_psnr_of_the_mean_error_is_below_the_mean_of_the_psnrs():
    x = pictures(6, 1, 8, 8)
    r = x + np.linspace(0.01, 0.5, 6, dtype=np.float32)[:, None, None, None]
    of_mean = float(metrics.decibels(metrics.mse(x, r).mean()))
    assert of_mean < metrics.psnr(x, r).mean()
    assert of_mean == pytest.approx(10 * math.log10(1 / metrics.mse(x, r).mean()))


@pytest.mark.parametrize(
    "shape", [(3, 1, 8, 8), (3, 3, 32, 32), (3, 1, 28, 28), (2, 1, 5, 9), (2, 3, 3, 4), (2, 1, 6, 6)]
)
def test_ssim_equals_skimage(shape):
    x = pictures(*shape)
    r = (x + 0.2 * pictures(*shape, seed=1)).astype(np.float32)
    side = min(7, *(s if s % 2 else s - 1 for s in shape[2:]))
    expected = [
        skimage.metrics.structural_similarity(
            a.astype(np.float64), b.astype(np.float64), win_size=side, data_range=1, channel_axis=0
        )
        for a, b in zip(x, r, strict=True)
    ]
    np.testing.assert_allclose(metrics.ssim(x, r), expected, rtol=1e-9)


def test_ssim_of_identical_and_of_constant_pictures_is_one():
    x = pictures(2, 3, 8, 8)
    flat = np.full((1, 1, 8, 8), 0.3, np.float32)
    np.testing.assert_allclose(metrics.ssim(x, x), 1)
    np.testing.assert_allclose(metrics.ssim(flat, flat), 1)


def test_ssim_says_why_tiny_pictures_have_none():
    with pytest.raises(BadInput, match="3 × 3"):
        metrics.ssim(pictures(1, 1, 2, 9), pictures(1, 1, 2, 9))


def test_ssim_filters_all_pictures_at_once(monkeypatch):
    filtered = []
    window_mean = metrics._window_mean
    monkeypatch.setattr(metrics, "_window_mean", lambda x, side: filtered.append(len(x)) or window_mean(x, side))
    metrics.ssim(pictures(16, 1, 28, 28), pictures(16, 1, 28, 28, seed=1))
    assert filtered == [16] * 4


def test_stress_is_zero_for_a_map_in_another_scale_turn_and_place():
    plane = np.random.default_rng(0).standard_normal((30, 2))
    turned = 7 * plane @ np.array([[0, 1.0], [-1, 0]]) + 5
    assert metrics.stress_1(geometry.distances(plane), turned) == pytest.approx(0, abs=1e-12)


def test_stress_of_three_points_by_hand():
    delta = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0.0]])
    line = np.array([[0.0], [1], [2]])
    # d = 1, 1, 2; u = 4/3; residuals 1/3, 1/3, -2/3.
    assert metrics.stress_1(delta, line) == pytest.approx(math.sqrt((1 + 1 + 4) / 9 / 6))


@given(st.integers(0, 10_000), st.floats(1e-3, 1e3))
@settings(max_examples=25, deadline=None)
def test_stress_lies_in_0_1_and_ignores_units(seed, unit):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((8, 5)), rng.standard_normal((8, 2))
    stress = metrics.stress_1(geometry.distances(x), y)
    assert 0 <= stress <= 1
    assert metrics.stress_1(unit * geometry.distances(x), y * 3) == pytest.approx(stress)


def test_stress_of_collapsed_maps():
    zeros, apart = np.zeros((4, 2)), np.eye(4)
    assert metrics.stress_1(geometry.distances(apart), zeros) == 1
    assert metrics.stress_1(geometry.distances(zeros), zeros) == 0


@pytest.mark.parametrize(
    ("stress", "word"),
    [(0.0, "perfect"), (0.02, "excellent"), (0.05, "good"), (0.08, "fair"), (0.2, "poor"), (0.4, "poor")],
)
def test_kruskal_words(stress, word):
    assert metrics.kruskal_words(stress) == word


def test_trustworthiness_equals_sklearn_and_is_one_for_the_data_themselves():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 6)), rng.standard_normal((60, 2))
    expected = sklearn.manifold.trustworthiness(x, y, n_neighbors=7)
    assert metrics.trustworthiness(geometry.distances(x), y, k=7) == pytest.approx(expected)
    assert metrics.trustworthiness(geometry.distances(x), x) == 1
    assert metrics.trustworthiness_words(1.0) == "very high"
    assert metrics.trustworthiness_words(0.5) == "low"


def test_trustworthiness_refuses_too_few_points():
    with pytest.raises(BadInput, match="more than 10 points"):
        metrics.trustworthiness(np.zeros((10, 10)), np.zeros((10, 2)), k=5)


@pytest.mark.parametrize("k", [1, 7])
def test_continuity_is_trustworthiness_with_the_sides_exchanged(k):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 6)), rng.standard_normal((60, 2))
    expected = sklearn.manifold.trustworthiness(y, x, n_neighbors=k)
    assert metrics.continuity(geometry.distances(x), y, k) == pytest.approx(expected)
    assert metrics.continuity(geometry.distances(x), x) == 1
    with pytest.raises(BadInput, match="more than 10 points"):
        metrics.continuity(np.zeros((10, 10)), np.zeros((10, 2)), k=5)


def test_curves_equal_the_single_figures_and_sklearn_at_each_k():
    x = np.random.default_rng(0).normal(size=(90, 6))
    y, labels = x[:, :2], np.random.default_rng(1).integers(0, 4, 90)
    given, ks = geometry.distances(x), [1, 3, 10, 44]
    trust, kept = metrics.trustworthiness_curve(given, y, ks), metrics.continuity_curve(given, y, ks)
    np.testing.assert_allclose(trust, [sklearn.manifold.trustworthiness(x, y, n_neighbors=k) for k in ks])
    np.testing.assert_allclose(kept, [sklearn.manifold.trustworthiness(y, x, n_neighbors=k) for k in ks])
    np.testing.assert_array_equal(trust, [metrics.trustworthiness(given, y, k) for k in ks])
    np.testing.assert_array_equal(kept, [metrics.continuity(given, y, k) for k in ks])
    right = metrics.knn_curve(y, labels, [1, 5, 200])
    np.testing.assert_array_equal(right, [metrics.knn_accuracy(y, labels, k) for k in (1, 5, 200)])
    assert len(set(trust)) == len(set(kept)) == 4


def test_knn_accuracy_equals_a_plain_loop():
    rng = np.random.default_rng(0)
    coordinates, labels = rng.standard_normal((50, 2)), rng.integers(3, 6, 50)
    right = 0
    for i in range(50):
        distance = ((coordinates - coordinates[i]) ** 2).sum(1)
        distance[i] = np.inf
        votes = labels[np.argsort(distance)[:15]]
        right += np.bincount(votes).argmax() == labels[i]
    assert metrics.knn_accuracy(coordinates, labels) == pytest.approx(right / 50)


def test_knn_never_lets_a_point_vote_for_itself():
    # Two points of different classes: leave-one-out is always wrong; counting itself would always be right.
    assert metrics.knn_accuracy(np.zeros((2, 2)), np.array([0, 1]), k=1) == 0
    with pytest.raises(BadInput, match="two points"):
        metrics.knn_accuracy(np.zeros((1, 2)), np.array([0]))


def test_r_squared_equals_sklearn():
    rng = np.random.default_rng(0)
    y = rng.standard_normal(30)
    guess = y + 0.3 * rng.standard_normal(30)
    assert metrics.r_squared(y, guess) == pytest.approx(sklearn.metrics.r2_score(y, guess))
    assert metrics.r_squared(y, np.full(30, y.mean())) == pytest.approx(0)
    constant = np.ones(5)
    assert metrics.r_squared(constant, constant) == 1
    assert metrics.r_squared(constant, constant + 1) == 0
