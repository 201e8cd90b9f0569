"""Directions of the code: identities with the codes they come from, and true words on data whose factors are known."""

import gc
import shutil
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from aecore.cli import ready_made
from aecore.foundation.errors import BadInput
from aecore.foundation.files import read_arrays
from aecore.model import analysis
from aecore.session import describe, directions
from aecore.session.neighbourhood import neighbourhood
from aecore.session.session import Session
from aecore.store.folder import RunFolder
from aecore.store.store import RunStore
from aecore.training.run import train

WORDS = {word for m in describe.MEASURES for word in (m.more, m.less)} | set(describe.COLOURS)
ALL = (directions.units, directions.principal, directions.attributes)


RUNS = Path(ready_made.__file__).parents[2] / "assets" / "runs"


def shipped(run_id, builtin=RUNS):
    return Session(RunStore(Path("none"), builtin), run_id)


@pytest.fixture(scope="module")
def digits(opened):
    return opened("digits-variational")


def every(session):
    return [direction for found in ALL for direction in found(session)]


# --- over the ready-made runs


@pytest.mark.parametrize("entry", ready_made.READY_MADE, ids=lambda entry: entry.run_id)
def test_every_ready_made_run_has_directions(entry, opened):
    session = opened(entry.run_id)
    units, principal, attributes = (found(session) for found in ALL)
    assert len(units) == session.code_dim
    assert len(principal) == min(session.code_dim, directions.MAX_PRINCIPAL)
    assert {d.kind for d in attributes} >= {"class"}  # from the stored labels, whether the data is here or not
    assert len({d.name for d in (*units, *principal, *attributes)}) == len(units) + len(principal) + len(attributes)
    for d in (*units, *principal, *attributes):
        assert d.vector.dtype == np.float32
        assert not d.vector.flags.writeable
        assert np.isfinite([*d.vector, d.offset, d.effect]).all()
        assert d.least < d.low < d.high < d.most
        assert d.effect >= 0
        assert all(word in WORDS for word in d.words.split(", ") if word)
        assert not (d.dead and d.words)
    for d in (*principal, *attributes):
        readings = d.reading(session.codes, session.code_mean)
        np.testing.assert_allclose(np.quantile(readings, (0.02, 0.98)), (d.low, d.high), rtol=1e-5, atol=1e-6)
    for found in (units, attributes):
        assert [d.effect for d in found] == sorted((d.effect for d in found), reverse=True)
    assert [d.dead for d in units] == session.dead[session.units_by_effect()].tolist()


def test_a_direction_says_what_its_factor_does(opened):
    for run_id in ("shapes-variational", "shapes-denoising"):
        said = {d.name: d.words for d in directions.attributes(opened(run_id))}
        assert said["scale: high − low"] == "larger"
        assert said["x: high − low"] == "moves right"
        assert said["y: high − low"] == "moves down"
    said = {d.name: d.words for d in directions.attributes(opened("patterns-variational"))}
    assert said["frequency: high − low"] == "finer texture"
    assert "orientation: high − low" not in said, "an angle has no high and low end that one direction could lead to"


@pytest.mark.parametrize("run_id", ["shapes-variational", "patterns-variational"])
def test_a_factor_rises_along_its_direction(opened, run_id):
    session = opened(run_id)
    found = {d.name.split(":")[0]: d for d in directions.attributes(session) if d.kind == "factor"}
    assert found
    for name, d in found.items():
        factor = session.data.factors[name.replace(" ", "_")][session.code_indices]
        assert np.corrcoef(d.reading(session.codes, session.code_mean), factor)[0, 1] >= directions.MIN_CORRELATION
    assert "shape" not in found  # the classes themselves


def test_without_the_data_there_are_classes_and_no_factors(opened):
    found = directions.attributes(opened("mnist-variational"))
    assert sorted(d.name for d in found) == [f"class {digit} − mean" for digit in range(10)]


# --- units


def test_a_unit_reads_its_own_value(digits):
    for d in directions.units(digits):
        unit = int(d.name.split()[1])
        np.testing.assert_array_equal(d.vector, np.eye(digits.code_dim, dtype=np.float32)[unit])
        np.testing.assert_allclose(d.reading(digits.codes, digits.code_mean), digits.codes[:, unit], atol=1e-6)
        assert (d.low, d.high) == digits.unit_range(unit)
        assert d.effect == digits.effects[unit]


def test_many_units_share_their_numbers(opened):
    found = directions.units(opened("mnist-course-denoising"))
    assert len({id(d.vector.base) for d in found}) == 1


def test_effects_of_units_are_measured_as_those_of_any_direction(session):
    def decode(codes):
        return torch.from_numpy(session.decode(codes.numpy()))

    steps = torch.diag(torch.from_numpy(np.array(session.code_std)))
    again = analysis.effects(decode, torch.from_numpy(np.array(session.codes)), steps)
    np.testing.assert_allclose(again, session.effects, rtol=1e-4, atol=1e-7)
    assert analysis.effects(decode, torch.from_numpy(np.array(session.codes)), []).shape == (0,)


# --- principal directions


@pytest.mark.parametrize("run_id", ["digits-variational", "digits-deep", "digits-denoising", "mnist-course-denoising"])
def test_principal_directions_are_those_of_scikit_learn(opened, run_id):
    session = opened(run_id)
    found = directions.principal(session)
    vectors = np.stack([d.vector for d in found]).astype(np.float64)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(len(found)), atol=1e-5)
    pca = PCA(len(found), svd_solver="full").fit(session.codes.astype(np.float64))
    np.testing.assert_allclose(np.abs((vectors * pca.components_).sum(1)), 1, atol=1e-4)
    readings = np.stack([d.reading(session.codes, session.code_mean) for d in found], 1)
    np.testing.assert_allclose(readings.var(0, ddof=1), pca.explained_variance_, rtol=1e-4)


def test_at_most_as_many_principal_directions_as_are_kept(digits):
    assert [d.name for d in directions.principal(digits, 2)] == ["principal direction 1", "principal direction 2"]
    for count in (0, directions.MAX_PRINCIPAL + 1):
        with pytest.raises(BadInput, match="1 to 8"):
            directions.principal(digits, count)


# --- moving


@settings(deadline=None)
@given(st.data())
def test_a_moved_code_reads_where_it_was_moved_to(digits, data):
    session = digits
    d = data.draw(st.sampled_from(every(session)))
    code = session.codes[data.draw(st.integers(0, len(session.codes) - 1))]
    to = data.draw(st.floats(d.least, d.most))
    moved = d.moved(code, session.code_mean, to)
    size = 1e-4 * (1 + d.most - d.least)
    assert d.reading(moved[None], session.code_mean)[0] == pytest.approx(to, abs=size)
    np.testing.assert_allclose(
        d.moved(moved, session.code_mean, float(d.reading(code[None], session.code_mean)[0])), code, atol=1e-4
    )
    if d.kind == "principal":
        for other in directions.principal(session):
            if other.name != d.name:
                before, after = other.reading(np.stack([code, moved]), session.code_mean)
                assert after == pytest.approx(before, abs=1e-4)


@settings(deadline=None)
@given(st.data())
def test_a_class_reads_one_and_moving_there_comes_as_near_as_the_direction_leads(digits, data):
    session = digits
    names = [f"class {name} − mean" for name in session.data.label_names]
    label = data.draw(st.integers(0, len(names) - 1))
    (d,) = [d for d in directions.attributes(session) if d.name == names[label]]
    own = session.codes[session.code_labels == label].mean(0)
    assert d.reading(own[None], session.code_mean)[0] == pytest.approx(1, abs=1e-4)
    assert d.reading(session.code_mean[None], session.code_mean)[0] == 0
    other = session.codes[session.code_labels != label].mean(0)
    code = data.draw(st.sampled_from([other, *session.codes[:40]]))
    away = np.linalg.norm(d.moved(code, session.code_mean, 1.0) - own)
    assert away <= np.linalg.norm(code - own) + 1e-5
    elsewhere = data.draw(st.floats(d.least, d.most))
    assert away <= np.linalg.norm(d.moved(code, session.code_mean, elsewhere) - own) + 1e-5


def test_the_mean_of_the_others_becomes_a_picture_of_the_class(opened):
    """Decoded and encoded again, the moved mean is nearer to the class's mean code than before."""
    session = opened("mnist-variational")
    for label in range(10):
        (d,) = [d for d in directions.attributes(session) if d.name == f"class {label} − mean"]
        own = session.codes[session.code_labels == label].mean(0)
        other = session.codes[session.code_labels != label].mean(0)
        pair = np.stack([other, d.moved(other, session.code_mean, 1.0)])
        before, after = np.linalg.norm(session.encode(session.decode(pair)) - own, axis=1)
        assert after < before


# --- kept


def test_equal_runs_have_equal_directions():
    for a, b in zip(every(shipped("digits-top-k")), every(shipped("digits-top-k")), strict=True):
        np.testing.assert_array_equal(a.vector, b.vector)
        assert [getattr(a, name) for name in ("name", "low", "high", "effect", "words")] == [
            getattr(b, name) for name in ("name", "low", "high", "effect", "words")
        ]


def test_measured_once_for_all_who_ask_at_once_and_gone_with_the_session(monkeypatch):
    session = shipped("digits-undercomplete")
    decoded = []
    decode = session.decode
    monkeypatch.setattr(session, "decode", lambda codes: decoded.append(len(codes)) or decode(codes), raising=False)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: directions.units(session), range(16)))
    asked = len(decoded)
    assert asked == 1  # eight units in one go
    assert all([d.words for d in found] == [d.words for d in results[0]] for found in results)
    results[0].clear()  # whoever gets a list may do with it as they like
    assert len(directions.units(session)) == session.code_dim
    assert len(decoded) == asked
    seen = weakref.ref(session)
    monkeypatch.undo()
    del session, decode, results
    gc.collect()
    assert seen() is None


# --- runs that lack something


@pytest.fixture
def copied(tmp_path):
    """A copy of a ready-made run that a test may change."""

    def copy(run_id):
        shutil.copytree(RUNS / run_id, tmp_path / "runs" / run_id)
        return tmp_path / "runs" / run_id

    return copy


def test_a_run_without_codes_has_dead_units_and_nothing_else(copied, monkeypatch):
    monkeypatch.delenv("AECORE_MNIST", raising=False)  # with the images here its codes would be made anew
    folder = copied("mnist-variational")
    (folder / "analysis.safetensors").unlink()
    session = shipped("mnist-variational", folder.parent)
    units = directions.units(session)
    assert all(d.dead and d.words == "" and d.low < d.high for d in units)
    assert directions.principal(session) == directions.attributes(session) == []
    found = neighbourhood(session)
    assert found.codes.shape == (1, 16)


def test_indices_from_elsewhere_that_are_no_places_in_the_data(copied):
    folder = copied("shapes-variational")
    arrays = read_arrays(folder / "analysis.safetensors")
    RunFolder(folder).write_arrays("analysis.safetensors", {**arrays, "indices": arrays["indices"] + 10**6})
    session = shipped("shapes-variational", folder.parent)
    assert {d.name for d in directions.attributes(session)} == {f"class {i} − mean" for i in range(5)}
    assert "decoded codes" in neighbourhood(session, 20).note


def test_codes_that_are_all_one_point_lead_nowhere(copied):
    folder = copied("digits-variational")
    arrays = read_arrays(folder / "analysis.safetensors")
    still = {**arrays, "codes": np.zeros_like(arrays["codes"])}
    RunFolder(folder).write_arrays("analysis.safetensors", still)
    session = shipped("digits-variational", folder.parent)
    assert directions.principal(session) == directions.attributes(session) == []
    assert all(d.words == "" for d in directions.units(session))


def test_real_numbers_have_directions_without_words(monkeypatch):
    session = shipped("shapes-variational")
    monkeypatch.setattr(type(session.config.dataset), "value_range", None)
    assert {d.words for d in directions.principal(session)} == {""}


def test_many_small_classes_are_bounded(configure, store, tmp_path):
    rng = np.random.default_rng(0)
    names = np.array([f"kind {i}" for i in range(40)]).repeat(10)
    np.savez(tmp_path / "own.npz", images=rng.integers(0, 256, (400, 8, 8), dtype=np.uint8), labels=names)
    own = {"kind": "npz", "path": str(tmp_path / "own.npz")}
    session = Session(store, train(configure(dataset=own), store))
    found = directions.attributes(session)
    assert len(found) == directions.MAX_CLASSES
    assert {d.name for d in found} <= {f"{name} − mean" for name in names}
