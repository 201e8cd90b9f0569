"""The visitor's own images: checked, fitted to the run, kept for the visit and never written to disk."""

import html

import streamlit as st

from aecore.pictures.uploads import Intake
from aecore.session.session import Session
from app import cache
from app.state import uploads, url
from app.state.uploads import Upload
from app.widgets.text import plain

TYPES = ["png", "jpg", "jpeg", "gif", "webp", "pgm", "ppm", "tif", "tiff", "bmp", "zip", "npz"]
MAX_VISIT_BYTES = 64 * 2**20
"""Of one visitor's files; a whole class shares the server's memory."""
MAX_REFUSALS = 8
"""Refused files that are listed."""


def own_images(session: Session) -> Intake | None:
    """Draw a popover to upload, invert and remove images; return them fitted to this run's size, or None."""
    channels, height, width = session.shape
    with st.popover("Own images", icon=":material/add_photo_alternate:", width="stretch"):
        if channels not in (1, 3):
            st.caption(f"This run takes pictures with {channels} channels; own images can only be grey or in colour.")
            return None
        uploader()
        intake = taken_in(session)
        if intake is not None:
            show_intake(intake, f"{width} × {height} pixels")
            if channels == 1 and len(intake.images):
                st.toggle(
                    "Invert: dark on light becomes light on dark",
                    value=_invert_default(session),
                    key=uploads.INVERT,
                    persist_state="session",
                    help="Most runs on digits learned white strokes on black; ink on paper is the opposite.",
                )
            st.button("Remove my images", icon=":material/delete:", on_click=uploads.keep_uploads, args=([],))
        st.caption("Your images are kept only until you close this tab, and are never written to disk.")
    return intake if intake is not None and len(intake.images) else None


def taken_in(session: Session) -> Intake | None:
    """The visitor's files as images of this run's size, decoded once per visit and size; None without files."""
    channels, height, width = session.shape
    if channels not in (1, 3) or not (files := uploads.uploads()):
        return None
    return cache.own_images(
        uploads.uploads_version(), (height, width), channels, [(file.name, file.content) for file in files]
    )


def inverted(session: Session) -> bool:
    """True if the visitor's images are inverted for this run: as they chose, else as suits the run."""
    return session.shape[0] == 1 and bool(url.value(uploads.INVERT, _invert_default(session)))


def _invert_default(session: Session) -> bool:
    intake = taken_in(session)
    return intake is not None and len(intake.images) > 0 and session.looks_negative(intake.images)


def uploader() -> None:
    """Draw the upload; new files are added to those of the visit."""
    # A new key after each upload empties the widget, so that files are held once and more can be added on any page.
    key = f"{uploads.UPLOADER}{uploads.uploads_version()}"

    def add() -> None:
        new = [Upload(file.name, file.getvalue()) for file in st.session_state.get(key) or []]
        keep, size = uploads.uploads(), sum(len(file.content) for file in uploads.uploads())
        for file in new:
            size += len(file.content)
            if size > MAX_VISIT_BYTES:
                st.toast(
                    f"{plain(file.name)} and later files were left out: at most {MAX_VISIT_BYTES // 2**20} MB are kept."
                )
                break
            keep.append(file)
        uploads.keep_uploads(keep)

    st.file_uploader(
        "Image files, or a ZIP or NPZ of them", type=TYPES, accept_multiple_files=True, key=key, on_change=add
    )


def show_intake(intake: Intake, size: str) -> None:
    """Say how many images were taken, and which were refused and why."""
    n = len(intake.images)
    st.markdown(f"**{n} image{'' if n == 1 else 's'}**, fitted to {size}." if n else "**No image could be used.**")
    lines = [f"{name}: {reason}" for name, reason in intake.refused[:MAX_REFUSALS]]
    if len(intake.refused) > MAX_REFUSALS:
        lines.append(f"and {len(intake.refused) - MAX_REFUSALS} more were refused.")
    if lines:
        st.html('<ul class="refused">' + "".join(f"<li>{html.escape(line)}</li>" for line in lines) + "</ul>")
