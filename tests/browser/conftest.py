"""Fixtures of the browser tests: one server, one Chromium, and pages on which any error fails the test.

Starting a page costs one to four seconds, so a test is a journey: it opens one page and proves several things there,
each in a block whose comment is a sentence. Every wait is for a state of the page.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, expect, sync_playwright
from server import server

ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"}
SITE_DATA = "cookies,local_storage,indexeddb,cache_storage,service_workers"
"""Everything a page can store in a browser except the HTTP cache and compiled code."""
AT_REST = "[data-testid=stApp][data-test-connection-state=CONNECTED][data-test-script-state=notRunning]"
TIMEOUT_MS = 30_000
"""Long, because a busy machine must not look like a broken page."""
PROBED_BY_STREAMLIT = re.compile(r":\d+/[a-z]+/_stcore/(health|host-config)$")
"""At `/walk`, Streamlit's client first looks for its server below that path and then at the root. The browser reports
the 404 answers as errors; these are the only errors that are allowed."""
NO_WEBASSEMBLY = "delete globalThis.WebAssembly"
"""A script that makes a page's browser one without WebAssembly."""

OpenPage = Callable[..., Page]

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


def at_rest(page: Page) -> None:
    """Waits until the page is connected and its script does not run. After a move, wait for its effect first."""
    page.wait_for_selector(AT_REST)


def go_to(page: Page, path: str) -> None:
    """Shows another address in an open page, as the browser's back button does: several times quicker than loading.

    Wait for what the address changes before anything else.
    """
    page.evaluate(
        "path => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')); }", f"/{path}"
    )


def picture_of(page: Page) -> Locator:
    """The page's main picture: the image from the server, or the canvas once a model runs in the browser."""
    live = page.locator("[data-testid=stMain] .stage[data-live=true] .now canvas")
    return live.or_(page.locator("[data-testid=stMain] .picture img")).first


SOURCE = """async shown => {
  if (shown.tagName === 'CANVAS') return shown.toDataURL();
  for (;;) {
    const source = shown.src;
    const failed = await shown.decode().catch(error => error);
    if (shown.src !== source) continue; // replaced meanwhile, which ends the decoding with an error
    if (failed) throw failed;
    return source;
  }
}"""


def expect_seen(picture: Locator) -> None:
    """Checks that the picture, or on Denoise the live canvas in its place, is visible."""
    live = picture.page.locator("[data-testid=stMain] .denoise[data-live=true] .sheet canvas")
    expect(picture.or_(live).locator("visible=true").first).to_be_visible()


def source_of(picture: Locator) -> str:
    """The visible picture as a data URI."""
    expect_seen(picture)
    found = picture.evaluate(SOURCE)
    assert found
    return found


def start_training(page: Page, epochs: int) -> str:
    """Starts a training on an open Train page and returns its id."""
    field = page.get_by_role("spinbutton", name="Epochs")
    field.fill(str(epochs))
    field.press("Enter")
    expect(field).to_have_value(str(epochs))
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_url(re.compile(r"[?&]job=(?!new)[\w-]+"))
    found = re.search(r"[?&]job=([\w-]+)", page.url)
    assert found is not None
    return found[1]


def changed(picture: Locator, before: str) -> str:
    """Waits until the picture differs from `before`, and returns it."""
    wait_for_source(picture, before, same=False)
    return source_of(picture)


def becomes(picture: Locator, wanted: str) -> None:
    """Waits until the picture is `wanted`."""
    wait_for_source(picture, wanted, same=True)


def wait_for_source(picture: Locator, other: str, *, same: bool) -> None:
    expect_seen(picture)
    if picture.evaluate("shown => shown.tagName") == "IMG":
        if same:
            expect(picture).to_have_attribute("src", other)
        else:
            expect(picture).not_to_have_attribute("src", other)
        return
    picture.page.wait_for_function(
        "([canvas, other, same]) => (canvas.toDataURL() === other) === same",
        arg=[picture.element_handle(), other, same],
    )


@pytest.fixture
def own_files(tmp_path: Path) -> list[Path]:
    """A picture that a visitor may upload, and a text file with a picture's name."""
    seven = Image.new("L", (40, 40))
    draw = ImageDraw.Draw(seven)
    draw.line([(8, 8), (32, 8), (16, 34)], fill=255, width=5)
    seven.save(tmp_path / "seven.png")
    (tmp_path / "notes.png").write_text("not a picture")
    return [tmp_path / "seven.png", tmp_path / "notes.png"]


def finger(page: Page) -> Callable[..., None]:
    """Returns `touch(kind, *points)`; kind "touchStart", "touchMove" or "touchEnd", a point {"x": …, "y": …}."""
    devtools = page.context.new_cdp_session(page)

    def touch(kind: str, *points: dict[str, float]) -> None:
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    return touch


def place(area: Locator, across: float = 0.5, down: float = 0.5) -> tuple[float, float]:
    """Scrolls an element into view and returns the point at these shares of its width and height."""
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box is not None
    return box["x"] + across * box["width"], box["y"] + down * box["height"]
