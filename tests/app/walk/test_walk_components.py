"""Filmstrips and tiles: what they send, and which of the browser's messages they believe."""

from typing import Any

import numpy as np
import pytest
import streamlit as st

from aecore.session.scale import Scale
from app.views.walk import filmstrip
from app.views.walk.filmstrip import Film, Paging, films
from app.widgets import tiles


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The last mounting of a component: its data and callbacks; `st.session_state` is what the browser sent."""
    found: dict[str, Any] = {}
    monkeypatch.setattr(filmstrip, "_FILMS", lambda **given: found.update(given))
    monkeypatch.setattr(tiles, "_TILES", lambda **given: found.update(given))
    monkeypatch.setattr(st, "session_state", {})
    return found


def a_film() -> Film:
    return Film("unit 1", "", np.zeros((filmstrip.FRAMES, 1, 4, 4), np.float32), Scale(-1.0, 1.0, 0.1), 0.2, 0.0)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"row": 1, "value": 0.5, "count": 1, "rounds": "r"}, [(1, 0.5)]),
        ({"row": 0, "value": 9, "count": 1, "rounds": "r"}, [(0, 1.0)]),
        ({"row": 2, "value": 0.5, "count": 1, "rounds": "r"}, []),
        ({"row": -1, "value": 0.5, "count": 1, "rounds": "r"}, []),
        ({"row": 0, "value": float("nan"), "count": 1, "rounds": "r"}, []),
        ({"row": 0, "value": "0.5", "count": 1, "rounds": "r"}, []),
        ({"row": 0, "value": 0.5, "count": 1, "rounds": "an earlier run"}, []),
        ({"row": 0}, []),
        ("nonsense", []),
        (None, []),
    ],
)
def test_films_believe_only_a_value_on_a_scale_they_show(
    mounted: dict[str, Any], sent: Any, expected: list[Any]
) -> None:
    heard: list[Any] = []
    films([a_film(), a_film()], "key", lambda row, value: heard.append((row, value)), rounds="r")
    st.session_state["key"] = {"moved": sent}
    mounted["on_moved_change"]()
    assert heard == expected


def test_films_say_which_move_they_answer(mounted: dict[str, Any]) -> None:
    films([a_film()], "key", lambda row, value: None, rounds="r")
    assert mounted["data"]["heard"] == 0
    assert mounted["data"]["films"][0]["moved"]
    st.session_state["key"] = {"moved": {"row": 0, "value": 0.5, "count": 7, "rounds": "r"}}
    mounted["on_moved_change"]()
    films([a_film()], "key", lambda row, value: None, rounds="r")
    assert mounted["data"]["heard"] == 7
    films([a_film()], "key", lambda row, value: None, rounds="another")
    assert mounted["data"]["heard"] == 0


@pytest.mark.parametrize(("page", "expected"), [(1, [1]), (3, []), (-1, []), ("1", []), (None, [])])
def test_films_turn_to_pages_that_are_there(mounted: dict[str, Any], page: Any, expected: list[int]) -> None:
    turned: list[int] = []
    films([a_film()], "key", lambda row, value: None, rounds="r", paging=Paging(0, 3, "", turned.append))
    st.session_state["key"] = {"turned": page}
    mounted["on_turned_change"]()
    assert turned == expected


@pytest.mark.parametrize(
    ("picked", "expected"), [(2, [2]), (3, []), (-1, []), (float("nan"), []), ("2", []), (None, [])]
)
def test_tiles_believe_only_a_tile_they_show(mounted: dict[str, Any], picked: Any, expected: list[int]) -> None:
    heard: list[int] = []
    tiles.tiles(np.zeros((3, 1, 4, 4), np.float32), "Three", ["a", "b", "c"], "key", heard.append)
    st.session_state["key"] = {"picked": picked}
    mounted["on_picked_change"]()
    assert heard == expected
