"""Every page on a desk in the light and on a phone in the dark: nothing is cut off, and the picture comes first."""

import pytest
from conftest import OpenPage, expect_seen, picture_of
from playwright.sync_api import FloatRect, Locator, Page, expect

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


@pytest.mark.parametrize("path", PAGES, ids=PAGES.values())
def test_nothing_is_cut_off_on_a_desk_in_the_light_nor_on_a_phone_in_the_dark(open_page: OpenPage, path: str) -> None:
    page = open_page(path)
    expect(page.get_by_role("heading", name=PAGES[path], exact=True)).to_be_visible()
    expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0)
    picture = main_picture(page, path)
    expect_seen(picture)
    box = box_of(picture)
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= 800, "seen without scrolling"
    assert page.evaluate(OVERFLOW) == [0, 0]
    page.wait_for_function(BACKGROUND, arg=[LIGHTEST, 255])

    page.set_viewport_size({"width": 400, "height": 800})
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(BACKGROUND, arg=[0, DARKEST])
    expect_seen(picture)
    assert page.evaluate(OVERFLOW) == [0, 0]
    if path.startswith(("denoise", "walk", "maps")):
        top = box_of(picture)["y"]
        assert top < 500
        assert all(box_of(control)["y"] > top for control in page.get_by_role("slider").all()[:2]), "it comes first"
