"""The neighbourhood: a page's meter says what the session says, from few bytes."""

import numpy as np
import pytest

from aecore.cli import ready_made
from aecore.foundation.errors import BadInput
from aecore.session.neighbourhood import MAX_NEIGHBOURS, neighbourhood


@pytest.mark.parametrize("run_id", ["digits-variational", "shapes-variational", "digits-sparse"])
def test_the_meter_of_a_page_says_what_the_session_says(opened, run_id):
    session = opened(run_id)
    found = neighbourhood(session)
    whole = len(found.codes) == len(session.codes)
    rng = np.random.default_rng(1)
    spread = session.codes[rng.integers(0, len(session.codes), 30)] + rng.normal(size=(30, session.code_dim)) * (
        session.code_std * rng.uniform(0, 3, (30, 1))
    )
    for code in spread.astype(np.float32):
        apart = np.sqrt((((code - found.codes) / found.scale) ** 2).mean(1))
        said = session.distance(code, 1)
        if whole:
            assert apart.min() == pytest.approx(said.value, rel=1e-4)
            assert found.indices[apart.argmin()] == session.code_indices[said.nearest[0]]
            percentile = 100 * np.searchsorted(found.typical, apart.min(), side="right") / len(found.typical)
            assert percentile == pytest.approx(said.percentile, abs=0.2)
        else:
            assert apart.min() >= said.value - 1e-4


@pytest.mark.parametrize("entry", ready_made.READY_MADE, ids=lambda entry: entry.run_id)
def test_a_neighbourhood_is_small_and_shows_what_it_says(entry, opened):
    session = opened(entry.run_id)
    found = neighbourhood(session)
    _, h, w = session.shape
    assert len(found.codes) == len(found.indices) == len(np.unique(found.indices)) <= MAX_NEIGHBOURS
    assert found.codes.nbytes <= 400_000
    assert found.sprite.nbytes <= 3 * 400_000 * 1.2
    assert 1 <= found.pictured <= len(found.codes)
    assert set(found.indices) <= set(session.code_indices)
    place = {int(index): i for i, index in enumerate(session.code_indices)}
    for i in (0, found.pictured - 1):
        at = place[int(found.indices[i])]
        np.testing.assert_array_equal(found.codes[i], session.codes[at])
        assert found.labels[i] == session.code_labels[at]
        top, left = i // found.columns * h, i % found.columns * w
        tile = found.sprite[top : top + h, left : left + w].transpose(2, 0, 1)
        if "decoded" in found.note:
            image = session.decode(session.codes[at][None])[0]
        else:
            image = session.data.floats(found.indices[i : i + 1])[0]
        np.testing.assert_allclose(tile, np.broadcast_to(np.rint(image * 255), (3, h, w)), atol=1)


def test_neighbourhoods_repeat_and_are_stratified(opened):
    session = opened("digits-variational")
    a, b = neighbourhood(session, 200, seed=3), neighbourhood(session, 200, seed=3)
    np.testing.assert_array_equal(a.indices, b.indices)
    np.testing.assert_array_equal(a.sprite, b.sprite)
    assert not np.array_equal(a.indices, neighbourhood(session, 200, seed=4).indices)
    counts = np.bincount(a.labels, minlength=10)
    assert counts.min() >= 18
    assert counts.max() <= 22
    assert a.note.startswith("200 of 1257 training codes, stratified, seed 3")
    for n in (0, MAX_NEIGHBOURS + 1):
        with pytest.raises(BadInput, match="1 to 2000"):
            neighbourhood(session, n)
