"""Pages whose live part does not come: refused, cut off or silent; and moves made while the connection is down."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import NO_WEBASSEMBLY, TIMEOUT_MS, OpenPage, at_rest, changed, picture_of, source_of
from playwright.sync_api import Browser, Page, Route, WebSocketRoute, expect

WALK, DENOISE, MAPS = "walk?run=digits-variational", "denoise?run=digits-denoising", "maps?run=digits-deep"
HURRY = """{
  const wait = window.setTimeout;
  window.setTimeout = (act, time, ...more) => wait(act, time >= 30_000 ? 3_000 : time, ...more);
}"""
"""Half a minute, after which a part that does not answer counts as not loaded, passes in three seconds."""
LOST = "the page's own program could not be loaded"


def opened(open_page: OpenPage, site: tuple[str, Path], path: str, cut: str, *, silent: bool = False) -> Page:
    """Open a page none of whose requests to addresses with `cut` is answered: aborted, or for ever silent."""
    page = open_page("runs", elsewhere=True, blocked=cut, script=HURRY if silent else None)
    page.route(f"**{cut}**", _leave if silent else lambda route: route.abort())
    page.goto(f"{site[0]}/{path}")
    at_rest(page)
    return page


def _leave(route: Route) -> None:
    """Never answers."""


def text_of(page: Page) -> str:
    """All visible words, those of components too."""
    return page.evaluate(
        """() => {
          const words = [];
          const read = (node) => {
            if (node.nodeType === 3) words.push(node.data);
            else if (node.nodeType === 1 && !/^(STYLE|SCRIPT)$/.test(node.tagName)) {
              const style = getComputedStyle(node);
              if (style.display === 'none' || style.visibility === 'hidden') return;
              for (const child of (node.shadowRoot ?? node).childNodes) read(child);
            }
          };
          read(document.querySelector('[data-testid=stMain]'));
          return words.join(' ').replace(/\\s+/g, ' ');
        }"""
    )


SILENT = pytest.mark.parametrize("silent", [False, True], ids=["aborted", "silent"])


@SILENT
def test_walk_without_live_is_drawn_by_the_server(open_page: OpenPage, site: tuple[str, Path], silent: bool) -> None:
    page = opened(open_page, site, WALK, "/live/", silent=silent)
    expect(page.get_by_text("Not live:")).to_have_count(1)
    expect(page.get_by_text(f"Not live: {LOST}")).to_be_visible()
    words = text_of(page)
    assert words.count("from the nearest training code") == 1
    assert "training code: ." not in words
    assert re.search(r"\d\.\d\d standard deviations", words)
    picture = page.locator(".now img")
    before = source_of(picture)
    page.locator(".films input[type=range]").first.press("End")
    changed(picture, before)
    expect(page).to_have_url(re.compile(r"[?&]u\d+="))
    # The paper to draw on says the same.
    page.get_by_role("button", name="Draw").click()
    expect(page.get_by_text("This part of the page could not be loaded")).to_be_visible()


@SILENT
def test_denoise_without_live_is_drawn_by_the_server(open_page: OpenPage, site: tuple[str, Path], silent: bool) -> None:
    page = opened(open_page, site, DENOISE, "/live/", silent=silent)
    expect(page.get_by_text(f"The picture changes when you release a control: {LOST}")).to_have_count(1)
    before = source_of(picture_of(page))
    page.get_by_role("slider").press("End")
    expect(picture_of(page)).not_to_have_attribute("src", before)


@SILENT
@pytest.mark.parametrize(("cut", "why"), [("/live/", LOST), ("/live/blob/", "the maps could not be loaded")])
def test_maps_without_live_are_drawn_by_the_server(
    open_page: OpenPage, site: tuple[str, Path], cut: str, why: str, silent: bool
) -> None:
    page = opened(open_page, site, MAPS, cut, silent=silent)
    expect(page.get_by_text(f"The maps stand still: {why}")).to_have_count(1)
    drawn = page.get_by_role("img", name="Maps of 1,000 images: PCA")
    expect(drawn).to_be_visible()
    before = drawn.get_attribute("src")
    words = text_of(page)
    assert "Everything else works" not in words
    assert "Draw a loop" not in words
    page.get_by_text("Pictures", exact=True).click()
    expect(drawn).not_to_have_attribute("src", before or "")
    expect(page.get_by_text("The maps stand still")).to_have_count(1)


@pytest.mark.parametrize("cut", [".wasm.gz", "/live/model/"])
def test_denoise_waits_for_a_silent_model_no_longer_than_half_a_minute(
    open_page: OpenPage, site: tuple[str, Path], cut: str
) -> None:
    page = opened(open_page, site, DENOISE, cut, silent=True)
    expect(page.locator(".denoise[data-live=failed]")).to_be_visible()
    expect(page.get_by_text("The picture changes when you release a control")).to_have_count(1)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (WALK, "Not live: this browser has no WebAssembly"),
        (DENOISE, "The picture changes when you release a control: this browser has no WebAssembly"),
        (MAPS, "No pictures between the points: this browser has no WebAssembly"),
    ],
)
def test_without_webassembly_every_page_says_so_once(open_page: OpenPage, path: str, words: str) -> None:
    page = open_page(path, script=NO_WEBASSEMBLY)
    expect(page.get_by_text(words)).to_have_count(1)
    assert "training code: ." not in text_of(page)


class Line:
    """The connection between a page and its server, which the test cuts and mends."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.down = False
        self.sockets: list[WebSocketRoute] = []
        page.route_web_socket(re.compile("/_stcore/stream"), self._open)

    def _open(self, socket: WebSocketRoute) -> None:
        if self.down:
            socket.close()
        else:
            self.sockets.append(socket)
            socket.connect_to_server()

    def cut(self) -> None:
        self.down = True
        for socket in self.sockets:
            socket.close()
        expect(self.page.get_by_test_id("stApp")).not_to_have_attribute("data-test-connection-state", "CONNECTED")

    def mend(self) -> None:
        self.down = False


@pytest.fixture
def line(browser: Browser) -> Iterator[Line]:
    """A page of another visitor; not `open_page`, for which the browser's words on a cut connection are errors."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    context.set_default_timeout(TIMEOUT_MS)
    yield Line(context.new_page())
    context.close()


def test_a_step_of_a_walk_made_during_an_outage_reaches_the_link(line: Line, site: tuple[str, Path]) -> None:
    page = line.page
    page.goto(f"{site[0]}/{WALK}")
    expect(page.locator(".stage[data-live=true]")).to_be_visible()
    track = page.locator(".host[data-ready=true] .track").first
    track.press("End")
    expect(page).to_have_url(re.compile(r"[?&]u\d+="))
    at_rest(page)
    before = page.url
    line.cut()
    track.press("Home")
    line.mend()
    at_rest(page)
    expect(page).not_to_have_url(before)
    expect(page).to_have_url(re.compile(r"[?&]u\d+=-"))


def test_a_noise_level_chosen_during_an_outage_reaches_the_link(line: Line, site: tuple[str, Path]) -> None:
    page = line.page
    page.goto(f"{site[0]}/{DENOISE}")
    expect(page.locator(".denoise[data-live=true]")).to_be_visible()
    at_rest(page)
    line.cut()
    page.locator(".level input[type=range]").press("End")
    line.mend()
    at_rest(page)
    expect(page).to_have_url(re.compile("level=1"))
