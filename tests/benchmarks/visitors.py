"""100 visitors open Walk or Maps at once on a warm server:
`python tests/benchmarks/visitors.py [--visitors 100] [--page walk|maps]`.

Each speaks Streamlit's own websocket protocol; time runs from the moment all begin to the message with the visitor's
first picture, or with all that the maps are; the server's memory is that after all. Then one Chromium opens the
page cold and once more: bytes beyond Streamlit's own files until the page is live. Bars: p95 ≤ 4 s, no error; ≤ 6 MB
cold, nothing when cached.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import websockets
from playwright.sync_api import Page, sync_playwright
from server import server
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

PAGES = {
    "walk": ("patterns-variational", b"data:image/png", "[data-live=true]"),
    "maps": ("digits-deep", b'"panels"', ".maps[data-ready='1']"),
}
"""{page: (run, what is in the message that shows it, what is on the page when it is there)}."""
LIVE = "/live/"


async def visit(url: str, name: str, start: asyncio.Event) -> tuple[float, int]:
    """Seconds to the first picture, and how many errors the page showed."""
    run, mark, _ = PAGES[name]
    await start.wait()
    begun, picture, errors = time.perf_counter(), 0.0, 0
    address = url.replace("http", "ws") + "/_stcore/stream"
    async with websockets.connect(
        address, subprotocols=[websockets.Subprotocol("streamlit")], max_size=None, origin=websockets.Origin(url),
        open_timeout=60,
    ) as socket:  # fmt: skip
        message = BackMsg()
        message.rerun_script.query_string = f"run={run}"
        message.rerun_script.page_name = name
        await socket.send(message.SerializeToString())
        while True:
            raw = bytes(await socket.recv())
            forward = ForwardMsg()
            forward.ParseFromString(raw)
            kind = forward.WhichOneof("type")
            if kind == "delta":
                errors += forward.delta.new_element.WhichOneof("type") == "exception"
                if not picture and mark in raw:
                    picture = time.perf_counter() - begun
            elif kind == "script_finished":
                return picture, errors + (picture == 0)


async def visit_at_once(url: str, name: str, visitors: int) -> list[tuple[float, int]]:
    start = asyncio.Event()
    tasks = [asyncio.create_task(visit(url, name, start)) for _ in range(visitors)]
    await asyncio.sleep(0)
    start.set()
    return await asyncio.gather(*tasks)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=100)
    parser.add_argument("--page", choices=PAGES, default="walk")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, server(Path(home)) as (url, pid):
        asyncio.run(visit_at_once(url, options.page, 1))  # warm
        found = asyncio.run(visit_at_once(url, options.page, options.visitors))
        program = psutil.Process(pid)
        memory = max(process.memory_info().rss for process in [program, *program.children(recursive=True)]) / 1e6
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
            context = browser.new_context()
            cold, again = (live_bytes(context.new_page(), url, options.page) for _ in range(2))
            browser.close()
    p50, p95 = np.percentile([seconds for seconds, _ in found], [50, 95])
    errors = sum(count for _, count in found)
    print(f"{options.visitors} visitors at once: first picture p50 {p50:.1f} s; {memory:.0f} MB resident")
    print(f"{'ok  ' if p95 <= 4 else 'MISS'} p95 {p95:.1f} s (bar ≤ 4)")
    print(f"{'ok  ' if errors == 0 else 'MISS'} {errors} errors (bar 0)")
    print(f"{'ok  ' if cold <= 6e6 else 'MISS'} {cold / 1e6:.2f} MB for what is live, cold (bar ≤ 6)")
    print(f"{'ok  ' if again == 0 else 'MISS'} {again} bytes when cached (bar 0)")


if __name__ == "__main__":
    main()
