"""The session: shapes, ranges and identities of everything a page shows, and refusal of what cannot be."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from aecore.foundation.errors import BadInput, DataUnavailable, RunUnavailable
from aecore.foundation.geometry import stratified
from aecore.parts.corruptions import NoCorruption
from aecore.session.session import Session
from aecore.store.folder import RunFolder
from aecore.training.run import train


@pytest.fixture
def images(session):
    return session.gallery(6).images


@pytest.fixture
def moved(store, trained):
    """A copy of the trained run that a test may change: (store, run id, folder)."""
    origin, run_id = trained
    shutil.copytree(origin.folder(run_id), store.root / "runs" / run_id)
    return store, run_id, store.root / "runs" / run_id


# --- pictures and codes


def test_shapes_types_and_ranges(session, images):
    codes = session.encode(images)
    assert codes.shape == (6, 6)
    assert codes.dtype == np.float32
    for pictures in (session.decode(codes), session.reconstruct(images)):
        assert pictures.shape == (6, 1, 8, 8)
        assert pictures.dtype == np.float32
        assert 0 <= pictures.min() <= pictures.max() <= 1
    np.testing.assert_allclose(session.reconstruct(images), session.decode(codes), atol=1e-6)
    assert session.parameters == session.status.parameters > 0


def test_pictures_are_clipped_to_their_range(configure, store):
    run_id = train(configure(likelihood="gaussian", backbone="linear"), store)
    pictures = Session(store, run_id).decode(np.full((1, 6), 50, np.float32))
    assert pictures.min() == 0
    assert pictures.max() == 1


def test_what_is_shown_does_not_depend_on_what_was_asked_before(session, images):
    alone = session.reconstruct(images[:1])
    session.sample(5, "normal", seed=3)
    np.testing.assert_allclose(session.reconstruct(images)[:1], alone, atol=1e-6)
    np.testing.assert_array_equal(session.reconstruct(images), session.reconstruct(images))


def test_stored_codes_are_those_of_the_training_images(session):
    data = session.data
    assert set(session.code_indices) <= set(data.indices("train"))
    chosen = session.code_indices[:50]
    np.testing.assert_allclose(session.encode(data.floats(chosen)), session.codes[:50], atol=1e-5)
    np.testing.assert_array_equal(session.code_labels, data.labels[session.code_indices])
    np.testing.assert_allclose(session.code_mean, session.codes.mean(0), atol=1e-6)


def test_what_is_shared_cannot_be_written_to(session):
    for array in (session.codes, session.quantiles, session.effects, session.code_mean, session.code_std):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x[:, :, :7], "1 × 8 × 8"),
        (lambda x: np.repeat(x, 3, 1), "1 × 8 × 8"),
        (lambda x: x[:0], "not \\(0,"),
        (lambda x: np.broadcast_to(x[:1], (10_001, 1, 8, 8)), "up to 10000"),
        (lambda x: x + np.float32(np.nan), "not numbers"),
        (lambda x: x + np.float32(np.inf), "not numbers"),
    ],
)
def test_images_that_do_not_fit_are_refused(session, images, change, words):
    for act in (session.encode, session.reconstruct, session.denoise):
        with pytest.raises(BadInput, match=words):
            act(change(images))


@pytest.mark.parametrize(
    "codes", [np.zeros((2, 5)), np.zeros((2, 7)), np.full((1, 6), np.nan), np.full((1, 6), np.inf)]
)
def test_codes_that_do_not_fit_are_refused(session, codes):
    with pytest.raises(BadInput, match="6 finite numbers"):
        session.decode(codes.astype(np.float32))


# --- denoising


def test_denoising_replays_the_seeds_noise(session, images):
    one, again, other = (session.denoise(images, "gaussian", 0.3, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.corrupted, again.corrupted)
    np.testing.assert_array_equal(one.reconstruction, again.reconstruction)
    assert not np.array_equal(one.corrupted, other.corrupted)
    np.testing.assert_array_equal(one.original, images)
    direct = np.square(one.corrupted - images).reshape(6, -1).sum(1)
    np.testing.assert_allclose(one.sse_before, direct, rtol=1e-5)


def test_level_0_of_any_noise_is_plain_reconstruction(session, images):
    for kind in ("none", "masking", "gaussian", "salt_and_pepper", "patches"):
        shown = session.denoise(images, kind, 0.0)
        np.testing.assert_array_equal(shown.corrupted, images)
        np.testing.assert_allclose(shown.reconstruction, session.reconstruct(images), atol=1e-6)


def test_without_kind_and_level_those_of_the_training_are_used(session, images):
    shown = session.denoise(images)
    hidden = (shown.corrupted == 0) & (images > 0)
    assert 0.15 < hidden.sum() / (images > 0).sum() < 0.45, "masking at 0.3"
    assert session.corruption() == session.config.corruption
    assert session.corruption("none") == NoCorruption()
    assert session.corruption("gaussian", 0.5).level == 0.5


@pytest.mark.parametrize(
    ("kind", "level"), [("snow", None), ("masking", 1.5), ("masking", -0.1), ("none", 0.5), (None, np.nan)]
)
def test_impossible_noise_is_refused(session, images, kind, level):
    with pytest.raises(BadInput, match="corruption"):
        session.denoise(images, kind, level)


def test_the_error_curve_is_that_of_denoising_and_rises(session, images):
    curve = session.error_curve(images, "masking", np.array([0.0, 0.4, 0.9]))
    shown = session.denoise(images, "masking", 0.4)
    assert curve["before"][0] == 0
    assert curve["before"][1] == pytest.approx(shown.sse_before.mean())
    assert curve["after"][1] == pytest.approx(shown.sse_after.mean())
    assert list(curve["before"]) == sorted(curve["before"])
    assert len(session.error_curve(images, "none")["level"]) == 1


# --- the data behind it


def test_a_gallery_is_stratified_and_repeatable(session):
    gallery = session.gallery(50)
    data = session.data
    assert gallery.images.shape == (50, 1, 8, 8)
    assert not gallery.decoded
    assert set(gallery.indices) <= set(data.indices("test"))
    np.testing.assert_array_equal(gallery.indices, session.gallery(50).indices)
    counts = np.bincount(gallery.labels, minlength=10)
    assert counts.min() >= 4
    assert counts.max() <= 6
    assert gallery.label_names == data.label_names
    assert len(session.gallery(10**6).images) == gallery.total == len(data.indices("test"))


def test_stratified_choice_keeps_the_proportions():
    labels = np.repeat([0, 1, 2], [700, 200, 100])
    chosen = stratified(labels, np.arange(1000), 100)
    np.testing.assert_array_equal(np.bincount(labels[chosen]), [70, 20, 10])
    assert len(set(chosen)) == 100
    np.testing.assert_array_equal(stratified(None, np.arange(5), 9), np.arange(5))
    assert len(stratified(None, np.arange(500), 9)) == 9


def test_other_data_than_at_training_is_not_used(moved):
    store, run_id, folder = moved
    RunFolder(folder).update(data_hash="0" * 16)
    session = Session(store, run_id)
    with pytest.raises(DataUnavailable, match="not the one this run was trained on"):
        _ = session.data
    gallery = session.gallery(12)
    assert gallery.decoded
    assert "not the one" in gallery.note
    np.testing.assert_array_equal(gallery.images, session.decode(session.codes[gallery.indices]))
    assert session.denoise(gallery.images).reconstruction.shape == (12, 1, 8, 8)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut"])
def test_a_run_whose_file_is_gone_or_damaged_shows_decoded_codes(configure, store, tmp_path, content):
    path = tmp_path / "own.npz"
    np.savez(path, images=np.random.default_rng(0).integers(0, 256, (30, 8, 8), np.uint8))
    run_id = train(configure(dataset={"kind": "npz", "path": str(path)}), store)
    assert not Session(store, run_id).gallery(3).decoded
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    gallery = Session(store, run_id).gallery(3)
    assert gallery.decoded
    assert "own.npz" in gallery.note


def test_own_images_travel_with_their_run(configure, store, tmp_path):
    np.savez(tmp_path / "a.npz", images=np.random.default_rng(0).integers(0, 256, (30, 8, 8), np.uint8))
    config = configure(dataset={"kind": "npz", "path": "images.npz"})
    run_id = store.create(config, images=(tmp_path / "a.npz").read_bytes())
    train(config, store, run_id=run_id)
    session = Session(store, run_id)
    assert not session.gallery(3).decoded
    assert len(session.data) == 30


def test_history_has_one_row_per_epoch(session):
    rows = session.history()
    assert [row["epoch"] for row in rows] == list(range(9))
    assert rows[-1]["validation_sse"] < rows[0]["validation_sse"]
    assert set(rows[-1]["train"]) == {"reconstruction", "kl"}
    assert session.unit_figures["kl"].shape == (6,)


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_run_that_is_not_ready_cannot_be_opened(configure, store, state):
    run_id = store.create(configure())
    if state == "running":
        RunFolder(store.folder(run_id)).update(state="running", pid=1, pid_started=0.0)
    with pytest.raises(RunUnavailable, match="cannot be opened"):
        Session(store, run_id)


def test_many_threads_see_what_one_sees(trained):
    session = Session(*trained)
    codes = session.codes[:64]
    expected = session.decode(codes)

    def look(number: int):
        far = session.distance(codes[number]).value
        return session.decode(codes), session.denoise(expected, "gaussian", 0.2, seed=1).corrupted, far

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(look, range(32)))
    for decoded, corrupted, far in results:
        np.testing.assert_array_equal(decoded, expected)
        np.testing.assert_array_equal(corrupted, results[0][1])
        assert far == pytest.approx(0, abs=1e-6)
