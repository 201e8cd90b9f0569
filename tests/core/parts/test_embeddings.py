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
from aecore.parts.embeddings import ClassicalMds, CodeMap, Mds, NonmetricMds, Pca, Tsne, Umap
from aecore.parts.embeddings._compile import shared
from aecore.parts.embeddings._place import place
from aecore.parts.looking import Embedding
from aecore.parts.registry import make, members

KINDS = members("embeddings", Embedding)
PLACING = ["pca", "mds", "code", "classical_mds"]
"""Methods that place new points by themselves."""
UMAP = pytest.mark.skipif(not Umap.installed(), reason="umap-learn, an extra, is not installed")
ALL = [pytest.param(kind, marks=UMAP) if kind == "umap" else kind for kind in KINDS]


@pytest.fixture(scope="module")
def digits():
    return (load_digits().data[:300] / 16).astype(np.float32)


@pytest.fixture(scope="module")
def fitted_mds(digits):
    return Mds(max_iterations=1000).fit(digits)


def test_the_registry_order_is_the_order_on_the_page():
    assert list(KINDS) == ["pca", "mds", "code", "classical_mds", "mds_nonmetric", "tsne", "umap"]


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("kind", ALL)
def test_every_embedding_is_repeatable_finite_and_restorable(kind, dimensions, digits):
    embedding = make("embeddings", Embedding, {"kind": kind, "dimensions": dimensions})
    x, new = digits[:60, 20:29], digits[60:70, 20:29]
    fitted, again = embedding.fit(x), embedding.fit(x)
    assert fitted.coordinates.shape == (60, dimensions)
    assert fitted.coordinates.dtype == np.float32
    assert np.isfinite(fitted.coordinates).all()
    assert all(np.isfinite(value) for value in fitted.quality.values())
    np.testing.assert_array_equal(fitted.coordinates, again.coordinates)
    restored = embedding.restore(fitted.state(), x)
    assert restored.quality == fitted.quality
    assert restored.note == fitted.note
    placed = fitted.transform(new)
    assert placed.shape == (10, dimensions)
    assert placed.dtype == np.float32
    np.testing.assert_array_equal(restored.transform(new), placed)
    assert fitted.by_neighbours == (kind not in PLACING)


@pytest.mark.parametrize("kind", ALL)
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


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    "bad", [np.full((4, 3), np.nan), np.full((4, 3), np.inf), np.zeros((0, 3))], ids=["nan", "inf", "none"]
)
def test_every_embedding_refuses_what_has_no_distances(kind, bad):
    embedding = make("embeddings", Embedding, kind)
    with pytest.raises(BadInput):
        embedding.fit(bad)
    with pytest.raises(BadInput):
        embedding.fit(np.eye(3, 3)).transform(bad)


@pytest.mark.parametrize("kind", ALL)
def test_every_embedding_reports_progress_and_stops_when_asked(kind, digits):
    shares: list[float] = []
    make("embeddings", Embedding, kind).fit(digits[:50], lambda share, words: shares.append(share))
    assert shares
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1
    with pytest.raises(Stopped, match="run it again"):
        make("embeddings", Embedding, kind).fit(digits[:50], should_stop=lambda: True)


def test_mds_stops_within_a_step(digits):
    asked = iter([False] * 6)
    with pytest.raises(Stopped):
        Mds().fit(digits, should_stop=lambda: next(asked, True))


@UMAP
def test_umap_parts_what_is_far_apart():
    x = np.concatenate([np.random.default_rng(i).normal(10 * i, 1, (40, 5)) for i in range(2)]).astype(np.float32)
    assert metrics.knn_accuracy(make("embeddings", Embedding, "umap").fit(x).coordinates, np.arange(80) // 40, 5) == 1


def test_umap_says_how_to_get_it(monkeypatch, digits):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BadInput, match="pip install 'aecore"):
        make("embeddings", Embedding, "umap").fit(digits)


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
        axes = geometry.principal_axes(x.astype(np.float64), 5)
        np.testing.assert_allclose(axes.components @ axes.components.T, np.eye(5), atol=1e-9)
        assert (axes.components.max(1) >= -axes.components.min(1)).all()


def test_pca_of_an_array_on_disk_is_that_of_the_array(digits, tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", digits)
    on_disk = np.load(tmp_path / "x.npy", mmap_mode="r", allow_pickle=False)
    monkeypatch.setattr(geometry, "parts_of", lambda x: (x[i : i + 7] for i in range(0, len(x), 7)))
    in_parts = Pca(dimensions=3).fit(on_disk)
    monkeypatch.undo()
    whole = Pca(dimensions=3).fit(digits)
    np.testing.assert_allclose(in_parts.coordinates, whole.coordinates, atol=1e-5)
    np.testing.assert_allclose(in_parts.axes.variances, whole.axes.variances)


def test_the_way_back_from_a_pca_map_is_the_best_linear_one(digits):
    fitted, theirs = Pca().fit(digits), sklearn.decomposition.PCA(2, svd_solver="full").fit(digits.astype(np.float64))
    np.testing.assert_allclose(
        fitted.inverse(fitted.coordinates), theirs.inverse_transform(theirs.transform(digits)), atol=1e-5
    )


@pytest.mark.parametrize("n", [300, 450], ids=["by all eigenvalues", "by Lanczos"])
@pytest.mark.parametrize("distance", ["euclidean", "precomputed"])
def test_classical_mds_equals_sklearn_and_pca_up_to_sign(n, distance):
    x = (load_digits().data[:n] / 16).astype(np.float32)
    given = geometry.distances(x) if distance == "precomputed" else x
    fitted = ClassicalMds(distance=distance).fit(given)
    for theirs in (sklearn.manifold.ClassicalMDS(2).fit_transform(x), Pca().fit(x).coordinates):
        signs = np.sign((fitted.coordinates * theirs).sum(0))
        np.testing.assert_allclose(fitted.coordinates * signs, theirs, atol=1e-4)
    np.testing.assert_allclose(fitted.transform(given), fitted.coordinates, atol=1e-4)


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
    wanted = geometry.distances(x.astype(np.float64))
    start = ClassicalMds(dimensions=dimensions).fit(x).coordinates.astype(np.float64)
    theirs, _ = sklearn.manifold.smacof(wanted, n_components=dimensions, init=start, n_init=1, normalized_stress=False)
    found = Mds(dimensions=dimensions).fit(x)
    assert found.quality["stress_1"] <= metrics.stress_1(wanted, theirs) + 1e-6
    assert found.quality["stress_1"] == pytest.approx(metrics.stress_1(wanted, found.coordinates), abs=1e-5)


def test_mds_of_mnist_has_no_more_stress_than_sklearn(mnist_images):
    x = mnist_images[:500]
    theirs = sklearn.manifold.MDS(n_init=1, init="classical_mds", normalized_stress=False).fit(x.astype(np.float64))
    wanted = geometry.distances(x.astype(np.float64))
    assert Mds().fit(x).quality["stress_1"] <= metrics.stress_1(wanted, theirs.embedding_)


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
    wanted = geometry.distances(digits.astype(np.float64))
    own = ((geometry.distances(fitted_mds.coordinates) - wanted) ** 2).sum(1)
    found = ((geometry.distances_between(placed, fitted_mds.coordinates) - wanted) ** 2).sum(1)
    assert (found <= own * (1 + 1e-5)).all()


def stays(placed, fitted):
    """Share of points that are put within a fiftieth of the map's size of where they were fitted."""
    return (np.abs(placed - fitted).max(1) <= 0.02 * np.ptp(fitted)).mean()


def test_mds_transform_finds_less_stress_than_any_place_on_a_fine_raster(digits, fitted_mds):
    new = (load_digits().data[300:310] / 16).astype(np.float32)
    wanted = geometry.distances_between(new, digits)
    fitted = fitted_mds.coordinates.astype(np.float64)
    low, high = fitted.min() * 1.3, fitted.max() * 1.3
    raster = np.stack(np.meshgrid(*[np.linspace(low, high, 60)] * 2), -1).reshape(-1, 2)

    def stress(places, i):
        return ((geometry.distances_between(places, fitted) - wanted[i]) ** 2).sum(1)

    placed = fitted_mds.transform(new).astype(np.float64)
    found = np.array([stress(placed[i : i + 1], i)[0] for i in range(10)])
    best = np.array([stress(raster, i).min() for i in range(10)])
    # A single point's stress may have several valleys; the nearest images decide which one is meant.
    assert (found <= best * 1.02).all()
    assert (found <= best).mean() >= 0.7


@pytest.mark.parametrize(
    ("wanted", "fitted"),
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
def test_placing_ends_at_a_finite_place_where_there_is_no_slope_or_no_number(wanted, fitted):
    with shared(small=True) as run:
        found = place(np.array([wanted], np.float32), np.array(fitted, np.float64), run)
    assert np.isfinite(found).all()
    low, high = np.min(fitted, axis=0), np.max(fitted, axis=0)
    assert (found >= low - np.max(wanted)).all()
    assert (found <= high + np.max(wanted)).all()


def test_placing_leaves_a_pile_of_fitted_points_that_it_starts_upon():
    """Ten fitted points at 0 and five at 5: 10 (x − 1)² + 5 (5 − x − 4.5)² is least at 5/6."""
    fitted, wanted = np.zeros((15, 2)), np.ones((1, 15), np.float32)
    fitted[10:, 0], wanted[0, 10:] = 5, 4.5
    with shared(small=True) as run:
        np.testing.assert_allclose(place(wanted, fitted, run), [[5 / 6, 0]], atol=1e-3)


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
    wanted = geometry.distances(digits.astype(np.float64))
    assert fitted.quality["stress_1"] == pytest.approx(metrics.stress_1(wanted, fitted.coordinates), abs=1e-5)
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

    wanted = scipy.spatial.distance.squareform(scipy.spatial.distance.pdist(digits.astype(np.float64), distance))
    by_name, given = Mds(distance=distance).fit(digits), Mds(distance="precomputed").fit(wanted)
    assert by_name.quality["stress_1"] == pytest.approx(metrics.stress_1(wanted, by_name.coordinates), abs=1e-5)
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


# --- company


def test_nonmetric_mds_equals_sklearn_and_ignores_all_but_the_order(digits):
    x = digits[:80]
    wanted = geometry.distances(x.astype(np.float64))
    start = ClassicalMds().fit(x).coordinates.astype(np.float64)
    _, theirs = sklearn.manifold.smacof(wanted, metric=False, init=start, n_init=1, normalized_stress=True)
    found = NonmetricMds().fit(x).quality["nonmetric_stress_1"]
    assert found == pytest.approx(theirs, rel=0.02)
    bent = NonmetricMds(distance="precomputed").fit(wanted**3)
    assert bent.quality["nonmetric_stress_1"] < Mds(distance="precomputed").fit(wanted**3).quality["stress_1"]


def test_tsne_keeps_neighbours_better_than_pca():
    x, labels = (load_digits().data[:300] / 16).astype(np.float32), load_digits().target[:300]
    found = Tsne().fit(x)
    assert (
        metrics.knn_accuracy(found.coordinates, labels) > metrics.knn_accuracy(Pca().fit(x).coordinates, labels) + 0.2
    )
    np.testing.assert_allclose(found.transform(x[:5]), found.coordinates[:5], atol=1e-3)


# --- codes


def test_code_map_shows_two_units_as_they_are_and_one_on_a_line():
    codes = np.random.default_rng(0).standard_normal((20, 2)).astype(np.float32)
    np.testing.assert_array_equal(CodeMap().fit(codes).coordinates, codes)
    single = CodeMap().fit(codes[:, :1])
    np.testing.assert_array_equal(single.coordinates, np.stack([codes[:, 0], np.zeros(20, np.float32)], 1))
    assert single.quality["explained_variance"] == 1
    np.testing.assert_array_equal(single.transform(codes[:3, :1])[:, 0], codes[:3, 0])


def test_code_map_of_many_units_is_their_pca(digits):
    np.testing.assert_array_equal(CodeMap().fit(digits).coordinates, Pca().fit(digits).coordinates)
    assert CodeMap().uses_codes
    assert not Pca().uses_codes


def test_code_map_shows_the_units_that_are_named_and_leads_back_to_codes():
    codes = np.random.default_rng(0).standard_normal((20, 5)).astype(np.float32)
    fitted = CodeMap(units=(3, 1)).fit(codes)
    np.testing.assert_array_equal(fitted.coordinates, codes[:, [3, 1]])
    back = fitted.inverse(fitted.coordinates)
    np.testing.assert_allclose(back[:, [3, 1]], codes[:, [3, 1]], atol=1e-6)
    np.testing.assert_allclose(back[:, [0, 2, 4]], np.tile(codes[:, [0, 2, 4]].mean(0), (20, 1)), atol=1e-6)
    for units in ((0, 5), (1, 1), (2,), (0, 1, 2)):
        with pytest.raises(BadInput, match="cannot be the 2 axes"):
            CodeMap(units=units).fit(codes)
