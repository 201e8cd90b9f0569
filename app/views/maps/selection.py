"""What the visitor picked on the maps: a gallery of the images, their classes, and the way on to Walk and Denoise."""

import html

import streamlit as st

from aecore.maps.atlas import Atlas
from aecore.pictures import sheets
from aecore.session.session import Session
from app.live.maps import Spot
from app.state import keys, maps, runs, uploads
from app.state.uploads import Upload
from app.widgets.picture import picture

ROWS = 4
MOST_SENT = 64
SENT = "from-maps-"
"""What the names of images sent to another page begin with; the next sending takes their place."""
HINT = (
    "Draw a loop round a group of points in any map: the same images light up in all of them and appear here. "
    "Click a class above to select it; hold Shift to add."
)


def show_selection(session: Session, atlas: Atlas, chosen: list[int], count: int) -> None:
    if not chosen:
        st.caption(HINT)
        return
    w = atlas.shape[2]
    columns = max(4, 350 // (w + 1))
    gallery = chosen[: ROWS * columns]
    counts = ", ".join(f"{name}: {many:,}" for name, many in atlas.class_counts(chosen).items())
    few = "" if len(gallery) == count else f" The first {len(gallery)} are shown."
    of_them = "" if len(chosen) == count else f" of the first {len(chosen):,}"
    classes = f" Classes{of_them}: {html.escape(counts)}." if counts else ""
    said, walk, denoise = st.columns([6, 1, 1], vertical_alignment="center")
    said.html(f'<p class="selection-words" aria-live="polite"><b>{count:,} selected.</b>{few}{classes}</p>')
    with walk:
        _send(session, atlas, chosen, "walk", "Walk", ":material/explore:", "Start a walk from the first of them")
    with denoise:
        _send(
            session,
            atlas,
            chosen,
            "denoise",
            "Denoise",
            ":material/blur_on:",
            f"Corrupt and repair them, {MOST_SENT} at most",
        )
    picture(
        sheets.grid(atlas.pictures(gallery), columns),
        f"{len(gallery)} of the selected images",
        most=3 if w < 16 else 2,
    )


def _send(session: Session, atlas: Atlas, chosen: list[int], page: str, label: str, icon: str, said: str) -> None:
    """The images join the visitor's own, so that every page has them and they stay for the visit."""
    bounded = session.config.dataset.value_range == (0.0, 1.0) and session.shape[0] in (1, 3)
    why = said if bounded else "These images are no grey or colour pictures, which alone can be taken along"
    if st.button(label, icon=icon, help=why, disabled=not bounded, width="stretch", key=f"{maps.MAP_WIDGET}{page}"):
        sent = [
            Upload(f"{SENT}{atlas.indices[i]}.png", sheets.png(sheets.filmstrip(atlas.pictures([i]))))
            for i in chosen[:MOST_SENT]
        ]
        uploads.keep_uploads([*sent, *(old for old in uploads.uploads() if not old.name.startswith(SENT))])
        uploads.show_own_images()
        st.switch_page(
            f"views/{page}/page.py",
            query_params={runs.RUN: session.run_id, **({keys.IMAGE: "0"} if page == "walk" else {})},
        )


def show_spot(spot: Spot) -> None:
    """The picture made for a place between the points, and the way to walk on from there."""
    back = spot.panel.inverse
    assert back is not None  # `maps.spot` finds no other
    row = back.row(spot.x, spot.y)
    left, right = st.columns([1, 5], vertical_alignment="center")
    with left:
        picture(
            sheets.filmstrip(spot.panel.between(spot.x, spot.y)),
            "The picture that this place on the map stands for",
            most=6,
        )
    with right:
        made = f"**Made, not found: a place between the points of {spot.panel.title}.**"
        if back.through == "pixels":
            st.markdown(
                f"{made} Its plane leads straight back to pictures: the mean one and so much of two directions."
            )
            return
        if back.epoch is not None:  # Walk has the decoder of the whole training
            st.markdown(f"{made} The code that it stands for, drawn by the decoder as it was after epoch {back.epoch}.")
            return
        st.markdown(f"{made} The code that it stands for, decoded.")
        if st.button("Walk from here", icon=":material/explore:", key=f"{maps.MAP_WIDGET}from_here"):
            moved = {f"u{unit}": f"{value:.4g}" for unit, value in enumerate(row.tolist())}
            st.switch_page("views/walk/page.py", query_params={runs.RUN: back.run_id, **moved})
