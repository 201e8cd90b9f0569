"""Maps under a real pointer: panels are linked, the decoder draws between the points, all works without a model."""

import io
import re

import numpy as np
from pages import OpenPage, at_rest, finger, place
from PIL import Image
from playwright.sync_api import Download, Locator, Page, expect

RUN = "digits-deep"
READY = ".maps[data-ready='1']"
TO_DATA_URL = "canvas => canvas.toDataURL()"


def opened(open_page: OpenPage, more: str = "", **how: object) -> Page:
    page = open_page(f"maps?run={RUN}{more}", **how)
    expect(page.locator(READY)).to_be_visible()
    return page


def frames(page: Page) -> Locator:
    return page.locator(".maps .frame")


def drawn(page: Page) -> list[str]:
    return page.locator(".maps .frame > canvas:first-child").evaluate_all("all => all.map(one => one.toDataURL())")


def hovered(page: Page) -> int:
    return int(page.locator(".maps").get_attribute("data-hovered") or -1)


def find_point(page: Page, panel: int) -> int:
    """Moves over a map until a point is under the pointer, and returns its index."""
    for across in np.linspace(0.3, 0.7, 9):
        page.mouse.move(*place(frames(page).nth(panel), float(across), 0.5))
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        if (found := hovered(page)) >= 0:
            return found
    raise AssertionError("no point lies on the middle line of the map")


def loop(page: Page, panel: int, low: float, high: float) -> None:
    """Draws a square loop with the mouse, its corners at these shares of the map."""
    frame = frames(page).nth(panel)
    corners = [place(frame, x, y) for x, y in ((low, low), (high, low), (high, high), (low, high), (low, low))]
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner, steps=4)
    page.mouse.up()


def dream(page: Page, panel: int, across: float = 0.12, down: float = 0.88) -> str:
    """Points between the images until the decoder has drawn a picture there, and returns it."""
    before = page.locator(".maps .tip .made canvas").evaluate(TO_DATA_URL)
    page.mouse.move(*place(frames(page).nth(panel), across, down), steps=2)
    expect(page.locator(".maps")).to_have_attribute("data-dreamt", "true")
    made = page.locator(".maps .tip.on .made canvas")
    page.wait_for_function("([canvas, before]) => canvas.toDataURL() !== before", arg=[made.element_handle(), before])
    return made.evaluate(TO_DATA_URL)


# --- selecting and pointing


def test_a_loop_selects_in_all_maps_and_pointing_shows_images_and_decoded_places(open_page: OpenPage) -> None:
    sent: list[object] = []
    page = opened(open_page, sent=sent)
    expect(frames(page)).to_have_count(3)

    # A loop in one map selects in all and shows the images below.
    before = drawn(page)
    loop(page, 1, 0.25, 0.75)
    words = page.locator(".selection-words")
    expect(words).to_contain_text(re.compile(r"[\d,]+ selected"))
    count = re.search(r"[\d,]+ selected", words.inner_text())
    assert count is not None
    expect(page.locator(".legend .status")).to_contain_text(count[0])
    expect(page.locator("[data-testid=stMain] .picture img")).to_be_visible()
    assert [old == new for old, new in zip(before, drawn(page), strict=True)] == [False, False, False]
    page.get_by_role("button", name="Clear selection").click()
    expect(words).to_have_count(0)
    at_rest(page)

    # A point is marked in all maps, and pointing sends nothing to the server.
    messages = len(sent)
    find_point(page, 0)
    expect(page.locator(".maps .ring:not(.chosen):visible")).to_have_count(3)
    expect(page.locator(".maps .tip.on")).to_contain_text(re.compile(r"(test|validation|training) image \d+"))
    page.mouse.move(5, 5)
    expect(page.locator(".maps .tip.on")).to_have_count(0)
    assert len(sent) == messages

    # Between the points the decoder draws, PCA its linear picture, and MDS says that it has no inverse.
    dream(page, 0)
    expect(page.locator(".maps .tip.on .made")).not_to_contain_text("decoder")
    page.mouse.move(*place(frames(page).nth(1), 0.03, 0.97))
    expect(page.locator(".maps")).to_contain_text("MDS has no inverse")
    one = dream(page, 2, 0.9, 0.9)
    expect(page.locator(".maps .tip.on .made")).to_contain_text("decoder")
    assert dream(page, 2) != one

    # A click between the points leads to Walk.
    page.mouse.down()
    page.mouse.up()
    expect(page.get_by_text("Generated")).to_be_visible()
    page.get_by_role("button", name="Walk from here").click()
    page.wait_for_url(re.compile(r"/walk\?.*u0="))
    at_rest(page)
    expect(page.locator("[data-testid=stMain] .stage")).to_be_visible()


def test_without_the_runtime_maps_work_and_say_so(open_page: OpenPage) -> None:
    page = opened(open_page, blocked="/live/runtime/")
    page.mouse.move(*place(frames(page).nth(2), 0.1, 0.9))
    expect(page.get_by_text("No pictures between the points")).to_be_visible()
    loop(page, 0, 0.2, 0.8)
    expect(page.locator(".selection-words")).to_contain_text("selected")


# --- which maps


def test_other_maps_are_marked_run_off_the_page_and_kept_in_the_link(open_page: OpenPage) -> None:
    page = opened(open_page, "&n=100")
    page.get_by_text("Map settings").click()
    page.get_by_role("combobox", name="Map 2").click()
    page.get_by_role("option", name="t-SNE").click()
    expect(page.get_by_text("Not yet computed")).to_be_visible()
    expect(page.locator(".panel h3").nth(1)).to_have_text("MDS")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(page.locator(".panel h3").nth(1)).to_have_text("t-SNE", timeout=120_000)
    expect(page.locator(READY)).to_be_visible()
    assert "tsne" in page.url
    other = open_page(page.url, elsewhere=True)
    expect(other.locator(".panel h3").nth(1)).to_have_text("t-SNE")
    expect(other.get_by_role("button", name="Run", exact=True)).to_have_count(0)


# --- on a phone, and a drawing


def test_a_phone_shows_all_maps_and_a_drawing_lands_on_them(open_page: OpenPage) -> None:
    page = opened(open_page, width=400)

    # On a phone the maps stand one below another.
    boxes = [frame.bounding_box() for frame in frames(page).all()]
    assert all(box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 400 for box in boxes)
    tops = [box["y"] for box in boxes if box is not None]
    assert tops == sorted(set(tops))

    # A finger that touches a map leaves the page as wide as it is. What it selected is let go with Escape.
    touch = finger(page)
    x, y = place(frames(page).first, 0.5, 0.5)
    touch("touchStart", {"x": x, "y": y})
    touch("touchEnd")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    frames(page).first.press("Escape")

    # A drawing lands on all maps.
    page.set_viewport_size({"width": 1280, "height": 800})
    page.get_by_role("button", name="Draw").click()
    paper, popover = page.locator(".paper"), page.get_by_test_id("stPopoverBody").locator("visible=true").first
    expect(paper).to_be_visible()
    assert popover.evaluate("body => body.scrollWidth - body.clientWidth") <= 0, "the paper is whole"
    page.mouse.move(*place(paper, 0.5, 0.2))
    page.mouse.down()
    page.mouse.move(*place(paper, 0.5, 0.8), steps=6)
    page.mouse.up()
    page.get_by_role("button", name="Put my drawing on the maps").click()
    expect(page.get_by_text("Your images", exact=True)).to_be_visible()
    expect(page.locator("[data-testid=stMain] .picture img")).to_have_count(3)


# --- exports


def saved(page: Page, name: str) -> Download:
    with page.expect_download() as found:
        page.get_by_role("button", name=name).click()
    return found.value


def test_exports_hold_what_they_say_and_the_selected_images_go_to_denoise(open_page: OpenPage, tmp_path) -> None:
    page = opened(open_page)
    page.get_by_role("button", name="Export").click()
    with Image.open(saved(page, "All maps, PNG").path()) as image:
        assert image.width > 2 * image.height
    table = saved(page, "Coordinates, CSV").path().read_text()
    assert table.startswith("origin,index,class,pca_x,pca_y,mds_x,mds_y,code_x,code_y\n")
    numbers = np.load(io.BytesIO(saved(page, "Coordinates, NPY").path().read_bytes()), allow_pickle=False)
    assert numbers.shape == (1000, 6)
    assert saved(page, "MDS, SVG").path().read_text().startswith("<svg")

    # The linked maps open from a file, in a browser that asks no server for anything.
    file = tmp_path / "maps.html"
    saved(page, "Linked maps, HTML").save_as(file)
    assert page.context.browser is not None
    context = page.context.browser.new_context()
    alone = context.new_page()
    errors: list[str] = []
    requests: list[str] = []
    alone.on("pageerror", lambda error: errors.append(str(error)))
    alone.on("request", lambda request: requests.append(request.url))
    alone.goto(file.as_uri())
    expect(alone.locator(READY)).to_be_visible()
    find_point(alone, 1)
    expect(alone.locator(".maps .ring:not(.chosen):visible")).to_have_count(3)
    dream(alone, 0)
    assert errors == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
    context.close()

    # The selected images go to Denoise.
    page.bring_to_front()
    page.keyboard.press("Escape")
    loop(page, 0, 0.4, 0.6)
    expect(page.locator(".selection-words")).to_be_visible()
    page.get_by_role("button", name="Denoise", exact=True).click()
    page.wait_for_url(re.compile("/denoise"))
    at_rest(page)
    expect(page.get_by_role("radio", name="Yours")).to_be_checked()
