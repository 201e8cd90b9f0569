"""Which images of a gallery are looked at: thumbnails to tick, or simply the next ones."""

import streamlit as st

from aecore.pictures import sheets
from aecore.session.gallery import Gallery
from app.state import uploads

SHOWN = 8
MOST = 64
SIDE = 32
OFFERED = 64
"""Thumbnails in the popover; "Other images" goes through all images, however many."""
COUNTS = (8, 24, 64)
"""Of the buttons that choose the first ones."""


def pick_images(gallery: Gallery) -> list[int]:
    """Positions in `gallery` of the images to show, at most 64; draws "Choose images" and "Other images"."""
    total = len(gallery.images)
    chosen = uploads.chosen_images(gallery.own, total, list(range(min(SHOWN, total))))[:MOST]
    key = "_pick_own" if gallery.own else "_pick"
    st.session_state[key] = [position for position in chosen if position < OFFERED]

    def ticked() -> None:
        elsewhere = [position for position in chosen if position >= OFFERED]
        uploads.choose_images(gallery.own, (list(st.session_state[key]) + elsewhere)[-MOST:])

    def others() -> None:
        start, count = max(chosen, default=-1) + 1, len(chosen) or SHOWN
        uploads.choose_images(gallery.own, [(start + i) % total for i in range(min(count, total))])

    def first(count: int) -> None:
        uploads.choose_images(gallery.own, list(range(min(count, total))))

    row = st.container(horizontal=True, gap="small", wrap=False)
    with row.popover("Choose", icon=":material/grid_view:", width="stretch"), st.container(key="thumbnails"):
        st.caption(f"Click to add or remove; at most {MOST} at once.")
        counts = st.container(horizontal=True, gap="xsmall")
        for count in COUNTS:
            counts.button(f"First {count}", on_click=first, args=(count,), disabled=total < count)
        st.pills(
            "Images",
            list(range(min(total, OFFERED))),
            selection_mode="multi",
            key=key,
            format_func=_thumbnails(gallery).__getitem__,
            on_change=ticked,
            label_visibility="collapsed",
        )
    row.button(
        "Others",
        icon=":material/shuffle:",
        on_click=others,
        width="stretch",
        help="As many images again, the next ones",
    )
    return chosen


def _thumbnails(gallery: Gallery) -> list[str]:
    """Markdown of each image, enlarged to some 32 pixels."""
    factor = max(1, SIDE // max(gallery.images.shape[2:]))
    singles = [gallery.images[i : i + 1] for i in range(min(len(gallery.images), OFFERED))]
    pictures = [sheets.enlarge(sheets.filmstrip(single), factor) for single in singles]
    return [f"![image {i}]({sheets.data_uri(sheets.png(picture))})" for i, picture in enumerate(pictures)]
