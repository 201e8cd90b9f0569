"""A visitor's own images, kept for the visit only."""

import dataclasses
import secrets

import streamlit as st

from app.state.url import set_parameter

IMAGES = "images"
"""Positions in the run's gallery, joined by "-". Written by `choose_images`."""
# For the visit only, never in a link:
_UPLOADS = "_uploads"
_UPLOADS_VERSION = "_uploads_version"
UPLOADER = "_uploader"
INVERT = "_invert"
SOURCE = "_source"
_OWN_IMAGES = "_own_images"


@dataclasses.dataclass(frozen=True)
class Upload:
    """An uploaded file, unchanged; it is decoded for each run's own image size and forgotten with the visit."""

    name: str
    content: bytes


def uploads() -> list[Upload]:
    """Return the visitor's files."""
    return list(st.session_state.get(_UPLOADS, []))


def keep_uploads(files: list[Upload]) -> None:
    """Replace the visitor's files."""
    st.session_state[_UPLOADS] = files
    st.session_state[_UPLOADS_VERSION] = secrets.token_hex(8)


def show_own_images() -> None:
    """Show the visitor's images, not inverted, instead of the dataset's."""
    for key, shown in ((SOURCE, "yours"), (INVERT, False)):
        if key in st.session_state:  # else these are the defaults
            st.session_state[key] = shown


def uploads_version() -> str:
    """Return a token that changes with the files, so that it can stand for them in a cache key."""
    return str(st.session_state.get(_UPLOADS_VERSION, ""))


def own_images_token() -> str:
    """Return a token for the visitor's images as they are shown now (inverted or not), within this visit."""
    return f"own {uploads_version()} {st.session_state.get(INVERT)}"


def chosen_images(own: bool, total: int, default: list[int]) -> list[int]:
    """Return the chosen positions below `total`, from the URL or, for own images, this visit; else the `default`."""
    asked = st.session_state.get(_OWN_IMAGES) if own else st.query_params.get(IMAGES)
    positions = [int(text) for text in (asked or "").split("-") if text.isdecimal() and len(text) < 6]
    kept = [position for position in dict.fromkeys(positions) if position < total]
    return kept if kept or asked == "" else default


def choose_images(own: bool, positions: list[int]) -> None:
    """Choose positions: in the URL for the dataset, in this visit for own images."""
    text = "-".join(str(position) for position in positions)
    if own:
        st.session_state[_OWN_IMAGES] = text
    else:
        set_parameter(IMAGES, text)
