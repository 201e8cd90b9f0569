"""Who the visitor is: of a page, of a request, and where nobody can tell."""

import json
import threading
from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from aecore.foundation.errors import BadSettings
from aecore.store.access import OPERATOR, Quotas, Visitor
from app import visitor
from app.visitor import Situation, from_environment

NAME = "0123456789abcdef"
FEW = Quotas(epochs=7)


@pytest.fixture(autouse=True)
def no_server_afterwards(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AECORE_ACCESS", "AECORE_ALLOWED_HOSTS", "AECORE_QUOTAS", "AECORE_METRICS"):
        monkeypatch.delenv(name, raising=False)
    yield
    visitor.serve(None)


def page() -> None:
    import streamlit as st

    from app import visitor as seen

    st.session_state["who"] = seen.current()


def of_a_page(user: dict[str, str]) -> Visitor:
    test = AppTest.from_function(page)
    test.session_state["who"] = None
    import streamlit.testing.v1.local_script_runner as runner  # the headers that Streamlit would keep with the session

    with pytest.MonkeyPatch.context() as patch:
        before = runner.LocalScriptRunner.__init__

        def with_user(self: runner.LocalScriptRunner, *arguments: object, **named: object) -> None:
            before(self, *arguments, **named)
            self._user_info = dict(user)

        patch.setattr(runner.LocalScriptRunner, "__init__", with_user)
        return test.run().session_state["who"]


def test_a_process_without_a_server_is_the_operator_s():
    assert visitor.current() == OPERATOR
    assert of_a_page({}) == OPERATOR


def test_a_page_s_visitor_is_who_opened_it():
    visitor.serve(Situation("shared", quotas=FEW))
    assert of_a_page({"visitor": NAME, "role": "guest"}) == Visitor(NAME, "guest", FEW)
    assert of_a_page({"visitor": NAME, "role": "operator"}) == OPERATOR
    assert of_a_page({"visitor": NAME, "role": "reader"}) == Visitor(NAME, "guest", FEW)


def test_who_cannot_be_told_is_a_guest_without_a_name():
    visitor.serve(Situation("shared"))
    for found in (visitor.current(), of_a_page({}), of_a_page({"role": "operator"}), of_a_page({"role": "x"})):
        assert (found.name, found.role) == ("", "guest")
        assert not found.is_operator
        assert not found.owns("")


def test_read_only_nobody_is_the_operator():
    visitor.serve(Situation("read-only"))
    assert {visitor.current().role, of_a_page({"visitor": NAME, "role": "operator"}).role} == {"reader"}


def test_a_request_s_visitor_is_its_thread_s_only():
    visitor.serve(Situation("shared"))
    guest = Visitor(NAME, "guest")
    found: list[Visitor] = []
    with visitor.acting(guest):
        assert visitor.current() == guest
        thread = threading.Thread(target=lambda: found.append(visitor.current()))
        thread.start()
        thread.join()
    assert found == [Visitor("", "guest")]
    assert visitor.current() == Visitor("", "guest")


def test_a_server_that_others_reach_is_shared_unless_it_is_told_otherwise(monkeypatch):
    assert from_environment(loopback=True).access == "alone"
    assert from_environment(loopback=False).access == "shared"
    monkeypatch.setenv("AECORE_ALLOWED_HOSTS", "school.example, other.example")
    found = from_environment(loopback=True)
    assert (found.access, found.allowed_hosts) == ("shared", ("school.example", "other.example"))
    monkeypatch.setenv("AECORE_ACCESS", "read-only")
    assert from_environment(loopback=False).access == "read-only"


def test_what_the_environment_must_not_hold_is_refused(monkeypatch):
    monkeypatch.setenv("AECORE_ACCESS", "open")
    with pytest.raises(BadSettings, match="alone, shared, read-only"):
        from_environment(loopback=True)
    monkeypatch.setenv("AECORE_ACCESS", "shared")
    for wrong in ("x", "[]", json.dumps({"epochs": -1}), json.dumps({"wishes": 3})):
        monkeypatch.setenv("AECORE_QUOTAS", wrong)
        with pytest.raises(BadSettings, match="AECORE_QUOTAS"):
            from_environment(loopback=True)
    monkeypatch.setenv("AECORE_QUOTAS", FEW.model_dump_json())
    assert from_environment(loopback=True).quotas == FEW
