"""Walk with the model in the browser: the picture follows the pointer, and the server gets one message on release."""

import json
import re

import pytest
from pages import NO_WEBASSEMBLY, OpenPage, at_rest, becomes, changed, finger, place, source_of
from playwright.sync_api import Browser, Locator, Page, expect

RUN = "digits-variational"
OTHER_RUN, OTHER_NAME = "patterns-variational", "Patterns, variational"
MOVED_UNIT = re.compile(r"[?&]u\d+=-?\d")

LARGEST_DIFFERENCES = """async () => {
  const found = [];
  for (const name of ['now', 'start', 'difference']) {
    const host = [...document.querySelectorAll('*')].find(e => e.shadowRoot?.querySelector('.stage'));
    const image = host.shadowRoot.querySelector(`img[data-from=${name}]`), canvas = image.nextElementSibling;
    await image.decode();
    const copy = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext('2d');
    copy.drawImage(image, 0, 0);
    const { width, height } = canvas;
    const [a, b] = [copy, canvas.getContext('2d')].map(c => c.getImageData(0, 0, width, height).data);
    found.push(Math.max(...a.map((value, i) => Math.abs(value - b[i]))));
  }
  return found;
}"""
"""The largest difference of a byte between each canvas and the server's picture under it."""


def live(page: Page) -> Locator:
    """Waits until the model runs in the browser, and returns the canvas with the picture of the code."""
    expect(page.locator(".stage[data-live=true]")).to_be_visible()
    return page.locator(".now canvas")


def sliders(page: Page) -> Locator:
    expect(page.locator(".host[data-ready=true] .track").first).to_be_visible()
    return page.locator(".track")


# --- sliders


def test_a_slider_draws_in_the_browser_and_sends_one_message_on_release(open_page: OpenPage) -> None:
    sent: list[object] = []
    page = open_page(f"walk?run={RUN}", sent=sent)
    canvas, track, film = live(page), sliders(page).first, page.locator(".film").nth(1)
    expect(film).to_have_attribute("data-filmed", re.compile(r"\d"))
    begin, film_before, url, messages = source_of(canvas), source_of(film.locator("canvas")), page.url, len(sent)

    # A drag draws every position and sends nothing.
    page.mouse.move(*place(track, 0.2))
    page.mouse.down()
    seen = [begin, changed(canvas, begin)]
    for share in (0.4, 0.6, 0.8):
        page.mouse.move(*place(track, share))
        seen.append(changed(canvas, seen[-1]))
    assert len(set(seen)) == 5
    assert (len(sent), page.url) == (messages, url)

    # A release is one message, and the films of the other units follow it.
    page.mouse.up()
    expect(page).to_have_url(MOVED_UNIT)
    at_rest(page)
    assert len(sent) == messages + 1
    changed(film.locator("canvas"), film_before)
    frames = page.evaluate("window.__aecoreFrames")
    assert all(frame["done"] >= frame["stamp"] > 0 for frame in frames[-3:])


def test_keys_numbers_wheel_and_fingers_move_a_unit_and_it_can_be_put_back(open_page: OpenPage) -> None:
    page = open_page(f"walk?run={RUN}")
    canvas, track, main = live(page), sliders(page).first, page.get_by_test_id("stMain")
    begin = source_of(canvas)

    def value() -> float:
        return float(track.get_attribute("aria-valuenow") or "nan")

    # Keys move in three step sizes, and Delete puts the unit back.
    home = value()
    steps: dict[str, float] = {}
    for key in ("Shift+ArrowRight", "ArrowRight", "PageUp"):
        before = value()
        track.press(key)
        expect(track).not_to_have_attribute("aria-valuenow", str(before))
        steps[key] = value() - before
    assert 0 < steps["Shift+ArrowRight"] <= steps["ArrowRight"] < steps["PageUp"]
    expect(page).to_have_url(MOVED_UNIT)
    track.press("Delete")
    becomes(canvas, begin)
    assert value() == home
    expect(page).not_to_have_url(MOVED_UNIT)

    # A number can be typed, and a double click puts the unit back.
    field = page.locator(".film .number").first
    field.fill("-1")
    field.press("Enter")
    changed(canvas, begin)
    expect(page).to_have_url(re.compile(r"[?&]u\d+=-1\.?0*(&|$)"))
    track.dblclick()
    becomes(canvas, begin)
    expect(page).not_to_have_url(MOVED_UNIT)

    # The wheel moves the slider that has the focus; any other slider leaves it to the page.
    track.evaluate("track => track.blur()")
    page.mouse.move(*place(track))
    page.mouse.wheel(0, -100)
    assert value() == home
    track.focus()
    page.mouse.move(*place(track))
    page.mouse.wheel(0, -100)
    moved = changed(canvas, begin)
    expect(page).to_have_url(MOVED_UNIT)
    assert value() != home

    # A finger drags along on a phone and does not scroll the page.
    page.set_viewport_size({"width": 400, "height": 800})
    x, y = place(track, 0.3)
    at, url, touch = main.evaluate("main => main.scrollTop"), page.url, finger(page)
    touch("touchStart", {"x": x, "y": y})
    for step in range(1, 6):
        touch("touchMove", {"x": x + 20 * step, "y": y + 4 * step})
    changed(canvas, moved)
    touch("touchEnd")
    expect(page).not_to_have_url(url)
    assert main.evaluate("main => main.scrollTop") == at


# --- what a link and the tray keep


def test_the_picture_is_the_servers_and_a_walk_can_be_kept_named_and_reloaded(open_page: OpenPage) -> None:
    page = open_page(f"walk?run={RUN}&u9=1&image=3")
    canvas = live(page)

    # The browser draws the server's bytes, so that one takes over from the other without a flicker.
    assert max(page.evaluate(LARGEST_DIFFERENCES)) <= 1

    # A place that is kept can be gone back to.
    sliders(page).first.press("End")
    one = changed(canvas, source_of(page.locator(".start canvas")))
    expect(page).to_have_url(re.compile(r"[?&]u(?!9=)\d+="))
    sliders(page).nth(2).press("PageDown")
    there = changed(canvas, one)
    expect(page).to_have_url(re.compile(r"([?&]u\d+=.*){3}"))
    page.get_by_role("button", name="Keep").click()
    expect(page).to_have_url(re.compile(r"[?&]kept="))
    page.get_by_role("button", name="Reset", exact=True).click()
    becomes(canvas, source_of(page.locator(".start canvas")))
    page.get_by_label("kept 1", exact=True).click()
    becomes(canvas, there)

    # A kept place with a name is a direction.
    page.get_by_role("button", name="Compare").click()
    name = page.get_by_placeholder("Name it to use it as a direction")
    name.fill("far out")
    name.press("Enter")
    expect(page).to_have_url(re.compile(r"kept=far"))
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Attributes").click()
    expect(page.get_by_role("slider", name=re.compile("^far out"))).to_be_visible()

    # A reload restores units and steps along directions.
    page.get_by_role("button", name="Principal directions").click()
    expect(page.get_by_role("slider", name=re.compile("^far out"))).to_have_count(0)
    sliders(page).first.press("End")
    everything = changed(canvas, there)
    expect(page).to_have_url(re.compile(r"[?&]p1="))
    at_rest(page)
    page.reload()
    becomes(live(page), everything)


# --- other modes


def test_the_pad_moves_two_units_at_once_and_interpolation_plays_and_stops(open_page: OpenPage) -> None:
    sent: list[object] = []
    page = open_page(f"walk?run={RUN}&mode=Plane", sent=sent)
    canvas, pad = live(page), page.locator(".pad[data-gridded]")

    # The pad draws while it is dragged and sends one message on release.
    begin, messages = source_of(canvas), len(sent)
    page.mouse.move(*place(pad, 0.3, 0.3))
    page.mouse.down()
    first = changed(canvas, begin)
    page.mouse.move(*place(pad, 0.7, 0.6))
    second = changed(canvas, first)
    assert len(sent) == messages
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"[?&]u\d+=.*[?&]u\d+="))
    at_rest(page)
    assert len(sent) == messages + 1
    pad.press("ArrowUp")
    changed(canvas, second)
    page.get_by_role("button", name="two principal directions").click()
    expect(page).to_have_url(re.compile(r"[?&]x=p1"))
    expect(page.get_by_role("application")).to_have_attribute("aria-label", re.compile("principal direction 1"))

    # The film to another image plays without the server; where it stops is in the link.
    page.get_by_text("Interpolate", exact=True).click()
    play = page.get_by_role("button", name="Play")
    expect(play).to_be_visible()
    at_rest(page)
    begin, messages = source_of(canvas), len(sent)
    play.click()
    changed(canvas, changed(canvas, begin))
    assert len(sent) == messages
    page.get_by_role("button", name="Pause").click()
    expect(page).to_have_url(re.compile(r"[?&]at=0\.\d+"))
    at_rest(page)
    stopped_at = source_of(canvas)
    page.reload()
    becomes(live(page), stopped_at)


def test_a_drawing_is_encoded_as_it_is_drawn_and_becomes_the_start(open_page: OpenPage) -> None:
    page = open_page("walk?run=mnist-variational")
    canvas = live(page)
    begin = source_of(canvas)
    page.get_by_role("button", name="Draw").click()
    paper = page.locator(".paper")
    expect(paper).to_be_visible()
    use = page.get_by_role("button", name="Use my drawing")
    expect(use).to_be_disabled()
    page.mouse.move(*place(paper, 0.3, 0.2))
    page.mouse.down()
    page.mouse.move(*place(paper, 0.7, 0.2), steps=4)
    page.mouse.move(*place(paper, 0.4, 0.9), steps=4)
    page.mouse.up()
    changed(canvas, begin)
    use.click()
    expect(page.get_by_text("The code of your drawing", exact=False)).to_be_visible()
    expect(page.get_by_text("Yours", exact=True)).to_be_visible()
    becomes(page.locator(".start canvas"), source_of(canvas))
    moved = source_of(canvas)
    assert moved != begin
    sliders(page).first.press("End")
    changed(canvas, moved)
    page.get_by_role("link", name="Denoise").first.click()
    expect(page.get_by_role("heading", name="Denoise", exact=True)).to_be_visible()
    expect(page.get_by_text("Yours", exact=True)).to_be_visible()


# --- other runs


def decoded_bytes(browser: Browser) -> int:
    """Bytes of all pictures that the browser keeps decoded, whether or not a page still shows them."""
    browser.start_tracing(categories=["disabled-by-default-memory-infra"])
    browser.new_browser_cdp_session().send("Tracing.requestMemoryDump", {"levelOfDetail": "detailed"})
    events = json.loads(browser.stop_tracing())["traceEvents"]
    dumps = [event["args"]["dumps"].get("allocators", {}) for event in events if "dumps" in event["args"]]
    assert any("cc" in dump for dump in dumps)
    sizes = [dump["cc/image_memory"]["attrs"]["size"]["value"] for dump in dumps if "cc/image_memory" in dump]
    return sum(int(size, 16) for size in sizes)


def test_another_run_takes_over_in_the_middle_of_a_drag_and_the_first_is_forgotten(
    open_page: OpenPage, browser: Browser
) -> None:
    page = open_page(f"walk?run={RUN}")
    wanted, bytes_before = source_of(live(page)), decoded_bytes(browser)
    page.get_by_role("combobox", name="Run").click()
    page.get_by_role("option", name=OTHER_NAME).first.click()
    expect(page).to_have_url(re.compile(rf"run={OTHER_RUN}"))
    at_rest(page)

    # Going back during a drag shows the run of before, and the release moves none of its units.
    canvas = live(page)
    begin = source_of(canvas)
    page.mouse.move(*place(sliders(page).first, 0.1))
    page.mouse.down()
    changed(canvas, begin)
    page.evaluate("history.back()")
    expect(page).to_have_url(re.compile(rf"run={RUN}"))
    becomes(live(page), wanted)
    page.mouse.move(*place(sliders(page).first, 0.9))
    page.mouse.up()
    at_rest(page)
    becomes(live(page), wanted)
    expect(page).not_to_have_url(MOVED_UNIT)

    # The browser keeps no decoded pictures of the run that was left: its sheet alone has several times as many bytes.
    assert decoded_bytes(browser) < bytes_before + 100_000


# --- without the model


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ({"blocked": "/live/dist/"}, "the page's own program could not be loaded"),
        ({"blocked": "/live/model/"}, "the model could not be loaded"),
        ({"script": NO_WEBASSEMBLY}, "this browser has no WebAssembly"),
    ],
    ids=["component", "model", "WebAssembly"],
)
def test_without_a_model_the_page_says_why_and_follows_on_release(
    open_page: OpenPage, missing: dict[str, str], words: str
) -> None:
    page = open_page(f"walk?run={RUN}", **missing)
    expect(page.get_by_text(f"Not live: {words}")).to_be_visible()
    picture = page.locator(".now img")
    before = source_of(picture)
    page.locator(".films input[type=range]").first.press("End")
    changed(picture, before)
    expect(page).to_have_url(MOVED_UNIT)
    page.get_by_text("Plane", exact=True).click()
    expect(page.locator(".tiles .mark")).to_be_visible()
