"""A shared server in a browser: two guests and the teacher, told apart by their cookies."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import TIMEOUT_MS, at_rest
from playwright.sync_api import Browser, Page, expect
from server import server


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """(address, teacher's link) of a shared server."""
    home = tmp_path_factory.mktemp("shared")
    log = home / "log.txt"
    with server(home, log=log, options=["--shared"]) as (url, _):
        found = re.search(r"Teacher: (\S+)", Path(log).read_text(encoding="utf-8"))
        assert found is not None
        yield url, found[1]


def someone(browser: Browser, address: str) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(address)
    at_rest(page)
    return page


def test_a_guest_trains_and_shares_and_the_teacher_sees_all(browser: Browser, shared: tuple[str, str]):
    url, link = shared
    # A guest trains a run.
    anna = someone(browser, f"{url}/train?job=new&recipe=linear")
    expect(anna.get_by_text("Shared server · guest")).to_be_visible()
    epochs = anna.get_by_role("spinbutton", name="Epochs")
    epochs.fill("1")
    epochs.press("Enter")
    at_rest(anna)
    anna.get_by_role("button", name="Train", exact=True).click()
    expect(anna.get_by_role("button", name="Walk")).to_be_visible()
    # Nobody else sees it, and a guest who types the address of the teacher's page sees nothing there.
    ben = someone(browser, f"{url}/runs")
    expect(ben.get_by_text("You have not trained anything here yet")).to_be_visible()
    expect(ben.get_by_text("Shared by others", exact=True)).to_have_count(0)
    expect(ben.get_by_role("link", name="Server")).to_have_count(0)
    # Shared, it is there for all.
    anna.goto(f"{url}/runs")
    at_rest(anna)
    anna.locator("[data-run]").first.get_by_role("button", name="More").click()
    anna.get_by_role("button", name="Share", exact=True).click()
    expect(anna.get_by_text("· shared ·")).to_be_visible()
    ben.reload()
    expect(ben.get_by_text("Shared by others", exact=True)).to_be_visible()
    # The link makes a browser the teacher's, who sees whose it is.
    teacher = someone(browser, link)
    expect(teacher.get_by_text("Shared server · teacher")).to_be_visible()
    teacher.get_by_role("link", name="Server").click()
    expect(teacher.get_by_text("1 run")).to_be_visible()
    for page in (anna, ben, teacher):
        page.context.close()
