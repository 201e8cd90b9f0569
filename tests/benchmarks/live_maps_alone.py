"""The maps' component by itself, under a real pointer: `tests/benchmarks/live_maps_alone.py [hover drag wheel memory]`.

hover   2,000 points × 3 maps: pointer event to the end of the draw in all of them, p95 ≤ 16.7 ms; 70,000 without a bar
drag    20,000 points × 3: frames drawn a second while the map is dragged ≥ 30; 70,000 without a bar
wheel   the same while it is zoomed
memory  the tab over 50 mounts of 2,000 points: its heap and its whole process
"""

import argparse
import asyncio
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hand import ARGS, MOVES
from maps_component import READY, URL, Blobs, answer, message
from playwright.async_api import Browser, CDPSession, Page, async_playwright

SECONDS = 4.0
DRAWN = ".maps[data-ready='1']"


async def opened(browser: Browser, n: int) -> tuple[Page, CDPSession, Blobs, dict[str, float]]:
    """A page with three maps of n points, all at rest, and where the first of them is."""
    page, blobs = await browser.new_page(viewport={"width": 1280, "height": 900}), Blobs()
    await page.route("**/*", lambda route: answer(route, blobs))
    await page.goto(URL)
    await page.wait_for_function(READY)
    await page.evaluate("data => mount(data)", message(blobs, n))
    await page.wait_for_selector(DRAWN)
    box = await page.locator(".panel canvas").first.bounding_box()
    assert box is not None
    await page.wait_for_timeout(1500)
    return page, await page.context.new_cdp_session(page), blobs, dict(box)


async def watched(page: Page, devtools: CDPSession, event: Callable[[float], dict[str, object]]) -> np.ndarray:
    """Milliseconds of each draw while `event` is sent as a good mouse sends it, without waiting for answers."""
    await page.evaluate("__aecoreFrames.length = 0")
    begun, sent = time.perf_counter(), []
    while (passed := time.perf_counter() - begun) < SECONDS:
        sent.append(asyncio.ensure_future(devtools.send("Input.dispatchMouseEvent", event(passed))))
        await asyncio.sleep(1 / MOVES)
    await asyncio.gather(*sent)
    return np.array(await page.evaluate("__aecoreFrames.map(({stamp, done}) => done - stamp)"))


async def hand(browser: Browser, what: str, n: int) -> None:
    page, devtools, _, box = await opened(browser, n)

    def at(x: float, y: float) -> dict[str, float]:
        return {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}

    def circle(passed: float) -> dict[str, float]:
        return at(0.5 + 0.35 * math.cos(3 * passed), 0.5 + 0.35 * math.sin(2 * passed))

    held = {"button": "left", "buttons": 1, "clickCount": 1}
    if what == "drag":
        await page.get_by_role("button", name="Move", exact=True).click()
        for _ in range(3):
            await page.get_by_role("button", name="Zoom in").click()
        await devtools.send("Input.dispatchMouseEvent", {"type": "mousePressed", **at(0.5, 0.5), **held})
        took = await watched(page, devtools, lambda passed: {"type": "mouseMoved", **circle(passed), **held})
    elif what == "wheel":
        turn = {"type": "mouseWheel", **at(0.5, 0.5), "deltaX": 0, "modifiers": 2}
        took = await watched(page, devtools, lambda passed: {**turn, "deltaY": -40 if passed % 2 < 1 else 40})
    else:
        took = await watched(page, devtools, lambda passed: {"type": "mouseMoved", **circle(passed)})
    p50, p95 = np.percentile(took, [50, 95])
    said = f"{what}, {n:,} points × 3: p50 {p50:.1f}, p95 {p95:.1f} ms"
    if what == "hover":
        print(said + (" (bar ≤ 16.7)" if n == 2000 else ""), flush=True)
    else:
        print(f"{said}; {len(took) / SECONDS:.0f} draws a second" + (" (bar ≥ 30)" if n == 20_000 else ""), flush=True)
    await page.close()


async def memory(browser: Browser, times: int = 50) -> None:
    page, devtools, blobs, box = await opened(browser, 2000)
    told = message(blobs, 2000)
    await devtools.send("Performance.enable")
    processes = (await (await browser.new_browser_cdp_session()).send("SystemInfo.getProcessInfo"))["processInfo"]
    tabs = [process["id"] for process in processes if process["type"] == "renderer"]

    async def held() -> tuple[float, float]:
        """MiB of the heap, and of the largest of the browser's tabs, which is this one."""
        await devtools.send("HeapProfiler.collectGarbage")
        metrics = {m["name"]: m["value"] for m in (await devtools.send("Performance.getMetrics"))["metrics"]}
        lines = [line for tab in tabs for line in Path(f"/proc/{tab}/status").read_text().splitlines()]
        anonymous = [int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")]
        return metrics["JSHeapUsedSize"] / 2**20, max(anonymous)

    async def around(n: int) -> None:
        for _ in range(n):
            await page.evaluate("data => { unmount(); mount(data); }", told)
            await page.wait_for_selector(DRAWN)
            await page.mouse.move(box["x"] + 100, box["y"] + 200)
            await page.mouse.move(box["x"] + 200, box["y"] + 200)
            await page.wait_for_timeout(100)

    await around(5)
    heap, process = await held()
    await around(times)
    heap_after, process_after = await held()
    print(f"memory over {times} mounts: heap +{heap_after - heap:.1f}, process +{process_after - process:.0f} MiB")
    await page.close()


async def measured(what: list[str]) -> None:
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS)
        for name in what:
            if name == "memory":
                await memory(browser)
            else:
                for n in (2000 if name == "hover" else 20_000, 70_000):
                    await hand(browser, name, n)
        await browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["hover", "drag", "wheel", "memory"])
    asyncio.run(measured(parser.parse_args().what))
