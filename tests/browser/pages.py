"""How browser tests act on a page and wait for its states."""

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

AT_REST = "[data-testid=stApp][data-test-connection-state=CONNECTED][data-test-script-state=notRunning]"
TIMEOUT_MS = 30_000
"""Long, because a busy machine must not look like a broken page."""
NO_WEBASSEMBLY = "delete globalThis.WebAssembly"
"""A script that makes a page's browser one without WebAssembly."""

OpenPage = Callable[..., Page]


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
