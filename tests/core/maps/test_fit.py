import json
import os

import numpy as np
import pytest
import safetensors.numpy
import sklearn.decomposition
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from aecore.foundation import geometry, metrics
from aecore.foundation.errors import BadInput, Stopped
from aecore.maps import align, cache, fit, quality
from aecore.maps import cache as map_cache
from aecore.maps.quality import MAX_CURVE_POINTS, curves, readings
from aecore.parts.embeddings import CodeMap, Mds, Pca, Umap
from aecore.parts.looking import Embedding
from aecore.parts.registry import make, members

UMAP = pytest.mark.skipif(not Umap.installed(), reason="umap-learn, an extra, is not installed")
KINDS = [pytest.param(kind, marks=UMAP) if kind == "umap" else kind for kind in members("embeddings", Embedding)]


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return (data.data[:120] / 16).astype(np.float32), data.target[:120].astype(np.int64)


@pytest.fixture
def places(tmp_path, monkeypatch):
    """(shipped, own): the two folders of cached maps."""
    monkeypatch.setenv("AECORE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(map_cache, "assets", lambda: tmp_path / "assets")
    return tmp_path / "assets" / "maps", tmp_path / "home" / "cache" / "maps"


@pytest.mark.parametrize("kind", KINDS)
def test_every_map_is_measured_against_the_pixels(kind, digits):
    x, labels = digits
    codes = x[:, 10:13]
    result = fit.fit_map(make("embeddings", Embedding, kind), x, codes, labels)
    delta = geometry.distances(x)
    assert result.quality["stress_1"] == pytest.approx(metrics.stress_1(delta, result.coordinates))
    assert result.quality["trustworthiness"] == pytest.approx(metrics.trustworthiness(delta, result.coordinates, 5))
    assert result.quality["continuity"] == pytest.approx(metrics.continuity(delta, result.coordinates, 5))
    assert result.quality["trustworthiness_k"] == 5
    assert result.quality["knn_accuracy"] == metrics.knn_accuracy(result.coordinates, labels)
    assert result.seconds > 0
    sentences = readings(result.quality)
    assert {"stress_1", "trustworthiness", "knn_accuracy"} <= set(sentences) <= set(result.quality)
    assert all(text.endswith(".") for text in sentences.values())


def test_without_labels_there_is_no_accuracy_and_without_codes_no_code_map(digits):
    x, _ = digits
    assert "knn_accuracy" not in fit.fit_map(Pca(), x).quality
    with pytest.raises(BadInput, match="choose a run"):
        fit.fit_map(CodeMap(), x)


def test_maps_with_an_inverse_have_a_reconstruction_error(digits):
    x, _ = digits
    pca = fit.fit_map(Pca(), x).quality["reconstruction_sse"]
    theirs = sklearn.decomposition.PCA(2, svd_solver="full").fit(x.astype(np.float64))
    residual = x - theirs.inverse_transform(theirs.transform(x))
    assert pca == pytest.approx((residual**2).sum(1).mean(), rel=1e-4)
    assert "squared error" in readings({"reconstruction_sse": pca})["reconstruction_sse"].lower()
    codes = x[:, [20, 21]]

    def decode(given):
        np.testing.assert_allclose(given, codes, atol=1e-6)
        return x + 0.5

    assert fit.fit_map(CodeMap(), x, codes, decode=decode).quality["reconstruction_sse"] == pytest.approx(16)
    assert "reconstruction_sse" not in fit.fit_map(CodeMap(), x, codes).quality
    assert "reconstruction_sse" not in fit.fit_map(Mds(), x, codes, decode=decode).quality


def test_a_stopped_map_is_not_cached(digits, places):
    with pytest.raises(Stopped):
        cache.cached_map(Mds(), digits[0], should_stop=lambda: True)
    assert not places[1].exists()
    shares = []
    cache.cached_map(Mds(), digits[0], progress=lambda share, words: shares.append(share))
    assert shares == sorted(shares)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_maps_of_very_few_points_leave_out_undefined_figures(kind, n, digits):
    x, labels = digits
    quality = fit.fit_map(make("embeddings", Embedding, kind), x[:n], x[:n], labels[:n]).quality
    assert all(np.isfinite(value) for value in quality.values())
    assert ("trustworthiness" in quality) == (n >= 3)
    assert ("knn_accuracy" in quality) == (n >= 2)
    readings(quality)
    assert curves(x[:n], np.zeros((n, 2)), labels[:n]).ks == ((1,) if n == 3 else ())


def test_curves_agree_with_the_figures_and_are_bounded(digits):
    x, labels = digits
    made = fit.fit_map(Pca(), x, labels=labels)
    found = curves(x, made.coordinates, labels, max_points=len(x))
    at = found.ks.index(made.quality["trustworthiness_k"])
    assert found.trustworthiness[at] == pytest.approx(made.quality["trustworthiness"], abs=1e-4)  # pictures have ties
    assert found.continuity[at] == pytest.approx(made.quality["continuity"], abs=1e-4)
    assert curves(x, made.coordinates).knn_accuracy is None
    many = np.random.default_rng(0).random((3000, 3)).astype(np.float32)
    assert curves(many, many[:, :2]).n == MAX_CURVE_POINTS


def test_large_maps_are_measured_on_some_of_their_points(monkeypatch):
    monkeypatch.setattr(quality, "MAX_MEASURED", 200)
    x = np.random.default_rng(0).random((250, 3)).astype(np.float32)
    chosen = list(geometry.evenly(len(x), 200))
    assert len(set(chosen)) == 200
    assert (chosen[0], chosen[-1]) == (0, len(x) - 1)
    result = fit.fit_map(Pca(), x)
    assert result.quality["stress_1"] == metrics.stress_1(geometry.distances(x[chosen]), result.coordinates[chosen])


@given(st.integers(0, 1000), st.floats(0, 6.28), st.booleans(), st.floats(0.01, 100))
@settings(max_examples=25, deadline=None)
def test_alignment_undoes_rotation_reflection_scale_and_shift(seed, angle, mirror, scale):
    rng = np.random.default_rng(seed)
    reference = rng.standard_normal((9, 2)).astype(np.float32)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if mirror:
        turn = turn @ np.diag([1, -1])
    moved = (scale * reference @ turn + rng.standard_normal(2)).astype(np.float32)
    np.testing.assert_allclose(align.alignment(reference, moved).apply(moved), reference, atol=1e-3)


def test_an_alignment_applies_to_new_points_and_survives_collapsed_maps():
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((9, 2)).astype(np.float32)
    turned = (reference @ np.array([[0, 2], [-2, 0]]) + 1).astype(np.float32)
    found = align.alignment(reference[:6], turned[:6])
    np.testing.assert_allclose(found.apply(turned[6:]), reference[6:], atol=1e-5)
    zeros = np.zeros((9, 2), np.float32)
    collapsed = align.alignment(reference, zeros).apply(zeros)
    np.testing.assert_allclose(collapsed, np.tile(reference.mean(0), (9, 1)), atol=1e-6)
    assert np.isfinite(align.alignment(zeros, reference).apply(reference)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_cached_map_equals_the_fitted_one(kind, digits, places, monkeypatch):
    x, labels = digits
    codes, new = x[:, 10:13], x[5:9, 10:13]
    embedding = make("embeddings", Embedding, kind)
    first = cache.cached_map(embedding, x, codes, labels)
    monkeypatch.setattr(map_cache, "fit_map", lambda *_: pytest.fail("fitted again"))
    again = cache.cached_map(embedding, x, codes, labels)
    assert (again.quality, again.seconds) == (first.quality, first.seconds)
    np.testing.assert_array_equal(again.coordinates, first.coordinates)
    new = new if embedding.uses_codes else x[5:9]
    np.testing.assert_array_equal(again.fitted.transform(new), first.fitted.transform(new))
    assert len(list(places[1].iterdir())) == 1


def test_shipped_maps_are_found_first_and_never_written(digits, places):
    shipped, own = places
    x, _ = digits
    cache.cached_map(Pca(), x, folder=shipped)
    before = {path: path.read_bytes() for path in shipped.iterdir()}
    cache.cached_map(Pca(), x)
    assert not own.exists()
    cache.cached_map(Pca(), x[:50])
    assert len(list(own.iterdir())) == 1
    assert {path: path.read_bytes() for path in shipped.iterdir()} == before


def test_the_key_depends_on_settings_and_data_only(digits):
    x, labels = digits
    codes = x[:, :3]
    base = cache.map_key(Mds(), x, codes, labels)
    assert base == cache.map_key(Mds(), x.copy(), codes + 1, labels)
    others = [
        cache.map_key(Mds(max_iterations=7), x, codes, labels),
        cache.map_key(Mds(distance="cosine"), x, codes, labels),
        cache.map_key(Pca(), x, codes, labels),
        cache.map_key(Mds(), x[::-1], codes, labels),
        cache.map_key(Mds(), x.reshape(-1, 32)),
        cache.map_key(Mds(), x, codes, None),
        cache.map_key(CodeMap(), x, codes, labels),
        cache.map_key(CodeMap(), x, codes + 1, labels),
    ]
    assert len({base, *others}) == len(others) + 1
    assert cache.map_key(Mds(dimensions=2, seed=0), x, codes, labels) == base, "defaults change no key"
    named = cache.map_key(CodeMap(), x, codes, labels, ["data", "weights"])
    assert named == cache.map_key(CodeMap(), x, codes + 1e-6, labels, ["data", "weights"])
    assert named != cache.map_key(CodeMap(), x, codes, labels, ["data", "other weights"])


def rewritten(path, **changes):
    """The map file with its header changed."""
    with safetensors.safe_open(path, framework="np") as file:
        header = json.loads(file.metadata()["map"]) | changes
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return safetensors.numpy.save(state, metadata={"map": json.dumps(header)})


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: b"",
        lambda path: path.read_bytes()[:-10],
        lambda path: b"\x80\x04pickle",
        lambda path: safetensors.numpy.save({"coordinates": np.zeros((120, 2), np.float32)}),
        lambda path: safetensors.numpy.save({"coordinates": np.zeros((120, 2), np.float32)}, metadata={"map": "{"}),
        lambda path: rewritten(path, format=cache.FORMAT + 1),
        lambda path: rewritten(path, quality=[1]),
    ],
    ids=["empty", "truncated", "foreign", "no header", "broken header", "newer format", "odd header"],
)
def test_a_damaged_map_is_fitted_again(damage, digits, places):
    x, _ = digits
    first = cache.cached_map(Pca(), x)
    (path,) = places[1].iterdir()
    path.write_bytes(damage(path))
    again = cache.cached_map(Pca(), x)
    assert again.quality == first.quality
    (path,) = places[1].iterdir()
    assert json.loads(safetensors.safe_open(path, framework="np").metadata()["map"])["format"] == cache.FORMAT


def test_a_full_disk_only_prevents_caching(digits, places, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    x, _ = digits
    assert len(cache.cached_map(Pca(), x).coordinates) == 120
    assert list(places[1].iterdir()) == []


def test_the_cache_is_bounded_and_drops_the_least_recently_used(digits, places, monkeypatch):
    x, _ = digits
    for n in (60, 70, 80):
        cache.cached_map(Pca(), x[:n])
        name = cache.map_key(Pca(), x[:n]) + ".safetensors"
        os.utime(places[1] / name, (n, n))
    size = sum(path.stat().st_size for path in places[1].iterdir())
    cache.cached_map(Pca(), x[:60])
    monkeypatch.setattr(map_cache, "CACHE_BYTES", size + 400)
    cache.cached_map(Pca(), x[:90])
    kept = {path.name for path in places[1].iterdir()}
    assert kept == {cache.map_key(Pca(), x[:n]) + ".safetensors" for n in (60, 80, 90)}
