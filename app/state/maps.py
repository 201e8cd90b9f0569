"""Keys and URL parameters of the Maps page."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.state.url import number, parameter, set_parameter

# Maps
MAP_COLOUR = "colour"
MOST_PANELS = 4
MAP_PICTURES = "pictures"
MAP_SCATTER = "_map_scatter"
MAPS = "maps"
"""What the panels show, in the form of `PanelSpec.text`, joined by "|"."""
MAP_IMAGES = "n"
MAP_SEED = "choice"
"""The seed of which images are shown."""
MAP_WIDGET = "_maps_"
"""Prefix of the keys of the page's own widgets."""
_MAPS_SHOWN = "_maps_shown"
_MAP_SPOT = "_map_spot"
_MAP_ROUND = "_maps_round"


def asked_maps() -> tuple[tuple[str, ...], int | None, int]:
    """Texts of the panels, number of images and seed in the URL; empty, None and 0 where it says nothing sensible."""
    texts = tuple(text for text in (parameter(MAPS) or "").split("|")[:MOST_PANELS] if text)
    count, seed = number(MAP_IMAGES), number(MAP_SEED)
    return texts, None if count is None or count < 2 else int(count), 0 if seed is None or seed < 0 else int(seed)


def ask_maps(texts: Sequence[str], count: int | None, seed: int) -> None:
    """Writes into the URL which maps are wanted; what is usual is left out."""
    set_parameter(MAPS, "|".join(texts) or None)
    set_parameter(MAP_IMAGES, None if count is None else str(count))
    set_parameter(MAP_SEED, str(seed) if seed else None)


def shown_maps() -> Any:
    """(run id, maps) that this visitor saw last."""
    return st.session_state.get(_MAPS_SHOWN)


def remember_maps(run_id: str, maps: Any) -> None:
    st.session_state[_MAPS_SHOWN] = (run_id, maps)


def map_spot() -> Any:
    """The place on a map that the visitor clicked on last, as the browser said it; None without any."""
    return st.session_state.get(_MAP_SPOT)


def keep_map_spot(spot: Any) -> None:
    st.session_state[_MAP_SPOT] = spot


def round_of_maps() -> int:
    """Part of the keys of the widgets that choose maps; another one empties them."""
    return st.session_state.get(_MAP_ROUND, 0)


def undo_map_choice() -> None:
    """The choice is again that of the URL."""
    st.session_state[_MAP_ROUND] = round_of_maps() + 1
