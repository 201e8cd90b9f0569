"""Who the visitor of the page or request is that runs now, and what the server is open for."""

import json
import os
from typing import Literal, cast

from aecore.store.access import OPERATOR, Quotas, Visitor

Situation = Literal["alone", "shared", "read-only"]


def situation() -> Situation:
    """Return what this server is open for; "alone" in a process without a server."""
    return cast(Situation, os.environ.get("AECORE_ACCESS") or "alone")


def quotas() -> Quotas:
    """Return the limits of this server's guests."""
    return Quotas.model_validate(json.loads(os.environ.get("AECORE_QUOTAS") or "{}"))


def current() -> Visitor:
    """Return the visitor; the operator in a process without a server."""
    return OPERATOR
