"""The layout of every page: nothing is cut off, and the picture comes first."""

from pages import OpenPage, expect_seen, go_to, picture_of
from playwright.sync_api import FloatRect, Locator, Page, expect

PAGES = {
    "": "Explore autoencoders hands-on",
    "denoise?run=digits-denoising": "Denoise",
    "walk?run=patterns-variational": "Walk",
    "maps?run=digits-variational": "Maps",
    "train?job=new": "Train",
    "runs": "Runs",
}
DARKEST, LIGHTEST = 60, 235
"""The largest part of a dark page's background colour, and the smallest of a light page's."""

OVERFLOW = """() => [document.documentElement, document.querySelector('[data-testid=stMain]')]
  .map(box => box.scrollWidth - box.clientWidth)"""
BACKGROUND = """([darkest, lightest]) => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor
  .match(/\\d+/g).slice(0, 3).every(part => darkest <= part && part <= lightest)"""


def main_picture(page: Page, path: str) -> Locator:
    if path == "":
        return page.locator(".hero")
    return page.locator(".panels") if path.startswith("maps") else picture_of(page)


def box_of(part: Locator) -> FloatRect:
    box = part.bounding_box()
    assert box is not None
    return box


def show(page: Page, path: str) -> Locator:
    """Goes to a page and waits until its main picture is seen."""
    go_to(page, path)
    expect(page.get_by_role("heading", name=PAGES[path], exact=True)).to_be_visible()
    expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0)
    picture = main_picture(page, path)
    expect_seen(picture)
    return picture


def test_nothing_is_cut_off_on_a_desk_in_the_light_nor_on_a_phone_in_the_dark(open_page: OpenPage) -> None:
    page = open_page("runs")
    for path, title in PAGES.items():
        picture = show(page, path)
        page.wait_for_function(BACKGROUND, arg=[LIGHTEST, 255])
        box = box_of(picture)
        assert box["y"] >= 0, title
        assert box["y"] + box["height"] <= 800, f"{title}: the picture is seen without scrolling"
        assert page.evaluate(OVERFLOW) == [0, 0], title

        page.set_viewport_size({"width": 400, "height": 800})
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(BACKGROUND, arg=[0, DARKEST])
        expect_seen(picture)
        assert page.evaluate(OVERFLOW) == [0, 0], title
        if title in ("Denoise", "Walk", "Maps"):
            top = box_of(picture)["y"]
            assert top < 500, title
            sliders = page.get_by_role("slider").all()[:2]
            assert all(box_of(control)["y"] > top for control in sliders), f"{title}: the picture comes first"
        page.set_viewport_size({"width": 1280, "height": 800})
        page.emulate_media(color_scheme="light")
