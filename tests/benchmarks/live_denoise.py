"""Denoise under the hand, in Chromium: `python tests/benchmarks/live_denoise.py [--headed]`; prints figure and bar.

A real mouse drags the level's slider of the course's network to and fro for three seconds, over 8 and over 64 images.

latency   the pointer event's own time to the end of its draw: p95 ≤ 16.7 ms for 8 images, ≤ 33 ms for 64 (aim)
frames    drawn in a second of the drag: ≥ 55 (8 images)
tasks     of the browser's main thread longer than 50 ms: none (8 images)
messages  to the server: 0 in the drag, 1 when the hand lets go
"""

import argparse
import math
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright
from server import server

ARGS = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
REST = "[data-testid=stApp][data-test-connection-state=CONNECTED][data-test-script-state=notRunning]"
RUN = "mnist-course-denoising"
SECONDS = 3.0
LONG = """() => {
  window.longTasks = [];
  new PerformanceObserver(list => window.longTasks.push(...list.getEntries().map(e => e.duration)))
    .observe({entryTypes: ['longtask']});
}"""


def say(what: str, good: bool, figure: str, bar: str) -> None:
    print(f"{'ok  ' if good else 'MISS'} {what}: {figure} ({bar})", flush=True)


def drag(page: Page, seconds: float) -> None:
    """Over most of the slider, to and fro, a move every few milliseconds; the button stays down."""
    box = page.get_by_role("slider", name="Fraction corrupted").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2

    def x(at: float) -> float:
        return box["x"] + box["width"] * (0.5 - 0.4 * math.cos(2 * math.pi * at / 1.5))

    page.mouse.move(x(0), y)
    page.mouse.down()
    begun = time.perf_counter()
    while (at := time.perf_counter() - begun) < seconds:
        page.mouse.move(x(at), y)


def measure(page: Page, url: str, images: int) -> None:
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda data: sent.append(data)))
    chosen = "-".join(str(i) for i in range(images))
    page.goto(f"{url}/denoise?run={RUN}&images={chosen}")
    page.wait_for_selector(REST)
    begun = time.perf_counter()
    page.wait_for_selector(".denoise[data-live=true]", timeout=60_000)
    print(f"     live {time.perf_counter() - begun:.1f} s after the page was at rest")
    drag(page, 1.0)  # once before, so that everything is compiled
    page.mouse.up()
    page.wait_for_timeout(1500)
    before = len(sent)
    page.evaluate(LONG)
    page.evaluate("window.__aecoreFrames = []")
    drag(page, SECONDS)
    frames = page.evaluate("window.__aecoreFrames")
    during = len(sent) - before
    page.mouse.up()
    page.wait_for_timeout(1500)
    after = len(sent) - before - during
    tasks = page.evaluate("window.longTasks")
    report(images, frames, tasks, during, after)


def report(images: int, frames: list[dict[str, float]], tasks: list[float], during: int, after: int) -> None:
    waits = [frame["done"] - frame["stamp"] for frame in frames]
    p50, p95 = np.percentile(waits, [50, 95])
    bar, kind = (16.7, "bar") if images == 8 else (33.0, "aim")
    say(f"{images} images: pointer to drawn, p95", bool(p95 <= bar), f"{p95:.1f} ms, p50 {p50:.1f}", f"{kind} ≤ {bar}")
    span = (max(frame["done"] for frame in frames) - min(frame["done"] for frame in frames)) / 1000
    rate = (len(frames) - 1) / span
    say(f"{images} images: frames a second", rate >= 55 or images > 8, f"{rate:.1f}", "bar ≥ 55 for 8")
    worst = f"{len(tasks)}" + (f", longest {max(tasks):.0f} ms" if tasks else "")
    say(f"{images} images: long tasks", not tasks or images > 8, worst, "bar 0 for 8")
    say(
        f"{images} images: messages in the drag, on release",
        (during, after) == (0, 1),
        f"{during}, {after}",
        "bar 0, 1",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--headed", action="store_true", help="with a window, on a machine that has a screen")
    options = parser.parse_args()
    with sync_playwright() as play, tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (url, _):
        browser = play.chromium.launch(
            executable_path="/usr/bin/chromium", args=ARGS.split(), headless=not options.headed
        )
        for images in (8, 64):
            page = browser.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
            measure(page, url, images)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
