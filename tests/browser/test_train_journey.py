"""What visitors do to runs: train one and go on with it, queue and stop, delete and take it back."""

import re
from collections.abc import Iterator

import pytest
from conftest import OpenPage, changed, picture_of, source_of
from playwright.sync_api import Page, expect

DONE = 60_000
LONG = 10_000
"""Epochs that no machine gets through while a test looks on."""


def set_up(page: Page, epochs: int) -> None:
    """The smallest thing that trains: digits, by the kind that the page opened with."""
    field = page.get_by_role("spinbutton", name="Epochs")
    field.fill(str(epochs))
    field.press("Enter")
    expect(field).to_have_value(str(epochs))


def begin(page: Page) -> str:
    """Presses Train; the new training's id."""
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_url(re.compile(r"[?&]job=(?!new)[\w-]+"))
    found = re.search(r"[?&]job=([\w-]+)", page.url)
    assert found is not None
    return found[1]


def press_stop(page: Page, run_id: str) -> None:
    """Opens the small question and answers it."""
    page.locator(f".st-key-_train_stop_{run_id} button").first.click()
    page.locator(f".st-key-_train_stop_yes_{run_id} button").click()


@pytest.fixture
def stopped_at_the_end(open_page: OpenPage) -> Iterator[list[str]]:
    """Ids of trainings that must not outlive the test, should it fail before it has stopped them."""
    started: list[str] = []
    yield started
    for run_id in started:
        page = open_page(f"train?job={run_id}")
        ended = page.get_by_test_id("stAlert")
        button = page.locator(f".st-key-_train_stop_{run_id} button").first
        expect(ended.or_(button).first).to_be_visible()
        if not ended.count():
            press_stop(page, run_id)
            expect(ended).to_be_visible()


def test_train_explore_delete_and_undo(open_page: OpenPage) -> None:
    page = open_page("train?recipe=undercomplete&dataset=digits")
    source_of(picture_of(page))
    set_up(page, 12)
    run_id = begin(page)
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_text(re.compile(r"Epoch \d+ of 12|It begins"))).to_be_visible()
    expect(page.get_by_test_id("stAlert")).to_contain_text("12 epochs in", timeout=DONE)
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    page.locator(".st-key-train_onwards").get_by_role("button", name="Denoise").click()
    expect(page).to_have_url(re.compile(rf"/denoise\?.*run={run_id}"))
    source_of(picture_of(page))

    page.get_by_role("link", name="Runs").first.click()
    line = page.locator(f".st-key-runline_{run_id}")
    line.get_by_role("button", name="More").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(line).to_have_count(0)
    page.locator(".st-key-runs_undo").get_by_role("button", name="Undo").click()
    expect(line).to_be_visible()
    expect(page.locator(".st-key-runs_undo")).to_have_count(0)


def test_one_trains_one_waits_and_both_can_be_ended(open_page: OpenPage, stopped_at_the_end: list[str]) -> None:
    page = open_page("train?recipe=undercomplete&dataset=digits")
    set_up(page, LONG)
    first = begin(page)
    stopped_at_the_end.append(first)
    expect(page.get_by_text(re.compile(r"Epoch [1-9]\d* of 10000"))).to_be_visible()
    page.get_by_role("button", name="Train another").click()
    page.wait_for_url(re.compile(r"[?&]job=new"))
    set_up(page, LONG)
    second = begin(page)
    assert second != first
    stopped_at_the_end.append(second)
    expect(page.get_by_text("It is number 1 in the queue")).to_be_visible()
    press_stop(page, second)
    expect(page.get_by_test_id("stAlert")).to_contain_text("learned nothing")
    stopped_at_the_end.remove(second)

    other = open_page(f"train?job={first}", elsewhere=True)  # from anywhere, by its address
    before = source_of(picture_of(other))
    changed(picture_of(other), before)  # it is drawn again as it learns
    press_stop(other, first)
    expect(other.get_by_test_id("stAlert")).to_contain_text("can be explored")
    stopped_at_the_end.remove(first)
    other.locator(".st-key-train_onwards").get_by_role("button", name="Walk").click()
    source_of(picture_of(other))


def test_settings_that_cannot_work_are_answered_beside_the_button(open_page: OpenPage) -> None:
    page = open_page("train?recipe=undercomplete&dataset=digits")
    page.get_by_text("All settings").click()
    field = page.get_by_role("textbox", name="widths").first
    field.fill("many")
    field.press("Enter")
    expect(page.get_by_test_id("stAlert")).to_be_visible()
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_disabled()
