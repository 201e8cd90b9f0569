"""Maps under a real pointer in Chromium: `AECORE_MNIST=mnist.npz python tests/benchmarks/live_maps.py [PART…]`.

hover  three panels of 2,000 points: pointer event's own time to the end of the draw that marks its point in all of them
pan    three panels of 20,000 points: draws a second while the mouse drags the map, and while its wheel zooms
open   three panels of 70,000 points, computed before: page asked for to all points drawn, and the bytes it needed
first  a ready-made run's maps, warm server, median of 5: chosen in the menu to all drawn; with an empty browser

Prints `name: figure (bar)`. Figures of a busy machine say little: its load is printed too.
"""

import argparse
import asyncio
import math
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from gauge import need_mnist
from hand import ARGS, MOVES, watched
from playwright.async_api import Browser, Page, async_playwright
from server import ROOT, server

RUN = "mnist-variational"
READY = ".maps[data-ready='1']"
REST = "[data-testid=stApp][data-test-connection-state=CONNECTED][data-test-script-state=notRunning]"
SECONDS = 3.0
SIZES = """() => performance.getEntriesByType('resource').filter(r => /live.(blob|images|dist)/.test(r.name))
  .map(r => r.transferSize)"""
"""Without the decoder and what runs it, which come once the maps are there."""


def say(what: str, figure: float, bar: str, unit: str, ok: bool) -> None:
    print(f"{'ok  ' if ok else 'MISS'} {what}: {figure:.1f} {unit} ({bar})", flush=True)


def address(url: str, n: int) -> str:
    return f"{url}/maps?run={RUN}&n={n}&pictures=false"


async def opened(browser: Browser, address: str) -> Page:
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    await page.goto(address)
    await page.wait_for_selector(READY, timeout=60_000)
    await page.wait_for_timeout(1500)
    return page


async def middle(page: Page) -> tuple[float, float, float]:
    """The middle of the first map, and half of its side."""
    canvas = page.locator(".panel canvas").first
    await canvas.scroll_into_view_if_needed()
    box = await canvas.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box["width"] / 2


async def circle(page: Page, button: str, seconds: float) -> None:
    """A mouse that goes round on the first map, without waiting for the answers to its moves."""
    x, y, half = await middle(page)
    devtools = await page.context.new_cdp_session(page)
    begun, moves = time.perf_counter(), []
    while (passed := time.perf_counter() - begun) < seconds:
        turn = 2 * math.pi * passed / 1.5
        at = {"x": x + 0.5 * half * math.cos(turn), "y": y + 0.5 * half * math.sin(turn)}
        held = {"button": button, "buttons": int(button == "left")}
        if not moves and button == "left":
            await devtools.send("Input.dispatchMouseEvent", {"type": "mousePressed", **at, **held, "clickCount": 1})
        moves.append(
            asyncio.ensure_future(devtools.send("Input.dispatchMouseEvent", {"type": "mouseMoved", **at, **held}))
        )
        await asyncio.sleep(1 / MOVES)
    await asyncio.gather(*moves)
    if button == "left":
        await devtools.send(
            "Input.dispatchMouseEvent",
            {"type": "mouseReleased", "x": x, "y": y, "button": "left", "buttons": 0, "clickCount": 1},
        )


async def wheel(page: Page, seconds: float) -> None:
    """Zooms in and out of the first map."""
    x, y, _ = await middle(page)
    devtools = await page.context.new_cdp_session(page)
    begun, turns = time.perf_counter(), []
    while (passed := time.perf_counter() - begun) < seconds:
        by = -30 if passed % 1.5 < 0.75 else 30
        event = {"type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": by, "modifiers": 2}
        turns.append(asyncio.ensure_future(devtools.send("Input.dispatchMouseEvent", event)))
        await asyncio.sleep(1 / 60)
    await asyncio.gather(*turns)


async def hover(browser: Browser, url: str) -> None:
    page = await opened(browser, address(url, 2_000))
    seen = await watched(page, lambda: circle(page, "none", SECONDS), SECONDS)
    p50, p95 = np.percentile(seen.took, [50, 95])
    say("hover, 3 × 2,000 points, p50", p50, "for information", "ms", True)
    say("hover, 3 × 2,000 points, p95", p95, "≤ 16.7", "ms", p95 <= 16.7)
    print(f"     {len(seen.took)} draws, {seen.frames:.0f} frames a second, {len(seen.long)} tasks above 50 ms")
    await page.close()


async def pan(browser: Browser, url: str) -> None:
    page = await opened(browser, address(url, 20_000))
    await page.get_by_role("button", name="Move", exact=True).click()
    await page.get_by_role("button", name="Zoom in").click()  # a map that is seen whole has nowhere to go
    for what, move in (("drag", lambda: circle(page, "left", SECONDS)), ("zoom", lambda: wheel(page, SECONDS))):
        seen = await watched(page, move, SECONDS)
        draws = len(seen.took) / SECONDS
        say(f"{what}, 3 × 20,000 points: draws a second", draws, "≥ 30", "", draws >= 30)
        await page.wait_for_timeout(500)
    await page.close()


async def opening(browser: Browser, url: str) -> None:
    took, cold, sizes = [], [], []
    for _ in range(3):
        context = await browser.new_context(viewport={"width": 1280, "height": 900})
        page = await context.new_page()
        begun = time.perf_counter()
        await page.goto(address(url, 70_000))
        await page.wait_for_selector(READY, timeout=60_000)
        cold.append(time.perf_counter() - begun)
        sizes.append(sum(await page.evaluate(SIZES)) / 2**20)
        await context.close()
        context = await browser.new_context(viewport={"width": 1280, "height": 900})
        page = await context.new_page()
        await page.goto(url)
        await page.wait_for_selector(REST)
        begun = time.perf_counter()
        await page.goto(address(url, 70_000))
        await page.wait_for_selector(READY, timeout=60_000)
        took.append(time.perf_counter() - begun)
        await context.close()
    seconds = float(np.median(took))
    say(
        "70,000 points, asked for by a browser that knows the app, to drawn, median of 3",
        seconds,
        "≤ 3",
        "s",
        seconds <= 3,
    )
    say("the same with a browser that begins empty", float(np.median(cold)), "for information", "s", True)
    say("70,000 points, what the maps fetch", max(sizes), "≤ 2", "MB", max(sizes) <= 2)


async def first(browser: Browser, url: str) -> None:
    cold, shown = [], []
    for _ in range(6):
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        begun = time.perf_counter()
        await page.goto(f"{url}/maps?run=digits-deep")
        await page.wait_for_selector(READY, timeout=60_000)
        cold.append(time.perf_counter() - begun)
        await page.goto(url)
        await page.wait_for_selector(REST)
        begun = time.perf_counter()
        await page.get_by_role("link", name="Maps").first.click()
        await page.wait_for_selector(READY, timeout=60_000)
        shown.append(time.perf_counter() - begun)
        await page.close()
    seconds = float(np.median(shown[1:]))
    say("kept maps, chosen in the menu to drawn, median of 5", seconds, "≤ 1.5", "s", seconds <= 1.5)
    say("the same with a browser that begins empty", float(np.median(cold[1:])), "for information", "s", True)


def compute(home: Path, sizes: list[int]) -> None:
    """What the pages show is computed before they are opened, as for any visitor but the first."""
    os.environ["AECORE_HOME"] = str(home)
    from aecore import open as opened_run
    from aecore.maps.atlas import atlas
    from aecore.maps.spec import AtlasSpec

    session = opened_run(RUN)
    for n in sizes:
        begun = time.perf_counter()
        atlas(session, AtlasSpec(n=n))
        print(f"     {n:,} images on three maps: {time.perf_counter() - begun:.1f} s")


PARTS = {"hover": hover, "pan": pan, "open": opening, "first": first}
IMAGES = {"hover": 2_000, "pan": 20_000, "open": 70_000}
"""{part: images on the maps that it shows}; `first` shows maps that are ready-made."""


async def main(wanted: list[str]) -> None:
    if set(wanted) != {"first"}:
        need_mnist()
    print(f"load before: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        compute(home, [IMAGES[name] for name in wanted if name in IMAGES])
        with server(home, env={**os.environ, "PYTHONPATH": str(ROOT)}) as (url, _):
            async with async_playwright() as play:
                browser = await play.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS)
                for name in wanted:
                    await PARTS[name](browser, url)
                await browser.close()
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    asyncio.run(main(parser.parse_args().parts or list(PARTS)))
