"""Walk's live model under a real pointer in Chromium: `python tests/benchmarks/live.py [drag cold memory]`.

drag    per kind of decoder: pointer event's own time to the end of the draw; frames, long tasks, websocket messages of
        a drag of 3 s; milliseconds from the release to the last film in sight redrawn
cold    page opened to live, with an empty cache, and the bytes that the live part needed; again with a filled one
memory  growth of the tab's memory by 51 changes of the model, dragging in each; the bar is that of `--minutes 10`

Prints `name: figure (bar)`. Figures of a busy machine say little: its load is printed too.
"""

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from hand import ARGS, Hand
from playwright.async_api import Browser, Page, async_playwright
from server import server
from unwatched import Tab, tab

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
WARM = 9
"""Models after which the browser has compiled what it compiles and made room for what it reuses."""
SETTLES = 1.2
"""Seconds after which all of a changed page is drawn."""
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
        seen = await hand.watched_drag(page, SECONDS)
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


async def memory(url: str, changes: int, minutes: float) -> None:
    """Goes to and fro between runs by the page's own list, and drags in each."""
    sizes: list[tuple[float, float]] = []
    async with tab(f"{url}/walk?run=digits-deep") as page:
        for change in range(changes):
            await changed(page, *RUNS[change % len(RUNS)])
            hand = Hand(page, await page.box("find('.host[data-ready=true] .track')[0]"))
            await hand.drag(60 * minutes / changes)
            await hand.let_go()
            sizes.append(await page.memory())
            if change % 5 == 0:
                of_heap, of_all = sizes[-1]
                print(f"     model {change + 1}: heap {of_heap:.1f}, process {of_all:.1f} MiB", flush=True)
    heap, whole = np.subtract(sizes[-1], sizes[min(WARM, changes) - 1])
    what = f"from model {WARM} to {changes}, dragged for {minutes:g} minutes"
    say(f"growth of the tab's whole process {what}", float(whole), "bar ≤ 20", "MiB", whole <= 20)
    say("growth of the page's heap in it", float(heap), "bar ≤ 20", "MiB", heap <= 20)


async def changed(page: Tab, run: str, name: str) -> None:
    """Another run, live."""
    await page.click("find('input[role=combobox][aria-label*=Run]')[0]")
    options = f"find('[role=option]').filter(option => option.textContent.startsWith('{name}'))"
    await page.until(f"{options}.slice(0, 1).map(option => option.click()).length")
    await page.until(f"location.search.includes('run={run}')")
    await asyncio.sleep(SETTLES)
    await page.until(f"find({LIVE!r}).length > 0")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["drag", "cold", "memory"])
    parser.add_argument("--changes", type=int, default=51, help="models that `memory` goes through")
    parser.add_argument("--minutes", type=float, default=1, help="how long `memory` drags, in all")
    options = parser.parse_args()
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as home, server(Path(home)) as (url, _):
        async with async_playwright() as play:
            browser = await play.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS)
            if "drag" in options.what:
                await drag(browser, url)
            if "cold" in options.what:
                await cold(browser, url)
            await browser.close()
        if "memory" in options.what:
            await memory(url, options.changes, options.minutes)


if __name__ == "__main__":
    asyncio.run(main())
