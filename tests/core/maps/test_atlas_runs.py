"""Maps of many images, which are cached on disk, and maps of other runs and of earlier epochs."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aecore.foundation.errors import BadInput
from aecore.foundation.files import write_arrays, write_mapped
from aecore.maps import cache, images
from aecore.maps import cache as map_cache
from aecore.maps.atlas import Atlas, atlas
from aecore.maps.plan import is_cached, is_fast, max_count
from aecore.maps.spec import AtlasSpec, PanelSpec
from aecore.parts.data import Data
from aecore.session.session import Session

Open = Callable[[str], Session]


def spec(n: int | None, *panels: str, seed: int = 0) -> AtlasSpec:
    return AtlasSpec(tuple(map(PanelSpec.parse, panels)), n, seed)


def folder() -> Path:
    return map_cache.cache_home() / "maps"


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> AtlasSpec:
    """An atlas with more images than are held in memory here."""
    monkeypatch.setattr(images, "MAX_IN_MEMORY", 50)
    monkeypatch.setattr(images, "CHUNK", 32)
    return spec(150, "pca", "mds", "code")


def contents(made: Atlas) -> list[np.ndarray]:
    panels = [array for panel in made.panels for array in (panel.places, panel.distortion)]
    return [np.asarray(array) for array in (made.indices, made.codes, made.errors, *panels)]


def test_nothing_about_many_images_is_computed_twice(
    opened: Open, large: AtlasSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = opened("digits-variational")
    assert not is_cached(session, large)
    first = atlas(session, large)
    assert is_cached(session, large)
    images = session.data.floats(first.indices)
    np.testing.assert_allclose(first.codes, session.encode(images), atol=1e-5)
    np.testing.assert_allclose(first.errors, ((images - session.reconstruct(images)) ** 2).sum((1, 2, 3)), rtol=1e-4)

    def never(*arguments: object) -> None:
        raise AssertionError("a cached atlas computes or reads an image")

    with monkeypatch.context() as patch:
        patch.setattr(map_cache, "fit_map", never)
        patch.setattr(Session, "encode", never)
        patch.setattr(Session, "reconstruct", never)
        patch.setattr("aecore.maps.shepard.distortion", never)
        patch.setattr(Data, "floats", never)
        again = atlas(session, large)
        for one, other in zip(contents(first), contents(again), strict=True):
            np.testing.assert_array_equal(one, other)
    assert isinstance(again.codes, np.memmap), "they stay on the disk until they are read"
    assert again.key == first.key
    with pytest.raises(BadInput, match="too many for one picture"):
        _ = again.sprite


@pytest.mark.parametrize("what", ["codes", "errors", "distortion"])
@pytest.mark.parametrize("damage", [b"", b"\x80\x04pickle", None], ids=["empty", "foreign", "cut off"])
def test_damaged_arrays_are_computed_again(opened: Open, large: AtlasSpec, what: str, damage: bytes | None) -> None:
    session = opened("digits-variational")
    first = contents(atlas(session, large))
    first = [array.copy() for array in first]
    for path in folder().glob(f"{what}-*"):
        path.write_bytes(path.read_bytes()[:-5] if damage is None else damage)
    assert not is_cached(session, large)
    for one, other in zip(first, contents(atlas(session, large)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert is_cached(session, large)


def test_arrays_of_other_shapes_and_types_are_ignored(large: AtlasSpec) -> None:
    cache.store_array("codes", ["a"], np.ones((7, 2), np.float32))
    assert cache.find_array("codes", ["a"], 7) is not None
    assert cache.find_array("codes", ["a"], 8) is None
    assert cache.find_array("codes", ["b"], 7) is None
    (path,) = folder().iterdir()
    for array in (np.ones((7, 2), np.float16), np.ones((7, 2)), np.array(1.0, np.float32)):
        write_mapped(path, array)
        assert cache.find_array("codes", ["a"], 7) is None


def test_arrays_of_an_earlier_version_are_ignored_and_pruned(large: AtlasSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.store_array("codes", ["a"], np.ones((7, 2), np.float32))
    (path,) = folder().iterdir()
    old = path.with_suffix(".safetensors")
    write_arrays(old, {"codes": np.ones((70, 2), np.float32)})
    path.unlink()
    assert cache.find_array("codes", ["a"], 70) is None
    os.utime(old, (1, 1))
    monkeypatch.setattr(map_cache, "CACHE_BYTES", old.stat().st_size + 100)
    cache.store_array("codes", ["a"], np.ones((7, 2), np.float32))
    assert list(folder().iterdir()) == [path], "the old file counts, and is the first to go"


def test_the_cached_arrays_are_bounded(opened: Open, large: AtlasSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_cache, "CACHE_BYTES", 20_000)
    for n in (100, 110, 120):
        atlas(opened("digits-variational"), spec(n, "pca", "code"))
    assert sum(path.stat().st_size for path in folder().iterdir()) <= 20_000


def test_new_images_find_their_place_among_many(opened: Open, large: AtlasSpec) -> None:
    made = atlas(opened("digits-variational"), large)
    for panel, placed in zip(made.panels, made.place(made.pictures([7]), np.asarray(made.codes[[7]])), strict=True):
        assert np.abs(placed.places[0] - panel.places[7].clip(-1.04, 1.04)).max() < 0.05
        assert 7 in placed.nearest[0]


# --- other runs, earlier epochs


def test_two_runs_stand_side_by_side_on_the_same_images(opened: Open) -> None:
    session, other = opened("digits-variational"), opened("digits-deep")
    made = atlas(session, spec(120, "code", "code@digits-deep"))
    own, theirs = made.panels
    images = made.pictures(range(120))
    codes = other.encode(images)
    assert theirs.title == f"Autoencoder code: {other.info.name}"
    assert own.inverse is not None
    assert theirs.inverse is not None
    assert (own.inverse.run_id, theirs.inverse.run_id) == ("digits-variational", "digits-deep")
    assert theirs.inverse.origin.shape == (other.code_dim,)
    placed = made.place(images[:4], session.encode(images[:4]))
    np.testing.assert_allclose(placed[1].places, theirs.places[:4].clip(-1.04, 1.04), atol=1e-3)
    assert made.axes == ["code_x", "code_y", "code@digits-deep_x", "code@digits-deep_y"]
    whole = atlas(other, spec(120, "code")).panels[0]
    assert whole.quality == theirs.quality, "one cached map serves both runs"
    if other.code_dim == 2:
        np.testing.assert_allclose(theirs.coordinates, codes, atol=1e-5)


def test_its_own_run_may_be_named_too(opened: Open) -> None:
    session = opened("digits-variational")
    named, plain = (atlas(session, spec(60, text)).panels[0] for text in ("code@digits-variational", "code"))
    np.testing.assert_array_equal(named.places, plain.places)
    assert named.title == plain.title


@pytest.mark.parametrize(
    ("panel", "words"),
    [
        ("code@shapes-variational", "trained on other images"),
        ("code@no-such-run", "there is no run"),
        ("code~3", "it kept those after: 0, 8"),
        ("code@digits-deep~3", "it kept those after: none"),
    ],
)
def test_codes_of_other_images_or_epochs_are_refused(opened: Open, panel: str, words: str) -> None:
    for ask in (atlas, is_cached):
        with pytest.raises(BadInput, match=words):
            ask(opened("digits-variational"), spec(60, panel))


def test_the_code_at_its_snapshots(opened: Open) -> None:
    session = opened("digits-variational")
    first, *_, last = session.snapshots
    assert first == 0
    made = atlas(session, spec(300, f"code~{first}", f"code~{last}", "code"))
    before, late, now = made.panels
    assert [panel.inverse.epoch for panel in made.panels if panel.inverse is not None] == [first, last, None]
    for panel in made.panels:
        assert panel.inverse is not None
        row = panel.inverse.row(0.3, -0.2)[None]
        np.testing.assert_array_equal(panel.between(0.3, -0.2), session.decode(row, panel.spec.epoch))
    assert before.title.endswith("before training")
    assert late.title.endswith(f"after epoch {last}")
    images = made.pictures(range(300))
    assert not np.allclose(session.encode(images, last), session.encode(images))
    with pytest.raises(BadInput, match="kept no weights"):
        session.encode(images, last + 1)
    assert before.quality["knn_accuracy"] < now.quality["knn_accuracy"]
    assert late.place(images[:2]).places.shape == (2, 2)


# --- how many, and how fast


def test_methods_say_how_many_they_take(opened: Open) -> None:
    session = opened("digits-variational")
    assert max_count(session, spec(None, "pca", "mds", "code")) == len(session.data)
    assert max_count(session, spec(5, "pca", "mds")) == len(session.data)
    assert len(atlas(session, spec(5000, "pca"))) == len(session.data)
    for ask in (atlas, is_cached, is_fast):
        with pytest.raises(BadInput, match="Nonmetric MDS takes at most 2,000 images"):
            ask(session, spec(2001, "pca", "mds_nonmetric"))


def test_which_maps_are_fast(opened: Open) -> None:
    session = opened("digits-variational")
    assert is_fast(session, AtlasSpec())
    assert is_fast(session, spec(1000, "pca", "classical_mds", "mds(distance=cosine)", "code@digits-deep"))
    for slow in (
        spec(1001, "pca"), spec(100, "tsne"), spec(100, "mds(distance=geodesic)"),
        spec(100, "mds_nonmetric"),
    ):  # fmt: skip
        assert not is_fast(session, slow)
