"""Keys and URL parameters of the Maps page."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from aecore.maps.spec import MAX_PANELS
from app.state import url

MAP_COLOUR = "colour"
MAP_PICTURES = "pictures"
MAP_CHOICE = "map_choice"
MAP_EXPORT = "map_export"
MAP_SCATTER = "_map_scatter"
MAPS = "maps"
"""What the panels show, in the form of `PanelSpec.text`, joined by "|"."""
MAP_IMAGES = "n"
MAP_SEED = "choice"
"""The seed of the sample of images."""
MAP_WIDGET = "_maps_"
"""Prefix of the keys of the page's own widgets."""
_MAPS_SHOWN = "_maps_shown"
_MAP_SPOT = "_map_spot"
_MAP_ROUND = "_maps_round"
_MAPS_UNDRAWN = "_maps_undrawn"
_UNFINISHED = "_maps_unfinished"
MAX_IMAGES, MAX_SEED = 10**6, 10**6
"""Of a link; the page's own limits are lower."""


def asked_maps() -> tuple[tuple[str, ...], int | None, int]:
    """Texts of the panels, number of images and seed in the URL; (), None and 0 if missing or invalid."""
    parameters = url.parameters()
    texts = tuple(text for text in parameters.get(MAPS, "").split("|")[:MAX_PANELS] if text)
    count = url.whole(parameters, MAP_IMAGES, MAX_IMAGES + 1)
    return texts, count if count > 1 else None, url.whole(parameters, MAP_SEED, MAX_SEED + 1)


def ask_maps(texts: Sequence[str], count: int | None, seed: int) -> None:
    """Write the maps to show into the URL; defaults (no texts, None, 0) are left out."""
    url.set_parameter(MAPS, "|".join(texts) or None)
    url.set_parameter(MAP_IMAGES, None if count is None else str(count))
    url.set_parameter(MAP_SEED, str(seed) if seed else None)


def shown_maps() -> Any:
    """(run id, maps) that this visitor saw last."""
    return st.session_state.get(_MAPS_SHOWN)


def remember_maps(run_id: str, maps: Any) -> None:
    """Remember what `shown_maps` returns."""
    st.session_state[_MAPS_SHOWN] = (run_id, maps)


def map_spot() -> Any:
    """The place on a map that the visitor clicked last, as the browser sent it; None without any."""
    return st.session_state.get(_MAP_SPOT)


def keep_map_spot(spot: Any) -> None:
    """Remember what `map_spot` returns."""
    st.session_state[_MAP_SPOT] = spot


def undrawn_maps() -> str | None:
    """Why the browser could not draw the maps in this visit; None while it can."""
    return st.session_state.get(_MAPS_UNDRAWN)


def remember_undrawn(reason: str) -> None:
    """Remember what `undrawn_maps` returns; the component that said so leaves the page, and its message with it."""
    st.session_state[_MAPS_UNDRAWN] = reason


def round_of_maps() -> int:
    """Part of the keys of the widgets that choose maps; a new number resets them to the URL."""
    return st.session_state.get(_MAP_ROUND, 0)


def undo_map_choice() -> None:
    """Reset the widgets that choose maps to the URL."""
    st.session_state[_MAP_ROUND] = round_of_maps() + 1


def choice_unfinished() -> bool:
    """True if the visitor chose maps that are not drawn; the widgets must be, or they would forget that choice."""
    return bool(st.session_state.get(_UNFINISHED))


def remember_choice(unfinished: bool) -> None:
    """Remember what `choice_unfinished` returns."""
    st.session_state[_UNFINISHED] = unfinished
