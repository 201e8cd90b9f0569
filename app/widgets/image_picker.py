"""Choose images of a gallery by their thumbnails, or simply the next ones."""

import streamlit as st

from aecore.session.gallery import THUMBNAILS, Gallery
from app.state import uploads

DEFAULT_COUNT = 8
MAX_IMAGES = 64
COUNTS = (8, 24, 64)
"""Buttons choose so many of the first images."""


def pick_images(gallery: Gallery) -> list[int]:
    """Draw the widgets; return the positions in `gallery` of the images to show, at most `MAX_IMAGES`."""
    total = len(gallery.images)
    chosen = uploads.chosen_images(gallery.own, total, list(range(min(DEFAULT_COUNT, total))))[:MAX_IMAGES]
    key = "_pick_own" if gallery.own else "_pick"
    st.session_state[key] = [position for position in chosen if position < THUMBNAILS]

    def ticked() -> None:
        elsewhere = [position for position in chosen if position >= THUMBNAILS]
        uploads.choose_images(gallery.own, (list(st.session_state[key]) + elsewhere)[-MAX_IMAGES:])

    def different() -> None:
        start, count = max(chosen, default=-1) + 1, len(chosen) or DEFAULT_COUNT
        uploads.choose_images(gallery.own, [(start + i) % total for i in range(min(count, total))])

    def first(count: int) -> None:
        uploads.choose_images(gallery.own, list(range(min(count, total))))

    row = st.container(horizontal=True, gap="small", wrap=False)
    with row.popover("Choose", icon=":material/grid_view:", width="stretch"), st.container(key="thumbnails"):
        st.caption(f"Click to add or remove; at most {MAX_IMAGES}.")
        counts = st.container(horizontal=True, gap="xsmall")
        for count in COUNTS:
            counts.button(f"First {count}", on_click=first, args=(count,), disabled=total < count)
        st.pills(
            "Images",
            list(range(min(total, THUMBNAILS))),
            selection_mode="multi",
            key=key,
            format_func=lambda i: f"![image {i}]({gallery.thumbnails[i]})",
            on_change=ticked,
            label_visibility="collapsed",
        )
    row.button(
        "Different images",
        icon=":material/shuffle:",
        on_click=different,
        width="stretch",
        help="The same number of images, the next ones",
    )
    return chosen
