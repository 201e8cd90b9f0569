"""What the browser tests share: one server and one Chromium, and pages that fail when anything goes wrong on them."""

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
VIEW: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"}
KEPT = "cookies,local_storage,indexeddb,cache_storage,service_workers"
"""What a page can leave in a browser, but for files fetched and programs compiled."""
REST = "[data-testid=stApp][data-test-connection-state=CONNECTED][data-test-script-state=notRunning]"
WAIT = 20_000
"""Milliseconds; a busy machine must not look like a broken page."""
GUESSED = re.compile(r":\d+/[a-z]+/_stcore/(health|host-config)$")
"""Opened at `/walk`, Streamlit's client first tries whether the server lives below that path, and then at the root: the
browser reports the missing answers as errors, and nothing can be done about it from here. All else is an error."""

OpenPage = Callable[..., Page]

expect.set_options(timeout=WAIT)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The server's address, and the file that all it says goes to."""
    folder = tmp_path_factory.mktemp("site")
    log = folder / "log.txt"
    with server(folder, log=log) as (url, _):
        yield url, log


@pytest.fixture(scope="session")
def visitor(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A browser with a profile, as visitors have one: it keeps what it fetched and compiled, which a private window, or
    one whose requests are routed, does anew on each page. Its first page stays blank, so that it outlives the others.
    """
    with sync_playwright() as play:
        context = play.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=chromium, args=ARGS, **VIEW
        )
        context.set_default_timeout(WAIT)
        yield context
        context.close()


@pytest.fixture(scope="session")
def browser(visitor: BrowserContext) -> Browser:
    """The same browser, for windows of one's own: private, and with nothing fetched."""
    assert visitor.browser is not None
    return visitor.browser


@pytest.fixture
def open_page(visitor: BrowserContext, browser: Browser, site: tuple[str, Path]) -> Iterator[OpenPage]:
    """`open_page("walk?run=…", width=400, dark=True)`: a page at rest, in a new tab of the visitor's browser, which has
    forgotten the tests before but for what it fetched.

    With `elsewhere` it is another visitor's. Addresses with `blocked` in them are refused.
    What the page sends to the server is added to `sent`.
    Whatever goes wrong on any of them fails the test: errors on the console, exceptions in the page or the server, and
    requests that leave the machine.
    """
    url, log = site
    said_before = len(log.read_bytes())
    wrong: list[str] = []
    others: list[BrowserContext] = []

    def open_(
        path: str = "", *, width: int = 1280, dark: bool = False, elsewhere: bool = False, blocked: str | None = None,
        sent: list[object] | None = None,
    ) -> Page:  # fmt: skip
        context = visitor
        if elsewhere:
            context = browser.new_context(**VIEW)
            context.set_default_timeout(WAIT)
            others.append(context)
        page = context.new_page()
        if blocked is not None:
            page.route(f"**{blocked}**", lambda route: route.fulfill(status=404, body="blocked"))
        page.on("console", lambda message: _heard(message, wrong, blocked))
        page.on("pageerror", lambda error: wrong.append(f"error in the page: {error}"))
        page.on("request", lambda request: _asked(request, url, wrong))
        if sent is not None:
            page.on("websocket", lambda socket: socket.on("framesent", lambda data: sent.append(data)))
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme="dark" if dark else "light")
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
    devtools.send("Storage.clearDataForOrigin", {"origin": url, "storageTypes": KEPT})
    devtools.detach()
    said = log.read_bytes()[said_before:].decode(errors="replace")
    assert "Traceback" not in said, said
    assert wrong == []


def _asked(request: Request, url: str, wrong: list[str]) -> None:
    if not request.url.startswith((f"{url}/", "data:", "blob:")):
        wrong.append(f"left the machine: {request.url}")


def _heard(message: ConsoleMessage, wrong: list[str], blocked: str | None) -> None:
    url = str(message.location.get("url", ""))
    if blocked is not None and blocked in url:
        return
    if message.type == "error" and not (GUESSED.search(url) and "404" in message.text):
        wrong.append(f"console: {message.text} ({url})")


def at_rest(page: Page) -> None:
    """Connected, and no script of this page runs. After a move, wait for what it changes instead."""
    page.wait_for_selector(REST)


def picture_of(page: Page) -> Locator:
    """The page's main picture; where a model runs in the browser, its canvas once that has taken over."""
    live = page.locator("[data-testid=stMain] .stage[data-live=true] .now canvas")
    return live.or_(page.locator("[data-testid=stMain] .picture img")).first


SOURCE = """async shown => {
  if (shown.tagName === 'CANVAS') return shown.toDataURL();
  await shown.decode();
  return shown.src;
}"""


def expect_seen(picture: Locator) -> None:
    """The picture is on the page, or on Denoise the live one that takes its place."""
    live = picture.page.locator("[data-testid=stMain] .denoise[data-live=true] .sheet canvas")
    expect(picture.or_(live).locator("visible=true").first).to_be_visible()


def source_of(picture: Locator) -> str:
    """The picture itself, since it comes within the page or is drawn there; only once it is seen."""
    expect_seen(picture)
    found = picture.evaluate(SOURCE)
    assert found
    return found


def start_training(page: Page, epochs: int) -> str:
    """On the Train page, with the kind that it opened with; the new training's id."""
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
    """Waits until the picture is another one than `before`, and returns it."""
    wait_for_source(picture, before, same=False)
    return source_of(picture)


def becomes(picture: Locator, wanted: str) -> None:
    """Waits until the picture is `wanted`."""
    wait_for_source(picture, wanted, same=True)


def wait_for_source(picture: Locator, other: str, *, same: bool) -> None:
    expect_seen(picture)
    if picture.evaluate("shown => shown.tagName") == "IMG":
        told = expect(picture)
        told.to_have_attribute("src", other) if same else told.not_to_have_attribute("src", other)
        return
    picture.page.wait_for_function(
        "([canvas, other, same]) => (canvas.toDataURL() === other) === same",
        arg=[picture.element_handle(), other, same],
    )


@pytest.fixture
def own_files(tmp_path: Path) -> list[Path]:
    """A picture as a visitor may bring it, and a file that only says that it is one."""
    seven = Image.new("L", (40, 40))
    draw = ImageDraw.Draw(seven)
    draw.line([(8, 8), (32, 8), (16, 34)], fill=255, width=5)
    seven.save(tmp_path / "seven.png")
    (tmp_path / "notes.png").write_text("not a picture")
    return [tmp_path / "seven.png", tmp_path / "notes.png"]


def finger(page: Page) -> Callable[..., None]:
    """`touch(kind, *points)`, kind "touchStart", "touchMove" or "touchEnd", a point {"x": …, "y": …}."""
    devtools = page.context.new_cdp_session(page)

    def touch(kind: str, *points: dict[str, float]) -> None:
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    return touch


def place(area: Locator, across: float = 0.5, down: float = 0.5) -> tuple[float, float]:
    """A point at these shares of an element's size."""
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box is not None
    return box["x"] + across * box["width"], box["y"] + down * box["height"]
