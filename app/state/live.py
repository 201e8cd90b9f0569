"""What the server remembers of the live components: the last move heard, and why one failed."""

import streamlit as st

_LIVE_FAILED = "_live_failed"


def receive(key: str, token: str, count: int) -> None:
    """Keeps the count of the visitor's last move in the component `key`; `token` names what its moves belong to."""
    st.session_state[f"{key}_heard"] = (token, count)


def last_received(key: str, token: str) -> int:
    known, count = st.session_state.get(f"{key}_heard", ("", 0))
    return count if known == token else 0


def live_failed(reason: str) -> None:
    """For the rest of the visit pages are drawn without their live part."""
    st.session_state[_LIVE_FAILED] = reason


def live_failure() -> str | None:
    return st.session_state.get(_LIVE_FAILED)
