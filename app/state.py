"""The only file that spells session-state keys and URL parameters: what a link restores, and what a visitor keeps."""

import dataclasses
from typing import Any

import streamlit as st

# Widget keys that are bound to the URL; a link with them restores the view.
RUN = "run"
"""The run's id. Written by `choose_run`, not bound: a bound selectbox would put the run's changeable name into links."""
IMAGE = "image"
LEVEL = "level"
NOISE = "noise"
SEED = "seed"

# Kept for the visit only, never in a link.
_UPLOADS = "_uploads"
_UPLOADS_VERSION = "_uploads_version"
_LAST_RUN = "_last_run"
RUN_PICKER = "_run_picker"
UPLOADER = "_uploader"
INVERT = "_invert"
SOURCE = "_source"


@dataclasses.dataclass(frozen=True)
class Upload:
    """A file a visitor brought, as it came; it is decoded for each run's own size and vanishes with the visit."""

    name: str
    content: bytes


def uploads() -> list[Upload]:
    return list(st.session_state.get(_UPLOADS, []))


def keep_uploads(files: list[Upload]) -> None:
    st.session_state[_UPLOADS] = files
    st.session_state[_UPLOADS_VERSION] = uploads_version() + 1


def uploads_version() -> int:
    """Changes whenever the kept files change; with the visit it names them in a cache."""
    return int(st.session_state.get(_UPLOADS_VERSION, 0))


def choose_run(run_id: str) -> None:
    """Keeps the run for the other pages and puts it into the URL."""
    st.session_state[_LAST_RUN] = run_id
    if st.query_params.get(RUN) != run_id:
        st.query_params[RUN] = run_id


def last_run() -> str | None:
    return st.session_state.get(_LAST_RUN)


def value(key: str, default: Any) -> Any:
    """A widget's value before the widget is drawn, so that the picture can stand above its controls."""
    return st.session_state.get(key, default)


def unit_key(run_id: str, unit: int) -> str:
    """The slider of one unit of one run. In the URL it is `u<unit>`."""
    return f"u{unit}"
