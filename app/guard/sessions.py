"""Streamlit's sessions as the guard needs them. The only file that reaches into Streamlit's own tables.

All of it runs on the server's event loop, as Streamlit's own handlers do.
"""

from typing import Any, cast

from streamlit import runtime
from streamlit.runtime.session_manager import SessionManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from app.guard.identity import Identity
from app.visitor import ROLE_KEY, VISITOR_KEY

CONNECTION_HEADER = "X-Aecore-Connection"
"""Names a websocket, so that the session of a websocket that ends is found."""
FILE_BYTES = 1024
"""What a file takes besides its content: a million empty ones must not be free."""


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


def end(session_id: str) -> None:
    """Close a session with its files, caches and event loop, unless its tab is connected again."""
    found = runtime.get_instance()
    if not found.is_active_session(session_id):
        found.close_session(session_id)


def uploaded_bytes(session_id: str | None = None) -> int:
    """Return what Streamlit holds of a session's files, or of everybody's."""
    manager: Any = runtime.get_instance().uploaded_file_mgr
    storage: dict[str, dict[str, UploadedFileRec]] = manager.file_storage
    sessions = list(storage.values()) if session_id is None else [storage.get(session_id, {})]
    # Scripts remove files in threads of their own, so the tables are copied before they are walked.
    found = [file for files in sessions for file in list(files.values())]
    return sum(len(file.data) + len(file.name) + len(file.type) + FILE_BYTES for file in found)
