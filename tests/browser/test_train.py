"""What visitors do to runs: train one, queue another, stop, explore, delete and undo."""

import re
from collections.abc import Iterator

import pytest
from pages import OpenPage, changed, picture_of, source_of, start_training
from playwright.sync_api import Page, expect

MANY_EPOCHS = 10_000
"""More than any machine gets through during a test."""
DONE_MS = 60_000


def press_stop(page: Page, run_id: str) -> None:
    """Opens the question whether to stop, and confirms it."""
    page.locator(f".st-key-_train_stop_{run_id} button").first.click()
    page.locator(f".st-key-_train_stop_yes_{run_id} button").click()


def train_another(page: Page, epochs: int) -> str:
    page.get_by_role("button", name="Train another").click()
    page.wait_for_url(re.compile(r"[?&]job=new"))
    return start_training(page, epochs)


@pytest.fixture
def stopped_at_the_end(open_page: OpenPage) -> Iterator[list[str]]:
    """Ids of trainings to stop at the end, should the test fail before it has stopped them."""
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


def test_one_trains_others_wait_and_what_was_trained_is_explored_deleted_and_undone(
    open_page: OpenPage, stopped_at_the_end: list[str]
) -> None:
    # One trains while another waits in the queue and a third leaves it.
    page = open_page("train?recipe=undercomplete&dataset=digits")
    source_of(picture_of(page))
    first = start_training(page, MANY_EPOCHS)
    stopped_at_the_end.append(first)
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_text(re.compile(r"Epoch [1-9]\d* of 10000"))).to_be_visible()
    third = train_another(page, MANY_EPOCHS)
    stopped_at_the_end.append(third)
    assert third != first
    expect(page.get_by_text("Number 1 in the queue")).to_be_visible()
    press_stop(page, third)
    expect(page.get_by_test_id("stAlert")).to_contain_text("before the first epoch")
    stopped_at_the_end.remove(third)
    second = train_another(page, 12)
    stopped_at_the_end.append(second)
    expect(page.get_by_text("Number 1 in the queue")).to_be_visible()

    # Anyone can watch a training by its address and stop it; the best weights so far can be explored.
    other = open_page(f"train?job={first}", elsewhere=True)
    changed(picture_of(other), source_of(picture_of(other)))
    press_stop(other, first)
    expect(other.get_by_test_id("stAlert")).to_contain_text("can be explored")
    stopped_at_the_end.remove(first)
    other.locator(".st-key-train_onwards").get_by_role("button", name="Walk").click()
    source_of(picture_of(other))

    # The one that waited trains to its end and can be explored.
    expect(page.get_by_test_id("stAlert")).to_contain_text("12 epochs in", timeout=DONE_MS)
    stopped_at_the_end.remove(second)
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    page.locator(".st-key-train_onwards").get_by_role("button", name="Denoise").click()
    expect(page).to_have_url(re.compile(rf"/denoise\?.*run={second}"))
    source_of(picture_of(page))

    # A run is deleted, and taken back.
    page.get_by_role("link", name="Runs").first.click()
    line = page.locator(f"[data-run='{second}']")
    line.get_by_role("button", name="More").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(line).to_have_count(0)
    page.locator(".st-key-runs_undo").get_by_role("button", name="Undo").click()
    expect(line).to_be_visible()
    expect(page.locator(".st-key-runs_undo")).to_have_count(0)
