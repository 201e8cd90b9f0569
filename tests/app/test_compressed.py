"""Streamlit's files, compressed once for everybody."""

import asyncio
import gzip
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.compressed import Compressed

SCRIPT = b"export const words = 'the same words, again and again';" * 100
FIXED = {"Cache-Control": "public, immutable, max-age=31536000", "ETag": "e"}
GZIP = {"accept-encoding": "gzip, br"}


class Streamlit:
    """Answers as Streamlit does, and counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        self.asked.append(path)
        await asyncio.sleep(0)
        kind = "text/css" if path.endswith(".css") else "text/javascript"
        answers = {
            "missing": Response("<html>" + "x" * 5000, media_type="text/html", headers={"Cache-Control": "no-cache"}),
            "small": Response(b"tiny", media_type=kind, headers=FIXED),
            "broken": Response(b"x" * 5000, 500),
        }
        name = path.rsplit("/", 1)[-1].split(".")[0]
        await answers.get(name, Response(SCRIPT, media_type=kind, headers=FIXED))(scope, receive, send)


@pytest.fixture
def streamlit() -> Streamlit:
    return Streamlit()


def ask(app: Any, path: str, headers: dict[str, str], times: int = 1, method: str = "GET") -> list[Any]:
    """The answers to the same request, sent `times` at once."""

    async def one() -> tuple[int, dict[str, str], bytes]:
        sent: list[Any] = []
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": method, "path": path, "headers": raw, "query_string": b""}

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, None, send)
        found = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:])

    async def all_() -> list[Any]:
        return await asyncio.gather(*(one() for _ in range(times)))

    with ThreadPoolExecutor(1) as thread:  # pytest's own thread may have a loop
        return thread.submit(asyncio.run, all_()).result()


@pytest.mark.parametrize(("base", "below"), [("", ""), ("/course/", "/course")])
def test_a_file_is_compressed_once_for_all(streamlit: Streamlit, base: str, below: str) -> None:
    app = Compressed(streamlit, base)
    answers = ask(app, f"{below}/static/js/index.abc.js", GZIP, 20) + ask(app, f"{below}/static/js/index.abc.js", GZIP)
    assert streamlit.asked == [f"{below}/static/js/index.abc.js"]
    for status, headers, body in answers:
        assert (status, gzip.decompress(body)) == (200, SCRIPT)
        assert headers["content-encoding"] == "gzip"
        assert headers["vary"] == "Accept-Encoding"
        assert headers["cache-control"] == FIXED["Cache-Control"]
        assert headers["content-type"].startswith("text/javascript")
        assert int(headers["content-length"]) == len(body) < len(SCRIPT)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/static/js/index.abc.js", {}),
        ("/static/js/index.abc.js", {**GZIP, "range": "bytes=0-9"}),
        ("/static/js/index.abc.js", {**GZIP, "if-none-match": "e"}),
        ("/static/media/font.woff2", GZIP),
        ("/media/static/index.js", GZIP),
        ("/static/js/small.js", GZIP),
        ("/static/js/missing.js", GZIP),
        ("/static/js/broken.js", GZIP),
    ],
)
def test_everything_else_is_sent_as_it_is(streamlit: Streamlit, path: str, headers: dict[str, str]) -> None:
    app = Compressed(streamlit)
    for _ in range(2):
        (answer,), (plain,) = ask(app, path, headers), ask(streamlit, path, headers)
        assert answer == plain
        assert "content-encoding" not in answer[1]
    assert streamlit.asked == [path] * 4, "nothing of it is kept"


def test_what_is_kept_is_bounded(streamlit: Streamlit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.compressed.MAX_BYTES", 500)
    app = Compressed(streamlit)
    for number in range(50):
        ask(app, f"/static/js/part{number}.js", GZIP)
    assert app.kept.currsize <= 500
