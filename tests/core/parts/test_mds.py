"""Metric MDS: no more stress than scikit-learn, places of new points, landmarks, and its distances."""

import os

import numpy as np
import pytest
import sklearn.datasets
import sklearn.decomposition
import sklearn.manifold
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from aecore.foundation import geometry, metrics
from aecore.foundation.errors import BadInput, Stopped
from aecore.parts.embeddings import ClassicalMds, Mds, NonmetricMds, Tsne
from aecore.parts.embeddings._compile import shared
from aecore.parts.embeddings._place import place


@pytest.fixture(scope="module")
def digits():
    return (load_digits().data[:300] / 16).astype(np.float32)


@pytest.fixture(scope="module")
def fitted_mds(digits):
    return Mds(max_iterations=1000).fit(digits)


def test_mds_stops_within_a_step(digits):
    asked = iter([False] * 6)
    with pytest.raises(Stopped):
        Mds().fit(digits, should_stop=lambda: next(asked, True))


def roll(n=300):
    """A swiss roll."""
    return sklearn.datasets.make_swiss_roll(n, random_state=0)[0].astype(np.float32)


def some_digits():
    return (load_digits().data[:400] / 16).astype(np.float32)


def copies():
    """Every point four times."""
    return np.tile(np.random.default_rng(0).normal(size=(20, 6)), (4, 1)).astype(np.float32)


def line():
    return np.random.default_rng(0).normal(size=(40, 1)).astype(np.float32)


def far_away():
    """Small differences on a large offset, which products of rows would lose in single precision."""
    return (np.random.default_rng(0).normal(size=(60, 5)) + 3000).astype(np.float32)


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("data", [some_digits, roll, copies, line, far_away])
def test_mds_has_no_more_stress_than_sklearn(data, dimensions):
    x = data()
    delta = geometry.distances(x.astype(np.float64))
    start = ClassicalMds(dimensions=dimensions).fit(x).coordinates.astype(np.float64)
    theirs, _ = sklearn.manifold.smacof(delta, n_components=dimensions, init=start, n_init=1, normalized_stress=False)
    found = Mds(dimensions=dimensions).fit(x)
    assert found.quality["stress_1"] <= metrics.stress_1(delta, theirs) + 1e-6
    assert found.quality["stress_1"] == pytest.approx(metrics.stress_1(delta, found.coordinates), abs=1e-5)


def test_mds_of_mnist_has_no_more_stress_than_sklearn(mnist_images):
    x = mnist_images[:500]
    theirs = sklearn.manifold.MDS(n_init=1, init="classical_mds", normalized_stress=False).fit(x.astype(np.float64))
    delta = geometry.distances(x.astype(np.float64))
    assert Mds().fit(x).quality["stress_1"] <= metrics.stress_1(delta, theirs.embedding_)


@pytest.fixture
def mnist_images():
    path = os.environ.get("AECORE_MNIST")
    if not path:
        pytest.skip("AECORE_MNIST names no file")
    with np.load(path, allow_pickle=False) as file:
        return (file["x_test"].reshape(10_000, -1) / 255).astype(np.float32)


def test_mds_lowers_the_stress_of_classical_mds_and_each_step_lowers_it_further(digits):
    stress = [ClassicalMds().fit(digits).quality["stress_1"]]
    stress += [Mds(max_iterations=steps).fit(digits).quality["stress_1"] for steps in (1, 2, 5, 20, 100)]
    assert (np.diff(stress) < 0).all()


def test_mds_recovers_a_plane_exactly():
    plane = np.random.default_rng(0).standard_normal((40, 2))
    basis, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((9, 2)))
    fitted = Mds().fit(plane @ basis.T)
    np.testing.assert_allclose(geometry.distances(fitted.coordinates), geometry.distances(plane), atol=1e-5)
    assert fitted.quality["stress_1"] < 1e-6


@given(st.integers(0, 1000), st.floats(1e-3, 1e3), st.floats(-100, 100))
@settings(max_examples=15, deadline=None)
def test_mds_follows_the_scale_of_the_data_and_ignores_their_place(seed, scale, shift):
    x = np.random.default_rng(seed).standard_normal((12, 4))
    one, other = Mds(max_iterations=20).fit(x), Mds(max_iterations=20).fit(scale * x + shift)
    np.testing.assert_allclose(
        geometry.distances(other.coordinates), scale * geometry.distances(one.coordinates), rtol=0.02, atol=0.02 * scale
    )


def test_mds_parts_different_points_that_start_in_one_place():
    x = np.array([[2, 0, 0], [-2, 0, 0], [0, 2, 0], [0, -2, 0], [0, 0, 1], [0, 0, -1.0]])
    start = ClassicalMds().fit(x).coordinates
    assert np.abs(start[4] - start[5]).max() < 1e-6
    fitted = Mds().fit(x)
    assert np.linalg.norm(fitted.coordinates[4] - fitted.coordinates[5]) > 0.5


def test_mds_puts_duplicates_in_one_place():
    x = np.random.default_rng(0).standard_normal((10, 5))
    fitted = Mds().fit(np.concatenate([x, x]))
    np.testing.assert_allclose(fitted.coordinates[:10], fitted.coordinates[10:], atol=1e-5)


def test_mds_transform_leaves_fitted_points_where_they_are(digits, fitted_mds):
    placed = fitted_mds.transform(digits)
    assert stays(placed, fitted_mds.coordinates) >= 0.99
    # One that does not stay was on its way over a ridge when the fit ended, and has found a lower place.
    delta = geometry.distances(digits.astype(np.float64))
    own = ((geometry.distances(fitted_mds.coordinates) - delta) ** 2).sum(1)
    found = ((geometry.distances_between(placed, fitted_mds.coordinates) - delta) ** 2).sum(1)
    assert (found <= own * (1 + 1e-5)).all()


def stays(placed, fitted):
    """Share of points that are put within a fiftieth of the map's size of where they were fitted."""
    return (np.abs(placed - fitted).max(1) <= 0.02 * np.ptp(fitted)).mean()


def test_mds_transform_finds_less_stress_than_any_place_on_a_fine_raster(digits, fitted_mds):
    new = (load_digits().data[300:310] / 16).astype(np.float32)
    delta = geometry.distances_between(new, digits)
    fitted = fitted_mds.coordinates.astype(np.float64)
    low, high = fitted.min() * 1.3, fitted.max() * 1.3
    raster = np.stack(np.meshgrid(*[np.linspace(low, high, 60)] * 2), -1).reshape(-1, 2)

    def stress(places, i):
        return ((geometry.distances_between(places, fitted) - delta[i]) ** 2).sum(1)

    placed = fitted_mds.transform(new).astype(np.float64)
    found = np.array([stress(placed[i : i + 1], i)[0] for i in range(10)])
    best = np.array([stress(raster, i).min() for i in range(10)])
    # A single point's stress may have several valleys; the nearest images decide which one is meant.
    assert (found <= best * 1.02).all()
    assert (found <= best).mean() >= 0.7


@pytest.mark.parametrize(
    ("delta", "fitted"),
    [
        ([1, 1, 1], [[0, 0], [0, 0], [0, 0]]),
        ([0, 1], [[0, 0], [0, 0]]),
        ([1], [[2, 3]]),
        ([0, 0, 0], [[1, 1], [1, 1], [1, 1]]),
        ([1, 2, 3], [[0, 0], [0, 0], [5, 5]]),
        ([1e-20, 2e-20], [[0, 0], [2e-20, 0]]),
        ([1e30, 1], [[0, 0], [1e19, 0]]),
    ],
)
def test_placing_ends_at_a_finite_place_where_there_is_no_slope_or_no_number(delta, fitted):
    with shared(small=True) as run:
        found = place(np.array([delta], np.float32), np.array(fitted, np.float64), run)
    assert np.isfinite(found).all()
    low, high = np.min(fitted, axis=0), np.max(fitted, axis=0)
    assert (found >= low - np.max(delta)).all()
    assert (found <= high + np.max(delta)).all()


def test_placing_leaves_a_pile_of_fitted_points_that_it_starts_upon():
    """Ten fitted points at 0 and five at 5: 10 (x − 1)² + 5 (5 − x − 4.5)² is least at 5/6."""
    fitted, delta = np.zeros((15, 2)), np.ones((1, 15), np.float32)
    fitted[10:, 0], delta[0, 10:] = 5, 4.5
    with shared(small=True) as run:
        np.testing.assert_allclose(place(delta, fitted, run), [[5 / 6, 0]], atol=1e-3)


def test_placing_alone_recovers_a_known_place():
    for dimensions in (2, 3):
        rng = np.random.default_rng(0)
        fitted, true = rng.standard_normal((30, dimensions)), rng.standard_normal((9, dimensions))
        placed = Mds(distance="precomputed", dimensions=dimensions).fit(geometry.distances(fitted))
        turned = np.linalg.lstsq(np.c_[fitted, np.ones(30)], placed.coordinates.astype(np.float64), rcond=None)[0]
        expected = np.c_[true, np.ones(9)] @ turned
        np.testing.assert_allclose(placed.transform(geometry.distances_between(true, fitted)), expected, atol=1e-3)


# --- landmarks


@pytest.fixture
def few(monkeypatch):
    """MDS with landmarks from 100 points on."""
    monkeypatch.setattr(Mds, "max_points", 100)
    return Mds(landmarks=80, seed=3)


def test_landmarks_are_the_map_of_their_own_and_the_others_are_placed(few, digits):
    fitted = few.fit(digits)
    assert len(fitted.chosen) == fitted.quality["landmarks"] == 80
    assert fitted.note.startswith("80 of 300 points are landmarks, seed 3; ")
    alone = Mds(max_iterations=few.max_iterations).fit(digits[fitted.chosen])
    np.testing.assert_allclose(fitted.coordinates[fitted.chosen], alone.coordinates, atol=1e-5)
    others = np.setdiff1d(np.arange(300), fitted.chosen)
    np.testing.assert_allclose(fitted.transform(digits[others]), fitted.coordinates[others], atol=1e-5)
    delta = geometry.distances(digits.astype(np.float64))
    assert fitted.quality["stress_1"] == pytest.approx(metrics.stress_1(delta, fitted.coordinates), abs=1e-5)
    assert fitted.quality["stress_1"] < 1.1 * Mds().fit(digits).quality["stress_1"]


def test_another_seed_has_other_landmarks(few, digits):
    other = few.model_copy(update={"seed": 4})
    assert set(few.fit(digits).chosen) != set(other.fit(digits).chosen)


def test_landmarks_of_given_distances_are_those_of_the_points(few, digits):
    given = few.model_copy(update={"distance": "precomputed"}).fit(geometry.distances(digits.astype(np.float64)))
    np.testing.assert_array_equal(given.chosen, few.fit(digits).chosen)
    assert given.quality["stress_1"] == pytest.approx(few.fit(digits).quality["stress_1"], rel=0.01)


@pytest.mark.parametrize("method", [ClassicalMds, NonmetricMds, Tsne])
def test_methods_without_landmarks_say_how_many_points_are_too_many(method):
    with pytest.raises(BadInput, match=f"at most {method.max_points:,}"):
        method().fit(np.zeros((method.max_points + 1, 1), np.float32))


# --- distances


@pytest.mark.parametrize("distance", ["cosine", "correlation"])
def test_mds_of_directions_is_that_of_scipys_distances(distance, digits):
    import scipy.spatial.distance

    delta = scipy.spatial.distance.squareform(scipy.spatial.distance.pdist(digits.astype(np.float64), distance))
    by_name, given = Mds(distance=distance).fit(digits), Mds(distance="precomputed").fit(delta)
    assert by_name.quality["stress_1"] == pytest.approx(metrics.stress_1(delta, by_name.coordinates), abs=1e-5)
    assert by_name.quality["stress_1"] == pytest.approx(given.quality["stress_1"], rel=1e-3)
    assert stays(by_name.transform(digits * 3), by_name.coordinates) >= 0.98


@pytest.mark.parametrize("distance", ["cosine", "correlation"])
def test_a_black_image_has_distance_1_to_all_directions(distance, digits):
    x = digits[:20].copy()
    x[3] = x[5] = 0
    with shared() as run:
        found = Mds(distance=distance).space(x).packed(run).square()
    assert found[3, 5] == 0
    np.testing.assert_allclose(np.delete(found[3], [3, 5]), 1, atol=1e-6)


def test_geodesic_distances_are_those_of_isomap_and_unroll_the_roll():
    x = roll(400)
    theirs = sklearn.manifold.Isomap(n_neighbors=10).fit(x).dist_matrix_
    with shared() as run:
        space = Mds(distance="geodesic").space(x)
        found = space.packed(run).square() * space.scale
        np.testing.assert_allclose(space.cross(x[:20], run) * space.scale, theirs[:20], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found, theirs, rtol=1e-4, atol=1e-4)
    x = roll(800)
    assert Mds(distance="geodesic").fit(x).quality["stress_1"] < 0.02 < 0.2 < Mds().fit(x).quality["stress_1"]


def test_parts_without_a_way_between_them_are_linked_where_they_are_nearest():
    x = np.array([[0.0], [1], [2], [10], [11], [12]], np.float32)
    with shared() as run:
        space = Mds(distance="geodesic", neighbours=1).space(x)
        np.testing.assert_allclose(space.packed(run).square()[0] * space.scale, [0, 1, 2, 10, 11, 12], rtol=1e-6)


def test_only_distances_between_codes_want_codes():
    assert Mds(distance="codes").uses_codes
    assert not Mds().uses_codes
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    np.testing.assert_array_equal(Mds(distance="codes").fit(x).coordinates, Mds().fit(x).coordinates)


@pytest.mark.parametrize(
    "table", [np.zeros((3, 4)), np.eye(3), -1 + np.eye(3), np.triu(np.ones((3, 3)), 1)],
    ids=["not square", "not 0 to itself", "negative", "not the same both ways"],
)  # fmt: skip
def test_a_table_that_holds_no_distances_is_refused(table):
    with pytest.raises(BadInput, match=r"square|never negative"):
        Mds(distance="precomputed").fit(table)


def test_new_points_of_given_distances_need_one_to_each_fitted_point():
    fitted = Mds(distance="precomputed").fit(1 - np.eye(4))
    with pytest.raises(BadInput, match="the 4 fitted ones"):
        fitted.transform(np.ones((2, 3)))
