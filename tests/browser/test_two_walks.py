"""Two Walk components on one page share the runtime that executes models, and nothing else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import at_rest, changed, place, source_of
from playwright.sync_api import Browser, expect
from server import END_SECONDS, ROOT, await_health, free_port

APP = Path(__file__).parent / "two_walks" / "asgi.py"


@pytest.fixture
def two_walks(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = ["--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true",
               "--browser.gatherUsageStats", "false", "--server.fileWatcherType", "none"]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(ROOT), "AECORE_HOME": str(tmp_path)}
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "streamlit", "run", str(APP), *options], cwd=tmp_path, env=env,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await_health(url, child)
        yield url
    finally:
        child.terminate()
        child.wait(timeout=END_SECONDS)


def test_two_walks_on_a_page_share_one_runtime_and_move_independently(browser: Browser, two_walks: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(two_walks)
    at_rest(page)
    stages = page.locator(".stage[data-live=true]")
    expect(stages).to_have_count(2)
    one, other = (page.locator(f".st-key-{name} .now canvas") for name in ("one", "other"))
    before, beside = source_of(one), source_of(other)
    page.mouse.move(*place(page.locator(".st-key-one .track").first, 0.05))
    page.mouse.down()
    changed(one, before)
    assert source_of(other) == beside
    page.mouse.up()  # the release changes the URL, which both read
    page.locator(".st-key-other .track").nth(2).press("End")
    changed(other, beside)
    # The page loads it once, and so does the worker that draws the films.
    assert sum("/live/runtime/" in url and url.endswith(".wasm.gz") for url in requests) <= 2
    assert sum("/live/dist/walk-" in url for url in requests) == 1
    assert errors == []
    page.close()
