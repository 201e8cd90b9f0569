"""A visitor's own images, kept for the visit only."""

import dataclasses
import secrets

import streamlit as st

from app.state.url import set_parameter

# Denoise
IMAGES = "images"
"""Positions in the run's gallery, joined by "-". Written by `choose_images`."""
# Kept for the visit only, never in a link.
_UPLOADS = "_uploads"
_UPLOADS_VERSION = "_uploads_version"
UPLOADER = "_uploader"
INVERT = "_invert"
SOURCE = "_source"
_OWN_IMAGES = "_own_images"


@dataclasses.dataclass(frozen=True)
class Upload:
    """A file a visitor brought, as it came; it is decoded for each run's own size and vanishes with the visit."""

    name: str
    content: bytes


def uploads() -> list[Upload]:
    return list(st.session_state.get(_UPLOADS, []))


def keep_uploads(files: list[Upload]) -> None:
    st.session_state[_UPLOADS] = files
    st.session_state[_UPLOADS_VERSION] = secrets.token_hex(8)


def show_own_images() -> None:
    """The visitor's images as they came, not as negatives, instead of the dataset's."""
    for key, wanted in ((SOURCE, "yours"), (INVERT, False)):
        if key in st.session_state:  # else their defaults are these
            st.session_state[key] = wanted


def uploads_version() -> str:
    """Changes whenever the kept files change, so that it names them in a cache."""
    return str(st.session_state.get(_UPLOADS_VERSION, ""))


def own_images_token() -> str:
    """Names the visitor's images as they are shown now, within this visit."""
    return f"own {uploads_version()} {st.session_state.get(INVERT)}"


def chosen_images(own: bool, total: int, default: list[int]) -> list[int]:
    """Positions chosen, as far as they exist: of the dataset those of the URL, of own images those of this visit."""
    asked = st.session_state.get(_OWN_IMAGES) if own else st.query_params.get(IMAGES)
    positions = [int(text) for text in (asked or "").split("-") if text.isdecimal() and len(text) < 6]
    kept = [position for position in dict.fromkeys(positions) if position < total]
    return kept if kept or asked == "" else default


def choose_images(own: bool, positions: list[int]) -> None:
    text = "-".join(str(position) for position in positions)
    if own:
        st.session_state[_OWN_IMAGES] = text
    else:
        set_parameter(IMAGES, text)
