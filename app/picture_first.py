"""When a class opens a page at once: everybody's picture first, the rest of everybody's page after that.

A server's threads share one interpreter, so that without this all pages, and with them all pictures, come at the end.
"""

import threading

PATIENCE = 2.0
"""Seconds that the rest of a page waits for others' pictures at most."""
_mine = threading.local()
_change = threading.Condition()
_before = 0
"""Script runs that have not come to their picture yet."""


def enter() -> None:
    """The page that this thread draws has a main picture, which is still to come; `leave` must follow."""
    global _before
    if not getattr(_mine, "before", False):
        with _change:
            _before += 1
        _mine.before = True


def leave() -> None:
    """The picture is there, or will not come."""
    global _before
    if getattr(_mine, "before", False):
        _mine.before = False
        with _change:
            _before -= 1
            _change.notify_all()


def after_the_others(patience: float = PATIENCE) -> bool:
    """This thread's picture is there: leaves, and waits until nobody's is still to come; False if that took too long.

    At once where this thread has not entered, as when a fragment alone is drawn anew.
    """
    if not getattr(_mine, "before", False):
        return True
    leave()
    with _change:
        return _change.wait_for(lambda: _before == 0, patience)
