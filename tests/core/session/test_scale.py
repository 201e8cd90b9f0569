"""What a slider of a unit needs of a run: its scale, the moved code, the way between two codes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import aecore
from aecore.foundation.errors import BadInput
from aecore.pictures import sheets
from aecore.session.scale import Scale
from aecore.session.session import Session


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AECORE_HOME", str(tmp_path_factory.mktemp("home")))
        return aecore.train("variational", dataset="digits", epochs=2, threads=1)


@given(share=st.floats(-40, 40), unit=st.integers(0, 9))
def test_a_scale_holds_the_range_and_the_value_in_round_steps(session: Session, share: float, unit: int) -> None:
    low, high = session.unit_range(unit)
    value = low + share * (high - low)
    scale = session.scale(unit, value)
    assert scale.low <= min(low, value) + 1e-9
    assert scale.high >= max(high, value) - 1e-9
    assert scale.low > min(low, value) - scale.step
    assert scale.high < max(high, value) + scale.step
    steps = (scale.high - scale.low) / scale.step
    assert steps == pytest.approx(round(steps), abs=1e-6)
    assert 50 <= round(steps) <= 127
    assert f"{scale.step:.0e}"[0] in "125"


def test_scale_places_clips_and_names_values() -> None:
    scale = Scale(-1.0, 3.0, 0.05)
    assert scale.share(-1.0) == 0
    assert scale.share(3.0) == 1
    assert scale.share(1.0) == 0.5
    assert scale.share(99.0) == 1
    assert scale.clipped(7.0) == 3
    assert scale.clipped(-7.0) == -1
    assert scale.text(0.5) == "0.50"
    assert Scale(0.0, 500.0, 5.0).text(15.0) == "15"
    assert scale.same(0.50, 0.52)
    assert not scale.same(0.50, 0.53)
    assert scale.values(5).tolist() == [-1, 0, 1, 2, 3]


def test_two_steps_of_a_scale_read_differently(session: Session) -> None:
    for unit in range(session.code_dim):
        scale = session.scale(unit, 0.0)
        assert scale.text(scale.low) != scale.text(scale.low + scale.step)


def test_moved_changes_these_units_and_no_other(session: Session) -> None:
    code = session.codes[0]
    moved = session.moved(code, {3: 0.5, 0: -1.0})
    assert moved[3] == 0.5
    assert moved[0] == -1.0
    assert np.array_equal(np.delete(moved, [0, 3]), np.delete(code, [0, 3]))
    with pytest.raises(BadInput, match="unit 10 does not exist"):
        session.moved(code, {10: 0.0})


def test_dead_units_are_the_last_by_effect(session: Session) -> None:
    in_order = session.dead[session.units_by_effect()]
    assert not in_order[0]
    assert np.all(np.diff(in_order.astype(int)) >= 0)


@pytest.mark.parametrize("how", ["linear", "spherical"])
def test_between_meets_both_ends_and_interpolate(session: Session, how: str) -> None:
    a, b = session.codes[0], session.codes[1]
    ends = session.between(a, b, np.array([0.0, 1.0]), how)  # pyright: ignore[reportArgumentType]
    np.testing.assert_allclose(ends, [a, b], atol=1e-5)
    codes, _ = session.interpolate(a, b, 5, how)  # pyright: ignore[reportArgumentType]
    np.testing.assert_array_equal(codes, session.between(a, b, np.linspace(0, 1, 5), how))  # pyright: ignore[reportArgumentType]


def test_spherical_keeps_the_length_of_codes_of_equal_length(session: Session) -> None:
    a, b = np.eye(session.code_dim, dtype=np.float32)[:2]
    codes = session.between(a, b, np.linspace(0, 1, 7), "spherical")
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("percentile", "words"), [(10.0, "well inside"), (60.0, "typical"), (95.0, "edge"), (100.0, "farther")]
)
def test_distance_in_words(session: Session, percentile: float, words: str) -> None:
    found = session.distance(session.codes[0])
    assert words in type(found)(found.value, percentile, found.nearest).words


def test_against_shows_start_now_and_difference() -> None:
    start, now = np.zeros((1, 1, 2, 2), np.float32), np.ones((1, 1, 2, 2), np.float32)
    shown = sheets.against(start, now)
    assert shown.shape == (3, 3, 2, 2)
    assert shown.dtype == np.uint8
    assert (shown[0] == 0).all()
    assert (shown[1] == 255).all()
    assert tuple(shown[2][:, 0, 0]) == sheets.ORANGE
