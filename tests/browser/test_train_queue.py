"""Trainings that wait for each other and are stopped. In a file of its own, to run beside the other long journey."""

import re
from collections.abc import Iterator

import pytest
from conftest import OpenPage, changed, picture_of, source_of, start_training
from playwright.sync_api import Page, expect

LONG = 10_000
"""Epochs that no machine gets through while a test looks on."""


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


def test_one_trains_one_waits_and_both_can_be_ended(open_page: OpenPage, stopped_at_the_end: list[str]) -> None:
    page = open_page("train?recipe=undercomplete&dataset=digits")
    first = start_training(page, LONG)
    stopped_at_the_end.append(first)
    expect(page.get_by_text(re.compile(r"Epoch [1-9]\d* of 10000"))).to_be_visible()
    page.get_by_role("button", name="Train another").click()
    page.wait_for_url(re.compile(r"[?&]job=new"))
    second = start_training(page, LONG)
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
