"""What visitors do to runs: train one and go on with it, delete it and take it back."""

import re

from conftest import OpenPage, picture_of, source_of, start_training
from playwright.sync_api import expect

DONE = 60_000


def test_train_explore_delete_and_undo(open_page: OpenPage) -> None:
    page = open_page("train?recipe=undercomplete&dataset=digits")
    source_of(picture_of(page))
    run_id = start_training(page, 12)
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


def test_settings_that_cannot_work_are_answered_beside_the_button(open_page: OpenPage) -> None:
    page = open_page("train?recipe=undercomplete&dataset=digits")
    page.get_by_text("All settings").click()
    field = page.get_by_role("textbox", name="widths").first
    field.fill("many")
    field.press("Enter")
    expect(page.get_by_test_id("stAlert")).to_be_visible()
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_disabled()
