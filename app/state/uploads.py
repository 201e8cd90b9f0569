"""A visitor's own images, kept for the visit only, and what all visitors together keep."""

import contextlib
import dataclasses
import secrets
import threading
import weakref

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.state import SessionState

from app import visitor
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
MB = 2**20


@dataclasses.dataclass(frozen=True)
class Upload:
    """An uploaded file, unchanged; it is decoded for each run's own image size and forgotten with the visit."""

    name: str
    content: bytes


def uploads() -> list[Upload]:
    """Return the visitor's files."""
    return list(st.session_state.get(_UPLOADS, []))


def keep_uploads(files: list[Upload]) -> None:
    """Replace the visitor's files. New ones for which the visit or the server has no room are left out, with a word."""
    room = visitor.quotas()
    kept, out = _ledger.keep(files, _visit(), room.upload_megabytes * MB, room.all_upload_megabytes * MB)
    st.session_state[_UPLOADS] = kept
    st.session_state[_UPLOADS_VERSION] = secrets.token_hex(8)
    if out:
        names = f"{out[0].name} was" if len(out) == 1 else f"{out[0].name} and {len(out) - 1} more files were"
        st.toast(f"{names} left out: there is no room for more images. Remove some of yours, or try again later.")


def forget(state: SessionState) -> None:
    """Drop the files of a visit that has ended. Its state is in a cycle, which Python would collect some time later."""
    with contextlib.suppress(KeyError):
        del state[_UPLOADS]


def kept_bytes(visit: str | None = None) -> int:
    """Return what a visit's files take, or those of all visits."""
    return _ledger.total(visit)


def _visit() -> str:
    context = get_script_run_ctx(suppress_warning=True)
    return "" if context is None else context.session_id


class Ledger:
    """Adds up the files that visits keep. A file is struck off when nothing holds it any more: its visit has ended."""

    def __init__(self) -> None:
        self._sizes: dict[int, tuple[str, int]] = {}  # {identity of the file: (visit, bytes)}
        self._lock = threading.Lock()

    def keep(self, files: list[Upload], visit: str, most: int, most_of_all: int) -> tuple[list[Upload], list[Upload]]:
        """Return the files that are kept, those already kept and new ones for which there is room, and the others."""
        kept, out = list[Upload](), list[Upload]()
        with self._lock:
            size = sum(len(file.content) for file in files if id(file) in self._sizes)
            for file in files:
                if id(file) not in self._sizes:
                    length = len(file.content)
                    if size + length > most or self.total() + length > most_of_all:
                        out.append(file)
                        continue
                    size += length
                    self._enter(file, visit, length)
                kept.append(file)
        return kept, out

    def total(self, visit: str | None = None) -> int:
        """Return the bytes of a visit's files, or of all."""
        return sum(size for owner, size in list(self._sizes.values()) if visit is None or visit == owner)

    def _enter(self, file: Upload, visit: str, length: int) -> None:
        self._sizes[id(file)] = (visit, length)
        # Runs wherever the last reference goes, also within `keep`; so it takes no lock.
        weakref.finalize(file, self._sizes.pop, id(file), None).atexit = False


_ledger = Ledger()


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
