"""When many visitors open a page at once: draw the main picture of each page before the rest of any.

The server's threads share one interpreter. If they all drew whole pages at once, all would finish late, and every
visitor's picture with them.
"""

import threading

MAX_WAIT = 2.0
"""Seconds for which the rest of a page waits for others' pictures."""
_thread = threading.local()
_changed = threading.Condition()
_pending = 0
"""Pages whose main picture is not drawn yet."""


def enter() -> None:
    """Count the page that this thread draws as pending; `leave` must follow."""
    global _pending
    if not getattr(_thread, "pending", False):
        with _changed:
            _pending += 1
        _thread.pending = True


def leave() -> None:
    """Stop counting this thread's page: its picture is drawn, or there is none."""
    global _pending
    if getattr(_thread, "pending", False):
        _thread.pending = False
        with _changed:
            _pending -= 1
            _changed.notify_all()


def wait_for_others(timeout: float = MAX_WAIT) -> bool:
    """Leave, then wait until no page is pending; False if that took longer than `timeout` seconds.

    Returns at once if this thread's page is not counted, as when only a fragment is redrawn.
    """
    if not getattr(_thread, "pending", False):
        return True
    leave()
    with _changed:
        return _changed.wait_for(lambda: _pending == 0, timeout)
