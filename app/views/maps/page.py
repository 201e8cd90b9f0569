"""Maps: the same images on several maps, such as PCA and MDS of their pixels and the autoencoder's code."""

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from aecore.foundation.errors import AecoreError
from aecore.maps.atlas import Atlas
from aecore.maps.colours import Colouring, colouring, colourings
from aecore.maps.spec import AtlasSpec
from aecore.pictures import sheets
from aecore.session.gallery import own_gallery
from aecore.session.session import Session
from app import cache
from app.live import maps as live_maps
from app.live import walk
from app.live.maps import Own
from app.state import maps, url
from app.views.maps import choice as map_choice
from app.views.maps.charts import charts
from app.views.maps.export import export
from app.views.maps.selection import show_selection, show_spot
from app.views.maps.still import still_maps
from app.widgets.own_images import inverted, own_images, taken_in
from app.widgets.picture import picture, picture_error, send_now
from app.widgets.run_picker import header_with_run
from app.widgets.text import plain

MAX_OWN_IMAGES = 12


def pick_colouring(atlas: Atlas) -> str:
    """The choice of a colouring; by class if there are classes."""
    words = colourings(atlas)
    if url.value(maps.MAP_COLOUR, None) not in (None, *words):  # another run's factor or unit
        del st.session_state[maps.MAP_COLOUR]
    name = st.selectbox(
        "Colour by", list(words), format_func=lambda name: words.get(name, str(name)), key=maps.MAP_COLOUR,
        bind="query-params", label_visibility="collapsed", icon=":material/palette:", width=230,
    )  # fmt: skip
    return name if name in words else next(iter(words))


def coloured(atlas: Atlas, name: str) -> tuple[Colouring, ...]:
    """One colouring for all maps, or one for each if they differ."""
    return tuple(
        colouring(atlas, name, panel) for panel in (atlas.panels if name == "distortion" else atlas.panels[:1])
    )


def place_own(session: Session, atlas: Atlas) -> Own | None:
    """The visitor's first images on the maps; None without any."""
    intake = taken_in(session)
    if intake is None or not len(intake.images):
        return None
    images = own_gallery(intake, inverted(session)).images[:MAX_OWN_IMAGES]
    return Own(images, atlas.place(images, session.encode(images)))


def show_own(atlas: Atlas, own: Own) -> None:
    """Draw the visitor's images beside their nearest neighbours on each map."""
    st.markdown(
        "**Your images** are framed and numbered on the maps. Each row shows one of them, then its nearest neighbours."
    )
    for column, panel, placed in zip(st.columns(len(atlas.panels)), atlas.panels, own.placed, strict=True):
        near = [atlas.pictures(nearest) for nearest in placed.nearest]
        rows = [np.concatenate([own.images[i : i + 1], found]) for i, found in enumerate(near)]
        names = [str(i + 1) for i in range(len(rows))]
        with column:
            st.caption(f"Nearest on this map: {plain(panel.title)}")
            picture(
                sheets.sheet(rows, gap=2),
                f"Your images and their nearest neighbours on {panel.title}",
                rows=names,
                most=4,
            )
            if placed.beyond.any():
                out = ", ".join(name for name, beyond in zip(names, placed.beyond, strict=True) if beyond)
                st.caption(f"Outside this map, so drawn at its edge: {out}.")
            if panel.by_neighbours:
                st.caption("This method cannot place new images; yours are drawn at their nearest neighbours.")


def choose(
    session: Session,
    wanted: AtlasSpec,
    drawn: AtlasSpec,
    choice: DeltaGenerator,
    above: DeltaGenerator,
    opened: bool,
) -> None:
    """Draw the choice of maps once it is opened; its many widgets are half of what the page costs. A new one that needs
    no wait is drawn at once, else a line `above` says what to do.
    """
    draft, refusal = None, ""
    if opened or maps.choice_unfinished():
        with choice:
            draft, refusal = map_choice.choose(session, wanted)
    maps.remember_choice(bool(refusal) or draft not in (None, wanted))
    if draft is not None and draft != wanted and map_choice.at_once(session, draft) and map_choice.ask(draft):
        st.rerun()  # the maps come before the choice, so that a first visitor sees them first
    with above:
        map_choice.notice(session, wanted, drawn, draft, refusal)


def _below(session: Session, atlas: Atlas, own: Own | None) -> None:
    """Draw what belongs to the maps below them: selection, place, own images, note and charts."""
    if live_maps.undrawn() is None:
        _chosen_in_browser(session, atlas)
    if own is not None:
        show_own(atlas, own)
    if atlas.decoded:
        st.info(f"The dataset is not on this machine, so these are {plain(atlas.note)}", icon=":material/info:")
    else:
        st.caption(f"{plain(atlas.note)}. The maps are turned and mirrored to lie alike (Procrustes).")
    charts(atlas)


def _chosen_in_browser(session: Session, atlas: Atlas) -> None:
    """Draw the selected images and the place between the points."""
    if (reason := live_maps.failure()) is not None:
        st.caption(f":material/info: No pictures between the points: {plain(reason)}. Everything else works.")
    chosen, count = live_maps.selected(len(atlas), atlas.key)
    show_selection(session, atlas, chosen, count)
    if (spot := live_maps.spot(atlas)) is not None:
        show_spot(spot)


@st.fragment
def view(session: Session) -> None:
    """Draw the maps and everything about them."""
    controls = st.container(horizontal=True, vertical_alignment="center", key="map_controls")
    above = st.container()
    main = st.container(key="map_picture")
    choice = st.expander("Map settings", icon=":material/tune:", on_change="rerun", key=maps.MAP_CHOICE)
    below = st.container()
    with main:
        waiting = st.empty()
        waiting.skeleton(430)
    wanted = map_choice.asked(session)
    drawn = map_choice.shown(session, wanted)
    try:
        atlas = cache.atlas(session.run_id, drawn)
        with controls:
            colours = pick_colouring(atlas)
            thumbnails = st.toggle("Pictures", value=True, key=maps.MAP_PICTURES, bind="query-params")
        own = place_own(session, atlas)
        waiting.empty()
        with main:
            message = live_maps.message(session, atlas, coloured(atlas, colours), thumbnails=thumbnails, own=own)
            if (reason := live_maps.undrawn()) is not None:
                still_maps(session, atlas, colours, thumbnails, reason)
            else:
                live_maps.maps(message)
        send_now()
    except AecoreError as error:
        waiting.empty()
        with main:
            picture_error(str(error))
        with controls, st.container(width=170):
            own_images(session)
        choose(session, wanted, drawn, choice, above, opened=True)  # leads away from maps that cannot be drawn
        return
    with controls:
        with st.container(width=170):
            own_images(session)
        with st.container(width=110):
            walk.draw(session, walk="maps")
        export(session, atlas, colours, thumbnails, message)
    with below:
        _below(session, atlas, own)
    choose(session, wanted, drawn, choice, above, opened=bool(choice.open))


view(
    header_with_run(
        "Maps",
        "The same images on several maps: the closer two images are, the more similar they are to that method.",
        "move over an empty part of the code's map and see what the decoder draws there.",
        "digits-deep",
    )
)
