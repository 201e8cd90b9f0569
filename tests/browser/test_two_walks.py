"""Two live components on one page share the runtime and nothing else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import at_rest, changed, source_of
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


def test_two_walks_on_a_page_load_one_runtime_and_move_by_themselves(browser: Browser, two_walks: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(two_walks)
    at_rest(page)
    stages = page.locator(".stage[data-live=true]")
    expect(stages).to_have_count(2)
    one, other = (page.locator(f".st-key-{name} .now canvas") for name in ("one", "other"))
    before, beside = source_of(one), source_of(other)
    box = page.locator(".st-key-one .track").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
    page.mouse.down()
    changed(one, before)
    assert source_of(other) == beside
    page.mouse.up()  # the two share a URL, so that what one is told the other hears of
    page.locator(".st-key-other .track").nth(2).press("End")
    changed(other, beside)
    # One for the page, and one for the worker that draws all films.
    assert sum("/live/runtime/" in url and url.endswith(".wasm.gz") for url in asked) <= 2
    assert sum("/live/dist/walk-" in url for url in asked) == 1
    assert wrong == []
    page.close()
