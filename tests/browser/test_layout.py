"""Every page on a phone in the dark and on a desk in the light: nothing is cut off, and the picture comes first."""

import pytest
from conftest import OpenPage, picture_of, source_of
from playwright.sync_api import Page, expect

PAGES = {
    "": "Autoencoders by touch",
    "denoise?run=digits-denoising": "Denoise",
    "walk?run=patterns-variational": "Walk",
    "maps?run=digits-variational": "Maps",
    "train?job=new": "Train",
    "runs": "Runs",
}
DARKEST, LIGHTEST = 60, 235
"""Of a page's background in the dark, and in the light."""

OVERFLOW = """() => [document.documentElement, document.querySelector('[data-testid=stMain]')]
  .map(box => box.scrollWidth - box.clientWidth)"""
BACKGROUND = "app => getComputedStyle(app).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"


def opened(open_page: OpenPage, path: str, width: int, dark: bool) -> Page:
    page = open_page(path, width=width, dark=dark)
    expect(page.get_by_role("heading", name=PAGES[path], exact=True)).to_be_visible()
    expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0)
    return page


def main_picture(page: Page, path: str):
    if path == "":
        return page.locator(".hero")
    return page.locator(".panels") if path.startswith("maps") else picture_of(page)


@pytest.mark.parametrize("path", PAGES, ids=PAGES.values())
def test_on_a_phone_in_the_dark_nothing_is_wider_than_the_screen_and_the_picture_comes_first(
    open_page: OpenPage, path: str
) -> None:
    page = opened(open_page, path, 400, True)
    picture = main_picture(page, path)
    expect(picture).to_be_visible()
    assert page.evaluate(OVERFLOW) == [0, 0]
    assert all(part < DARKEST for part in page.get_by_test_id("stApp").evaluate(BACKGROUND))
    if path.startswith(("denoise", "walk", "maps")):
        box = picture.bounding_box()
        below = [control.bounding_box() for control in page.get_by_role("slider").all()[:2]]
        assert box is not None
        assert box["y"] < 500
        assert all(control["y"] > box["y"] for control in below if control)


@pytest.mark.parametrize("path", PAGES, ids=PAGES.values())
def test_on_a_desk_in_the_light_the_main_picture_is_seen_without_scrolling(open_page: OpenPage, path: str) -> None:
    page = opened(open_page, path, 1280, False)
    picture = main_picture(page, path)
    expect(picture).to_be_visible()
    if path != "" and not path.startswith("maps"):
        source_of(picture)
    box = picture.bounding_box()
    assert box is not None
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= 800
    assert page.evaluate(OVERFLOW) == [0, 0]
    assert all(part > LIGHTEST for part in page.get_by_test_id("stApp").evaluate(BACKGROUND))
