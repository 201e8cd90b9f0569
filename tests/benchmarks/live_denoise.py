"""Denoise under the hand, in Chromium: `python tests/benchmarks/live_denoise.py`; prints figure and bar.

A real pointer drags the level's slider of the course's network to and fro for three seconds, over 8 and over 64 images.

latency   the pointer event's own time to the end of its draw: p95 ≤ 16.7 ms for 8 images, ≤ 33 ms for 64 (aim)
frames    of the page in a second of the drag: ≥ 55 (8 images); a draw is one of them
tasks     of the browser's main thread longer than 50 ms: none (8 images)
messages  to the server: 0 in the drag, 1 when the hand lets go

On a machine that others use, figures are those of a busy machine: the load is printed.
"""

import asyncio
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.async_api import Browser, CDPSession, Page, async_playwright
from server import server

ARGS = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
RUN = "mnist-course-denoising"
SECONDS = 3.0
MOVES = 120
"""Pointer events a second: more than there are frames, as a good mouse sends them."""
ROUND = 1.5
"""Seconds to and fro: in each frame the slider has another value."""
WATCH = """() => {
  window.__aecoreFrames.length = 0;
  Object.assign(window, {long: [], passed: 0, counting: true});
  new PerformanceObserver(seen => window.long.push(...seen.getEntries().map(task => task.duration)))
    .observe({entryTypes: ['longtask']});
  const count = () => { if (window.counting) { window.passed += 1; requestAnimationFrame(count); } };
  requestAnimationFrame(count);
}"""
WATCHED = "() => { window.counting = false; return [window.__aecoreFrames, window.long, window.passed]; }"


def say(what: str, figure: str, bar: str, good: bool) -> None:
    print(f"{'ok  ' if good else 'MISS'} {what}: {figure} ({bar})", flush=True)


class Hand:
    """A mouse on the level's slider, whose moves are sent without waiting for their answers."""

    def __init__(self, devtools: CDPSession, box: dict[str, float]) -> None:
        self.devtools, self.box = devtools, box

    def mouse(self, kind: str, share: float):
        at = {"x": self.box["x"] + share * self.box["width"], "y": self.box["y"] + self.box["height"] / 2}
        button = {"button": "left", "buttons": 1, "clickCount": 1}
        return self.devtools.send("Input.dispatchMouseEvent", {"type": kind, **at, **button})

    async def drag(self, seconds: float) -> None:
        await self.mouse("mousePressed", 0.9)
        begun, moves = time.perf_counter(), []
        while (passed := time.perf_counter() - begun) < seconds:
            moves.append(asyncio.ensure_future(self.mouse("mouseMoved", 0.1 + 0.8 * abs(1 - 2 * (passed / ROUND % 1)))))
            await asyncio.sleep(1 / MOVES)
        await asyncio.gather(*moves)

    async def let_go(self) -> None:
        await self.mouse("mouseReleased", 0.3)


async def opened(browser: Browser, url: str, images: int) -> tuple[Page, list[float]]:
    """The page, live, and the times of all messages that it sends to the server."""
    page = await browser.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    sent: list[float] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda _: sent.append(time.perf_counter())))
    begun = time.perf_counter()
    await page.goto(f"{url}/denoise?run={RUN}&images={'-'.join(str(i) for i in range(images))}")
    await page.wait_for_selector(".denoise[data-live=true]", timeout=60_000)
    print(f"     {images} images: page opened to live {time.perf_counter() - begun:.1f} s")
    await page.wait_for_timeout(1500)
    return page, sent


async def measure(browser: Browser, url: str, images: int) -> None:
    page, sent = await opened(browser, url, images)
    box = await page.get_by_role("slider", name="Fraction corrupted").bounding_box()
    assert box is not None
    hand = Hand(await page.context.new_cdp_session(page), dict(box))
    await hand.drag(1.0)  # once before, so that everything is compiled
    await hand.let_go()
    await page.wait_for_timeout(1500)
    before = len(sent)
    await page.evaluate(WATCH)
    await hand.drag(SECONDS)
    draws, long, passed = await page.evaluate(WATCHED)
    during = len(sent) - before
    await hand.let_go()
    await page.wait_for_timeout(1500)
    report(images, draws, long, passed, (during, len(sent) - before - during))
    await page.close()


def report(
    images: int, draws: list[dict[str, float]], long: list[float], passed: int, messages: tuple[int, int]
) -> None:
    p50, p95 = np.percentile([draw["done"] - draw["stamp"] for draw in draws], [50, 95])
    few = images == 8
    bar = 16.7 if few else 33.0
    figure = f"p95 {p95:.1f} ms, p50 {p50:.1f} ms"
    say(f"{images} images: pointer to the end of the draw", figure, f"p95 ≤ {bar:g}", bool(p95 <= bar))
    figure = f"{passed / SECONDS:.1f}, of them drawn {len(draws) / SECONDS:.1f}"
    say(f"{images} images: frames a second", figure, "≥ 55" if few else "no bar", not few or passed / SECONDS >= 55)
    figure = f"{len(long)}, the longest {max(long, default=0):.0f} ms"
    say(f"{images} images: tasks above 50 ms", figure, "0" if few else "no bar", not few or not long)
    figure = f"{messages[0]} and {messages[1]}"
    say(f"{images} images: messages in the drag and on release", figure, "0 and 1", messages == (0, 1))


async def main() -> None:
    print(f"     load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (url, _):
        async with async_playwright() as play:
            browser = await play.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS.split())
            for images in (8, 64):
                await measure(browser, url, images)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
