"""Maps: the same images on three maps, PCA and MDS of their pixels and the autoencoder's code."""

import html

import numpy as np
import streamlit as st

from aecore import pictures
from aecore.atlas import Atlas
from aecore.colouring import colouring, colourings
from aecore.errors import AecoreError
from aecore.poster import poster
from aecore.session import Session, own_gallery
from app import cache, state
from app.widgets.map_scatter import Own, scatter
from app.widgets.own_images import inverted, own_images, taken_in
from app.widgets.picture import picture, picture_error
from app.widgets.run_picker import header_with_run, run_labels

MOST_OWN = 12
ROWS = 4
HINT = (
    "Draw a loop round a group of points in any map: the same images light up in all three and appear here. "
    "Click a class above to select it; hold Shift to add."
)


def pick_colouring(atlas: Atlas) -> str:
    """The colours of the dots; by class where there are classes."""
    # Distortion is each map's own, which this drawing cannot show yet.
    words = {name: said for name, said in colourings(atlas).items() if name != "distortion"}
    if state.value(state.MAP_COLOUR, None) not in (None, *words):  # another run's factor or unit
        del st.session_state[state.MAP_COLOUR]
    name = st.selectbox(
        "Colour by", list(words), format_func=lambda name: words.get(name, str(name)), key=state.MAP_COLOUR,
        bind="query-params", label_visibility="collapsed", icon=":material/palette:", width=230,
    )  # fmt: skip
    return name if name in words else next(iter(words))


def place_own(session: Session, atlas: Atlas) -> Own | None:
    """The visitor's first images on the maps; None without any."""
    intake = taken_in(session)
    if intake is None or not len(intake.images):
        return None
    images = own_gallery(intake, inverted(session)).images[:MOST_OWN]
    return Own(images, atlas.place(images, session.encode(images)))


def show_selection(atlas: Atlas, chosen: list[int]) -> None:
    if not chosen:
        st.caption(HINT)
        return
    columns = max(4, 350 // (atlas.shape[2] + 1))
    shown = chosen[: ROWS * columns]
    counts = ", ".join(f"{name}: {count}" for name, count in atlas.class_counts(chosen).items())
    few = "" if len(shown) == len(chosen) else f" The first {len(shown)} are shown."
    words = f"<b>{len(chosen):,} selected.</b>{few}" + (f" Classes: {html.escape(counts)}." if counts else "")
    st.html(f'<p class="selection-words" aria-live="polite">{words}</p>')
    most = 3 if atlas.shape[2] < 16 else 2
    picture(pictures.grid(atlas.pictures(shown), columns), f"The {len(shown)} selected images", most=most)


def show_own(atlas: Atlas, own: Own) -> None:
    st.markdown(
        "**Your images** stand on the maps, framed and numbered. Each row: yours, then those nearest to it there."
    )
    for column, panel, placed in zip(st.columns(len(atlas.panels)), atlas.panels, own.placed, strict=True):
        rows = [np.concatenate([own.images[i : i + 1], atlas.pictures(near)]) for i, near in enumerate(placed.nearest)]
        names = [str(i + 1) for i in range(len(rows))]
        with column:
            st.caption(f"Nearest on this map: {panel.title}")
            picture(pictures.sheet(rows, gap=2), f"Your images and those nearest on {panel.title}", rows=names, most=4)
            if placed.beyond.any():
                out = ", ".join(name for name, beyond in zip(names, placed.beyond, strict=True) if beyond)
                st.caption(f"Beyond this map, so drawn at its edge: {out}.")


def show_readings(atlas: Atlas) -> None:
    st.markdown("**What the figures say**, always against the distances between the pictures' pixels:")
    for column, panel in zip(st.columns(len(atlas.panels), gap="medium"), atlas.panels, strict=True):
        lines = "".join(f"<li>{html.escape(line)}</li>" for line in panel.readings.values())
        column.html(f'<div class="readings"><b>{html.escape(panel.title)}</b><ul>{lines}</ul></div>')


def export(session: Session, atlas: Atlas, colours: str, thumbnails: bool) -> None:
    heading = run_labels([session.info])[session.run_id]

    def as_png() -> bytes:
        return pictures.png(poster(atlas, colours, heading, thumbnails))

    with st.popover("Export", icon=":material/download:"):
        st.download_button(
            "Maps as a picture (PNG)",
            as_png,
            f"maps-{session.run_id}.png",
            "image/png",
            on_click="ignore",
            width="stretch",
        )
        st.download_button(
            "Coordinates as a table (CSV)",
            atlas.csv,
            f"maps-{session.run_id}.csv",
            "text/csv",
            on_click="ignore",
            width="stretch",
        )


@st.fragment
def view(session: Session) -> None:
    controls = st.container(horizontal=True, vertical_alignment="center", key="map_controls")
    main = st.container(key="map_picture")
    below = st.container()
    with main:
        waiting = st.empty()
        waiting.skeleton(430)
    try:
        atlas = cache.atlas(session.run_id)
        with controls:
            colours = pick_colouring(atlas)
            thumbnails = st.toggle("Pictures", value=True, key=state.MAP_PICTURES, bind="query-params")
        own = place_own(session, atlas)
        waiting.empty()
        with main:
            chosen = scatter(atlas, colouring(atlas, colours), token=session.run_id, thumbnails=thumbnails, own=own)
    except AecoreError as error:
        waiting.empty()
        with main:
            picture_error(str(error))
        with controls, st.container(width=170):
            own_images(session)
        return
    with controls:
        with st.container(width=170):
            own_images(session)
        export(session, atlas, colours, thumbnails)
    with below:
        show_selection(atlas, chosen)
        if own is not None:
            show_own(atlas, own)
        if atlas.decoded:
            st.info(f"The dataset is not on this machine, so these are {atlas.note}", icon=":material/info:")
        else:
            st.caption(f"{atlas.note}. The maps are turned and mirrored to lie alike (Procrustes).")
        show_readings(atlas)


view(
    header_with_run(
        "Maps",
        "The same images on three maps: the nearer two images lie, the more alike that method takes them to be.",
        "draw a loop round a group in the code's map and see where MDS and PCA put it.",
        "digits-deep",
    )
)
