import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aecore.foundation import geometry, metrics
from aecore.foundation.errors import BadInput
from aecore.maps.shepard import distortion, shepard


def random_map(n=30, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 5)), rng.standard_normal((n, 2))


def test_the_diagram_holds_every_pair_once_in_order():
    x, y = random_map()
    found = shepard(x, y)
    assert found.delta.shape == found.d.shape == found.monotone.shape == (30 * 29 // 2,)
    assert (np.diff(found.delta) >= 0).all()
    assert (np.diff(found.monotone) >= -1e-12).all()
    np.testing.assert_allclose(np.sort(found.d), np.sort(geometry.distances(y)[np.triu_indices(30, 1)]))
    stress = np.sqrt(((found.scale * found.delta - found.d) ** 2).sum() / (found.d**2).sum())
    assert stress == pytest.approx(metrics.stress_1(geometry.distances(x), y))
    monotone = ((found.monotone - found.d) ** 2).sum()
    assert monotone <= ((found.scale * found.delta - found.d) ** 2).sum()


def test_a_perfect_map_is_a_line_through_the_origin():
    x, _ = random_map()
    found = shepard(x[:, :2], 3 * x[:, :2])
    assert found.scale == pytest.approx(3)
    np.testing.assert_allclose(found.d, 3 * found.delta)
    np.testing.assert_allclose(found.monotone, found.d)


def test_the_diagram_is_bounded():
    x, y = random_map(90)
    assert len(shepard(x, y, max_points=40).delta) == 40 * 39 // 2


@given(st.integers(0, 1000), st.floats(0.01, 100))
@settings(max_examples=20, deadline=None)
def test_stress_is_the_mean_of_the_distortions(seed, scale):
    x, y = random_map(20, seed)
    own = distortion(x, scale * y)
    weights = (geometry.distances(y) ** 2).sum(1)
    assert np.sqrt((own**2 * weights).sum() / weights.sum()) == pytest.approx(
        metrics.stress_1(geometry.distances(x), y)
    )


def test_the_point_that_is_misplaced_is_the_most_distorted():
    y = np.random.default_rng(0).standard_normal((300, 2))
    wrong = y.copy()
    wrong[7] += 5
    assert distortion(y, wrong).argmax() == 7
    assert distortion(y, wrong, max_points=50).argmax() == 7
    np.testing.assert_allclose(distortion(y, 2 * y), 0, atol=1e-7)


def test_few_and_coinciding_points():
    assert shepard(np.ones((1, 3)), np.ones((1, 2))).delta.shape == (0,)
    np.testing.assert_array_equal(distortion(np.ones((3, 4)), np.zeros((3, 2))), 0)
    np.testing.assert_array_equal(distortion(np.eye(3), np.zeros((3, 2))), 1)
    with pytest.raises(BadInput):
        distortion(np.full((3, 2), np.nan), np.zeros((3, 2)))
