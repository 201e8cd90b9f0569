"""The pages in Chromium: `python tests/benchmarks/chromium.py [start pages denoise walk train]`; prints figure and bar.

start    `aecore app` to a first page with pictures, warm disk: ≤ 5 s
pages    every later page's main picture: ≤ 1.5 s
denoise  the noise level's key released to the main picture redrawn: p50 ≤ 60 ms, p95 ≤ 120 ms; the rest ≤ 400 ms;
         of the page without its live part (with it: live_denoise.py)
walk     a unit's key released to the main picture redrawn: the same bars, also without its live part (with it: live.py)
train    the digits denoising run trained from the page: first point of the curve ≤ 4 s after the click, done ≤ 30 s
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright
from server import server

ARGS = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
REST = "[data-testid=stApp][data-test-connection-state=CONNECTED][data-test-script-state=notRunning]"
HERO = ".hero-picture img"
MAIN = {
    "denoise": ".denoise .sheet img:visible, .denoise .sheet canvas:visible",
    "walk": ".stage .now img:visible, .stage .now canvas:visible",
    "maps": ".maps[data-ready='1']",
    "runs": ".picture img:visible",
}
"""{page: its main picture}: the server's, or the canvas that takes its place once the page is live."""
RUN = "digits-denoising"
WALK_RUN = "patterns-variational"

# Resolves with the milliseconds from the key's own event (the driver's way to it does not count) to the next frame
# after the first picture changed and was loaded (`decoding="sync"`: that frame shows it), and to the page's last change
# within the second that follows.
TIMED_PRESS = """async ([image, selector]) => {
  const root = image.getRootNode(); // the document, or a component's
  const picture = () => root.querySelector(selector)?.src;
  const before = picture();
  let begun = performance.now();
  addEventListener('keydown', event => { begun = event.timeStamp; }, {capture: true, once: true});
  let main = 0, last = 0;
  return await new Promise(done => {
    const seen = new MutationObserver(async () => {
      last = performance.now() - begun;
      if (!main && picture() && picture() !== before) {
        main = -1;
        const image = root.querySelector(selector);
        if (!image.complete) await new Promise(loaded => { image.onload = loaded; });
        requestAnimationFrame(() => { main = performance.now() - begun; });
      }
    });
    const what = {subtree: true, childList: true, attributes: true, attributeFilter: ['src', 'd', 'style']};
    for (const at of new Set([document, root])) seen.observe(at, what);
    setTimeout(() => { seen.disconnect(); done([main, last]); }, 900);
  });
}"""


def say(what: str, figure: float, bar: float, unit: str) -> None:
    print(f"{'ok  ' if figure <= bar else 'MISS'} {what}: {figure:.1f} {unit} (bar ≤ {bar:g})", flush=True)


def start(page: Page, home: Path, times: int = 5) -> None:
    seconds: list[float] = []
    for _ in range(times):
        begun = time.perf_counter()
        with server(home) as (url, _):
            page.goto(url)
            page.wait_for_function(f"document.querySelector({HERO!r})?.complete", timeout=30_000)
            seconds.append(time.perf_counter() - begun)
    say(f"aecore app to a first page with pictures, median of {times}", float(np.median(seconds)), 5, "s")


def pages(page: Page, url: str) -> None:
    for name, ready in MAIN.items():
        times: list[float] = []
        for _ in range(3):
            page.goto(f"{url}/")
            page.wait_for_selector(REST)
            begun = time.perf_counter()
            page.goto(f"{url}/{name}?run={RUN}")
            page.wait_for_selector(ready, timeout=30_000)
            times.append(time.perf_counter() - begun)
        say(f"{name}: main picture", float(np.median(times)), 1.5, "s")


def presses(page: Page, url: str, picture: str, n: int = 40) -> None:
    """Press a key on the page's first slider; without its live part, as its notice says."""
    page.goto(url)
    page.get_by_text("when you release a control").first.wait_for()
    image = page.locator(picture).first
    page.wait_for_selector(REST)
    handle = page.get_by_role("slider").first
    handle.focus()
    mains: list[float] = []
    rests: list[float] = []
    for index in range(n):
        page.wait_for_selector(REST)
        with page.expect_event("console", predicate=lambda m: m.text.startswith("timed ")) as said:
            page.evaluate(
                f"""given => {{ ({TIMED_PRESS})(given).then(r => console.log('timed ' + r.join(' '))); }}""",
                [image.element_handle(), picture],
            )
            handle.press("ArrowRight" if index % 20 < 10 else "ArrowLeft")
        main, rest = (float(x) for x in said.value.text.split()[1:])
        mains.append(main)
        rests.append(rest)
    p50, p95 = np.percentile(mains, [50, 95])
    say("key to main picture, p50", float(p50), 60, "ms")
    say("key to main picture, p95", float(p95), 120, "ms")
    say("key to the page's last change, p50", float(np.median(rests)), 400, "ms")


def train(page: Page, url: str) -> None:
    page.goto(f"{url}/train?recipe=denoising")
    page.wait_for_selector(REST)
    page.get_by_role("button", name="Train", exact=True).click()
    begun = time.perf_counter()
    page.wait_for_selector(".js-plotly-plot .scatterlayer .trace", timeout=60_000)
    say("click to the first point of the curve", time.perf_counter() - begun, 4, "s")
    page.get_by_test_id("stAlert").get_by_text("epochs in").wait_for(timeout=120_000)
    say("click to done", time.perf_counter() - begun, 30, "s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["start", "pages", "denoise", "walk", "train"])
    options = parser.parse_args()
    with sync_playwright() as play, tempfile.TemporaryDirectory() as folder:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS.split())
        page = browser.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
        home = Path(folder)
        if "start" in options.what:
            with server(home):
                pass  # once before, so that the disk is warm
            start(page, home)
        with server(home) as (url, _):
            if "pages" in options.what:
                pages(page, url)
            page.route("**/live/dist/**", lambda route: route.abort())
            if "denoise" in options.what:
                presses(page, f"{url}/denoise?run={RUN}", ".picture img")
            if "walk" in options.what:
                presses(page, f"{url}/walk?run={WALK_RUN}", ".now img")
            page.unroute("**/live/dist/**")
            if "train" in options.what:
                train(page, url)
        browser.close()


if __name__ == "__main__":
    main()
