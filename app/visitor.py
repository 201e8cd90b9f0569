"""Who the visitor of the page or request is that runs now."""

from aecore.store.access import OPERATOR, Visitor


def current() -> Visitor:
    """Return the visitor; the operator in a process without a server."""
    return OPERATOR
