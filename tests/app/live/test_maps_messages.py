"""The maps' messages from the browser: selections and places that make sense are believed, others ignored."""

from typing import Any

import pytest
import streamlit as st

from aecore.maps.spec import AtlasSpec
from app import cache
from app.live import maps
from app.state.maps import MAP_SCATTER


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the browser sent last, in a visit without a page."""
    held: dict[str, Any] = {}
    monkeypatch.setattr(st, "session_state", {MAP_SCATTER: held})
    return held


@pytest.mark.parametrize(
    "selection",
    [None, 3, [], {"indices": [1]}, {"token": "another run", "indices": [1, 2]}, {"token": True, "indices": "12"}],
)
def test_a_selection_that_is_not_one_is_ignored(browser: dict[str, Any], selection: Any) -> None:
    browser["selection"] = selection
    assert maps.selected(1000, "ours") == ([], 0)


def test_odd_indices_of_a_selection_are_left_out(browser: dict[str, Any]) -> None:
    odd = [-1, 1000, 10**12, 2.5, "3", None, True, 4, 4]
    browser["selection"] = {"token": "ours", "indices": odd}
    assert maps.selected(1000, "ours") == ([4], 1)


@pytest.mark.parametrize("count", [None, True, -1, 0, 10**12, "9", 2.5])
def test_an_odd_count_of_a_selection_is_what_there_is(browser: dict[str, Any], count: Any) -> None:
    browser["selection"] = {"token": "ours", "indices": [3, 4], "count": count}
    assert maps.selected(1000, "ours") == ([3, 4], 2)


@pytest.mark.parametrize(
    "spot",
    [3, {}, {"token": "another", "panel": "code", "x": 0, "y": 0}, {"panel": "mds"}, {"panel": "nonsense"}, {"x": "0"},
     {"x": float("nan")}, {"y": 1e9}, {"x": True}],
)  # fmt: skip
def test_a_click_that_is_none_is_ignored(monkeypatch: pytest.MonkeyPatch, run_ids: dict[str, str], spot: Any) -> None:
    atlas = cache.atlas(run_ids["variational"], AtlasSpec())
    usual = {"token": atlas.key, "panel": "code", "x": 0.1, "y": 0.1}
    monkeypatch.setattr(st, "session_state", {"_map_spot": usual})
    assert maps.spot(atlas) is not None
    st.session_state["_map_spot"] = {**usual, **spot} if isinstance(spot, dict) and spot else spot
    assert maps.spot(atlas) is None
