"""Denoise under the hand, in Chromium: `python tests/benchmarks/live_denoise.py`; prints figure and bar.

A real pointer drags the level's slider of the course's network to and fro for three seconds, over 8 and over 64 images.

latency   the pointer event's own time to the end of its draw: p95 ≤ 16.7 ms for 8 images, ≤ 33 ms for 64 (aim)
frames    of the page in a second of the drag: ≥ 55 (8 images); a draw is one of them
tasks     of the browser's main thread longer than 50 ms: none (8 images)
messages  to the server: 0 in the drag, 1 when the hand lets go

On a machine that others use, figures are those of a busy machine: the load is printed.
"""

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from hand import ARGS, Hand, Seen
from playwright.async_api import Browser, Page, async_playwright
from server import server

RUN = "mnist-course-denoising"
SECONDS = 3.0


def say(what: str, figure: str, bar: str, good: bool) -> None:
    print(f"{'ok  ' if good else 'MISS'} {what}: {figure} ({bar})", flush=True)


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
    hand = await Hand.on(page, page.get_by_role("slider", name="Fraction corrupted"))
    await hand.drag(1.0)  # once before, so that everything is compiled
    await hand.let_go()
    await page.wait_for_timeout(1500)
    before = len(sent)
    seen = await hand.watched_drag(page, SECONDS)
    during = len(sent) - before
    await hand.let_go()
    await page.wait_for_timeout(1500)
    report(images, seen, (during, len(sent) - before - during))
    await page.close()


def report(images: int, seen: Seen, messages: tuple[int, int]) -> None:
    p50, p95 = np.percentile(seen.took, [50, 95])
    few = images == 8
    bar = 16.7 if few else 33.0
    figure = f"p95 {p95:.1f} ms, p50 {p50:.1f} ms"
    say(f"{images} images: pointer to the end of the draw", figure, f"p95 ≤ {bar:g}", bool(p95 <= bar))
    figure = f"{seen.frames:.1f}, of them drawn {len(seen.took) / SECONDS:.1f}"
    say(f"{images} images: frames a second", figure, "≥ 55" if few else "no bar", not few or seen.frames >= 55)
    figure = f"{len(seen.long)}, the longest {max(seen.long, default=0):.0f} ms"
    say(f"{images} images: tasks above 50 ms", figure, "0" if few else "no bar", not few or not seen.long)
    figure = f"{messages[0]} and {messages[1]}"
    say(f"{images} images: messages in the drag and on release", figure, "0 and 1", messages == (0, 1))


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="*", default=[8, 64], help="numbers of images (8 64)")
    options = parser.parse_args()
    print(f"     load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (url, _):
        async with async_playwright() as play:
            browser = await play.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS)
            for images in options.images:
                await measure(browser, url, images)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
