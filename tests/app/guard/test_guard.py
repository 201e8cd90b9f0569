"""The guard alone, before an application that records what reaches it: headers, cookies, roles, limits."""

import asyncio
import re
import stat
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.datastructures import Headers
from streamlit.proto.BackMsg_pb2 import BackMsg

from aecore.store.access import OPERATOR, Quotas, visitor_name
from app import visitor
from app.guard import identity, limits, memory, opening, sessions
from app.guard.middleware import Guard
from app.visitor import Situation

SECRET = "5" * 32
OWN = {"host": "127.0.0.1:8501"}
TOKEN = "a" * 32


class Site:
    """A guard, and the application behind it."""

    def __init__(self, home: Path, situation: Situation, *, secret: str = SECRET, base: str = "") -> None:
        visitor.serve(situation)
        self.guard = Guard(
            self._application, situation=situation, address="127.0.0.1", base=base, home=home, secret=secret,
            upload_megabytes=40, away_seconds=60,
        )  # fmt: skip
        self.reached: list[dict[str, Any]] = []
        self.visitors: list[visitor.Visitor] = []
        self.answer: Callable[..., Awaitable[None]] | None = None

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached.append(scope)
        self.visitors.append(visitor.current())
        if self.answer is not None:
            return await self.answer(scope, receive, send)
        answer = [(b"access-control-allow-origin", b"*"), (b"X-Frame-Options", b"ALLOWALL")]
        await send({"type": "http.response.start", "status": 200, "headers": answer})
        await send({"type": "http.response.body", "body": b"ok"})

    def ask(self, path: str, method: str = "GET", kind: str = "http", **more: Any) -> tuple[int, Headers, str]:
        """One request; returns status, headers and body."""

        def once() -> tuple[int, Headers, str]:
            return asyncio.run(self.asked(path, method, kind, **more))

        with ThreadPoolExecutor(1) as pool:  # this thread may have the event loop of the browser tests
            return pool.submit(once).result()

    async def asked(
        self, path: str, method: str = "GET", kind: str = "http", scheme: str = "http", server: str = "127.0.0.1",
        client: str = "127.0.0.1", **headers: str,
    ) -> tuple[int, Headers, str]:  # fmt: skip
        named = {**OWN, **{name.replace("_", "-"): value for name, value in headers.items()}}
        scope = {
            "type": kind, "scheme": scheme, "path": path, "query_string": b"", "server": (server, 8501),
            "client": (client, 1), "headers": [(name.encode(), text.encode()) for name, text in named.items()],
            "extensions": {"websocket.http.response": {}}, **({"method": method} if kind == "http" else {}),
        }  # fmt: skip
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return await asyncio.get_running_loop().create_future()

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.guard(scope, receive, send)
        body = b"".join(message.get("body", b"") for message in sent)
        return sent[0].get("status", 0), Headers(raw=sent[0].get("headers", [])), body.decode()


@pytest.fixture(autouse=True)
def no_server_afterwards() -> Iterator[None]:
    yield
    visitor.serve(None)


@pytest.fixture
def shared(tmp_path: Path) -> Site:
    return Site(tmp_path, Situation("shared"))


def cookie_of(headers: Headers) -> tuple[str, str]:
    name, value = headers["set-cookie"].partition(";")[0].split("=")
    return name, value


# --- who asks


def test_a_new_visitor_gets_a_cookie_that_names_them(shared):
    _, headers, _ = shared.ask("/walk")
    name, token = cookie_of(headers)
    assert re.fullmatch(r"[0-9a-f]{32}", token)
    assert "Secure" not in headers["set-cookie"]
    assert shared.visitors == [visitor.Visitor(visitor_name(token), "guest", Quotas())]
    shared.ask("/walk", cookie=f"a=b; {name}={token}; c=d")
    assert shared.visitors[1] == shared.visitors[0]
    _, headers, _ = shared.ask("/", scheme="https")
    assert headers["set-cookie"].endswith("; Secure")


def test_headers_that_name_a_visitor_come_from_the_guard_only(shared):
    forged = {"x_aecore_visitor": "0" * 16, "x_aecore_role": "operator", "X-AECORE-Connection": "1", "x-aecore-x": "1"}
    shared.ask("/", **forged)
    (scope,) = shared.reached
    named = [
        (k.decode(), v.decode()) for k, v in scope["headers"] if k.lower().replace(b"_", b"-").startswith(b"x-aecore")
    ]
    assert dict(named) == {"x-aecore-visitor": shared.visitors[0].name, "x-aecore-role": "guest"}
    assert len(named) == 2
    assert shared.visitors[0].role == "guest"


def test_streamlit_never_sees_an_origin(shared):
    name, token = cookie_of(shared.ask("/", origin="http://evil.example")[1])
    shared.answer = lambda scope, receive, send: send({"type": "websocket.close"})
    shared.ask("/_stcore/stream", kind="websocket", origin="http://127.0.0.1:8501", cookie=f"{name}={token}")
    assert len(shared.reached) == 2
    assert not any(name == b"origin" for scope in shared.reached for name, _ in scope["headers"])


def test_two_servers_on_one_host_have_cookies_of_their_own(tmp_path):
    names = {cookie_of(Site(tmp_path / home, Situation("shared")).ask("/")[1])[0] for home in ("a", "b")}
    assert len(names) == 2


def test_the_teacher_s_link_makes_the_operator(shared):
    name, token = cookie_of(shared.ask("/")[1])
    _, headers, _ = shared.ask(f"/teacher/{SECRET}", cookie=f"{name}={token}")
    teacher, proof = cookie_of(headers)
    shared.ask("/", cookie=f"{name}={token}; {teacher}={proof}")
    assert shared.visitors[-1] == OPERATOR
    shared.ask("/", cookie=f"{name}={TOKEN}; {teacher}={proof}")
    assert shared.visitors[-1].role == "guest", "the proof is of one visitor's token"
    shared.ask("/", cookie=f"{teacher}={proof}")
    assert shared.visitors[-1].role == "guest"
    shared.ask("/", cookie=f"{name}={token}; {teacher}={proof[:-1]}é")
    assert shared.visitors[-1].role == "guest"


def test_the_link_opened_first_gives_both_cookies(shared):
    _, headers, _ = shared.ask(f"/teacher/{SECRET}")
    cookies = "; ".join(text.partition(";")[0] for text in headers.getlist("set-cookie"))
    shared.ask("/", cookie=cookies)
    assert shared.visitors == [OPERATOR]


def test_wrong_links_are_counted_by_address_and_never_lock_the_right_one(shared):
    tried = [shared.ask(f"/teacher/{n}", client="10.0.0.1")[0] for n in range(identity.MAX_TRIES + 2)]
    assert tried == [404] * identity.MAX_TRIES + [429] * 2
    assert shared.ask(f"/teacher/{SECRET}", client="10.0.0.1")[0] == 303
    assert shared.ask("/teacher/0", client="10.0.0.2")[0] == 404
    for _ in range(identity.MAX_TRIES + 1):  # what Streamlit's client looks for below every page's address is no try
        assert shared.ask("/teacher/_stcore/health", client="10.0.0.3")[0] == 404
    for _ in range(identity.MAX_TRIES + 1):
        assert shared.ask(f"/teacher/{SECRET}", client="10.0.0.3")[0] == 303


def test_other_sites_neither_end_nor_begin_a_teacher_s_visit_behind_their_back(shared):
    picture = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    own = {"sec-fetch-site": "same-origin"}
    for path, allowed in {"leave": [own, {}], SECRET: [own, {}, link]}.items():
        for headers in (own, {}, picture, link, {**link, "sec-fetch-dest": "iframe"}, {"sec-fetch-site": "same-site"}):
            status, answer, _ = shared.ask(f"/teacher/{path}", **headers)
            assert (status, "set-cookie" in answer) == ((303, True) if headers in allowed else (403, False)), headers


def test_leaving_ends_what_is_open_as_the_teacher(shared, monkeypatch):
    name, token = cookie_of(shared.ask("/")[1])
    teacher, proof = cookie_of(shared.ask(f"/teacher/{SECRET}", cookie=f"{name}={token}")[1])
    cookies = f"{name}={token}; {teacher}={proof}"
    ended: list[str] = []
    monkeypatch.setattr(sessions, "of", lambda who: [f"{who.role}'s"])
    monkeypatch.setattr(shared.guard._leavers, "end", ended.extend)

    async def visit() -> None:
        opened, left = asyncio.Event(), asyncio.Event()

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "websocket":
                await send({"type": "websocket.accept"})
                opened.set()
                await left.wait()
                await send({"type": "websocket.send", "bytes": b"no more of this"})

        shared.answer = application
        sent: list[str] = []

        async def send(message: Any) -> None:
            sent.append(message["type"])

        scope = {
            "type": "websocket", "scheme": "ws", "path": "/_stcore/stream", "query_string": b"", "client": None,
            "headers": [(b"host", b"127.0.0.1:8501"), (b"cookie", cookies.encode())], "server": ("127.0.0.1", 8501),
        }  # fmt: skip
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(shared.guard(scope, send, send))
            await opened.wait()
            assert (await shared.asked("/teacher/leave"))[0] == 303, "a guest has nothing to end"
            assert (sent, ended) == (["websocket.accept"], [])
            assert (await shared.asked("/teacher/leave", cookie=cookies))[0] == 303
            left.set()
        assert sent == ["websocket.accept", "websocket.close"]

    asynchronously(visit)
    assert ended == ["operator's"]
    assert not shared.guard._teachers


def test_alone_everybody_on_this_machine_is_the_operator_and_nobody_else_comes(tmp_path):
    site = Site(tmp_path, Situation("alone"), secret="")
    assert site.ask("/")[0] == 200
    assert site.visitors == [OPERATOR]
    status, _, line = site.ask("/", server="192.168.1.5")
    assert (status, "--shared" in line) == (421, True)
    assert site.ask(f"/teacher/{'0' * 32}")[0] == 404
    assert len(site.reached) == 1


def test_read_only_everybody_is_a_reader_even_with_an_old_teacher_s_cookie(tmp_path):
    cookies = identity.Cookies(tmp_path, "shared", SECRET)
    who = identity.Identity(TOKEN, "guest", False)
    held = "; ".join(one(who, False)[1].decode().partition(";")[0] for one in (cookies.visitor, cookies.teacher))
    site = Site(tmp_path, Situation("read-only"), secret="")
    site.ask("/", cookie=held)
    assert [one.role for one in site.visitors] == ["reader"]


# --- answers


def test_what_the_application_says_of_other_sites_is_replaced(shared):
    _, headers, _ = shared.ask("/")
    assert "access-control-allow-origin" not in headers
    assert headers.getlist("x-frame-options") == ["DENY"]


def test_an_error_of_the_application_has_the_headers_too(shared):
    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    shared.answer = fail
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def ask() -> None:
        scope = {"type": "http", "method": "GET", "path": "/", "scheme": "http", "headers": [(b"host", b"localhost")]}
        await shared.guard(scope, send, send)

    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError):
        pool.submit(lambda: asyncio.run(ask())).result()
    assert sent[0]["status"] == 500
    assert "content-security-policy" in dict(Headers(raw=sent[0]["headers"]))
    assert b"log" in sent[1]["body"]


def test_metrics_are_open_where_asked_for(tmp_path, shared):
    assert shared.ask("/_stcore/metrics")[0] == 404
    assert Site(tmp_path, Situation("shared", metrics=True)).ask("/_stcore/metrics")[0] == 200


def test_a_base_path_changes_nothing(tmp_path):
    site = Site(tmp_path, Situation("shared"), base="a/b")
    for path, status in {
        "/a/b/walk": 200,
        "/a/b": 200,
        "/a/b/_stcore/metrics": 404,
        "/a/b/_stcore/health": 200,
    }.items():
        assert site.ask(path)[0] == status, path
    assert site.ask("/_stcore/metrics")[0] == 404
    _, headers, _ = site.ask(f"/a/b/teacher/{SECRET}")
    assert headers["location"] == "/a/b/"


# --- limits


async def _upload(uploads: limits.Uploads, session: str, size: int, name: str = "") -> str:
    """Sends an upload that arrives at once, of the visitor whose only session this is; returns the refusal."""
    try:
        async with uploads.one(identity.Identity(name or session, "guest", False), session, str(size)):
            await asyncio.sleep(0)
        return ""
    except limits.Refused as refused:
        return f"{refused.status} {refused.words}"


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """What Streamlit holds of each session; the sessions of a visitor begin with their name."""
    sizes: dict[str, int] = {}
    monkeypatch.setattr(sessions, "owns", lambda who, session: session != "another")
    monkeypatch.setattr(sessions, "of", lambda who: [one for one in sizes if one.startswith(who.token)])
    monkeypatch.setattr(
        sessions, "uploaded_bytes", lambda session=None: sizes.get(session, 0) if session else sum(sizes.values())
    )
    return sizes


def asynchronously(function: Callable[[], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        return await function()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(run())).result()


def test_room_is_reserved_while_files_come_and_given_back(held):
    uploads = limits.Uploads(10, 20, 30)
    mb = limits.MB

    async def flood() -> list[str]:
        return await asyncio.gather(*(_upload(uploads, "a", 9 * mb) for _ in range(4)))

    assert sorted(text[:3] for text in asynchronously(flood)) == ["", "", "413", "413"]
    assert asynchronously(lambda: _upload(uploads, "a", 9 * mb)) == "", "what has been received is counted by Streamlit"
    held.update(a=15 * mb, b=12 * mb)
    assert "20 MB" in asynchronously(lambda: _upload(uploads, "a", 6 * mb))
    assert "all the files" in asynchronously(lambda: _upload(uploads, "c", 4 * mb))
    assert asynchronously(lambda: _upload(uploads, "c", 3 * mb)) == ""
    assert asynchronously(lambda: _upload(uploads, "a", 11 * mb)).startswith("413")
    assert asynchronously(lambda: _upload(uploads, "another", 1)).startswith("403")


@pytest.mark.parametrize("length", [None, "", "-1", "1e3", "٣", "0x1", "9" * 16])
def test_an_upload_says_how_long_it_is(held, length):
    uploads = limits.Uploads(10, 20, 30)

    async def send() -> int:
        with pytest.raises(limits.Refused) as refused:
            async with uploads.one(identity.Identity("x", "guest", False), "a", length):
                pass
        return refused.value.status

    assert asynchronously(send) == 411


def test_slow_senders_hold_their_own_turns_only_and_not_for_ever(held, monkeypatch):
    monkeypatch.setattr(limits, "UPLOAD_SECONDS", 0.05)
    uploads = limits.Uploads(10, 20, 30)
    receiving: list[str] = []

    async def slow(name: str) -> int:
        try:
            async with uploads.one(identity.Identity(name, "guest", False), "a", "1"):
                receiving.append(name)
                await asyncio.get_running_loop().create_future()
        except limits.Refused as refused:
            return refused.status
        return 0

    async def flood() -> list[int]:
        senders = [
            asyncio.create_task(slow("x" * 32))
            for _ in range(limits.MAX_UPLOADS_OF_ONE + limits.MAX_WAITING_OF_ONE + 1)
        ]
        await asyncio.sleep(0)
        assert len(receiving) == limits.MAX_UPLOADS_OF_ONE
        assert await _upload(uploads, "b", 1, "y" * 32) == "", "others are not kept waiting"
        return await asyncio.gather(*senders)

    found = asynchronously(flood)
    assert found.count(429) == 1
    assert found.count(408) == len(found) - 1


def test_connections_are_counted_by_visitor_and_altogether(monkeypatch):
    monkeypatch.setattr(limits, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(limits, "MAX_CONNECTIONS_OF_ONE", 2)
    connections = limits.Connections()
    with connections.one("a", "1"), connections.one("a", "1"):
        with pytest.raises(limits.Refused, match="close some"), connections.one("a", "2"):
            pass
        with connections.one("b", "1"), pytest.raises(limits.Refused, match="full"), connections.one("c", "2"):
            pass
    monkeypatch.setattr(limits, "MAX_CONNECTIONS_OF_ADDRESS", 1)
    with connections.one("a", "1"):
        with pytest.raises(limits.Refused, match="full"), connections.one("b", "1"):
            pass
        with connections.one("b", "2"):
            pass
    assert not connections._open
    assert not connections._addresses


def test_nobody_comes_into_a_full_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "used", lambda: memory.MOST + 1)
    with pytest.raises(limits.Refused, match="memory") as refused, limits.Connections().one("a", "1"):
        pass
    assert refused.value.status == 503
    site = Site(tmp_path, Situation("alone"), secret="")
    site.answer = lambda scope, receive, send: send({"type": "websocket.close"})
    site.ask("/_stcore/stream", kind="websocket")
    assert len(site.reached) == 1, "one person alone is not locked out"


def test_memory_is_given_back_once_after_many_visits(monkeypatch):
    monkeypatch.setattr(memory, "EVERY_SECONDS", 0.0)
    threads: list[int] = []
    monkeypatch.setattr(memory, "give_back", lambda: threads.append(threading.get_ident()))

    async def visits() -> None:
        returner = memory.Returner()
        for _ in range(9):
            returner.visit_ended()
        while not threads:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(threads) == 1
        assert threads[0] != threading.get_ident(), "pages go on meanwhile"
        returner.visit_ended()
        while len(threads) < 2:
            await asyncio.sleep(0)

    asynchronously(visits)
    monkeypatch.undo()
    memory.give_back()


def test_only_so_many_addresses_for_files_are_made_at_once():
    def asks(count: int) -> bytes:
        message = BackMsg()
        message.file_urls_request.file_names.extend(["a"] * count)
        return message.SerializeToString()

    assert sessions.is_for_pages(asks(sessions.MAX_NAMES))
    assert not sessions.is_for_pages(asks(sessions.MAX_NAMES + 1))
    assert not sessions.is_for_pages(b"\xff\xff")
    assert not sessions.is_for_pages(b"")


# --- the secret, and what is printed


def test_the_secret_is_kept_private_and_made_anew_where_it_cannot_be(tmp_path):
    made = identity.teacher_secret(tmp_path / "home")
    path = tmp_path / "home" / identity.SECRET_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert identity.teacher_secret(tmp_path / "home") == made == path.read_text()
    path.chmod(0o644)
    identity.teacher_secret(tmp_path / "home")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("guessable")
    assert identity.SECRET.fullmatch(identity.teacher_secret(tmp_path / "home"))
    (tmp_path / "file").touch()
    first, second = (identity.teacher_secret(tmp_path / "file") for _ in range(2))
    assert identity.SECRET.fullmatch(first)
    assert first != second


def test_what_opening_means_is_printed():
    assert opening.words(Situation("alone"), "127.0.0.1", 1, "", "") == []
    (line,) = opening.words(Situation("read-only"), "0.0.0.0", 1, "", "")
    assert "nothing" in line
    lines = "\n".join(opening.words(Situation("shared", ("school.example",)), "127.0.0.1", 8501, "x", SECRET))
    assert f"http://127.0.0.1:8501/x/teacher/{SECRET}" in lines
    assert "school.example" in lines
    lines = "\n".join(opening.words(Situation("shared", quotas=Quotas(waiting=0)), "::5", 8501, "", SECRET))
    assert f"http://[::5]:8501/teacher/{SECRET}" in lines
    assert "on the network" in lines
    assert "may not train" in lines
