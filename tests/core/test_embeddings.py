import numpy as np
import pytest
import sklearn.decomposition
import sklearn.manifold
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from aecore import metrics, points
from aecore.embeddings import CodeMap, Mds, Pca
from aecore.embeddings.mds import classical_mds, place
from aecore.errors import BadInput
from aecore.parts import Embedding
from aecore.registry import make, members

KINDS = members("embeddings", Embedding)


@pytest.fixture(scope="module")
def digits():
    return (load_digits().data[:300] / 16).astype(np.float32)


@pytest.fixture(scope="module")
def fitted_mds(digits):
    return Mds(max_iterations=1000).fit(digits)


def test_the_registry_order_is_the_order_on_the_page():
    assert list(KINDS) == ["pca", "mds", "code"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_embedding_is_repeatable_finite_and_restorable(kind, digits):
    embedding = make("embeddings", Embedding, kind)
    x, new = digits[:60, 20:29], digits[60:70, 20:29]
    fitted, again = embedding.fit(x), embedding.fit(x)
    assert fitted.coordinates.shape == (60, 2)
    assert fitted.coordinates.dtype == np.float32
    assert np.isfinite(fitted.coordinates).all()
    assert all(np.isfinite(value) for value in fitted.quality.values())
    np.testing.assert_array_equal(fitted.coordinates, again.coordinates)
    restored = embedding.restore(fitted.state(), x)
    assert restored.quality == fitted.quality
    np.testing.assert_array_equal(restored.transform(new), fitted.transform(new))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "x",
    [np.full((6, 4), 0.5), np.ones((1, 4)), np.eye(2), np.eye(3), np.tile(np.eye(2), (5, 1)), np.arange(6.0)[:, None]],
    ids=["constant", "one", "two", "three", "duplicates", "one feature"],
)
def test_every_embedding_survives_degenerate_points(kind, x):
    fitted = make("embeddings", Embedding, kind).fit(x.astype(np.float32))
    assert fitted.coordinates.shape == (len(x), 2)
    assert np.isfinite(fitted.coordinates).all()
    assert np.isfinite(fitted.transform(x[:1] + 1)).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "bad", [np.full((4, 3), np.nan), np.full((4, 3), np.inf), np.zeros((0, 3))], ids=["nan", "inf", "none"]
)
def test_every_embedding_refuses_what_has_no_distances(kind, bad):
    embedding = make("embeddings", Embedding, kind)
    with pytest.raises(BadInput):
        embedding.fit(bad)
    with pytest.raises(BadInput):
        embedding.fit(np.eye(4, 3)).transform(bad)


@pytest.mark.parametrize("n", [40, 300], ids=["fewer points than pixels", "more points than pixels"])
def test_pca_equals_sklearn(digits, n):
    x = digits[:n]
    fitted, theirs = Pca().fit(x), sklearn.decomposition.PCA(2, svd_solver="full").fit(x.astype(np.float64))
    signs = np.sign((fitted.axes.components * theirs.components_).sum(1))
    np.testing.assert_allclose(fitted.coordinates * signs, theirs.transform(x), atol=1e-5)
    assert fitted.quality["explained_variance"] == pytest.approx(theirs.explained_variance_ratio_.sum())
    np.testing.assert_allclose(fitted.transform(x), fitted.coordinates, atol=1e-6)


def test_principal_directions_are_orthonormal_and_signed(digits):
    for x in (digits, digits[:20]):
        axes = points.principal_axes(x.astype(np.float64), 5)
        np.testing.assert_allclose(axes.components @ axes.components.T, np.eye(5), atol=1e-9)
        assert (axes.components.max(1) >= -axes.components.min(1)).all()


def test_classical_mds_equals_pca_up_to_sign(digits):
    classical, pca = classical_mds(points.distances(digits)), Pca().fit(digits).coordinates
    signs = np.sign((classical * pca).sum(0))
    np.testing.assert_allclose(classical * signs, pca, atol=1e-4)


def test_mds_has_no_more_stress_than_sklearn(digits):
    x = digits.astype(np.float64)
    theirs = sklearn.manifold.MDS(n_init=1, init="classical_mds", normalized_stress=False).fit(x)
    wanted = points.distances(x)
    assert Mds().fit(digits).quality["stress_1"] <= metrics.stress_1(wanted, theirs.embedding_) + 1e-9


def test_mds_lowers_the_stress_of_classical_mds_and_each_step_lowers_it_further(digits):
    wanted = points.distances(digits)
    stress = [metrics.stress_1(wanted, classical_mds(wanted))]
    stress += [Mds(max_iterations=steps).fit(digits).quality["stress_1"] for steps in (1, 2, 5, 20, 100)]
    assert (np.diff(stress) < 0).all()


def test_mds_recovers_a_plane_exactly():
    plane = np.random.default_rng(0).standard_normal((40, 2))
    basis, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((9, 2)))
    fitted = Mds().fit(plane @ basis.T)
    np.testing.assert_allclose(points.distances(fitted.coordinates), points.distances(plane), atol=1e-5)
    assert fitted.quality["stress_1"] < 1e-6


@given(st.integers(0, 1000), st.floats(1e-3, 1e3), st.floats(-100, 100))
@settings(max_examples=15, deadline=None)
def test_mds_follows_the_scale_of_the_data_and_ignores_their_place(seed, scale, shift):
    x = np.random.default_rng(seed).standard_normal((12, 4))
    one, other = Mds(max_iterations=20).fit(x), Mds(max_iterations=20).fit(scale * x + shift)
    np.testing.assert_allclose(
        points.distances(other.coordinates), scale * points.distances(one.coordinates), rtol=0.02, atol=0.02 * scale
    )


def test_mds_parts_different_points_that_start_in_one_place():
    x = np.array([[2, 0, 0], [-2, 0, 0], [0, 2, 0], [0, -2, 0], [0, 0, 1], [0, 0, -1.0]])
    start = classical_mds(points.distances(x))
    assert np.abs(start[4] - start[5]).max() < 1e-9
    fitted = Mds().fit(x)
    assert np.linalg.norm(fitted.coordinates[4] - fitted.coordinates[5]) > 0.5


def test_mds_puts_duplicates_in_one_place():
    x = np.random.default_rng(0).standard_normal((10, 5))
    fitted = Mds().fit(np.concatenate([x, x]))
    np.testing.assert_allclose(fitted.coordinates[:10], fitted.coordinates[10:], atol=1e-5)


def test_mds_transform_leaves_fitted_points_where_they_are(digits, fitted_mds):
    size = np.ptp(fitted_mds.coordinates)
    np.testing.assert_allclose(fitted_mds.transform(digits), fitted_mds.coordinates, atol=0.02 * size)


def test_mds_transform_finds_less_stress_than_any_place_on_a_fine_raster(digits, fitted_mds):
    new = (load_digits().data[300:310] / 16).astype(np.float32)
    wanted = points.distances_between(new, digits)
    fitted = fitted_mds.coordinates.astype(np.float64)
    low, high = fitted.min() * 1.3, fitted.max() * 1.3
    raster = np.stack(np.meshgrid(*[np.linspace(low, high, 60)] * 2), -1).reshape(-1, 2)

    def stress(places, i):
        return ((points.distances_between(places, fitted) - wanted[i]) ** 2).sum(1)

    placed = fitted_mds.transform(new).astype(np.float64)
    found = np.array([stress(placed[i : i + 1], i)[0] for i in range(10)])
    best = np.array([stress(raster, i).min() for i in range(10)])
    # A single point's stress may have several valleys; the nearest images decide which one is meant.
    assert (found <= best * 1.02).all()
    assert (found <= best).mean() >= 0.7


def test_placing_alone_recovers_a_known_place():
    fitted = np.random.default_rng(0).standard_normal((30, 2))
    true = np.array([[0.3, -0.2], [2.0, 1.5]])
    np.testing.assert_allclose(place(points.distances_between(true, fitted), fitted, 500), true, atol=1e-4)


def test_mds_says_how_many_points_are_too_many():
    with pytest.raises(BadInput, match="at most 5000"):
        Mds().fit(np.zeros((5001, 1), np.float32))


def test_code_map_shows_two_units_as_they_are_and_one_on_a_line():
    codes = np.random.default_rng(0).standard_normal((20, 2)).astype(np.float32)
    np.testing.assert_array_equal(CodeMap().fit(codes).coordinates, codes)
    single = CodeMap().fit(codes[:, :1])
    np.testing.assert_array_equal(single.coordinates, np.stack([codes[:, 0], np.zeros(20, np.float32)], 1))
    assert single.quality["explained_variance"] == 1
    np.testing.assert_array_equal(single.transform(codes[:3, :1])[:, 0], codes[:3, 0])


def test_code_map_of_many_units_is_their_pca(digits):
    np.testing.assert_array_equal(CodeMap().fit(digits).coordinates, Pca().fit(digits).coordinates)
    assert CodeMap.uses_codes
    assert not Pca.uses_codes
