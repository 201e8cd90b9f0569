"""Start: what an autoencoder is, the ready-made runs and the newest own ones."""

from collections.abc import Sequence

import streamlit as st

from aecore.foundation.errors import AecoreError
from aecore.session.session import Session
from aecore.store.folder import RunInfo
from app import cache, preload
from app.state import keys, url
from app.text import plain
from app.views.start.hero import hero
from app.views.start.run_card import run_cards
from app.widgets.figures import definitions
from app.widgets.image_source import GALLERY
from app.widgets.picture import picture_error
from app.widgets.run_picker import explorable_runs, header_with_run

OWN_RUNS = 6
SHOWPIECE = "patterns-variational"
"""Its images are computed, not loaded from a dataset, so a first visitor sees it before the rest is loaded."""


@st.fragment
def look(session: Session) -> None:
    """Draw one image on its way through the autoencoder."""
    gallery = cache.gallery(session.info.token, session.run_id, GALLERY)
    total = len(gallery.images)
    position = url.whole(url.parameters(), keys.EXAMPLE, total)
    with st.container(border=True):
        try:
            hero(session, gallery.images[position : position + 1])
        except AecoreError as error:
            picture_error(str(error))
        if gallery.decoded:
            st.caption(f":material/info: {plain(gallery.note)}.")
        with st.container(horizontal=True, horizontal_alignment="center"):
            st.button(
                "Another image",
                icon=":material/shuffle:",
                type="primary",
                on_click=url.set_parameter,
                args=(keys.EXAMPLE, str((position + 1) % total)),
            )


def cards(title: str, infos: Sequence[RunInfo]) -> None:
    """Draw the runs as cards under a title; nothing without runs."""
    if infos:
        st.subheader(title, anchor=False)
        run_cards(infos, key=f"cards_{title}")


session = header_with_run(
    "Explore autoencoders hands-on",
    "The encoder compresses a picture into a few numbers, its code; the decoder reconstructs it from them alone.",
    "press “Another image” and watch which numbers change.",
    SHOWPIECE,
)
if session.run_id != SHOWPIECE:
    preload.wait()
look(session)
preload.wait()
infos = explorable_runs()
cards("Ready-made", [info for info in infos if info.builtin])
cards("Trained here", [info for info in infos if not info.builtin][:OWN_RUNS])
definitions()
