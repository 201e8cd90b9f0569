"""Walk's tray: places that the visitor keeps in the link, to go back to, to compare, and to name as directions."""

import dataclasses
from functools import partial

import numpy as np
import streamlit as st

from aecore.pictures import sheets
from app.live import walk_place
from app.live.walk_place import Place
from app.state import url
from app.state.place import (
    MAX_KEPT,
    MAX_NAME,
    MAX_PLACE,
    WALK_WIDGET,
    Kept,
    go_to,
    keep,
    kept_places,
    names_changed,
    place_text,
)
from app.widgets.picture import picture
from app.widgets.text import plain
from app.widgets.tiles import tiles

FULL = 0.5
"""The difference, as a share of the pixel range, that gets the full colour."""


def keep_button(place: Place) -> None:
    """A button that keeps the place; it is disabled if the place is kept already or the tray is full."""
    here, places = place_text(place.parameters), kept_places(place.parameters)
    full = len(places) >= MAX_KEPT
    st.button(
        "Keep",
        icon=":material/keep:",
        on_click=lambda: keep([*places, Kept("", here)]),
        disabled=full or any(kept.place == here for kept in places) or len(here) > MAX_PLACE,
        help=f"Adds this picture to the tray, which holds up to {MAX_KEPT} and is part of the link.",
    )


def tray(place: Place) -> None:
    """The kept pictures, if there are any; picking one goes there."""
    places = kept_places(place.parameters)
    if names_changed([(kept.name, kept.direction) for kept in places]):
        st.rerun()  # the library with the named directions is sent outside this fragment
    if not places:
        return
    found = [walk_place.parse(kept.parameters, place.session, place.gallery) for kept in places]
    images = place.session.decode(np.stack([there.now for there in found]))
    here = place_text(place.parameters)
    with st.container(horizontal=True, key="walk_tray", vertical_alignment="center"):
        tiles(
            images,
            "Kept pictures; pick one to go there",
            [_label(kept, i) for i, kept in enumerate(places)],
            f"{WALK_WIDGET}kept",
            lambda position: go_to(places[position]),
            chosen=next((i for i, kept in enumerate(places) if kept.place == here), None),
        )
        more = st.popover("Compare", icon=":material/compare:", on_change="rerun", key=f"{WALK_WIDGET}compare")
    if more.open:
        with more:
            _compare(place, images)
            for position, kept in enumerate(places):
                _row(places, position, kept)


def _label(kept: Kept, position: int) -> str:
    return kept.name or f"kept {position + 1}"


def _compare(place: Place, images: np.ndarray) -> None:
    """The kept pictures above their differences from the picture now."""
    now = np.repeat(place.pictures[1:], len(images), 0)
    sheet = sheets.sheet([images, sheets.difference(now, images, FULL)])
    columns = [str(i + 1) for i in range(len(images))]
    picture(
        sheet, "Kept pictures, and below their difference from now", rows=("kept", "difference from now"),
        columns=columns, most=4,
    )  # fmt: skip


def _row(places: list[Kept], position: int, kept: Kept) -> None:
    key = f"{WALK_WIDGET}name{kept.direction}"
    url.hold(key, kept.name)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            f"Name of {plain(_label(kept, position))}",
            key=key,
            max_chars=MAX_NAME,
            placeholder="Name it to use it as a direction",
            label_visibility="collapsed",
            help="Adds a slider to the attributes that leads from the start's code to this one.",
            on_change=lambda: _rename(places, position, st.session_state[key]),
        )
        st.button(
            "Remove",
            icon=":material/delete:",
            key=f"{key}_forget",
            on_click=partial(keep, [*places[:position], *places[position + 1 :]]),
        )


def _rename(places: list[Kept], position: int, name: str) -> None:
    keep([dataclasses.replace(kept, name=name) if i == position else kept for i, kept in enumerate(places)])
