"""Send Streamlit's scripts and styles compressed, each compressed once: a first visit is then a third of the bytes.

Streamlit sends them as they are, because its own middleware would compress them again for each request.
"""

import asyncio
import gzip

import cachetools
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ENDINGS = (".js", ".css", ".svg", ".json")
MAX_BYTES = 16 * 2**20
"""Of all compressed files that are kept: more than all of Streamlit's."""
SMALLEST = 1024
"""Bytes from which compression is worthwhile."""
KEPT_HEADERS = ("content-type", "cache-control")


class Compressed:
    """Middleware for files below `/static`, whose names change with their content. Put it inside the guard."""

    def __init__(self, app: ASGIApp, base: str = "") -> None:
        self.app = app
        self.below = f"/{base.strip('/')}/static/" if base.strip("/") else "/static/"
        self.kept: cachetools.LRUCache[str, Response] = cachetools.LRUCache(
            MAX_BYTES, lambda answer: min(len(answer.body), MAX_BYTES)
        )
        self._coming: dict[str, asyncio.Future[Response]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._concerns(scope):
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        answer = self.kept.get(path) or await self._made(path, scope, receive)
        await answer(scope, receive, send)

    def _concerns(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] != "GET":
            return False
        path, headers = scope["path"], Headers(scope=scope)
        asks_for_part = "range" in headers or "if-none-match" in headers or "if-modified-since" in headers
        wanted = "gzip" in headers.get("accept-encoding", "") and not asks_for_part
        return wanted and path.startswith(self.below) and path.endswith(ENDINGS)

    async def _made(self, path: str, scope: Scope, receive: Receive) -> Response:
        """The answer, made once for all who ask meanwhile; a visitor who leaves does not take it from the others."""
        coming = self._coming.get(path)
        if coming is None:
            coming = self._coming[path] = asyncio.ensure_future(self._make(path, scope, receive))
            coming.add_done_callback(lambda _: self._coming.pop(path, None))
        return await asyncio.shield(coming)

    async def _make(self, path: str, scope: Scope, receive: Receive) -> Response:
        answer = await self._plain(scope, receive)
        headers = answer.headers
        # Only what never changes: for a missing file Streamlit sends its page instead.
        fixed = answer.status_code == 200 and "immutable" in headers.get("cache-control", "")
        if not fixed or "content-encoding" in headers or len(answer.body) < SMALLEST:
            return answer
        body = await asyncio.to_thread(gzip.compress, bytes(answer.body), 9, mtime=0)
        kept = {name: headers[name] for name in KEPT_HEADERS if name in headers}
        packed = Response(body, headers={**kept, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"})
        self.kept[path] = packed
        return packed

    async def _plain(self, scope: Scope, receive: Receive) -> Response:
        """What Streamlit answers."""
        answer, parts = Response(), list[bytes]()

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status_code = message["status"]
                answer.raw_headers = list(message["headers"])
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        await self.app({**scope, "extensions": {}}, receive, collect)
        answer.body = b"".join(parts)
        return answer
