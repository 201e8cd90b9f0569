"""Denoise with the model in the browser: picture and figures follow the pointer, and the server hears on release.

Longer than other files, because its journeys share the helpers for one page.
"""

import re
from collections.abc import Callable

from pages import NO_WEBASSEMBLY, OpenPage, at_rest, becomes, changed, finger, go_to, picture_of, place, source_of
from playwright.sync_api import Locator, Page, expect

RUN = "digits-denoising"
OTHER = "digits-variational"
DIFFERENCE = """async canvas => {
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
    """Waits until the sheet is drawn in the browser, and returns its canvas."""
    expect(page.locator(".denoise[data-live=true]")).to_be_visible()
    return page.locator(".denoise canvas")


def expect_servers_picture(canvas: Locator) -> None:
    """Waits until the canvas shows the server's picture, but for rounding."""
    canvas.page.wait_for_function(
        f"async canvas => {{ const [w, h, byte] = await ({DIFFERENCE})(canvas); return !w && !h && byte <= 1; }}",
        arg=canvas.element_handle(),
    )


def level_of(page: Page) -> Locator:
    return page.get_by_role("slider", name=re.compile("Fraction|σ"))


def error_of(page: Page) -> float:
    """The mean squared error of the first reconstruction."""
    return float(page.locator(".figures td + td").first.inner_text())


FIGURES = """host => [...host.querySelectorAll('.each, .figures, .reading')]
  .flatMap(part => part.innerText.match(/-?[\\d.]+\\d|∞/g) ?? [])"""
"""All figures, of each image and of all of them, as text."""


def expect_same_figures(page: Page, other: Page) -> None:
    """Waits until a page shows the other page's figures, but for rounding in their last digit."""
    page.wait_for_function(
        f"""([host, others]) => {{
          const own = ({FIGURES})(host);
          return own.length === others.length
            && own.every((text, i) => text === others[i] || Math.abs(text - others[i]) < 0.011);
        }}""",
        arg=[page.locator(".denoise").element_handle(), other.locator(".denoise").evaluate(FIGURES)],
    )


def stroke(canvas: Locator, begin: tuple[float, float], end: tuple[float, float]) -> None:
    mouse = canvas.page.mouse
    mouse.move(*place(canvas, *begin))
    mouse.down()
    mouse.move(*place(canvas, *end), steps=4)
    mouse.up()


# --- level, kind, seed


def test_the_level_is_drawn_in_the_browser_and_sent_once_on_release(open_page: OpenPage) -> None:
    sent: list[object] = []
    page = open_page(f"denoise?run={RUN}", sent=sent)
    canvas, level, error = live(page), level_of(page), page.locator(".figures td + td").first
    number = page.get_by_role("spinbutton", name="Fraction hidden")
    begin, messages, url = source_of(canvas), len(sent), page.url

    # A drag draws every position with its figures, and sends nothing.
    seen, errors = [begin], {error.inner_text()}
    page.mouse.move(*place(level, 0.4, 0.5))
    page.mouse.down()
    for share in (0.55, 0.7, 0.85):
        page.mouse.move(*place(level, share, 0.5))
        seen.append(changed(canvas, seen[-1]))
        errors.add(error.inner_text())
    assert len(set(seen)) == len(errors) == 4
    assert (len(sent), page.url) == (messages, url)

    # A release is one message and leaves the picture as it is.
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"[?&]level=0\.8"))
    at_rest(page)
    assert len(sent) == messages + 1
    assert source_of(canvas) == seen[-1]
    frames = page.evaluate("window.__aecoreFrames")
    assert all(frame["done"] >= frame["stamp"] > 0 for frame in frames[-3:])

    # A double click brings the run's own level back.
    level.dblclick(position={"x": 3, "y": 3})
    expect(number).to_have_value("0.40")
    becomes(canvas, begin)
    expect(page).to_have_url(re.compile(r"level=0\.4$"))
    at_rest(page)

    # A held key draws and sends nothing until it is up; with Shift the step is ten times as large.
    messages = len(sent)
    level.focus()
    for _ in range(3):
        page.keyboard.down("ArrowRight")
    changed(canvas, begin)
    assert len(sent) == messages
    page.keyboard.up("ArrowRight")
    expect(page).to_have_url(re.compile("level=0.43"))
    level.press("Shift+ArrowLeft")
    expect(page).to_have_url(re.compile("level=0.33"))
    at_rest(page)
    assert len(sent) == messages + 2

    # A level can be typed.
    number.fill("0.9")
    number.press("Enter")
    expect(page).to_have_url(re.compile("level=0.9"))


def test_kind_and_seed_follow_and_a_reload_restores_them(open_page: OpenPage) -> None:
    page = open_page(f"denoise?run={RUN}")
    canvas = live(page)
    begin = source_of(canvas)

    # Another kind of noise is drawn, and every seed is noise of its own.
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

    # A reload restores kind, level and seed.
    before = source_of(canvas)
    page.get_by_role("radio", name="Salt and pepper").check()
    kind = changed(canvas, before)
    level_of(page).press("End")
    everything = changed(canvas, kind)
    expect(page).to_have_url(re.compile("noise=salt_and_pepper.*level=1|level=1.*noise=salt_and_pepper"))
    at_rest(page)
    page.reload()
    becomes(live(page), everything)


def test_the_live_picture_and_figures_are_the_servers(open_page: OpenPage) -> None:
    """The same bytes, so that one takes over from the other without a flicker; without WebAssembly, the figures are the
    server's.
    """
    page, plain = open_page(f"denoise?run={RUN}"), open_page(f"denoise?run={RUN}", script=NO_WEBASSEMBLY)
    expect_servers_picture(live(page))
    expect(plain.locator(".denoise[data-live=failed]")).to_be_visible()
    picture = ".denoise .sheet img"
    for query in (
        f"run={RUN}&level=0.37&seed=5",
        f"run={RUN}&noise=gaussian&level=0.5&images=9-2-40",
        f"run={RUN}&noise=salt_and_pepper&level=0&second={OTHER}",
        "run=digits-sequence",
        f"run=shapes-denoising&images={'-'.join(str(i) for i in range(14))}",
    ):
        for one in (page, plain):
            before = one.locator(picture).get_attribute("src")
            go_to(one, f"denoise?{query}")
            expect(one.locator(picture)).not_to_have_attribute("src", before or "")
        expect_servers_picture(live(page))
        expect_same_figures(page, plain)


def test_another_run_chosen_in_the_middle_of_a_drag_takes_over(open_page: OpenPage) -> None:
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
    assert live(page).evaluate(DIFFERENCE)[:2] == [0, 0]


# --- painting


def test_noise_is_painted_and_erased_with_pointer_keys_and_finger(open_page: OpenPage) -> None:
    sent: list[object] = []
    page = open_page(f"denoise?run={RUN}&level=0", sent=sent)
    canvas, messages, undo = live(page), len(sent), page.get_by_role("button", name="Undo")
    clean, least = source_of(canvas), error_of(page)

    # The pointer paints noise and erases; both can be undone.
    for tool, at in (("Noise", 0.55), ("Erase", 0.3)):
        page.get_by_role("radio", name=tool, exact=True).check()
        before = source_of(canvas)
        stroke(canvas, (0.01, 0.4), (0.1, 0.6))
        after = changed(canvas, before)
        assert error_of(page) > least
        undo.click()
        becomes(canvas, before)
        stroke(canvas, (at, 0.4), (at + 0.05, 0.6))
        assert changed(canvas, before) != after
    page.get_by_role("button", name="Clear").click()
    becomes(canvas, clean)
    assert error_of(page) == least

    # The keyboard erases too, and undoes.
    canvas.focus()
    for key in ("PageDown", "ArrowLeft", "Space"):
        page.keyboard.press(key)
    first = changed(canvas, clean)
    for key in ("Shift+ArrowUp", "Space"):
        page.keyboard.press(key)
    changed(canvas, first)
    page.keyboard.press("Control+z")
    becomes(canvas, first)
    page.keyboard.press("Control+z")
    becomes(canvas, clean)

    # A finger erases on a phone and does not scroll the page.
    page.set_viewport_size({"width": 400, "height": 800})
    main, touch = page.get_by_test_id("stMain"), finger(page)
    x, y = place(canvas, 0.2, 0.5)
    at = main.evaluate("main => main.scrollTop")
    touch("touchStart", {"x": x, "y": y})
    for step in range(1, 6):
        touch("touchMove", {"x": x, "y": y - 8 * step})
    touch("touchEnd")
    changed(canvas, clean)
    assert main.evaluate("main => main.scrollTop") == at
    assert len(sent) == messages, "what is painted stays in the browser"


def test_a_digit_of_ones_own_is_drawn_on_an_empty_image(open_page: OpenPage) -> None:
    page = open_page("denoise?run=mnist-course-denoising")
    canvas = live(page)
    width = canvas.evaluate("canvas => canvas.width")
    page.get_by_role("button", name="Add blank canvas").click()
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
    expect_servers_picture(live(page))


# --- the loop, and two runs


def test_the_output_is_fed_back_and_two_runs_share_their_noise(open_page: OpenPage) -> None:
    page = open_page(f"denoise?run={RUN}&level=0.6")
    canvas, steps = live(page), page.locator(".steps")
    feed_back = page.get_by_role("button", name="Denoise again")

    # The reconstruction is fed back step by step, measured against the first input, until the level changes.
    begin, before = source_of(canvas), page.locator(".figures td").first.inner_text()
    feed_back.click()
    expect(steps).to_contain_text("Denoised once more")
    once = changed(canvas, begin)
    feed_back.click()
    expect(steps).to_contain_text("Denoised 2 more times")
    changed(canvas, once)
    assert steps.inner_text().count("→") == 3
    assert page.locator(".figures td").first.inner_text() == before
    page.get_by_role("button", name="Start again").click()
    becomes(canvas, begin)
    expect(steps).to_be_empty()
    feed_back.click()
    expect(steps).to_contain_text("Denoised once more")
    level_of(page).press("ArrowRight")
    expect(steps).to_be_empty()
    expect(page).to_have_url(re.compile("level=0.61"))
    at_rest(page)

    # A second run has a row and a column of its own, drawn from the same noise.
    height = canvas.evaluate("canvas => canvas.height")
    page.get_by_role("combobox", name="Compare with another run").press_sequentially("Digits, variational")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"second={OTHER}"))
    expect(page.locator(".rows span")).to_have_count(4)
    expect_servers_picture(live(page))
    assert canvas.evaluate("canvas => canvas.height") == height + 9
    before = source_of(canvas)
    level_of(page).press("End")
    changed(canvas, before)
    expect(page.locator(".figures th[scope=col]")).to_have_count(3)
    expect(page.locator(".reading")).to_contain_text("variational")

    # Both are fed back.
    feed_back.click()
    expect(steps).to_contain_text("variational:")


def test_on_a_phone_two_runs_are_not_cut_off(open_page: OpenPage) -> None:
    page = open_page(f"denoise?run={RUN}&second={OTHER}", width=400)
    live(page)
    assert page.locator(".denoise").evaluate("host => host.scrollWidth - host.clientWidth") <= 0
    parts: list[Callable[[], Locator]] = [
        lambda: page.locator(".picture"), lambda: level_of(page), lambda: page.locator(".figures"),
    ]  # fmt: skip
    tops = [(part().bounding_box() or {"y": 0})["y"] for part in parts]
    assert tops == sorted(tops)


# --- without the model


def test_without_the_runtime_the_page_follows_on_release_and_says_so_once(open_page: OpenPage) -> None:
    page = open_page(f"denoise?run={RUN}", blocked="/live/runtime/")
    expect(page.locator(".denoise[data-live=failed]")).to_be_visible()
    expect(page.get_by_text("The picture changes when you release a control")).to_have_count(1)
    expect(page.get_by_text("the program that runs models in the browser could not be loaded")).to_have_count(1)
    expect(page.get_by_role("button", name="Denoise again")).to_be_disabled()
    before, error = source_of(picture_of(page)), page.locator(".figures td + td").first.inner_text()
    level_of(page).press("End")
    expect(picture_of(page)).not_to_have_attribute("src", before)
    expect(page.locator(".figures td + td").first).not_to_have_text(error)
    expect(page).to_have_url(re.compile("level=1"))


def test_without_its_program_the_page_has_streamlits_own_controls(open_page: OpenPage) -> None:
    page = open_page(f"denoise?run={RUN}", blocked="/live/dist/")
    expect(page.get_by_text("The picture changes when you release a control")).to_have_count(1)
    expect(page.get_by_test_id("stSlider")).to_be_visible()
    before = source_of(picture_of(page))
    page.get_by_role("slider").press("End")
    expect(picture_of(page)).not_to_have_attribute("src", before)
