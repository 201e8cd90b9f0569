"""Streamlit's sessions as the guard needs them. The only file that reaches into Streamlit's own tables.

All of it runs on the server's event loop, as Streamlit's own handlers do.
"""

import asyncio
from typing import Any, cast

from google.protobuf.message import DecodeError
from streamlit import runtime
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.runtime.session_manager import SessionManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from app.guard.identity import Identity
from app.state import uploads
from app.visitor import ROLE_KEY, VISITOR_KEY

CONNECTION_HEADER = "X-Aecore-Connection"
"""Names a websocket, so that the session of a websocket that ends is found."""
FILE_BYTES = 1024
"""What a file takes besides its content: a million empty ones must not be free."""
MAX_NAMES = 200
"""Files that a page uploads at once; an address is made for each while everybody else waits."""


_FOR_PAGES = {"rerun_script", "stop_script", "file_urls_request", "app_heartbeat", "backend_operation_request"}
"""Messages of Streamlit's client that concern its own page. Others would empty everybody's caches (`clear_cache`), read
the server's git folder (`load_git_info`), or are for debugging.
"""


def is_for_pages(content: bytes) -> bool:
    """True for a message of a browser that its page needs; others, and what is none, are dropped."""
    message = BackMsg()
    try:
        message.ParseFromString(content)
    except DecodeError:
        return False
    return message.WhichOneof("type") in _FOR_PAGES and len(message.file_urls_request.file_names) <= MAX_NAMES


def _manager() -> SessionManager:
    return runtime.get_instance()._session_mgr  # pyright: ignore[reportPrivateUsage]


def session_of(connection: str) -> str | None:
    """Return the session of a websocket; None if it has none, or another websocket took it over."""
    header = (CONNECTION_HEADER.lower(), connection)
    for info in _manager().list_active_sessions():
        context = info.client.client_context
        if context is not None and header in context.headers:
            return info.session.id
    return None


def owns(identity: Identity, session_id: str) -> bool:
    """True if a session, connected or waiting for its tab to come back, is this visitor's."""
    info = _manager().get_session_info(session_id)
    user = {VISITOR_KEY: identity.name, ROLE_KEY: identity.role}
    return info is not None and info.session.matches_user_info(cast(Any, user))


def of(identity: Identity) -> list[str]:
    """List a visitor's sessions, connected or waiting for their tabs to come back."""
    user = {VISITOR_KEY: identity.name, ROLE_KEY: identity.role}
    return [info.session.id for info in _manager().list_sessions() if info.session.matches_user_info(cast(Any, user))]


class Leavers:
    """Ends the sessions of tabs that have gone: a closed tab's at once, another one's when it has not come back."""

    def __init__(self, away_seconds: float) -> None:
        self._away = max(0.0, away_seconds - 1)  # before Streamlit drops the session, and leaves it to be collected
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def left(self, session_id: str, closed: bool) -> None:
        """End a session whose websocket has ended; `closed` if the browser said so."""
        if (timer := self._timers.pop(session_id, None)) is not None:
            timer.cancel()
        if closed:
            self._end(session_id)
        else:
            self._timers[session_id] = asyncio.get_running_loop().call_later(self._away, self._end, session_id)

    def end(self, session_ids: list[str]) -> None:
        """End sessions, connected or not."""
        for session_id in session_ids:
            self._end(session_id, connected=True)

    def _end(self, session_id: str, connected: bool = False) -> None:
        """Close a session with its files, caches and event loop; `connected`: also while its tab is connected."""
        self._timers.pop(session_id, None)
        found, info = runtime.get_instance(), _manager().get_session_info(session_id)
        if info is None or (found.is_active_session(session_id) and not connected):
            return
        found.close_session(session_id)
        uploads.forget(info.session.session_state)


def uploaded_bytes(session_id: str | None = None) -> int:
    """Return what Streamlit holds of a session's files, or of everybody's."""
    manager: Any = runtime.get_instance().uploaded_file_mgr
    storage: dict[str, dict[str, UploadedFileRec]] = manager.file_storage
    sessions = list(storage.values()) if session_id is None else [storage.get(session_id, {})]
    # Scripts remove files in threads of their own, so the tables are copied before they are walked.
    found = [file for files in sessions for file in list(files.values())]
    return sum(len(file.data) + len(file.name) + len(file.type) + FILE_BYTES for file in found)
