"""Walk's tray: places that the visitor keeps, to go back to, to compare, and to name as directions. All in the link."""

import dataclasses
import html
from functools import partial

import numpy as np
import streamlit as st

from aecore.pictures import sheets
from app.state import keys
from app.state.keys import Kept
from app.views.walk import place
from app.widgets.picture import picture
from app.views.walk.place import Place
from app.widgets.tiles import tiles

FULL = 0.5
"""The difference, as a share of the pixel range, that gets the full colour."""


def keep_button(place: Place) -> None:
    """Keeps the place where the code is now; a place is kept once, and a full tray takes no more."""
    here, places = keys.place_here(), keys.kept()
    full = len(places) >= keys.MOST_KEPT
    st.button(
        "Keep",
        icon=":material/keep:",
        on_click=lambda: keys.keep([*places, Kept("", here)]),
        disabled=full or any(kept.place == here for kept in places) or len(here) > keys.MOST_PLACE,
        help=f"Puts this picture into the tray, which holds {state.MOST_KEPT} and is part of the link.",
    )


def tray(place: Place) -> None:
    """The kept pictures; picking one goes there. Nothing while there is none."""
    places = keys.kept()
    if keys.names_changed([(kept.name, kept.direction) for kept in places]):
        st.rerun()  # the directions that the browser knows are told outside of this fragment
    if not places:
        return
    found = [place.read_kept(place.session, place.gallery, kept) for kept in places]
    images = place.session.decode(np.stack([there.now for there in found]))
    with st.container(horizontal=True, key="walk_tray", vertical_alignment="center"):
        tiles(
            images,
            "Kept pictures; pick one to go there",
            [_label(kept, i) for i, kept in enumerate(places)],
            f"{state.WALK_WIDGET}kept",
            lambda position: keys.go_to(places[position]),
            chosen=next((i for i, kept in enumerate(places) if kept.place == keys.place_here()), None),
        )
        more = st.popover("Compare", icon=":material/compare:", on_change="rerun", key=f"{state.WALK_WIDGET}compare")
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
    key = f"{state.WALK_WIDGET}name{kept.direction}"
    keys.hold(key, kept.name)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            f"Name of {html.escape(_label(kept, position))}",
            key=key,
            max_chars=keys.MOST_NAME,
            placeholder="a name makes it a direction",
            label_visibility="collapsed",
            help="From the start's code to here, as a slider among the attributes.",
            on_change=lambda: _rename(places, position, st.session_state[key]),
        )
        st.button(
            "Forget",
            icon=":material/delete:",
            key=f"{key}_forget",
            on_click=partial(keys.keep, [*places[:position], *places[position + 1 :]]),
        )


def _rename(places: list[Kept], position: int, name: str) -> None:
    keys.keep([dataclasses.replace(kept, name=name) if i == position else kept for i, kept in enumerate(places)])
