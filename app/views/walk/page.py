"""Walk: move an image's code, and watch the picture change."""

import html

import numpy as np
import streamlit as st

from aecore.foundation.errors import AecoreError
from aecore.pictures import sheets
from aecore.session.gallery import Gallery
from aecore.session.session import Session
from app import cache, picture_first
from app.live import walk as live_walk
from app.live import walk_messages, walk_moves, walk_place
from app.live.walk_place import Place
from app.state import url
from app.state.place import DRAW, MODE, WALK_WIDGET, forget_place_of_another, leave_place, remember_place
from app.state.url import Parameters
from app.text import plain
from app.views.walk import modes, tray
from app.views.walk.chain import chain_view
from app.views.walk.export import export
from app.views.walk.filters import filters
from app.widgets.image_source import GALLERY, image_source
from app.widgets.picture import picture_error, send_now
from app.widgets.run_picker import header_with_run
from app.widgets.tiles import tiles

MODES = {
    "units": "Units",
    "between": "Interpolate",
    "plane": "Plane",
    "random": "Random",
    "chain": "Chain",
    "filters": "Filters",
}
LIVE = {"units": live_walk.units, "plane": live_walk.pad}
"""Modes that the browser draws; the server draws the others, and these if the browser cannot."""


def main() -> None:
    picture_first.enter()
    session = header_with_run(
        "Walk",
        "A code is a place, and every place decodes to a picture.",
        "drag the first slider from end to end, then the next one.",
        "patterns-variational",
    )
    url.forget_written(whole_page=True)
    # Laid out by the style sheet: every container that a slider's redraw passes through delays the picture.
    with st.container(key="walk", gap="xsmall"):
        choice = st.container(key="walk_choice", gap="xsmall")
        try:
            with choice:
                gallery = image_source(session)
        except AecoreError as error:
            picture_error(str(error))
            return
        forget_place_of_another(_start_name(session, gallery))
        _view(session, gallery)
        parameters = url.parameters()
        with choice:
            live_walk.draw(session)
            _choose(parameters, gallery)
    live_walk.library(parameters, session, gallery)


def _start_name(session: Session, gallery: Gallery) -> str:
    return f"{session.run_id} {gallery.note}"


@st.fragment
def _view(session: Session, gallery: Gallery) -> None:
    """Draw what follows the code. The choice of the start image is outside, so that sliders need not redraw it."""
    url.forget_written()
    try:
        place = walk_place.parse(url.parameters(), session, gallery)
        live_walk.stage(place)
    except AecoreError as error:
        picture_error(str(error))
        return
    send_now()
    with st.container(key="walk_controls"):
        _controls(place)
    _about(place)
    _buttons(place)
    tray.tray(place)
    remember_place(_start_name(session, gallery))
    url.write_pending()


# --- below the picture


def _buttons(place: Place) -> None:
    """Keep, Reset and Export."""
    with st.container(horizontal=True, key="walk_buttons"):
        here = np.array_equal(place.now, place.start)
        tray.keep_button(place)
        st.button("Reset", icon=":material/restart_alt:", on_click=leave_place, disabled=here)
        more = st.popover("Export", icon=":material/download:", on_change="rerun", key=f"{WALK_WIDGET}export")
    if more.open:
        with more:
            export(place, _where(place))


LEGEND = '<i class="brighter"></i>brighter <i class="darker"></i>darker than the start'


def _where(place: Place) -> str:
    """The code's origin and its moves, in words."""
    parameters, session, gallery = place.parameters, place.session, place.gallery
    along = walk_place.along(parameters)
    if url.number(parameters, DRAW) is not None:
        words = "A random code"
    elif along > 0:
        other = walk_place.image_label(gallery, walk_place.other_image(parameters, gallery))
        words = f"{along:.0%} of the way to {other}"
    else:
        words = f"The code of {walk_place.image_label(gallery, place.image)}"
    if units := [str(unit) for unit in sorted(place.moved)]:
        words += f", unit{'s' if len(units) > 1 else ''} {', '.join(units[:6])}{' …' if len(units) > 6 else ''} moved"
    found = (walk_place.direction_of(parameters, session, gallery, name) for name in sorted(place.added))
    if names := [direction.name for direction in found if direction is not None]:
        words += f", moved along {', '.join(names[:3])}"
    return words


def _about(place: Place) -> None:
    """Say where the code is, and how far from the data unless the browser measures that itself."""
    meter = "" if walk_messages.off(place.session.run_id) is None else _meter(place)
    st.html(f'<p class="walk-where">{html.escape(_where(place))}<span class="walk-legend">{LEGEND}</span></p>{meter}')


def _meter(place: Place) -> str:
    """HTML of the distance from the data and the nearest training images."""
    session = place.session
    found = session.distance(place.now)
    decoded = cache.gallery(session.info.token, session.run_id, GALLERY).decoded
    if decoded:
        near = session.decode(session.codes[found.nearest])
    else:
        near = session.data.floats(session.code_indices[found.nearest])
    sheet = sheets.filmstrip(near)
    return (
        '<div class="walk-meter"><div role="meter" aria-label="Distance from the data, percentile" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{found.percentile:.0f}"><i style="left:{found.percentile:.0f}%"></i></div>'
        f"This code is <b>{found.value:.2f} standard deviations</b> per unit from the nearest training code: "
        f"{found.words}. Nearest training {'codes, decoded' if decoded else 'images'}:</div>"
        f'<img class="walk-near" src="{sheets.data_uri(sheets.png(sheet))}" style="--own:{sheet.shape[1]}px" '
        'alt="Pictures of the nearest training codes, nearest first">'
    )


def _choose(parameters: Parameters, gallery: Gallery) -> None:
    """The choice of the start image."""
    labels = [walk_place.image_label(gallery, i) for i in range(len(gallery.images))]
    chosen = walk_place.start_image(parameters, gallery)
    tiles(
        gallery.images,
        "Images to start from",
        labels,
        f"{WALK_WIDGET}start",
        walk_moves.choose_image,
        chosen=chosen,
        sprite=gallery.sprite,
    )


def _controls(place: Place) -> None:
    """The choice of a mode, and that mode's controls."""
    mode = st.segmented_control(
        "Mode",
        list(MODES),
        default="units",
        required=True,
        key=MODE,
        bind="query-params",
        format_func=MODES.__getitem__,
        label_visibility="collapsed",
        width="stretch",
    )
    draw = {
        "between": modes.between, "plane": modes.plane, "random": modes.random, "chain": chain_view,
        "filters": filters,
    }  # fmt: skip
    reason = walk_messages.off(place.session.run_id)
    if reason is not None:
        st.caption(f"Not live: {plain(reason)}. The picture changes when you release a control.")
    elif mode in LIVE:
        LIVE[str(mode)](place)
        return
    draw.get(str(mode), modes.units)(place)


main()
