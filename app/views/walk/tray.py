"""Walk's tray: places that the visitor keeps, to go back to, to compare, and to name as directions. All in the link."""

import dataclasses
import html
from functools import partial

import numpy as np
import streamlit as st

from aecore.pictures import sheets
from app.live import walk_place
from app.live.walk_place import Place
from app.state import url
from app.state.place import (
    MOST_KEPT,
    MOST_NAME,
    MOST_PLACE,
    WALK_WIDGET,
    Kept,
    go_to,
    keep,
    kept_places,
    names_changed,
    place_here,
)
from app.widgets.picture import picture
from app.widgets.tiles import tiles

FULL = 0.5
"""The difference, as a share of the pixel range, that gets the full colour."""


def keep_button(place: Place) -> None:
    """Keeps the place where the code is now; a place is kept once, and a full tray takes no more."""
    here, places = place_here(), kept_places()
    full = len(places) >= MOST_KEPT
    st.button(
        "Keep",
        icon=":material/keep:",
        on_click=lambda: keep([*places, Kept("", here)]),
        disabled=full or any(kept.place == here for kept in places) or len(here) > MOST_PLACE,
        help=f"Puts this picture into the tray, which holds {MOST_KEPT} and is part of the link.",
    )


def tray(place: Place) -> None:
    """The kept pictures; picking one goes there. Nothing while there is none."""
    places = kept_places()
    if names_changed([(kept.name, kept.direction) for kept in places]):
        st.rerun()  # the directions that the browser knows are told outside of this fragment
    if not places:
        return
    found = [walk_place.read_kept(place.session, place.gallery, kept) for kept in places]
    images = place.session.decode(np.stack([there.now for there in found]))
    with st.container(horizontal=True, key="walk_tray", vertical_alignment="center"):
        tiles(
            images,
            "Kept pictures; pick one to go there",
            [_label(kept, i) for i, kept in enumerate(places)],
            f"{WALK_WIDGET}kept",
            lambda position: go_to(places[position]),
            chosen=next((i for i, kept in enumerate(places) if kept.place == place_here()), None),
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
    """The kept pictures over what each has that the picture now has not."""
    now = np.repeat(place.pictures[1:], len(images), 0)
    sheet = sheets.sheet([images, sheets.difference(now, images, FULL)])
    columns = [str(i + 1) for i in range(len(images))]
    picture(sheet, "Kept pictures, and below how they differ from now", rows=("kept", "− now"), columns=columns, most=4)


def _row(places: list[Kept], position: int, kept: Kept) -> None:
    key = f"{WALK_WIDGET}name{kept.direction}"
    url.hold(key, kept.name)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            f"Name of {html.escape(_label(kept, position))}",
            key=key,
            max_chars=MOST_NAME,
            placeholder="a name makes it a direction",
            label_visibility="collapsed",
            help="From the start's code to here, as a slider among the attributes.",
            on_change=lambda: _rename(places, position, st.session_state[key]),
        )
        st.button(
            "Forget",
            icon=":material/delete:",
            key=f"{key}_forget",
            on_click=partial(keep, [*places[:position], *places[position + 1 :]]),
        )


def _rename(places: list[Kept], position: int, name: str) -> None:
    keep([dataclasses.replace(kept, name=name) if i == position else kept for i, kept in enumerate(places)])
