"""The source of a page's images: the run's dataset, or the visitor."""

from typing import Literal

import streamlit as st

from aecore.session.gallery import Gallery, own_gallery
from aecore.session.session import Session
from app import cache
from app.state import uploads
from app.text import plain
from app.widgets.own_images import inverted, own_images

GALLERY = 64
"""Images of a run's dataset to choose from."""
Source = Literal["dataset", "yours"]


def image_source(session: Session) -> Gallery:
    """Draw the popover for own images and, once there are some, the choice of the source; return its images.

    A run's images are `GALLERY` test images, or decoded codes if its dataset is not on this machine.
    """
    choice = st.container()
    intake = own_images(session)
    dataset = cache.gallery(session.info.token, session.run_id, GALLERY)
    source: Source = "dataset"
    if intake is not None:
        with choice:
            picked = st.segmented_control(
                "Images",
                ["dataset", "yours"],
                default="yours",
                required=True,
                key=uploads.SOURCE,
                persist_state="session",
                format_func=lambda name: "Dataset" if name == "dataset" else "Yours",
                width="stretch",
            )
        source = "yours" if picked == "yours" else "dataset"
    gallery = dataset if intake is None or source == "dataset" else own_gallery(intake, inverted(session))
    if gallery.decoded:
        st.caption(f":material/info: The dataset is not on this machine, so these are {plain(gallery.note)}")
    return gallery
