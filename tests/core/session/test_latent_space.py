"""Walks, planes, interpolation, samples, effects and distances of a session."""

import itertools

import numpy as np
import pytest

from aecore.foundation.errors import BadInput
from aecore.parts.looking import Sampler
from aecore.parts.registry import members

SAMPLERS = list(members("samplers", Sampler))


@pytest.fixture
def images(session):
    return session.gallery(6).images


# --- the latent space


def test_a_walk_runs_between_the_quantiles_of_its_unit_and_moves_nothing_else(session, images):
    code = session.encode(images)[0]
    values, pictures = session.walk(code, 2, steps=7)
    low, high = (float(np.quantile(session.codes[:, 2], q)) for q in (0.02, 0.98))
    assert values[0] == pytest.approx(low, abs=0.05 * (high - low))
    assert values[-1] == pytest.approx(high, abs=0.05 * (high - low))
    assert np.all(np.diff(values) > 0)
    expected = np.repeat(code[None], 7, 0)
    expected[:, 2] = values
    np.testing.assert_array_equal(pictures, session.decode(expected))


def test_a_walk_over_given_values_passes_through_the_code_itself(session, images):
    code = session.encode(images)[0]
    _, pictures = session.walk(code, 1, values=np.array([code[1], code[1] + 1], np.float32))
    np.testing.assert_allclose(pictures[0], session.reconstruct(images)[0], atol=1e-6)
    assert not np.allclose(pictures[0], pictures[1])


@pytest.mark.parametrize("unit", [-1, 6, 10**9])
def test_units_that_do_not_exist_are_refused(session, unit):
    with pytest.raises(BadInput, match="unit"):
        session.walk(session.code_mean, unit)
    with pytest.raises(BadInput, match="unit"):
        session.plane(session.code_mean, 0, unit)


@pytest.mark.parametrize("code", [np.zeros(5), np.zeros(7), np.full(6, np.nan)])
def test_a_code_of_another_run_is_refused_everywhere(session, code):
    code = code.astype(np.float32)
    asked = [
        lambda: session.walk(code, 0),
        lambda: session.plane(code, 0, 1),
        lambda: session.interpolate(code, code),
        lambda: session.interpolate(code, code, how="spherical"),
        lambda: session.distance(code),
    ]
    for act in asked:
        with pytest.raises(BadInput, match="6 finite numbers"):
            act()


def test_a_plane_holds_two_walks(session):
    xs, ys, pictures = session.plane(session.code_mean, 3, 1, steps=5)
    assert pictures.shape == (25, 1, 8, 8)
    assert np.all(np.diff(xs) > 0)
    assert np.all(np.diff(ys) < 0)
    code = session.code_mean.copy()
    code[3], code[1] = xs[4], ys[1]
    np.testing.assert_allclose(pictures[1 * 5 + 4], session.decode(code[None])[0], atol=1e-6)


def test_interpolation_begins_and_ends_at_its_images(session, images):
    a, b = session.encode(images)[:2]
    for how in ("linear", "spherical"):
        codes, pictures = session.interpolate(a, b, 9, how)
        np.testing.assert_allclose(codes[[0, -1]], [a, b], atol=1e-5)
        np.testing.assert_allclose(pictures[[0, -1]], session.reconstruct(images)[:2], atol=1e-5)
    np.testing.assert_allclose(session.interpolate(a, b, 9)[0][4], (a + b) / 2, atol=1e-5)


def test_spherical_interpolation_keeps_the_norm_and_turns_evenly(session):
    rng = np.random.default_rng(0)
    a, b = (v / np.linalg.norm(v) * 3 for v in rng.standard_normal((2, 6)).astype(np.float32))
    codes, _ = session.interpolate(a, b, 7, "spherical")
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 3, rtol=1e-5)
    angles = [np.arccos(np.clip(p @ q / 9, -1, 1)) for p, q in itertools.pairwise(codes)]
    np.testing.assert_allclose(angles, angles[0], rtol=1e-3)


def test_spherical_interpolation_of_equal_opposite_and_zero_codes_is_linear(session):
    a = np.arange(1, 7, dtype=np.float32)
    for b in (a, 2 * a, -a, np.zeros(6, np.float32)):
        np.testing.assert_allclose(
            session.interpolate(a, b, 5, "spherical")[0], session.interpolate(a, b, 5)[0], atol=1e-5
        )


@pytest.mark.parametrize("kind", SAMPLERS)
def test_every_sampler_gives_codes_and_their_pictures(session, kind):
    codes, pictures = session.sample(11, kind, seed=4)
    assert codes.shape == (11, 6)
    np.testing.assert_array_equal(pictures, session.decode(codes))
    np.testing.assert_array_equal(session.sample(11, kind, seed=4)[0], codes)
    assert not np.array_equal(session.sample(11, kind, seed=5)[0], codes)


def test_an_unknown_sampler_is_refused(session):
    with pytest.raises(BadInput, match=r"sampler.*dice.*normal"):
        session.sample(3, "dice")


def test_units_are_ranked_by_how_much_the_picture_changes(session):
    """The stored effects against a direct computation through `decode`."""
    ranked = session.units_by_effect()
    assert sorted(ranked) == list(range(6))
    assert np.all(np.diff(session.effects[ranked]) <= 0)
    bases = session.codes[:: len(session.codes) // 24][:24]
    for unit in range(6):
        step = np.zeros(6, np.float32)
        step[unit] = session.code_std[unit] / 2
        change = np.abs(session.decode(bases + step) - session.decode(bases - step)).mean()
        assert session.effects[unit] == pytest.approx(float(change), rel=1e-3, abs=1e-6)


def test_a_training_code_is_at_distance_0_and_one_far_out_is_beyond_all(session):
    at = session.distance(session.codes[17])
    assert at.value == pytest.approx(0, abs=1e-6)
    assert at.nearest[0] == 17
    assert at.percentile < 5
    away = session.distance(session.code_mean + 50 * session.code_std)
    assert away.percentile == 100
    assert away.value > 40
    assert len(set(away.nearest)) == len(away.nearest) == 8


def test_distance_is_in_standard_deviations_per_unit(session):
    """One standard deviation in one of six units: RMS √(1/6), where no other code is nearer."""
    code = session.codes[17].copy()
    code[2] += 0.05 * session.code_std[2]
    assert session.distance(code).value == pytest.approx(0.05 / np.sqrt(6), rel=1e-3)


def test_half_way_to_the_nearest_code_is_half_its_distance(session):
    """Against a direct computation of all distances between training codes."""
    scaled = (session.codes - session.code_mean) / session.code_std
    apart = np.sqrt(np.square(scaled[:, None] - scaled[None]).mean(2))
    np.fill_diagonal(apart, np.inf)
    nearest = apart.min(1)
    between = session.codes[3] + (session.codes[int(apart[3].argmin())] - session.codes[3]) * 0.5
    assert session.distance(between).value == pytest.approx(nearest[3] / 2, rel=1e-3)
