"""The Walk page as an instrument: the picture follows the hand in the browser, and the server hears of it once."""

import json
import re

import pytest
from conftest import OpenPage, at_rest, becomes, changed, finger, place, source_of
from playwright.sync_api import Browser, Locator, Page, expect

RUN = "digits-variational"
OTHER = "digits-undercomplete"


def live(page: Page) -> Locator:
    """The canvas with the picture of the code, once the model runs in the browser."""
    expect(page.locator(".stage[data-live=true]")).to_be_visible()
    return page.locator(".now canvas")


def sliders(page: Page) -> Locator:
    expect(page.locator(".host[data-ready=true] .track").first).to_be_visible()
    return page.locator(".track")


def test_a_drag_is_drawn_in_the_browser_and_told_once(open_page: OpenPage) -> None:
    sent: list[object] = []
    page = open_page(f"walk?run={RUN}", sent=sent)
    canvas, track = live(page), sliders(page).first
    begin, told, url = source_of(canvas), len(sent), page.url
    page.mouse.move(*place(track, 0.2))
    page.mouse.down()
    seen = {changed(canvas, begin)}
    for share in (0.4, 0.6, 0.8):
        page.mouse.move(*place(track, share))
        seen.add(changed(canvas, max(seen, key=list(seen).index)))
    assert len(seen) == 4
    assert len(sent) == told, "a drag sends nothing"
    assert page.url == url
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"[?&]u\d+=-?\d"))
    at_rest(page)
    assert len(sent) == told + 1, "a release is one message"
    frames = page.evaluate("window.__aecoreFrames")
    assert all(frame["done"] >= frame["stamp"] > 0 for frame in frames[-3:])


def test_the_live_picture_is_the_servers(open_page: OpenPage) -> None:
    """The same bytes, so that one takes over from the other without a flicker."""
    page = open_page(f"walk?run={RUN}&u5=1&image=3")
    live(page)
    apart = page.evaluate(
        """async () => {
          const most = [];
          for (const name of ['now', 'start', 'difference']) {
            const host = [...document.querySelectorAll('*')].find(e => e.shadowRoot?.querySelector('.stage'));
            const root = host.shadowRoot;
            const image = root.querySelector(`img[data-from=${name}]`), canvas = image.nextElementSibling;
            await image.decode();
            const copy = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext('2d');
            copy.drawImage(image, 0, 0);
            const { width, height } = canvas;
            const [a, b] = [copy, canvas.getContext('2d')].map(c => c.getImageData(0, 0, width, height).data);
            most.push(Math.max(...a.map((value, i) => Math.abs(value - b[i]))));
          }
          return most;
        }"""
    )
    assert max(apart) <= 1


def choose(page: Page, run: str, name: str) -> None:
    """Another run by the page's own list, live."""
    page.get_by_role("combobox", name="Run").click()
    page.get_by_role("option", name=name).first.click()
    expect(page).to_have_url(re.compile(f"run={run}"))
    at_rest(page)
    live(page)


def decoded(browser: Browser) -> int:
    """Bytes of the pictures that the browser keeps decoded, whether or not a page still shows them."""
    browser.start_tracing(categories=["disabled-by-default-memory-infra"])
    browser.new_browser_cdp_session().send("Tracing.requestMemoryDump", {"levelOfDetail": "detailed"})
    events = json.loads(browser.stop_tracing())["traceEvents"]
    dumps = [event["args"]["dumps"].get("allocators", {}) for event in events if "dumps" in event["args"]]
    assert any("cc" in dump for dump in dumps)
    kept = [dump["cc/image_memory"]["attrs"]["size"]["value"] for dump in dumps if "cc/image_memory" in dump]
    return sum(int(size, 16) for size in kept)


def test_a_run_that_was_left_leaves_no_decoded_picture_in_the_browser(open_page: OpenPage, browser: Browser) -> None:
    page = open_page(f"walk?run={RUN}")
    live(page)
    before = decoded(browser)
    choose(page, "patterns-variational", "Patterns, variational")
    choose(page, RUN, "Digits, variational")
    assert decoded(browser) < before + 100_000, "a sheet of pictures has several times as many bytes"


def test_reload_restores_what_was_walked_to(open_page: OpenPage) -> None:
    page = open_page(f"walk?run={RUN}")
    canvas = live(page)
    begin = source_of(canvas)
    sliders(page).first.press("End")
    moved = changed(canvas, begin)
    expect(page).to_have_url(re.compile(r"[?&]u\d+="))
    sliders(page).nth(1).press("PageDown")
    both = changed(canvas, moved)
    page.get_by_role("button", name="Principal directions").click()
    sliders(page).first.press("End")
    all_three = changed(canvas, both)
    expect(page).to_have_url(re.compile(r"[?&]p1=.*"))
    at_rest(page)
    page.reload()
    becomes(live(page), all_three)


def test_keys_and_typed_numbers_move_a_unit_and_both_can_be_put_back(open_page: OpenPage) -> None:
    page = open_page(f"walk?run={RUN}")
    canvas, track = live(page), sliders(page).first
    begin = source_of(canvas)

    def value() -> float:
        return float(track.get_attribute("aria-valuenow") or "nan")

    home = value()
    steps: dict[str, float] = {}
    for key in ("Shift+ArrowRight", "ArrowRight", "PageUp"):
        before = value()
        track.press(key)
        expect(track).not_to_have_attribute("aria-valuenow", str(before))
        steps[key] = value() - before
    assert 0 < steps["Shift+ArrowRight"] <= steps["ArrowRight"] < steps["PageUp"]
    expect(page).to_have_url(re.compile(r"[?&]u\d+="))
    track.press("Delete")
    becomes(canvas, begin)
    assert value() == home
    expect(page).not_to_have_url(re.compile(r"[?&]u\d+="))

    field = page.locator(".film .number").first
    field.fill("-1")
    field.press("Enter")
    changed(canvas, begin)
    expect(page).to_have_url(re.compile(r"[?&]u\d+=-1\.?0*(&|$)"))
    track.dblclick()
    becomes(canvas, begin)
    expect(page).not_to_have_url(re.compile(r"[?&]u\d+="))


def test_the_wheel_moves_the_slider_that_has_the_focus_and_else_scrolls(open_page: OpenPage) -> None:
    page = open_page(f"walk?run={RUN}")
    canvas, track = live(page), sliders(page).first
    begin, value = source_of(canvas), track.get_attribute("aria-valuenow")
    page.mouse.move(*place(track))
    page.mouse.wheel(0, -100)
    assert track.get_attribute("aria-valuenow") == value
    track.focus()
    page.mouse.move(*place(track))
    page.mouse.wheel(0, -100)
    changed(canvas, begin)
    expect(page).to_have_url(re.compile(r"[?&]u\d+="))
    assert track.get_attribute("aria-valuenow") != value


def test_a_finger_drags_along_and_does_not_scroll(open_page: OpenPage) -> None:
    page = open_page(f"walk?run={RUN}", width=400)
    canvas, track = live(page), sliders(page).first
    begin, (x, y) = source_of(canvas), place(track, 0.3)
    main = page.get_by_test_id("stMain")
    at = main.evaluate("main => main.scrollTop")
    touch = finger(page)
    touch("touchStart", {"x": x, "y": y})
    for step in range(1, 6):
        touch("touchMove", {"x": x + 20 * step, "y": y + 4 * step})
    changed(canvas, begin)
    touch("touchEnd")
    expect(page).to_have_url(re.compile(r"[?&]u\d+="))
    assert main.evaluate("main => main.scrollTop") == at


def test_films_follow_a_release(open_page: OpenPage) -> None:
    page = open_page(f"walk?run={RUN}")
    live(page)
    other = page.locator(".film").nth(1)
    expect(other).to_have_attribute("data-filmed", re.compile(r"\d"))
    before = source_of(other.locator("canvas"))
    sliders(page).first.press("End")
    changed(other.locator("canvas"), before)


def test_the_pad_moves_two_units_at_once(open_page: OpenPage) -> None:
    sent: list[object] = []
    page = open_page(f"walk?run={RUN}&mode=Plane", sent=sent)
    canvas, pad = live(page), page.locator(".pad[data-gridded]")
    begin, told = source_of(canvas), len(sent)
    page.mouse.move(*place(pad, 0.3, 0.3))
    page.mouse.down()
    first = changed(canvas, begin)
    page.mouse.move(*place(pad, 0.7, 0.6))
    second = changed(canvas, first)
    assert len(sent) == told
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"[?&]u\d+=.*[?&]u\d+="))
    at_rest(page)
    assert len(sent) == told + 1
    pad.press("ArrowUp")
    changed(canvas, second)
    page.get_by_role("button", name="two principal directions").click()
    expect(page).to_have_url(re.compile(r"[?&]x=p1"))
    expect(page.get_by_role("application")).to_have_attribute("aria-label", re.compile("principal direction 1"))


def test_the_way_to_another_image_plays_and_stops(open_page: OpenPage) -> None:
    sent: list[object] = []
    page = open_page(f"walk?run={RUN}&mode=Interpolate", sent=sent)
    canvas = live(page)
    begin, told = source_of(canvas), len(sent)
    page.get_by_role("button", name="Play").click()
    seen = changed(canvas, begin)
    changed(canvas, seen)
    assert len(sent) == told
    page.get_by_role("button", name="Pause").click()
    expect(page).to_have_url(re.compile(r"[?&]at=0\.\d+"))
    at_rest(page)
    stood = source_of(canvas)
    page.reload()
    becomes(live(page), stood)


def test_another_run_in_the_middle_of_a_drag(open_page: OpenPage) -> None:
    page = open_page(f"walk?run={OTHER}")
    at_rest(page)
    page.get_by_role("combobox", name="Run").click()
    page.get_by_role("option", name=re.compile("Digits, variational")).first.click()
    expect(page).to_have_url(re.compile(rf"run={RUN}"))
    canvas = live(page)
    wanted = source_of(live(open_page(f"walk?run={OTHER}")))
    begin = source_of(canvas)
    page.mouse.move(*place(sliders(page).first, 0.1))
    page.mouse.down()
    changed(canvas, begin)
    page.evaluate("history.back()")
    expect(page).to_have_url(re.compile(rf"run={OTHER}"))
    becomes(live(page), wanted)
    page.mouse.move(*place(sliders(page).first, 0.9))
    page.mouse.up()
    at_rest(page)
    becomes(live(page), wanted)
    expect(page).not_to_have_url(re.compile(r"[?&]u\d+="))


@pytest.mark.parametrize("blocked", ["/live/runtime/", "/live/dist/", "/live/model/"])
def test_what_cannot_be_loaded_is_said_and_the_page_works_on_release(open_page: OpenPage, blocked: str) -> None:
    page = open_page(f"walk?run={RUN}", blocked=blocked)
    expect(page.get_by_text("Not live:")).to_be_visible()
    picture = page.locator(".now img")
    expect(picture).to_be_visible()
    before = picture.get_attribute("src")
    page.locator(".films input[type=range]").first.press("End")
    expect(picture).not_to_have_attribute("src", before or "")
    expect(page).to_have_url(re.compile(r"[?&]u\d+="))
    page.get_by_text("Plane", exact=True).click()
    expect(page.locator(".tiles .mark")).to_be_visible()


def test_a_browser_without_webassembly_is_told_so(open_page: OpenPage) -> None:
    page = open_page(f"walk?run={RUN}")
    page.add_init_script("delete globalThis.WebAssembly")
    page.reload()
    expect(page.get_by_text("Not live: this browser has no WebAssembly")).to_be_visible()
    expect(page.locator(".now img")).to_be_visible()


def test_a_drawing_is_encoded_as_it_is_drawn_and_becomes_the_start(open_page: OpenPage) -> None:
    page = open_page("walk?run=mnist-variational")
    canvas = live(page)
    begin = source_of(canvas)
    page.get_by_role("button", name="Draw").click()
    paper = page.locator(".paper")
    expect(paper).to_be_visible()
    use = page.get_by_role("button", name="Start from it")
    expect(use).to_be_disabled()
    page.mouse.move(*place(paper, 0.3, 0.2))
    page.mouse.down()
    page.mouse.move(*place(paper, 0.7, 0.2), steps=4)
    page.mouse.move(*place(paper, 0.4, 0.9), steps=4)
    page.mouse.up()
    drawn = changed(canvas, begin)
    use.click()
    expect(page.get_by_text("The code of image 0", exact=False)).to_be_visible()
    expect(page.get_by_text("Yours", exact=True)).to_be_visible()
    becomes(page.locator(".start canvas"), source_of(canvas))
    moved = source_of(canvas)
    assert moved != begin
    sliders(page).first.press("End")
    changed(canvas, moved)
    page.get_by_role("link", name="Denoise").first.click()
    expect(page.get_by_role("heading", name="Denoise", exact=True)).to_be_visible()
    expect(page.get_by_text("Yours", exact=True)).to_be_visible()
    assert drawn


def test_what_is_kept_can_be_gone_back_to_and_named_as_a_direction(open_page: OpenPage) -> None:
    page = open_page(f"walk?run={RUN}")
    canvas = live(page)
    begin = source_of(canvas)
    sliders(page).first.press("End")
    there = changed(canvas, begin)
    expect(page).to_have_url(re.compile(r"[?&]u\d+="))
    page.get_by_role("button", name="Keep").click()
    expect(page).to_have_url(re.compile(r"[?&]kept="))
    page.get_by_role("button", name="Reset").click()
    becomes(canvas, begin)
    page.get_by_label("kept 1", exact=True).click()
    becomes(canvas, there)
    page.get_by_role("button", name="Compare").click()
    name = page.get_by_placeholder("a name makes it a direction")
    name.fill("far out")
    name.press("Enter")
    expect(page).to_have_url(re.compile(r"kept=far"))
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Attributes").click()
    expect(page.get_by_role("slider", name=re.compile("^far out"))).to_be_visible()
