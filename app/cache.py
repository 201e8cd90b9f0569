"""The only file with caches of the front end: keyed by run id and plain values, every one bounded."""

import torch
import streamlit as st

from aecore.session import Gallery, Session
from aecore.store import RunFolder, RunInfo, RunStore


@st.cache_resource(max_entries=1)
def store() -> RunStore:
    return RunStore()


def runs() -> list[RunInfo]:
    """Every run as it is on disk now; cheap, since the store remembers what it has checked."""
    return store().runs()


@st.cache_resource(max_entries=24, show_spinner=False)
def _session(folder: str, changed: float, run_id: str) -> Session:
    return Session(store(), run_id)


def session(run_id: str) -> Session:
    """The one session of a run in this process, shared by every visitor. Raises `RunUnavailable`."""
    folder = store().folder(run_id)
    return _session(str(folder), (folder / "status.json").stat().st_mtime, run_id)


@st.cache_resource(max_entries=48, show_spinner=False)
def gallery(folder: str, run_id: str, n: int) -> Gallery:
    """Images of a run to choose from; read-only."""
    found = session(run_id).gallery(n)
    found.images.setflags(write=False)
    return found


def warm() -> None:
    """Loads what the first visitor would otherwise wait for. A bad run is shown as such on its page, not here."""
    torch.set_num_threads(1)
    for info in runs():
        if info.builtin and info.explorable:
            gallery(str(info.folder), info.run_id, 64)
