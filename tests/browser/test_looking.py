"""What visitors do to look at runs: open one, change it, keep the link, come back, with mouse or keyboard."""

import re

from pages import OpenPage, at_rest, becomes, changed, go_to, picture_of, source_of
from playwright.sync_api import Locator, Page, expect

RUN = "digits-denoising"
WALK_RUN = "patterns-variational"
MAPS_RUN = "digits-variational"
READY_MADE = (RUN, MAPS_RUN, "digits-deep", WALK_RUN)


def level_of(page: Page) -> Locator:
    return page.get_by_role("slider", name=re.compile("Fraction"))


def units_of(page: Page) -> Locator:
    expect(page.locator(".host[data-ready=true] .track").first).to_be_visible()
    return page.locator(".track")


def expect_page(page: Page, name: str, run_id: str) -> None:
    """Waits until a page shows its picture of a run."""
    expect(page).to_have_url(re.compile(rf"/{name.lower()}\?.*run={run_id}"))
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    if name == "Maps":
        expect(page.locator(".panel canvas")).to_have_count(3)
    else:
        source_of(picture_of(page))


# --- which run is shown


def test_the_first_visit_shows_a_picture_and_leads_into_a_run(open_page: OpenPage) -> None:
    page = open_page()
    first = source_of(page.locator(".hero img").first)
    for run_id in READY_MADE:
        source_of(page.locator(f"[data-run='{run_id}'] .card-strip img"))
    page.get_by_role("button", name="Another image").click()
    changed(page.locator(".hero img").first, first)
    for name in ("Denoise", "Walk", "Maps"):
        page.locator(f"[data-run='{MAPS_RUN}']").get_by_role("link", name=name).click()
        expect_page(page, name, MAPS_RUN)
        page.get_by_role("link", name="Start").click()
        expect(page.locator(".hero img").first).to_be_visible()


def test_each_page_opens_with_its_showpiece_until_somebody_chooses(open_page: OpenPage) -> None:
    page = open_page()
    expect(page).to_have_url(re.compile(r"run=patterns-variational"))
    for name, run in (("Denoise", "digits-denoising"), ("Maps", "digits-deep"), ("Walk", "patterns-variational")):
        page.get_by_role("link", name=name, exact=True).first.click()
        expect(page).to_have_url(re.compile(rf"/{name.lower()}\?.*run={run}$"))
    page.get_by_role("combobox", name="Run").click()
    page.get_by_role("option", name=re.compile("Digits, linear")).click()
    expect(page).to_have_url(re.compile(r"run=digits-linear"))
    for name in ("Denoise", "Maps"):
        page.get_by_role("link", name=name, exact=True).first.click()
        expect(page).to_have_url(re.compile(rf"/{name.lower()}\?.*run=digits-linear"))


def test_a_run_that_does_not_exist_is_named_on_every_page(open_page: OpenPage) -> None:
    page = open_page("denoise?run=no-such-run")
    for name in ("denoise", "walk", "maps"):
        go_to(page, f"{name}?run=no-such-{name}")
        expect(page.locator(".picture-error")).to_contain_text(f"no-such-{name}")
        expect(page.get_by_role("combobox").first).to_be_enabled()


# --- own images


def test_own_pictures_are_shown_placed_and_a_bad_one_is_refused_in_a_line(open_page: OpenPage, own_files) -> None:
    page = open_page(f"denoise?run={RUN}")
    before = source_of(picture_of(page))
    page.get_by_role("button", name="Own images").click()
    page.locator("input[type=file]").set_input_files(own_files)
    expect(page.get_by_text("1 image, fitted to")).to_be_visible()
    expect(page.locator(".refused li")).to_have_count(1)
    expect(page.locator(".refused li")).to_contain_text("notes.png")
    changed(picture_of(page), before)
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Walk").first.click()
    expect(page.get_by_text("The code of image 0")).to_be_visible()
    source_of(picture_of(page))
    page.get_by_role("link", name="Maps").first.click()
    expect(page.get_by_text("Your images", exact=True)).to_be_visible()
    expect(page.locator("[data-testid=stMain] .picture img")).to_have_count(3)


# --- keyboard, links and tabs


def tab_to(page: Page, wanted: Locator) -> None:
    """Presses the tab key until an element has the focus."""
    expect(wanted).to_be_visible()
    for _ in range(60):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === element.getRootNode().activeElement"):
            return
    raise AssertionError("the tab key does not lead there")


def move_by_keys(page: Page, slider: Locator) -> str:
    """Moves a slider by two steps with the keyboard alone, and returns the picture."""
    before = source_of(picture_of(page))
    tab_to(page, slider)
    page.keyboard.press("ArrowRight")
    first = changed(picture_of(page), before)
    page.keyboard.press("ArrowRight")
    return changed(picture_of(page), first)


def expect_link_restores(open_page: OpenPage, page: Page, picture: str) -> None:
    """Another visitor who opens the page's address sees the same picture."""
    at_rest(page)
    becomes(picture_of(open_page(page.url, elsewhere=True)), picture)


def test_denoise_works_by_keyboard_and_by_link_and_in_two_tabs(open_page: OpenPage) -> None:
    page, other = open_page(f"denoise?run={RUN}"), open_page(f"denoise?run={RUN}")
    begin = source_of(picture_of(other))
    page.bring_to_front()
    after = move_by_keys(page, level_of(page))
    level_of(page).press("End")
    after = changed(picture_of(page), after)
    expect(page).to_have_url(re.compile(r"[?&]level=1\b"))

    # The other tab stays as it was, and a move there does not reach this one.
    assert source_of(picture_of(other)) == begin
    other.bring_to_front()
    level_of(other).press("Home")
    changed(picture_of(other), begin)
    page.bring_to_front()
    assert source_of(picture_of(page)) == after
    assert "level=1" in page.url

    # The link of a changed view restores it elsewhere.
    page.get_by_role("button", name="Different images").click()
    after = changed(picture_of(page), after)
    expect(page).to_have_url(re.compile("images="))
    expect_link_restores(open_page, page, after)


def test_walk_works_by_keyboard_and_by_link_and_draws_random_codes(open_page: OpenPage) -> None:
    page = open_page(f"walk?run={WALK_RUN}")
    units = units_of(page)
    begin = source_of(picture_of(page))
    after = move_by_keys(page, units.first)
    expect(page).to_have_url(re.compile(r"[?&]u\d+="))
    page.get_by_role("button", name="Reset", exact=True).click()
    becomes(picture_of(page), begin)

    # A random code can be drawn, picked and left.
    page.get_by_role("radio", name="Random").or_(page.get_by_role("button", name="Random")).first.click()
    page.get_by_label("random code 3 of seed 0").click()
    drawn = changed(picture_of(page), begin)
    expect(page).to_have_url(re.compile(r"draw=0"))
    page.get_by_role("button", name="New dozen").click()
    changed(picture_of(page), drawn)
    page.get_by_role("button", name="Reset", exact=True).click()
    becomes(picture_of(page), begin)

    # The link of a changed view restores it elsewhere.
    page.get_by_role("radio", name="Units").or_(page.get_by_role("button", name="Units")).first.click()
    units.first.press("End")
    after = changed(picture_of(page), begin)
    expect(page).to_have_url(re.compile(r"[?&]u\d+="))
    page.locator(".tiles button").nth(5).click()
    after = changed(picture_of(page), after)
    expect(page).to_have_url(re.compile("image=5"))
    expect_link_restores(open_page, page, after)
