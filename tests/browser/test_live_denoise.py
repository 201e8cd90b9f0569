"""Denoise under the hand: the picture and its figures follow in the browser, and the server hears of it once."""

import re
from collections.abc import Callable

import pytest
from conftest import OpenPage, at_rest, becomes, changed, finger, picture_of, place, source_of
from playwright.sync_api import Locator, Page, expect

RUN = "digits-denoising"
OTHER = "digits-variational"
APART = """async canvas => {
  const image = canvas.previousElementSibling;
  await image.decode();
  const copy = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext('2d');
  copy.drawImage(image, 0, 0);
  const [a, b] = [copy, canvas.getContext('2d')].map(c => c.getImageData(0, 0, canvas.width, canvas.height).data);
  return [image.naturalWidth - canvas.width, image.naturalHeight - canvas.height,
    a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0)];
}"""
"""How far the canvas is from the server's picture under it: width, height, and the largest difference of a byte."""


def live(page: Page) -> Locator:
    """The sheet, once it is drawn in the browser."""
    expect(page.locator(".denoise[data-live=true]")).to_be_visible()
    return page.locator(".denoise canvas")


def level_of(page: Page) -> Locator:
    return page.get_by_role("slider", name=re.compile("Fraction|σ"))


def error_of(page: Page) -> float:
    """The mean squared error of the first reconstruction."""
    return float(page.locator(".figures td + td").first.inner_text())


def numbers(page: Page) -> list[float]:
    """All figures, of each image and of all of them."""
    told = page.locator(".each, .figures, .reading").all_inner_texts()
    return [float(text.replace("∞", "inf")) for text in re.findall(r"-?[\d.]+\d|∞", "\n".join(told))]


def stroke(canvas: Locator, begin: tuple[float, float], end: tuple[float, float]) -> None:
    mouse = canvas.page.mouse
    mouse.move(*place(canvas, *begin))
    mouse.down()
    mouse.move(*place(canvas, *end), steps=4)
    mouse.up()


# --- level, kind, seed


def test_a_drag_is_drawn_in_the_browser_and_told_once(open_page: OpenPage) -> None:
    sent: list[object] = []
    page = open_page(f"denoise?run={RUN}", sent=sent)
    canvas, level, error = live(page), level_of(page), page.locator(".figures td + td").first
    seen, told, url, figures = [source_of(canvas)], len(sent), page.url, {error.inner_text()}
    page.mouse.move(*place(level, 0.4, 0.5))
    page.mouse.down()
    for share in (0.55, 0.7, 0.85):
        page.mouse.move(*place(level, share, 0.5))
        seen.append(changed(canvas, seen[-1]))
        figures.add(error.inner_text())
    assert len(set(seen)) == len(figures) == 4
    assert (len(sent), page.url) == (told, url), "a drag sends nothing"
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"[?&]level=0\.8"))
    at_rest(page)
    assert len(sent) == told + 1, "a release is one message"
    assert source_of(canvas) == seen[-1]
    frames = page.evaluate("window.__aecoreFrames")
    assert all(frame["done"] >= frame["stamp"] > 0 for frame in frames[-3:])


@pytest.mark.parametrize(
    "path",
    [
        f"run={RUN}&level=0.37&seed=5",
        f"run={RUN}&noise=gaussian&level=0.5&images=9-2-40",
        f"run={RUN}&noise=salt_and_pepper&level=0&second={OTHER}",
        "run=digits-sequence&level=0.6",
        f"run=shapes-denoising&images={'-'.join(str(i) for i in range(14))}",
    ],
)
def test_the_live_picture_and_figures_are_the_servers(open_page: OpenPage, path: str) -> None:
    """The same bytes, so that one takes over from the other without a flicker."""
    page = open_page(f"denoise?{path}")
    width, height, most = live(page).evaluate(APART)
    assert (width, height) == (0, 0)
    assert most <= 1
    shown = numbers(page)
    page.add_init_script("delete globalThis.WebAssembly")  # without it the figures stay the server's
    page.reload()
    expect(page.locator(".denoise[data-live=failed]")).to_be_visible()
    assert shown == pytest.approx(numbers(page), abs=0.011)


def test_the_keyboard_moves_finely_and_coarsely_and_tells_when_the_key_is_up(open_page: OpenPage) -> None:
    sent: list[object] = []
    page = open_page(f"denoise?run={RUN}", sent=sent)
    canvas, level, told = live(page), level_of(page), len(sent)
    level.focus()
    begin = source_of(canvas)
    for _ in range(3):
        page.keyboard.down("ArrowRight")  # held
    changed(canvas, begin)
    assert len(sent) == told
    page.keyboard.up("ArrowRight")
    expect(page).to_have_url(re.compile("level=0.43"))
    level.press("Shift+ArrowLeft")
    expect(page).to_have_url(re.compile("level=0.33"))
    at_rest(page)
    assert len(sent) == told + 2
    number = page.get_by_role("spinbutton", name="Fraction hidden")
    number.fill("0.9")
    number.press("Enter")
    expect(page).to_have_url(re.compile("level=0.9"))
    level.dblclick(position={"x": 3, "y": 3})
    expect(number).to_have_value("0.40")
    becomes(canvas, begin)


def test_kind_and_seed_follow_and_come_back(open_page: OpenPage) -> None:
    page = open_page(f"denoise?run={RUN}")
    canvas = live(page)
    begin = source_of(canvas)
    page.get_by_role("radio", name="Gaussian noise").check()
    gaussian = changed(canvas, begin)
    expect(page).to_have_url(re.compile("noise=gaussian$"))
    seed = page.get_by_role("slider", name="Seed, near this one")
    page.mouse.move(*place(seed, 0.03, 0.5))
    page.mouse.down()
    page.mouse.move(*place(seed, 0.6, 0.5), steps=30)
    last = changed(canvas, gaussian)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"seed=\d\d"))
    page.get_by_role("spinbutton", name="Seed").fill("0")
    page.get_by_role("spinbutton", name="Seed").press("Enter")
    becomes(canvas, gaussian)
    page.get_by_role("button", name="New noise").click()
    expect(page).to_have_url(re.compile(r"seed=1\b"))
    assert changed(canvas, gaussian) != last


def test_reload_restores_the_view(open_page: OpenPage) -> None:
    page = open_page(f"denoise?run={RUN}")
    canvas = live(page)
    begin = source_of(canvas)
    page.get_by_role("radio", name="Salt and pepper").check()
    kind = changed(canvas, begin)
    level_of(page).press("End")
    whole = changed(canvas, kind)
    expect(page).to_have_url(re.compile("level=1"))
    page.get_by_role("button", name="New noise").click()
    last = changed(canvas, whole)
    expect(page).to_have_url(re.compile("seed=1"))
    at_rest(page)
    page.reload()
    becomes(live(page), last)


def test_another_run_chosen_in_the_midst_of_a_drag_takes_over(open_page: OpenPage) -> None:
    page = open_page(f"denoise?run={RUN}")
    canvas, level = live(page), level_of(page)
    begin = source_of(canvas)
    page.mouse.move(*place(level, 0.4, 0.5))
    page.mouse.down()
    page.mouse.move(*place(level, 0.8, 0.5), steps=3)
    changed(canvas, begin)
    page.get_by_role("combobox", name="Run", exact=True).press_sequentially("Digits, denoising (Gaussian)")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("run=digits-denoising-gaussian"))
    expect(page.get_by_role("radio", name="Gaussian noise")).to_be_checked()
    page.mouse.move(*place(level_of(page), 0.6, 0.5), steps=3)
    page.mouse.up()
    live(page)
    at_rest(page)
    assert "noise=masking" not in page.url
    assert live(page).evaluate(APART)[:2] == [0, 0]


# --- painting


def test_painted_noise_and_erasures_are_repaired_and_undone(open_page: OpenPage) -> None:
    sent: list[object] = []
    page = open_page(f"denoise?run={RUN}&level=0", sent=sent)
    canvas, told = live(page), len(sent)
    clean, least = source_of(canvas), error_of(page)
    for tool, at in (("Erase", 0.3), ("Noise", 0.55)):
        page.get_by_role("radio", name=tool, exact=True).check()
        before = source_of(canvas)
        stroke(canvas, (0.01, 0.4), (0.1, 0.6))
        after = changed(canvas, before)
        assert error_of(page) > least
        page.get_by_role("button", name="Undo").click()
        becomes(canvas, before)
        stroke(canvas, (at, 0.4), (at + 0.05, 0.6))
        assert changed(canvas, before) != after
    page.get_by_role("button", name="Clear").click()
    becomes(canvas, clean)
    assert error_of(page) == least
    assert len(sent) == told, "what is painted stays in the browser"


def test_a_digit_of_ones_own_is_drawn_on_an_empty_image(open_page: OpenPage) -> None:
    page = open_page("denoise?run=mnist-course-denoising")
    canvas = live(page)
    width = canvas.evaluate("canvas => canvas.width")
    page.get_by_role("button", name="Empty image").click()
    page.wait_for_function("([canvas, width]) => canvas.width > width", arg=[canvas.element_handle(), width])
    expect(page.locator(".columns span")).to_have_count(9)
    empty = source_of(canvas)
    stroke(canvas, (8.3 / 9, 0.06), (8.7 / 9, 0.06))
    bar = changed(canvas, empty)
    stroke(canvas, (8.7 / 9, 0.06), (8.4 / 9, 0.28))
    changed(canvas, bar)
    figure = page.locator(".each > * > div").nth(8)
    expect(figure).to_have_text(re.compile(r"\d"))
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".columns span")).to_have_count(8)
    becomes(live(page), source_of(canvas))
    assert canvas.evaluate(APART)[2] <= 1


def test_the_keyboard_paints_too(open_page: OpenPage) -> None:
    page = open_page(f"denoise?run={RUN}&level=0")
    canvas = live(page)
    page.get_by_role("radio", name="Erase").check()
    begin = source_of(canvas)
    canvas.focus()
    page.keyboard.press("PageDown")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    first = changed(canvas, begin)
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Space")
    changed(canvas, first)
    page.keyboard.press("Control+z")
    becomes(canvas, first)
    page.keyboard.press("Control+z")
    becomes(canvas, begin)


def test_a_finger_paints_and_does_not_scroll(open_page: OpenPage) -> None:
    page = open_page(f"denoise?run={RUN}&level=0", width=400)
    canvas = live(page)
    page.get_by_role("radio", name="Erase").check()
    before, (x, y) = source_of(canvas), place(canvas, 0.2, 0.5)
    main = page.get_by_test_id("stMain")
    at = main.evaluate("main => main.scrollTop")
    touch = finger(page)
    touch("touchStart", {"x": x, "y": y})
    for step in range(1, 6):
        touch("touchMove", {"x": x, "y": y - 8 * step})
    touch("touchEnd")
    changed(canvas, before)
    assert main.evaluate("main => main.scrollTop") == at


# --- the loop, and two runs


def test_the_reconstruction_is_fed_back_step_by_step_and_begins_anew(open_page: OpenPage) -> None:
    page = open_page(f"denoise?run={RUN}&level=0.6")
    canvas, steps = live(page), page.locator(".steps")
    begin, before = source_of(canvas), page.locator(".figures td").first.inner_text()
    page.get_by_role("button", name="Feed back").click()
    expect(steps).to_contain_text("Fed back once")
    once = changed(canvas, begin)
    page.get_by_role("button", name="Feed back").click()
    expect(steps).to_contain_text("Fed back 2 times")
    changed(canvas, once)
    assert steps.inner_text().count("→") == 3
    assert page.locator(".figures td").first.inner_text() == before, "what was put in stays the measure"
    page.get_by_role("button", name="Start again").click()
    becomes(canvas, begin)
    expect(steps).to_be_empty()
    page.get_by_role("button", name="Feed back").click()
    expect(steps).to_contain_text("Fed back once")
    level_of(page).press("ArrowRight")
    expect(steps).to_be_empty()


def test_two_runs_stand_side_by_side_on_the_same_noise(open_page: OpenPage) -> None:
    page = open_page(f"denoise?run={RUN}")
    height = live(page).evaluate("canvas => canvas.height")
    page.get_by_role("combobox", name="Second run").press_sequentially("Digits, variational")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"second={OTHER}"))
    expect(page.locator(".rows span")).to_have_count(4)
    canvas = live(page)
    assert canvas.evaluate("canvas => canvas.height") == height + 9
    assert canvas.evaluate(APART) == [0, 0, pytest.approx(0, abs=1)]
    before = source_of(canvas)
    level_of(page).press("End")
    changed(canvas, before)
    expect(page.locator(".figures th[scope=col]")).to_have_count(3)
    expect(page.locator(".reading")).to_contain_text("variational")
    page.get_by_role("button", name="Feed back").click()
    expect(page.locator(".steps")).to_contain_text("variational:")


# --- without it


def test_without_the_runtime_the_page_follows_on_release_and_says_so_once(open_page: OpenPage) -> None:
    page = open_page(f"denoise?run={RUN}", blocked="/live/runtime/")
    expect(page.locator(".denoise[data-live=failed]")).to_be_visible()
    expect(page.get_by_text("The picture follows when you let go")).to_have_count(1)
    expect(page.get_by_role("button", name="Feed back")).to_be_disabled()
    before, error = source_of(picture_of(page)), page.locator(".figures td + td").first.inner_text()
    level_of(page).press("End")
    expect(picture_of(page)).not_to_have_attribute("src", before)
    expect(page.locator(".figures td + td").first).not_to_have_text(error)
    expect(page).to_have_url(re.compile("level=1"))


def test_without_its_program_the_page_has_streamlits_own_controls(open_page: OpenPage) -> None:
    page = open_page(f"denoise?run={RUN}", blocked="/live/dist/")
    expect(page.get_by_text("The picture follows when you let go")).to_have_count(1)
    expect(page.get_by_test_id("stSlider")).to_be_visible()
    before = source_of(picture_of(page))
    page.get_by_role("slider").press("End")
    expect(picture_of(page)).not_to_have_attribute("src", before)


def test_on_a_phone_nothing_is_cut_off(open_page: OpenPage) -> None:
    page = open_page(f"denoise?run={RUN}&second={OTHER}", width=400)
    live(page)
    host = page.locator(".denoise")
    assert host.evaluate("host => host.scrollWidth - host.clientWidth") <= 0
    parts: list[Callable[[], Locator]] = [
        lambda: page.locator(".picture"), lambda: level_of(page), lambda: page.locator(".figures"),
    ]  # fmt: skip
    tops = [(part().bounding_box() or {"y": 0})["y"] for part in parts]
    assert tops == sorted(tops)
