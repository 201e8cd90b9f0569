"""100 visitors open a page at once on a warm server:
`python tests/benchmarks/visitors.py [--visitors 100] [--page walk|maps|maps-then-walk]`.

Each speaks Streamlit's own websocket protocol; time runs from the moment all begin to the message with the visitor's
first picture, or with all that the maps are; the server's memory is that after all. With `maps-then-walk` all open Maps
at once, then each opens Walk as soon as its maps are there: the time is that of Walk's first picture. Then one Chromium
opens the page cold and once more: bytes beyond Streamlit's own files until the page is live (not with `--no-browser`).
Bars: p95 ≤ 4 s, no error; ≤ 6 MB cold, nothing when cached.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import numpy as np
from gauge import MEGABYTE, cpu_seconds, say, server_of
from playwright.sync_api import Page, sync_playwright
from server import server
from visitor import Visitor

PAGES = {
    "walk": ("patterns-variational", b"data:image/png", "[data-live=true]"),
    "maps": ("digits-deep", b'"panels"', ".maps[data-ready='1']"),
}
"""{page: (run, what is in the message that shows it, what is on the page when it is there)}."""
LIVE = "/live/"
THEN = "maps-then-walk"


async def first_picture(visitor: Visitor, page: str) -> float:
    """Open a page; return the seconds until its picture came, or NaN if none did."""
    run, mark, _ = PAGES[page]
    begun, picture = time.perf_counter(), list[float]()

    def look(raw: bytes) -> None:
        if not picture and mark in raw:
            picture.append(time.perf_counter() - begun)

    await visitor.open(page, {"run": run}, look)
    return picture[0] if picture else float("nan")


async def visit(visitor: Visitor, page: str) -> list[float]:
    """Seconds to each first picture of what the visitor opens."""
    return [await first_picture(visitor, name) for name in (("maps", "walk") if page == THEN else (page,))]


async def visit_at_once(url: str, page: str, count: int) -> tuple[np.ndarray, list[str]]:
    """Seconds to the pictures (visitor, page), and what went wrong."""
    visitors = [Visitor(url) for _ in range(count)]
    await asyncio.gather(*(visitor.arrive() for visitor in visitors))
    took = await asyncio.gather(*(visit(visitor, page) for visitor in visitors))
    await asyncio.gather(*(visitor.leave() for visitor in visitors))
    return np.array(took), [error for visitor in visitors for error in visitor.errors]


def live_bytes(page: Page, url: str, name: str) -> int:
    """Bytes that came over the network under `LIVE` until the page was live."""
    run, _, ready = PAGES[name]
    network, seen, total = page.context.new_cdp_session(page), dict[str, str](), [0]
    network.send("Network.enable")
    network.on("Network.responseReceived", lambda e: seen.update({e["requestId"]: e["response"]["url"]}))

    def loaded(event: dict[str, object]) -> None:
        if LIVE in seen.get(str(event["requestId"]), ""):
            total[0] += int(str(event["encodedDataLength"]).split(".")[0])

    network.on("Network.loadingFinished", loaded)
    page.goto(f"{url}/{name}?run={run}")
    page.locator(ready).first.wait_for(state="attached", timeout=60_000)
    return total[0]


def browser_bytes(url: str, name: str) -> tuple[int, int]:
    """Bytes for what is live, in a browser with an empty cache and once more."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        context = browser.new_context()
        cold, again = (live_bytes(context.new_page(), url, name) for _ in range(2))
        browser.close()
    return cold, again


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=100)
    parser.add_argument("--page", choices=[*PAGES, THEN], default="walk")
    parser.add_argument("--no-browser", action="store_true", help="without the bytes that a browser fetches")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, server(Path(home)) as (url, pid):
        asyncio.run(visit_at_once(url, options.page, 1))  # warm
        before = cpu_seconds(pid)
        took, errors = asyncio.run(visit_at_once(url, options.page, options.visitors))
        cpu = cpu_seconds(pid) - before
        memory = server_of(pid).memory_info().rss / MEGABYTE
        sizes = None if options.no_browser else browser_bytes(url, options.page.split("-")[-1])
    if options.page == THEN:
        say("Maps, opened by all at once: p95 of all that the maps are", float(np.percentile(took[:, 0], 95)), unit="s")
    p50, p95 = (float(x) for x in np.percentile(took[:, -1], [50, 95]))
    say(f"{options.visitors} visitors: p50 of the first picture", p50, unit="s")
    say("processor time of a page run", 1000 * cpu / took.size, unit="ms", digits=0)
    say("resident", memory, unit="MB", digits=0)
    good = [say("p95 of the first picture", p95, 4, "s"), say("errors", len(errors), 0, digits=0)]
    if sizes is not None:
        good.append(say("what is live, cold", sizes[0] / MEGABYTE, 6, "MB", digits=2))
        good.append(say("what is live, cached", sizes[1], 0, "bytes", digits=0))
    for error in dict.fromkeys(errors):
        print(f"     error: {error[:200]}")
    raise SystemExit(not all(good))


if __name__ == "__main__":
    main()
