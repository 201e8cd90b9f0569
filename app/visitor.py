"""Who runs the page or request that this thread works on, and what this server is open for.

The guard (`app.guard`) names the visitor of every request in two headers. Streamlit keeps them with the session
(`server.trustedUserHeaders` in `.streamlit/config.toml`), so they stay the same for as long as a session lives.
"""

import contextlib
import json
import os
from collections.abc import Generator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

import pydantic
from streamlit.runtime.scriptrunner import get_script_run_ctx

from aecore.foundation.errors import BadSettings
from aecore.store.access import OPERATOR, Quotas, Role, Visitor

Access = Literal["alone", "shared", "read-only"]
_SITUATIONS: tuple[Access, ...] = ("alone", "shared", "read-only")
VISITOR_HEADER, ROLE_HEADER = "X-Aecore-Visitor", "X-Aecore-Role"
VISITOR_KEY, ROLE_KEY = "visitor", "role"
"""The names under which Streamlit keeps the two headers with a session."""


@dataclass(frozen=True)
class Situation:
    """What a server is open for, decided when it starts."""

    access: Access = "alone"
    allowed_hosts: tuple[str, ...] = ()
    quotas: Quotas = field(default_factory=Quotas)
    metrics: bool = False


_situation: Situation | None = None  # None in a process without a server: a test, the command line
_of_request: ContextVar[Visitor | None] = ContextVar("visitor", default=None)


def from_environment(loopback: bool) -> Situation:
    """Return what `aecore app` asked for; without its variables, a server that others reach is shared.

    Raises `BadSettings` if a variable holds what it must not.
    """
    hosts = tuple(name.strip() for name in os.environ.get("AECORE_ALLOWED_HOSTS", "").split(",") if name.strip())
    asked = os.environ.get("AECORE_ACCESS") or ("alone" if loopback and not hosts else "shared")
    if asked not in _SITUATIONS:
        raise BadSettings(f"AECORE_ACCESS={asked!r}: it is one of {', '.join(_SITUATIONS)}")
    try:
        quotas = Quotas.model_validate(json.loads(os.environ.get("AECORE_QUOTAS") or "{}"))
    except (ValueError, pydantic.ValidationError) as error:
        raise BadSettings(f"AECORE_QUOTAS holds no quotas: {' '.join(str(error).split())}") from None
    return Situation(asked, hosts, quotas, os.environ.get("AECORE_METRICS") == "1")


def serve(situation: Situation | None) -> None:
    """Say what this process's server is open for; None for no server."""
    global _situation
    _situation = situation


def access() -> Access:
    """Return what this server is open for; "alone" in a process without a server."""
    return _situation.access if _situation is not None else "alone"


def quotas() -> Quotas:
    """Return the limits of this server's visitors."""
    return (_situation or Situation()).quotas


def current() -> Visitor:
    """Return who runs the page or request that this thread works on.

    The operator where one person uses the program alone. Where others may come, someone who cannot be told (a thread
    that a page started, a server without its configuration) is a guest without a name, never the operator.
    """
    if (found := _of_request.get()) is not None:
        return found
    if access() == "alone":
        return OPERATOR
    context = get_script_run_ctx(suppress_warning=True)
    # Streamlit's copy of the two headers, not `st.context.headers`, which are empty once the tab is closed: a page that
    # still runs then must not give its run to nobody.
    info = {} if context is None else context.user_info
    return named(str(info.get(VISITOR_KEY) or ""), str(info.get(ROLE_KEY) or ""))


def house() -> Visitor:
    """Return who the server itself is when it lists and opens runs: a reader where nothing may be written."""
    return Visitor("", "reader") if access() == "read-only" else OPERATOR


def named(name: str, role: str) -> Visitor:
    """Return the visitor whom the guard named so."""
    situation = _situation or Situation()
    if situation.access == "alone" or (situation.access == "shared" and role == "operator" and name):
        return OPERATOR
    known: Role = "reader" if situation.access == "read-only" else "guest"
    return Visitor(name, known, situation.quotas)


@contextlib.contextmanager
def acting(visitor: Visitor) -> Generator[None]:
    """Within it, `visitor` is who runs this request, also in threads that get a copy of its context."""
    token = _of_request.set(visitor)
    try:
        yield
    finally:
        _of_request.reset(token)
