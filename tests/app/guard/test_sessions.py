"""When a session ends: at once after its tab was closed, later after a lost connection, never while it is connected."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.runtime.state import SessionState

from app.guard import sessions
from app.state import uploads
from app.state.uploads import Upload


class Runtime:
    """The sessions of a server: those that are connected, and those that were closed."""

    def __init__(self) -> None:
        self.connected: set[str] = set()
        self.ended: list[str] = []
        self.state = SessionState()
        self.state["_uploads"] = [Upload("a.png", b"x")]
        self._session_mgr = SimpleNamespace(get_session_info=self._info)

    def _info(self, session_id: str) -> Any:
        return SimpleNamespace(session=SimpleNamespace(session_state=self.state))

    def is_active_session(self, session_id: str) -> bool:
        return session_id in self.connected

    def close_session(self, session_id: str) -> None:
        self.ended.append(session_id)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Runtime:
    made = Runtime()
    monkeypatch.setattr(sessions.runtime, "get_instance", lambda: made)
    return made


def on_a_loop(what: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with ThreadPoolExecutor(1) as pool:  # this thread may have the event loop of the browser tests
        pool.submit(lambda: asyncio.run(what())).result()


def test_a_closed_tab_s_session_ends_at_once_with_its_files(runtime):
    async def visit() -> None:
        sessions.Leavers(60).left("a", closed=True)

    on_a_loop(visit)
    assert runtime.ended == ["a"]
    with pytest.raises(KeyError):
        runtime.state["_uploads"]
    uploads.forget(runtime.state)


def test_a_tab_that_is_connected_again_keeps_its_session(runtime):
    async def visit() -> None:
        runtime.connected.add("a")
        sessions.Leavers(60).left("a", closed=True)

    on_a_loop(visit)
    assert runtime.ended == []
    assert runtime.state["_uploads"]


def test_a_session_can_be_ended_while_it_is_connected(runtime):
    runtime.connected.add("a")
    sessions.Leavers(60).end(["a"])
    assert runtime.ended == ["a"]


def test_a_lost_tab_s_session_ends_when_it_has_not_come_back(runtime):
    async def visit() -> None:
        leavers = sessions.Leavers(0)
        leavers.left("a", closed=False)
        assert runtime.ended == []
        while runtime.ended == []:
            await asyncio.sleep(0)
        assert not leavers._timers

    on_a_loop(visit)
    assert runtime.ended == ["a"]


def test_only_the_last_loss_of_a_connection_counts(runtime):
    async def visit() -> None:
        leavers = sessions.Leavers(60)
        leavers.left("a", closed=False)
        (first,) = leavers._timers.values()
        leavers.left("a", closed=False)
        assert first.cancelled()
        leavers.left("a", closed=True)
        assert not leavers._timers

    on_a_loop(visit)
    assert runtime.ended == ["a"]
