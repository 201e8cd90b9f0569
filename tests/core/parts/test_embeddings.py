"""Every embedding keeps its contract; PCA, classical MDS and codes equal the textbook."""

import numpy as np
import pytest
import sklearn.datasets
import sklearn.decomposition
import sklearn.manifold
from sklearn.datasets import load_digits

from aecore.foundation import geometry, metrics
from aecore.foundation.errors import BadInput, Stopped
from aecore.parts.embeddings import ClassicalMds, CodeMap, Mds, NonmetricMds, Pca, Tsne, Umap
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


# --- company


def test_nonmetric_mds_equals_sklearn_and_ignores_all_but_the_order(digits):
    x = digits[:80]
    delta = geometry.distances(x.astype(np.float64))
    start = ClassicalMds().fit(x).coordinates.astype(np.float64)
    _, theirs = sklearn.manifold.smacof(delta, metric=False, init=start, n_init=1, normalized_stress=True)
    found = NonmetricMds().fit(x).quality["nonmetric_stress_1"]
    assert found == pytest.approx(theirs, rel=0.02)
    bent = NonmetricMds(distance="precomputed").fit(delta**3)
    assert bent.quality["nonmetric_stress_1"] < Mds(distance="precomputed").fit(delta**3).quality["stress_1"]


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
