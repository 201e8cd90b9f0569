"""What the visitor selected on the maps: the images, their classes, and buttons that take them to Walk and Denoise."""

import html

import streamlit as st

from aecore.maps.atlas import Atlas
from aecore.pictures import sheets
from aecore.session.session import Session
from app.live.maps import Spot
from app.state import keys, maps, runs, uploads
from app.state.place import unit_parameter
from app.state.uploads import Upload
from app.widgets.picture import picture
from app.widgets.text import plain

GALLERY_ROWS = 4
MAX_SENT = 64
SENT = "from-maps-"
"""Prefix of the names of images sent to another page; the next ones replace them."""
HINT = (
    "Draw a loop around a group of points in any map: the same images light up in all maps and appear here. "
    "Click a class above to select it; hold Shift to add it."
)


def show_selection(session: Session, atlas: Atlas, chosen: list[int], count: int) -> None:
    """Draw the `chosen` of `count` selected images, or a hint how to select some."""
    if not chosen:
        st.caption(HINT)
        return
    w = atlas.shape[2]
    columns = max(4, 350 // (w + 1))
    gallery = chosen[: GALLERY_ROWS * columns]
    counts = ", ".join(_class_count(name, many) for name, many in atlas.class_counts(chosen).items())
    few = "" if len(gallery) == count else f" The first {len(gallery)} are shown."
    of_them = "" if len(chosen) == count else f"Of the first {len(chosen):,}: "
    classes = f" {of_them}{html.escape(counts)}." if counts else ""
    text, walk, denoise = st.columns([6, 1, 1], vertical_alignment="center")
    text.html(f'<p class="selection-words" aria-live="polite"><b>{count:,} selected.</b>{few}{classes}</p>')
    with walk:
        _send(
            session, atlas, chosen, "walk", "Walk", ":material/explore:", "Start a walk from the first selected image"
        )
    with denoise:
        _send(
            session,
            atlas,
            chosen,
            "denoise",
            "Denoise",
            ":material/blur_on:",
            f"Corrupt and reconstruct the selected images, at most {MAX_SENT}",
        )
    picture(
        sheets.grid(atlas.pictures(gallery), columns),
        f"{len(gallery)} of the selected images",
        most=3 if w < 16 else 2,
    )


def _class_count(name: str, count: int) -> str:
    """`class 4: 1 image` for a class without a name, else `shirt: 3 images`."""
    return f"{'class ' if name.isdecimal() else ''}{name}: {count:,} image{'' if count == 1 else 's'}"


def _send(session: Session, atlas: Atlas, chosen: list[int], page: str, label: str, icon: str, words: str) -> None:
    """A button that adds the images to the visitor's own, which all pages have, and opens `page`."""
    bounded = session.config.dataset.value_range == (0.0, 1.0) and session.shape[0] in (1, 3)
    why = words if bounded else "Only grey or colour pictures can be taken to another page"

    def take() -> None:
        # A callback: after the toggle that inverts own images is drawn, its value can no longer be set.
        sent = [
            Upload(f"{SENT}{atlas.indices[i]}.png", sheets.png(sheets.filmstrip(atlas.pictures([i]))))
            for i in chosen[:MAX_SENT]
        ]
        uploads.keep_uploads([*sent, *(old for old in uploads.uploads() if not old.name.startswith(SENT))])
        uploads.show_own_images()

    key = f"{maps.MAP_WIDGET}{page}"
    if st.button(label, icon=icon, help=why, disabled=not bounded, width="stretch", key=key, on_click=take):
        st.switch_page(
            f"views/{page}/page.py",
            query_params={runs.RUN: session.run_id, **({keys.IMAGE: "0"} if page == "walk" else {})},
        )


def show_spot(spot: Spot) -> None:
    """Draw the picture at a place between the points, and a button to walk from its code."""
    inverse = spot.panel.inverse
    assert inverse is not None  # see `maps.spot`
    row = inverse.row(spot.x, spot.y)
    left, right = st.columns([1, 5], vertical_alignment="center")
    with left:
        picture(
            sheets.filmstrip(spot.panel.between(spot.x, spot.y)),
            "The picture at this place on the map",
            most=6,
        )
    with right:
        made = f"**Generated: a place between the points of {plain(spot.panel.title)}.**"
        if inverse.through == "pixels":
            st.markdown(f"{made} The picture is the mean image plus a multiple of each of the two directions.")
            return
        if inverse.epoch is not None:  # Walk has only the decoder of the whole training
            st.markdown(f"{made} Its code, decoded as after epoch {inverse.epoch}.")
            return
        st.markdown(f"{made} Its code, decoded.")
        if st.button("Walk from here", icon=":material/explore:", key=f"{maps.MAP_WIDGET}from_here"):
            moved = {unit_parameter(unit): f"{value:.4g}" for unit, value in enumerate(row.tolist())}
            st.switch_page("views/walk/page.py", query_params={runs.RUN: inverse.run_id, **moved})
