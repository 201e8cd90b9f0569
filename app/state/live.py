"""Messages of the live components: what they sent, which ones were received, and why one failed."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

_FAILURE = "_live_failed"


def sent(key: str, name: str) -> Any:
    """Return the last value that the component `key` sent as `name`; it comes from the client and may be anything."""
    values: Any = st.session_state.get(key)
    return values.get(name) if isinstance(values, Mapping) else None


def receive(key: str, token: str, count: int) -> None:
    """Remember the count of the visitor's last move in the component `key`; `token` names what its moves belong to."""
    st.session_state[f"{key}_received"] = (token, count)


def last_received(key: str, token: str) -> int:
    """Return the count of the last move received from the component `key`; 0 if it belonged to another `token`."""
    known, count = st.session_state.get(f"{key}_received", ("", 0))
    return count if known == token else 0


def live_failed(reason: str) -> None:
    """Draw pages without their live part for the rest of the visit."""
    st.session_state[_FAILURE] = reason


def live_failure() -> str | None:
    """Return why pages are drawn without their live part; None while they are not."""
    return st.session_state.get(_FAILURE)
