"""What visitors do to look at runs: open one, change it, keep the link, come back, with mouse or keyboard."""

import re

import pytest
from conftest import OpenPage, at_rest, becomes, changed, picture_of, source_of
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


# --- first visit


def test_the_first_visit_shows_a_live_picture_and_leads_into_a_run(open_page: OpenPage) -> None:
    page = open_page()
    first = source_of(page.locator(".hero img").first)
    for run_id in READY_MADE:
        source_of(page.locator(f".st-key-card_{run_id} .card-strip img"))
    page.get_by_role("button", name="Another image").click()
    changed(page.locator(".hero img").first, first)
    for name in ("Denoise", "Walk", "Maps"):
        page.locator(f".st-key-card_{MAPS_RUN}").get_by_role("link", name=name).click()
        expect(page).to_have_url(re.compile(rf"/{name.lower()}\?.*run={MAPS_RUN}"))
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
        if name == "Maps":
            expect(page.locator(".panel canvas")).to_have_count(3)
        else:
            source_of(picture_of(page))
        page.get_by_role("link", name="Start").click()
        expect(page.locator(".hero img").first).to_be_visible()


# --- walk


def test_a_random_code_can_be_drawn_picked_and_left(open_page: OpenPage) -> None:
    page = open_page(f"walk?run={WALK_RUN}")
    begin = source_of(picture_of(page))
    page.get_by_role("radio", name="Random").or_(page.get_by_role("button", name="Random")).first.click()
    page.get_by_label("random code 3 of seed 0").click()
    drawn = changed(picture_of(page), begin)
    expect(page).to_have_url(re.compile(r"draw=0"))
    page.get_by_role("button", name="Another dozen").click()
    changed(picture_of(page), drawn)
    page.get_by_role("button", name="Reset").click()
    becomes(picture_of(page), begin)


# --- own images


def test_own_pictures_are_shown_placed_and_a_bad_one_is_refused_in_a_line(open_page: OpenPage, own_files) -> None:
    page = open_page(f"denoise?run={RUN}")
    before = source_of(picture_of(page))
    page.get_by_role("button", name="Own images").click()
    page.locator("input[type=file]").set_input_files(own_files)
    expect(page.get_by_text("1 image kept")).to_be_visible()
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


# --- links


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        (f"denoise?run={RUN}", [
            lambda page: page.get_by_role("button", name="Others").click(),
            lambda page: level_of(page).press("End"),
        ]),
        (f"walk?run={WALK_RUN}", [
            lambda page: units_of(page).first.press("End"),
            lambda page: page.locator(".tiles button").nth(5).click(),
        ]),
    ],
    ids=["denoise", "walk"],
)  # fmt: skip
def test_the_link_of_a_changed_view_restores_it_elsewhere(open_page: OpenPage, path: str, changes) -> None:
    page = open_page(path)
    after = source_of(picture_of(page))
    for change in changes:
        url = page.url
        change(page)
        after = changed(picture_of(page), after)
        page.wait_for_function("before => location.href !== before", arg=url)
        at_rest(page)
    becomes(picture_of(open_page(page.url, elsewhere=True)), after)


def test_two_tabs_do_not_disturb_each_other(open_page: OpenPage) -> None:
    one = open_page(f"denoise?run={RUN}")
    other = open_page(f"denoise?run={RUN}")
    before = source_of(picture_of(other))
    assert source_of(picture_of(one)) == before
    level_of(one).press("End")
    changed(picture_of(one), before)
    level_of(other).press("Home")
    mine = changed(picture_of(other), before)
    assert mine != source_of(picture_of(one))
    assert "level=1" in one.url


@pytest.mark.parametrize("name", ["denoise", "walk", "maps"])
def test_a_run_that_is_not_there_is_said_in_words(open_page: OpenPage, name: str) -> None:
    page = open_page(f"{name}?run=no-such-run")
    expect(page.locator(".picture-error")).to_contain_text("no-such-run")
    expect(page.get_by_role("combobox").first).to_be_enabled()


# --- keyboard alone


def tab_to(page: Page, wanted: Locator) -> None:
    expect(wanted).to_be_visible()
    for _ in range(60):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === element.getRootNode().activeElement"):
            return
    raise AssertionError("the tab key does not lead there")


@pytest.mark.parametrize(
    ("path", "slider"), [(f"denoise?run={RUN}", level_of), (f"walk?run={WALK_RUN}", lambda page: units_of(page).first)]
)
def test_the_keyboard_alone_is_enough(open_page: OpenPage, path: str, slider) -> None:
    page = open_page(path)
    before = source_of(picture_of(page))
    tab_to(page, slider(page))
    page.keyboard.press("ArrowRight")
    first = changed(picture_of(page), before)
    page.keyboard.press("ArrowRight")
    changed(picture_of(page), first)


def test_each_page_opens_with_its_showpiece_until_somebody_chooses(open_page: OpenPage) -> None:
    page = open_page()
    expect(page).to_have_url(re.compile(r"run=patterns-variational"))
    for name, run in (("Denoise", "digits-denoising"), ("Maps", "digits-deep"), ("Walk", "patterns-variational")):
        page.get_by_role("link", name=name, exact=True).first.click()
        expect(page).to_have_url(re.compile(rf"/{name.lower()}\?.*run={run}$"))
    page.get_by_role("combobox", name="Run").click()
    page.get_by_role("option", name=re.compile("Digits, linear")).click()
    expect(page).to_have_url(re.compile(r"run=digits-linear"))
    page.get_by_role("link", name="Denoise", exact=True).first.click()
    expect(page).to_have_url(re.compile(r"/denoise\?.*run=digits-linear"))
    page.get_by_role("link", name="Maps", exact=True).first.click()
    expect(page).to_have_url(re.compile(r"/maps\?.*run=digits-linear"))
