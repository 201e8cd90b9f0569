"""A run whose texts are links, pictures and HTML, in a real browser: they are letters, and nothing is fetched."""

import json
from collections.abc import Iterator

import pytest
from pages import TIMEOUT_MS, at_rest
from playwright.sync_api import Browser, Page, expect
from server import server

import aecore

TRACKER = "http://127.0.0.1:9/track"
LINKS = f"[x]({TRACKER}) ![]({TRACKER}.png) <img src={TRACKER}.gif> {TRACKER} www.attack.example me@attack.example"
NAME = f'<a href="{TRACKER}">n</a>![]({TRACKER}.png) :joy:'
REASON = f"{LINKS} :red[r] :joy: :material/home: $\\href{{{TRACKER}}}{{l}}$ <b onclick=alert(1)>b</b> `c` **bold**"
TERMS = (f'<a href="{TRACKER}">term</a>', f"<b>{TRACKER}</b>", f"<img src={TRACKER}.gif>")

FOUND = """tracker => {
  const found = [];
  const read = (root) => {
    for (const each of root.querySelectorAll('*')) {
      const source = each.getAttribute('href') ?? each.getAttribute('xlink:href') ?? each.getAttribute('src') ?? '';
      const external = source.includes('attack.example') || source.includes(tracker) || source.startsWith('mailto:');
      const acts = each.hasAttribute('onclick') || each.hasAttribute('onerror');
      if (external || acts) found.push(each.outerHTML.slice(0, 200));
      if (each.matches('.stAlert, [data-testid=stAlert]')) {
        const made = each.querySelector('a, strong, code, .katex, [class*=Colored]');
        if (made) found.push(made.outerHTML.slice(0, 200));
      }
      if (each.shadowRoot) read(each.shadowRoot);
    }
  };
  read(document);
  return found;
}"""
"""Every element that a text from outside became."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A server's address and the id of its hostile run."""
    home = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AECORE_HOME", str(home))
        run_id = aecore.train("denoising", dataset="digits", epochs=3, threads=1).run_id
    folder = home / "runs" / run_id
    status = json.loads((folder / "status.json").read_bytes())
    status |= {"state": "stopped", "name": NAME[:80], "reason": REASON[:500], "imported": True}
    (folder / "status.json").write_text(json.dumps(status), encoding="utf-8")
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    for i, row in enumerate(rows):
        row |= {"train": dict.fromkeys(TERMS, 1.0 + i), "stage": TERMS[i % 2]}
    (folder / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with server(home) as (url, _):
        yield url, run_id


def letters(page: Page, text: str) -> None:
    """Wait until the page shows a text of the run."""
    expect(page.get_by_text(text).first).to_be_visible()


def test_texts_of_a_run_are_letters_in_the_browser(browser: Browser, hostile: tuple[str, str]) -> None:
    url, run_id = hostile
    context = browser.new_context(viewport={"width": 1280, "height": 1400}, reduced_motion="reduce")
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    # Train: the reason, the name, and the terms of the loss in the chart and its legend.
    page.goto(f"{url}/train?job={run_id}")
    letters(page, "me@")
    expect(page.locator(".legendtext").filter(has_text="term")).to_be_visible()
    at_rest(page)
    assert page.evaluate(FOUND, TRACKER) == []
    alert = page.get_by_test_id("stAlert").inner_text().replace("\u2060", "")
    assert f"[x]({TRACKER}) ![]({TRACKER}.png) <img src={TRACKER}.gif>" in alert, "it can be read as it was written"
    assert ":joy: :material/home: $\\href" in alert

    # Runs: the list, and the window with the reason.
    page.goto(f"{url}/runs?compare={run_id}")
    page.locator(f"[data-run='{run_id}']").get_by_role("button", name="More").click()
    expect(page.get_by_role("dialog")).to_contain_text("track.png")
    at_rest(page)
    assert page.evaluate(FOUND, TRACKER) == []

    # The pages that open it, with a place of that name in the tray.
    for path, here in (("denoise", ".denoise[data-live=true]"), ("walk", ".stage[data-live=true]")):
        page.goto(f"{url}/{path}?run={run_id}&kept=%5Bx%5D(http://127.0.0.1:9)*image%3D3")
        expect(page.locator(here)).to_be_visible()
        at_rest(page)
        assert page.evaluate(FOUND, TRACKER) == []

    assert [address for address in asked if not address.startswith((f"{url}/", "data:", "blob:"))] == []
    context.close()
