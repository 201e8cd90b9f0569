"""Walk's live model under a real pointer in Chromium: `python tests/benchmarks/live.py [drag cold memory]`.

drag    per kind of decoder: pointer event's own time to the end of the draw; frames, long tasks, websocket messages of
        a drag of 3 s; milliseconds from the release to the last film in sight redrawn
cold    page opened to live, with an empty cache, and the bytes that the live part needed; again with a filled one
memory  growth of the tab's memory by 51 changes of the model, with dragging and without the live part

Prints `name: figure (bar)`. Figures of a busy machine say little: its load is printed too.
"""

import argparse
import asyncio
import os
import re
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from hand import ARGS, Hand
from playwright.async_api import Browser, Page, async_playwright
from server import server

LIVE = ".stage[data-live=true]"
DECODERS = {
    "MLP 28×28": ("mnist-variational", 16.7),
    "MLP 28×28, 1,000 units": ("mnist-course-denoising", 16.7),
    "conv 32×32×3": ("patterns-variational", 16.7),
    "GRU 8×8": ("digits-sequence", 25.0),
    "transformer 8×8": ("digits-masked-autoencoder", 25.0),
}
RUNS = (
    ("digits-undercomplete", "Digits, undercomplete"),
    ("digits-variational", "Digits, variational"),
    ("patterns-variational", "Patterns, variational"),
)
SECONDS = 3.0
FILMS = """() => {
  const root = [...document.querySelectorAll('*')].find(e => e.shadowRoot?.querySelector('.film')).shadowRoot;
  window.__filmed = 0; window.__released = 0;
  const seen = new MutationObserver(() => { window.__filmed = performance.now(); });
  const what = {attributes: true, attributeFilter: ['data-filmed']};
  root.querySelectorAll('.film').forEach(film => seen.observe(film, what));
  addEventListener('pointerup', event => { window.__released = event.timeStamp; }, {capture: true, once: true});
}"""
FILMED = "() => window.__filmed - window.__released"
FILMS_REST = 2000
"""Milliseconds after which the last film is surely there."""
SIZES = "() => performance.getEntriesByType('resource').filter(r => r.name.includes('/live/')).map(r => r.transferSize)"


def say(what: str, figure: float, bar: str, unit: str, ok: bool) -> None:
    print(f"{'ok  ' if ok else 'MISS'} {what}: {figure:.1f} {unit} ({bar})", flush=True)


async def opened(browser: Browser, address: str) -> tuple[Page, list[float]]:
    """A page that is live, and the times of all messages that it sends to the server."""
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    sent: list[float] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda _: sent.append(time.perf_counter())))
    await page.goto(address)
    await page.wait_for_selector(LIVE, timeout=60_000)
    await page.wait_for_timeout(1500)
    return page, sent


async def drag(browser: Browser, url: str) -> None:
    for name, (run, bar) in DECODERS.items():
        page, sent = await opened(browser, f"{url}/walk?run={run}")
        hand = await Hand.on(page, page.locator(".track").first)
        before = len(sent)
        seen = await hand.watched_drag(SECONDS)
        during = len(sent) - before
        await page.evaluate(FILMS)
        await hand.let_go()
        await page.wait_for_timeout(FILMS_REST)
        films = await page.evaluate(FILMED)
        p50, p95 = np.percentile(seen.took, [50, 95])
        say(f"{name}: pointer to the end of the draw, p50", p50, "for information", "ms", True)
        say(f"{name}: pointer to the end of the draw, p95", p95, f"bar ≤ {bar:g}", "ms", p95 <= bar)
        say(f"{name}: frames in a drag of 3 s", seen.frames, "bar ≥ 55", "a second", seen.frames >= 55)
        say(f"{name}: draws in it", len(seen.took) / SECONDS, "for information", "a second", True)
        say(f"{name}: longest task above 50 ms in it", max(seen.long, default=0), "bar ≤ 50", "ms", not seen.long)
        say(f"{name}: websocket messages during the drag", during, "bar 0", "", during == 0)
        told = len(sent) - before - during
        say(f"{name}: websocket messages on release", told, "bar 1", "", told == 1)
        say(f"{name}: release to the last film in sight", films, "bar ≤ 300", "ms", 0 < films <= 300)
        await page.close()


async def cold(browser: Browser, url: str) -> None:
    run = DECODERS["conv 32×32×3"][0]
    firsts: list[float] = []
    seconds: list[float] = []
    for _ in range(5):
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        for times in (firsts, seconds):
            page = await context.new_page()
            begun = time.perf_counter()
            await page.goto(f"{url}/walk?run={run}")
            await page.wait_for_selector(LIVE, timeout=60_000)
            times.append(time.perf_counter() - begun)
            size = sum(await page.evaluate(SIZES)) / 1e6
            if times is firsts and len(firsts) == 1:
                say("bytes of the live part, cold", size, "bar ≤ 6", "MB", size <= 6)
            elif len(times) == 1:
                say("bytes of the live part, cached", size * 1000, "bar: nothing but short answers", "kB", size < 0.01)
            await page.close()
        await context.close()
    for name, times in (("empty", firsts), ("filled", seconds)):
        median = float(np.median(times))
        say(f"page opened to live, {name} cache, median of 5", median, "bar ≤ 2.5", "s", median <= 2.5)


async def memory(browser: Browser, url: str, changes: int) -> None:
    """Goes to and fro between runs by the page's own list, dragging in each; then the same without the live part."""
    heap, whole = await growth(browser, url, changes, live=True)
    say(f"growth of the page's heap over {changes} models and drags", heap, "bar ≤ 20", "MiB", heap <= 20)
    say("growth of the tab's whole process in it", whole, "bar ≤ 20", "MiB", whole <= 20)
    _, without = await growth(browser, url, changes, live=False)
    say("the same changes without the live part", without, "for information", "MiB", True)


async def growth(browser: Browser, url: str, changes: int, live: bool) -> tuple[float, float]:
    """MiB from the ninth change to the last: of the page's heap, and of its process."""
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    if not live:
        await page.route("**/live/runtime/**", lambda route: route.abort())
    await page.goto(f"{url}/walk?run=digits-deep")
    devtools = await page.context.new_cdp_session(page)
    sizes: list[tuple[float, float]] = []
    for change in range(changes):
        run, name = RUNS[change % len(RUNS)]
        await page.get_by_role("combobox", name="Run").click()
        await page.get_by_role("option", name=name).first.click()
        await page.wait_for_url(re.compile(f"run={run}"), timeout=20_000)
        await page.wait_for_timeout(1200)
        if live:
            await page.wait_for_selector(LIVE, timeout=20_000)
            hand = await Hand.on(page, page.locator(".track").first)
            await hand.drag(1)
            await hand.let_go()
        await devtools.send("HeapProfiler.collectGarbage")
        sizes.append((await page.evaluate("performance.memory.usedJSHeapSize") / 2**20, tab()))
    await page.close()
    heap, whole = np.subtract(sizes[-1], sizes[min(8, changes - 1)])
    return float(heap), float(whole)


def tab() -> float:
    """MiB of the largest page's process: heap, WebAssembly, worker, canvases."""
    pages = [p for p in psutil.Process().children(recursive=True) if "--type=renderer" in " ".join(p.cmdline())]
    return max(p.memory_info().rss for p in pages) / 2**20


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["drag", "cold", "memory"])
    parser.add_argument("--changes", type=int, default=51)
    options = parser.parse_args()
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as home, server(Path(home)) as (url, _):
        async with async_playwright() as play:
            browser = await play.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS)
            if "drag" in options.what:
                await drag(browser, url)
            if "cold" in options.what:
                await cold(browser, url)
            if "memory" in options.what:
                await memory(browser, url, options.changes)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
