"""How many visits this server has now, and what they hold."""

from typing import Any

from streamlit import runtime

from app.state import uploads


def open_visits() -> int:
    """Count the open pages, one for each tab; 0 in a process without a server."""
    if not runtime.exists():
        return 0
    found: Any = runtime.get_instance().stats_mgr.get_stats(["active_sessions"]).get("active_sessions", ())
    return sum(gauge.value for gauge in found)


def upload_bytes() -> int:
    """Return the bytes of all uploaded files that pages and Streamlit hold."""
    if not runtime.exists():
        return uploads.kept_bytes()
    manager: Any = runtime.get_instance().uploaded_file_mgr
    return uploads.kept_bytes() + sum(stat.byte_length for stats in manager.get_stats().values() for stat in stats)
