"""Images of the visitor's own: checked, fitted to the run, kept for the visit and never written to disk."""

import html

import streamlit as st

from aecore.pictures.uploads import Intake
from aecore.session.session import Session
from app import cache
from app.state import uploads, url
from app.state.uploads import Upload

TYPES = ["png", "jpg", "jpeg", "gif", "webp", "pgm", "ppm", "tif", "tiff", "bmp", "zip", "npz"]
MAX_VISIT_BYTES = 64 * 2**20
"""Of one visitor, as files; a whole class shares the server's memory."""
SHOWN_REFUSALS = 8


def own_images(session: Session) -> Intake | None:
    """A popover to bring, invert and forget images; what was kept of them for this run's size, or None."""
    channels, height, width = session.shape
    with st.popover("Own images", icon=":material/add_photo_alternate:", width="stretch"):
        if channels not in (1, 3):
            st.caption(f"This run takes pictures of {channels} channels; own images can be grey or in colour only.")
            return None
        uploader()
        intake = taken_in(session)
        if intake is not None:
            said(intake, f"{width} × {height} pixels")
            if channels == 1 and len(intake.images):
                st.toggle(
                    "Invert: dark on light becomes light on dark",
                    value=_invert_default(session),
                    key=uploads.INVERT,
                    persist_state="session",
                    help="Most runs of digits learned white strokes on black; ink on paper is the other way round.",
                )
            st.button("Forget my images", icon=":material/delete:", on_click=uploads.keep_uploads, args=([],))
        st.caption("They stay in this browser tab's visit, are not written to disk, and vanish when it ends.")
    return intake if intake is not None and len(intake.images) else None


def taken_in(session: Session) -> Intake | None:
    """What the visitor's files give for this run; decoded once per visit and size. None without files."""
    channels, height, width = session.shape
    if channels not in (1, 3) or not (files := uploads.uploads()):
        return None
    return cache.own_images(
        uploads.uploads_version(), (height, width), channels, [(file.name, file.content) for file in files]
    )


def inverted(session: Session) -> bool:
    """Whether the visitor's images are shown to this run as negatives; before they said so, what suits the run."""
    return session.shape[0] == 1 and bool(url.value(uploads.INVERT, _invert_default(session)))


def _invert_default(session: Session) -> bool:
    intake = taken_in(session)
    return intake is not None and len(intake.images) > 0 and session.looks_negative(intake.images)


def uploader() -> None:
    """Where files are brought; they join those already kept for the visit."""
    # A new key after each delivery empties the uploader, so that files are held once and more can be added anywhere.
    key = f"{uploads.UPLOADER}{uploads.uploads_version()}"

    def deliver() -> None:
        new = [Upload(file.name, file.getvalue()) for file in st.session_state.get(key) or []]
        keep, size = uploads.uploads(), sum(len(file.content) for file in uploads.uploads())
        for file in new:
            size += len(file.content)
            if size > MAX_VISIT_BYTES:
                st.toast(f"{file.name} and what follows was left out: at most {MAX_VISIT_BYTES // 2**20} MB are kept.")
                break
            keep.append(file)
        uploads.keep_uploads(keep)

    st.file_uploader(
        "Pictures, or a zip or npz of them", type=TYPES, accept_multiple_files=True, key=key, on_change=deliver
    )


def said(intake: Intake, size: str) -> None:
    """How many images were kept, and which were not and why."""
    n = len(intake.images)
    st.markdown(f"**{n} image{'' if n == 1 else 's'} kept**, fitted to {size}." if n else "**No image could be kept.**")
    lines = [f"{name}: {reason}" for name, reason in intake.refused[:SHOWN_REFUSALS]]
    if len(intake.refused) > SHOWN_REFUSALS:
        lines.append(f"and {len(intake.refused) - SHOWN_REFUSALS} more were refused.")
    if lines:
        st.html('<ul class="refused">' + "".join(f"<li>{html.escape(line)}</li>" for line in lines) + "</ul>")
