"""Downloads of the maps: pictures, vector drawings, coordinates, and the linked maps as one file."""

import dataclasses
from collections.abc import Callable

import streamlit as st

from aecore.maps.atlas import Atlas
from aecore.maps.colours import colouring
from aecore.maps.poster import panel_svg, poster
from aecore.pictures import sheets
from aecore.session.session import Session
from app.live import maps as live_maps
from app.live.maps import Message
from app.state import maps
from app.widgets.run_picker import run_labels
from app.widgets.text import plain


def export(session: Session, atlas: Atlas, colours: str, thumbnails: bool, message: Message) -> None:
    """Draw the download buttons, once somebody opens them.

    A file is made when its button is pressed, in a thread without the visitor's session state, so all of that is read
    here.
    """
    more = st.popover("Export", icon=":material/download:", on_change="rerun", key=maps.MAP_EXPORT)
    if not more.open:
        return
    heading = run_labels([session.info])[session.run_id]
    offers: list[tuple[str, str, str, Callable[[], bytes | str]]] = [
        (
            "All maps, PNG",
            ":material/image:",
            ".png",
            lambda: sheets.png(poster(atlas, colours, heading, thumbnails)),
        ),
        ("Linked maps, HTML", ":material/html:", ".html", lambda: live_maps.standalone(message, heading)),
        ("Coordinates, CSV", ":material/table:", ".csv", atlas.csv),
        ("Coordinates, NPY", ":material/data_array:", ".npy", atlas.npy),
    ]
    with more:
        for label, icon, ending, make in offers:
            _offer(session, label, icon, ending, make)
        st.caption("One map:")
        for i, panel in enumerate(atlas.panels):
            one = dataclasses.replace(atlas, panels=(panel,))
            left, right = st.columns(2, gap="small")
            ending = f"-{i + 1}-{panel.kind}"
            with left:
                _offer(
                    session, f"{plain(panel.title)}, PNG", None, f"{ending}.png",
                    lambda one=one: sheets.png(poster(one, colours, heading, thumbnails)),
                )  # fmt: skip
            with right:
                _offer(
                    session, f"{plain(panel.title)}, SVG", None, f"{ending}.svg",
                    lambda panel=panel: panel_svg(atlas, panel, colouring(atlas, colours, panel)),
                )  # fmt: skip


def _offer(session: Session, label: str, icon: str | None, ending: str, make: Callable[[], bytes | str]) -> None:
    st.download_button(
        label, make, f"maps-{session.run_id}{ending}", icon=icon, on_click="ignore", width="stretch",
        key=f"{maps.MAP_WIDGET}{ending}",
    )  # fmt: skip
