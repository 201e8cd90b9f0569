"""The guard before Streamlit: whom it answers, who asks, what they may send, and what every answer says.

Pure ASGI: it sees each request before Streamlit's own checks do, which look up names on the network, and each answer
last. Its parts are files of this folder: `hosts`, `identity` (cookies), `headers` (with the Content-Security-Policy and
its reasons), `limits` (connections, uploads) and `sessions` (Streamlit's tables).
"""

import contextlib
import hmac
import math
import re
import secrets
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import visitor
from app.guard import headers, hosts, identity, limits, memory, sessions
from app.guard.limits import Refused

_UPLOAD = re.compile(r"/_stcore/upload_file/([A-Za-z0-9-]{1,64})/([A-Za-z0-9-]{1,64})")
_OPEN = {"/_stcore/health", "/_stcore/host-config"}
"""What Streamlit's client fetches below /_stcore, besides uploads and its websocket. The rest of that folder (metrics,
sign-in, an interface for programs, a health check that runs the page) answers 404."""
_METRICS = "/_stcore/metrics"
_STREAM = "/_stcore/stream"
_CLOSED = re.compile(r"/(auth|oauth2callback|component)(/|$)|.*/_stcore(/|$)")
"""Sign-in and components of the first kind, which this program has not; and /_stcore below a page's address."""
_TEACHER = re.compile(r"/teacher/([^/]+)")
_SAFE = {"GET", "HEAD"}
_CLOSED_BY_VISITOR = {1000, 1001}
"""Codes with which a browser ends a websocket when its tab is closed or leaves the page."""
_NO_STORE = (b"cache-control", b"no-store")


class Guard:
    """The ASGI middleware."""

    def __init__(
        self, app: ASGIApp, *, situation: visitor.Situation, address: str, base: str, home: Path, secret: str,
        upload_megabytes: int, away_seconds: float,
    ) -> None:  # fmt: skip
        """`address` is where the server listens, `base` its base path, `secret` the teacher's, "" for no teacher;
        `away_seconds` is how long a visit waits for a tab whose connection broke.
        """
        self._app, self._situation, self._secret = app, situation, secret
        self._base = f"/{base.strip('/')}" if base.strip("/") else ""
        self._hosts = hosts.AllowedHosts(address, situation.allowed_hosts)
        self._cookies = identity.Cookies(home, situation.access, secret)
        self._fixed = headers.fixed()
        # One person alone is never locked out of their own machine.
        most_memory = math.inf if situation.access == "alone" else memory.MOST
        self._tries, self._connections = identity.Tries(), limits.Connections(most_memory)
        self._leavers, self._memory = sessions.Leavers(away_seconds), memory.Returner()
        self._teachers = dict[str, set[_Visit]]()  # {visitor: their open websockets as the teacher}
        quotas = situation.quotas
        self._uploads = limits.Uploads(upload_megabytes, quotas.upload_megabytes, quotas.all_upload_megabytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        answer = _Answer(self, scope, send)
        try:
            self._check_sender(scope)
            who = self._cookies.identify(scope["headers"])
            if scope["type"] == "websocket":
                await self._websocket(scope, receive, answer, who)
            else:
                await self._http(scope, receive, answer, who)
        except Refused as refused:
            await answer.refuse(refused.status, refused.words)
        except Exception:
            await answer.refuse(500, "something went wrong here; its owner finds the reason in the server's log")
            raise

    # --- who may ask

    def _check_sender(self, scope: Scope) -> None:
        """Refuse what was addressed to another name, and what another site's page sent."""
        found = Headers(scope=scope)
        names = found.getlist("host")
        host = hosts.parse_host(names[0]) if len(names) == 1 else None
        if host is None:
            raise Refused(400, "the request names no host, or a malformed one")
        if host not in self._hosts:
            raise Refused(
                421, f"this server is not called {host.name}; use an address that it printed at its start, or start "
                f"it with --allow-host {host.name}",
            )  # fmt: skip
        server = scope.get("server")
        if self._situation.access == "alone" and server and server[1] and not hosts.is_loopback(server[0]):
            raise Refused(421, "this server was started for one person on its own machine; start it with --shared")
        if scope["type"] == "http" and scope["method"] in _SAFE:
            return
        scheme = "https" if scope["scheme"] in ("https", "wss") else "http"
        for text in found.getlist("origin"):
            origin = hosts.parse_origin(text)
            if origin is None or not hosts.same_origin(origin, host, scheme):
                raise Refused(403, "the request comes from another site's page; open the program at its own address")
        if scope["type"] == "http" and found.get("sec-fetch-site") == "cross-site":
            raise Refused(403, "the request comes from another site's page; open the program at its own address")

    # --- requests

    async def _http(self, scope: Scope, receive: Receive, answer: "_Answer", who: identity.Identity) -> None:
        path = self._path(scope)
        upload = _UPLOAD.fullmatch(path)
        method = scope["method"]
        if method not in _SAFE and not (upload and method in ("PUT", "DELETE")):
            raise Refused(405, "this address is only read")
        if link := _TEACHER.fullmatch(path):
            return await self._teacher(link[1], scope, answer, who)
        if not upload and not self._is_open(path):
            raise Refused(404, "there is nothing at this address")
        if who.new and _is_page(path):
            answer.cookies.append(self._cookies.visitor(who, answer.secure))
        inside = self._named(scope, who)
        if not upload:
            found = visitor.named(who.name, who.role)
            with visitor.acting(found):
                return await self._app(inside, receive, answer.send)
        if method == "PUT":
            async with self._uploads.one(who, upload[1], Headers(scope=scope).get("content-length")):
                return await self._app(inside, receive, answer.send)
        if not sessions.owns(who, upload[1]):
            raise Refused(403, "this upload belongs to no visit of yours; reload the page and try again")
        await self._app(inside, receive, answer.send)

    def _path(self, scope: Scope) -> str:
        """The path below the server's base path."""
        path: str = scope["path"]
        return path.removeprefix(self._base) or "/" if path.startswith(f"{self._base}/") or path == self._base else path

    def _is_open(self, path: str) -> bool:
        if path in _OPEN or (path == _METRICS and self._situation.metrics):
            return True
        return not _CLOSED.match(path)

    def _named(self, scope: Scope, who: identity.Identity, **more: str) -> Scope:
        """The request as Streamlit sees it: who sends it, and no Origin, which has been checked.

        Streamlit would compare the origin's text with the host's, and where they differ ask the network for this
        machine's address before it answers anybody else.
        """
        names = {visitor.VISITOR_HEADER: who.name, visitor.ROLE_HEADER: who.role, **more}
        kept = [
            (name, value)
            for name, value in scope["headers"]
            if not name.lower().replace(b"_", b"-").startswith(b"x-aecore-") and name.lower() != b"origin"
        ]
        return {**scope, "headers": [*kept, *((name.lower().encode(), text.encode()) for name, text in names.items())]}

    # --- websockets

    async def _websocket(self, scope: Scope, receive: Receive, answer: "_Answer", who: identity.Identity) -> None:
        if self._path(scope) != _STREAM:
            raise Refused(404, "there is nothing at this address")
        if who.new:
            if self._situation.access != "alone":
                raise Refused(403, "the visit has no cookie of this server; allow it cookies and reload the page")
            answer.cookies.append(self._cookies.visitor(who, answer.secure))
        visit = _Visit(receive, answer)
        with self._connections.one(who.name, _address(scope)):
            inside = self._named(scope, who, **{sessions.CONNECTION_HEADER: visit.connection})
            if who.role == "operator":
                self._teachers.setdefault(who.name, set()).add(visit)
            try:
                await self._app(inside, visit.received, visit.send)
            finally:
                if who.role == "operator":
                    self._teachers[who.name].discard(visit)
                    if not self._teachers[who.name]:
                        del self._teachers[who.name]
                # After Streamlit's handler, which has put the session aside for a tab that lost its connection.
                if visit.session is not None:
                    self._leavers.left(visit.session, visit.closed)
                    self._memory.visit_ended()

    # --- the teacher

    async def _teacher(self, asked: str, scope: Scope, answer: "_Answer", who: identity.Identity) -> None:
        if not self._secret:
            raise Refused(404, "there is nothing at this address")
        found = Headers(scope=scope)
        foreign = found.get("sec-fetch-site", "none") not in ("none", "same-origin")
        if asked == "leave":
            if foreign:
                raise Refused(403, "another site's page asked to leave; open this address yourself")
            await self._end_teacher(who)
            return await answer.redirect(f"{self._base}/", self._cookies.no_teacher(answer.secure))
        # The link may be followed from a letter or another page, not embedded into one.
        if foreign and (found.get("sec-fetch-mode"), found.get("sec-fetch-dest")) != ("navigate", "document"):
            raise Refused(403, "the request comes from another site's page; open the teacher's link yourself")
        if not hmac.compare_digest(asked.encode(), self._secret.encode()):  # before tries are counted: none locks it
            if not self._tries.another(_address(scope)):
                raise Refused(429, "too many tries; wait a minute")
            raise Refused(404, "this is not the teacher's link; copy it from where the server was started")
        if who.new:
            answer.cookies.append(self._cookies.visitor(who, answer.secure))
        await answer.redirect(f"{self._base}/", self._cookies.teacher(who, answer.secure))

    async def _end_teacher(self, who: identity.Identity) -> None:
        """End what a visitor has open as the teacher: pages that stayed open would remain the teacher's."""
        if who.role != "operator":
            return
        self._leavers.end(sessions.of(who))
        for visit in list(self._teachers.get(who.name, ())):
            await visit.end()

    def protected(self, message: Message, cookies: headers.Headers) -> Message:
        """The start of an answer with the headers that every answer has."""
        return {**message, "headers": [*headers.protected(list(message.get("headers", [])), self._fixed), *cookies]}


class _Visit:
    """An open websocket: passes messages on, and knows its session and how it ended."""

    def __init__(self, receive: Receive, answer: "_Answer") -> None:
        self._receive, self._answer, self._ended = receive, answer, False
        self.connection = secrets.token_hex(8)
        self.session: str | None = None
        self.closed = False
        """Whether the browser, or the guard, said that the visit is over."""

    async def received(self) -> Message:
        """Receive the next message that a page needs."""
        message = await self._receive()
        while message["type"] == "websocket.receive" and not sessions.is_for_pages(message.get("bytes") or b""):
            message = await self._receive()
        if self._ended:
            return {"type": "websocket.disconnect", "code": 1001}
        if self.session is None and message["type"] != "websocket.connect":
            self.session = sessions.session_of(self.connection)
        self.closed = message["type"] == "websocket.disconnect" and message.get("code") in _CLOSED_BY_VISITOR
        return message

    async def send(self, message: Message) -> None:
        if not self._ended:
            await self._answer.send(message)

    async def end(self) -> None:
        """Close the websocket from this side; its page then connects anew, as whom its cookies say."""
        self._ended = self.closed = True
        with contextlib.suppress(OSError, RuntimeError):  # it may be closing by itself
            await self._answer.send({"type": "websocket.close", "code": 1001})


class _Answer:
    """Sends an answer with the guard's headers; an answer of the guard's own is one line of text."""

    def __init__(self, guard: Guard, scope: Scope, send: Send) -> None:
        self._guard, self._scope, self._send, self._started = guard, scope, send, False
        self.cookies: headers.Headers = []
        self.secure = scope["scheme"] in ("https", "wss")

    async def send(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start", "websocket.accept"):
            self._started = True
            message = self._guard.protected(message, self.cookies)
        elif message["type"] == "websocket.close":
            self._started = True
        await self._send(message)

    async def refuse(self, status: int, words: str) -> None:
        await self._whole(status, [(b"content-type", b"text/plain; charset=utf-8"), _NO_STORE], f"{words}\n".encode())

    async def redirect(self, to: str, *cookies: tuple[bytes, bytes]) -> None:
        self.cookies.extend(cookies)
        await self._whole(303, [(b"location", to.encode()), _NO_STORE], b"")

    async def _whole(self, status: int, fields: headers.Headers, body: bytes) -> None:
        if self._started:
            return
        kind = self._scope["type"]
        if kind == "websocket" and "websocket.http.response" not in self._scope.get("extensions", {}):
            return await self.send({"type": "websocket.close", "code": 1008})
        prefix = "http" if kind == "http" else "websocket.http"
        length = (b"content-length", str(len(body)).encode())
        with contextlib.suppress(OSError):  # the sender may be gone
            await self.send({"type": f"{prefix}.response.start", "status": status, "headers": [*fields, length]})
            sent = b"" if self._scope.get("method") == "HEAD" else body
            await self.send({"type": f"{prefix}.response.body", "body": sent})


def _is_page(path: str) -> bool:
    """True for an address that a browser opens, not one that an open page fetches."""
    return not path.startswith(("/_stcore/", "/static/", "/live/", "/media/")) and "." not in path


def _address(scope: Scope) -> str:
    """The address of the sender's machine, or of the proxy that passed it on."""
    return scope["client"][0] if scope.get("client") else ""
