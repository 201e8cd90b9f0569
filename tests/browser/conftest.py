"""Fixtures of the browser tests: one server, one Chromium, and pages on which any error fails the test.

Starting a page costs one to four seconds, so a test is a journey: it opens one page and proves several things there,
each in a block whose comment is a sentence. Every wait is for a state of the page.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pages import TIMEOUT_MS, OpenPage, at_rest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright
from server import server

ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"}
SITE_DATA = "cookies,local_storage,indexeddb,cache_storage,service_workers"
"""Everything a page can store in a browser except the HTTP cache and compiled code."""
PROBED_BY_STREAMLIT = re.compile(r":\d+/[a-z]+/_stcore/(health|host-config)$")
"""At `/walk`, Streamlit's client first looks for its server below that path and then at the root. The browser reports
the 404 answers as errors; these are the only errors that are allowed."""


expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The server's address and its log file."""
    folder = tmp_path_factory.mktemp("site")
    log = folder / "log.txt"
    with server(folder, log=log) as (url, _):
        yield url, log


@pytest.fixture(scope="session")
def visitor(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A browser with a profile, as a visitor has. It caches files and compiled code, which a private window, or one
    whose requests are routed, fetches and compiles for each page. Its first tab stays blank and keeps it open.
    """
    with sync_playwright() as play:
        context = play.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=chromium, args=ARGS, **DESKTOP
        )
        context.set_default_timeout(TIMEOUT_MS)
        yield context
        context.close()


@pytest.fixture(scope="session")
def browser(visitor: BrowserContext) -> Browser:
    """The same browser, from which a test opens private windows with an empty cache."""
    assert visitor.browser is not None
    return visitor.browser


@pytest.fixture
def open_page(visitor: BrowserContext, browser: Browser, site: tuple[str, Path]) -> Iterator[OpenPage]:
    """`open_page("walk?run=…", width=400)` opens a page in a new tab of the visitor's browser and waits until it is at
    rest. The browser has kept its cache, but no site data, from the tests before.

    `elsewhere` opens it in a private window, as another visitor. Requests whose address contains `blocked` get 404.
    `script` runs before the page's own scripts. Messages from the page to the server are appended to `sent`.
    The test fails on any error on the console, exception in the page or the server, and request to another machine.
    """
    url, log = site
    log_start = len(log.read_bytes())
    wrong: list[str] = []
    others: list[BrowserContext] = []

    def open_(
        path: str = "", *, width: int = 1280, elsewhere: bool = False, blocked: str | None = None,
        script: str | None = None, sent: list[object] | None = None,
    ) -> Page:  # fmt: skip
        context = visitor
        if elsewhere:
            context = browser.new_context(**DESKTOP)
            context.set_default_timeout(TIMEOUT_MS)
            others.append(context)
        page = context.new_page()
        if blocked is not None:
            page.route(f"**{blocked}**", lambda route: route.fulfill(status=404, body="blocked"))
        if script is not None:
            page.add_init_script(script)
        page.on("console", lambda message: _check_console(message, wrong, blocked))
        page.on("pageerror", lambda error: wrong.append(f"error in the page: {error}"))
        page.on("request", lambda request: _check_request(request, url, wrong))
        if sent is not None:
            page.on("websocket", lambda socket: socket.on("framesent", lambda data: sent.append(data)))
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(path if path.startswith("http") else f"{url}/{path}")
        at_rest(page)
        return page

    yield open_
    blank, *pages = visitor.pages
    for page in [*pages, *(page for context in others for page in context.pages)]:
        wrong += [f"exception shown: {text}" for text in page.locator("[data-testid=stException]").all_inner_texts()]
        page.close()
    for context in others:
        context.close()
    devtools = visitor.new_cdp_session(blank)
    devtools.send("Storage.clearDataForOrigin", {"origin": url, "storageTypes": SITE_DATA})
    devtools.detach()
    output = log.read_bytes()[log_start:].decode(errors="replace")
    assert "Traceback" not in output, output
    assert wrong == []


def _check_request(request: Request, url: str, wrong: list[str]) -> None:
    if not request.url.startswith((f"{url}/", "data:", "blob:")):
        wrong.append(f"left the machine: {request.url}")


def _check_console(message: ConsoleMessage, wrong: list[str], blocked: str | None) -> None:
    url = str(message.location.get("url", ""))
    if blocked is not None and blocked in url:
        return
    if message.type == "error" and not (PROBED_BY_STREAMLIT.search(url) and "404" in message.text):
        wrong.append(f"console: {message.text} ({url})")


@pytest.fixture
def own_files(tmp_path: Path) -> list[Path]:
    """A picture that a visitor may upload, and a text file with a picture's name."""
    seven = Image.new("L", (40, 40))
    draw = ImageDraw.Draw(seven)
    draw.line([(8, 8), (32, 8), (16, 34)], fill=255, width=5)
    seven.save(tmp_path / "seven.png")
    (tmp_path / "notes.png").write_text("not a picture")
    return [tmp_path / "seven.png", tmp_path / "notes.png"]
