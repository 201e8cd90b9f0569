"""The maps component by itself, without a server: selecting, pointing, zooming, its messages, and its end."""

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from maps_component import CLASSES, DIST, READY, URL, Blobs, answer, message
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from app import live

N = 240


@dataclasses.dataclass
class Maps:
    """The page with the component, and the addresses that it requested."""

    page: Page
    requested: list[str]

    def mount(self, message: dict[str, Any]) -> None:
        self.page.evaluate("data => mount(data)", message)
        expect(self.page.locator(".maps[data-ready='1']")).to_be_attached()

    def sent(self) -> list[Any]:
        """The messages to the server since the last call, once two frames have been drawn."""
        self.page.evaluate("() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
        return self.page.evaluate("sent.splice(0)")

    def at(self, panel: int, x: float, y: float) -> tuple[float, float]:
        box = self.page.locator(".panel canvas").nth(panel).bounding_box()
        assert box is not None
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def drag(self, panel: int, *corners: tuple[float, float]) -> None:
        self.page.mouse.move(*self.at(panel, *corners[0]))
        self.page.mouse.down()
        for corner in corners[1:]:
            self.page.mouse.move(*self.at(panel, *corner), steps=4)
        self.page.mouse.up()

    def drawn(self) -> list[str]:
        self.sent()
        return self.page.locator(".panel canvas").evaluate_all("all => all.map(canvas => canvas.toDataURL())")

    def button(self, name: str):
        return self.page.get_by_role("button", name=name, exact=True)


@pytest.fixture(scope="module")
def shared(visitor: BrowserContext) -> Iterator[tuple[Page, dict[str, Any], list[str], list[str]]]:
    """One page for all tests of this file: (page, its contents by address, requested addresses, errors)."""
    page, contents, requested, errors = visitor.new_page(), {}, [], []

    def respond(route: Route) -> None:
        requested.append(route.request.url)
        answer(route, contents["blobs"])

    contents["blobs"] = Blobs()
    page.route("**/*", respond)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(URL)
    page.wait_for_function(READY)
    yield page, contents, requested, errors
    page.close()


@pytest.fixture
def blobs() -> Blobs:
    return Blobs()


@pytest.fixture
def maps(shared: tuple[Page, dict[str, Any], list[str], list[str]], blobs: Blobs) -> Iterator[Maps]:
    """A page on which nothing is mounted yet, and on which no error may happen."""
    page, contents, requested, errors = shared
    contents["blobs"] = blobs
    errors.clear()
    page.mouse.move(0, 0)
    page.evaluate("scrollTo(0, 0)")
    yield Maps(page, requested)
    page.evaluate("if (document.querySelector('#at > div')) unmount(); sent.splice(0)")
    assert errors == []


ROUND = [(0.55, 0.3), (0.98, 0.3), (0.98, 0.7), (0.55, 0.7), (0.55, 0.3)]
"""A loop round the first class, which lies to the right on the middle map."""
FIRST = list(range(0, N, CLASSES))


def test_a_loop_selects_the_same_images_in_every_map_and_is_sent_once(maps: Maps, blobs: Blobs) -> None:
    maps.mount(message(blobs, N))
    before = maps.drawn()
    maps.drag(1, *ROUND)
    assert maps.sent() == [["state", "selection", {"token": "one", "indices": FIRST, "count": len(FIRST)}]]
    assert all(old != new for old, new in zip(before, maps.drawn(), strict=True))
    expect(maps.page.locator(".legend .status")).to_contain_text(f"{len(FIRST)} selected")
    maps.page.keyboard.down("Shift")
    maps.page.get_by_role("button", name="Select green").click()
    maps.page.keyboard.up("Shift")
    assert maps.sent()[0][2]["count"] == 2 * len(FIRST)
    maps.button("Clear selection").click()
    assert maps.sent() == [["state", "selection", {"token": "one", "indices": [], "count": 0}]]
    assert maps.drawn() == before


def test_a_hidden_class_is_neither_marked_nor_selected(maps: Maps, blobs: Blobs) -> None:
    maps.mount(message(blobs, N))
    maps.drag(1, *ROUND)
    maps.sent()
    maps.button("Show red").click()
    expect(maps.button("Show red")).to_have_attribute("aria-pressed", "false")
    assert maps.sent()[0][2]["count"] == 0, "what is hidden is let go"
    maps.drag(1, *ROUND)
    assert maps.sent() == []
    maps.page.mouse.move(*maps.at(1, 0.827, 0.5))
    expect(maps.page.locator(".maps")).to_have_attribute("data-hovered", "-1")
    maps.button("Show all classes").click()
    maps.page.mouse.move(*maps.at(1, 0.827, 0.501))
    expect(maps.page.locator(".maps")).not_to_have_attribute("data-hovered", "-1")


def test_what_is_pointed_at_is_marked_in_all_maps_with_its_image_and_name(maps: Maps, blobs: Blobs) -> None:
    maps.mount(message(blobs, N))
    maps.page.mouse.move(*maps.at(1, 0.827, 0.5))
    expect(maps.page.locator(".maps")).to_have_attribute("data-hovered", re.compile(r"^\d+$"))
    expect(maps.page.locator(".ring:not(.chosen):visible")).to_have_count(3)
    shown = int(maps.page.locator(".maps").get_attribute("data-hovered") or -1)
    assert shown % CLASSES == 0
    expect(maps.page.locator(".cell.real")).to_contain_text("red")
    expect(maps.page.locator(".cell.real")).to_contain_text(f"test image {1000 + shown}")
    assert maps.sent() == []


def test_a_place_between_the_points_has_a_picture_where_the_map_has_an_inverse(maps: Maps, blobs: Blobs) -> None:
    maps.mount(message(blobs, N))
    for x in (0.5, 0.9):  # the first asks for what is needed
        maps.page.mouse.move(*maps.at(0, x, 0.5))
        expect(maps.page.locator(".maps")).to_have_attribute("data-dreamt", "true")
    canvas = maps.page.locator(".cell.made canvas")
    first = "canvas => canvas.getContext('2d').getImageData(0, 0, 1, 1).data[0]"
    wanted = round(255 * (0.5 - 0.4 * 2 * 1.07))  # 0.5 + x·X, where X begins with -1
    maps.page.wait_for_function(f"([canvas, wanted]) => Math.abs(({first})(canvas) - Math.max(wanted, 0)) <= 2",
                                arg=[canvas.element_handle(), wanted])  # fmt: skip
    maps.page.mouse.click(*maps.at(0, 0.5, 0.5))
    maps.page.wait_for_function("sent.length")
    (kind, name, place), = maps.sent()  # fmt: skip
    assert (kind, name, place["token"], place["panel"]) == ("trigger", "place", "one", "pca")
    assert max(abs(place["x"]), abs(place["y"])) < 0.02
    maps.page.mouse.move(*maps.at(1, 0.5, 0.5))
    expect(maps.page.locator(".cell.real")).to_contain_text("MDS has no inverse.")
    expect(maps.page.locator(".cell.made")).to_be_hidden()
    maps.page.mouse.click(*maps.at(1, 0.5, 0.5))
    assert maps.sent() == []


def test_a_plain_wheel_scrolls_the_page_and_zooms_only_where_it_is_meant(maps: Maps, blobs: Blobs) -> None:
    maps.mount(message(blobs, N))
    page, out = maps.page, maps.button("Zoom out")
    page.mouse.move(*maps.at(1, 0.5, 0.5))
    page.mouse.wheel(0, 60)
    page.wait_for_function("scrollY > 0")
    expect(page.locator(".hint")).to_contain_text("Ctrl")
    expect(out).to_be_disabled()
    before, at = maps.drawn(), page.evaluate("scrollY")
    page.mouse.move(*maps.at(1, 0.5, 0.5))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    expect(out).to_be_enabled()
    assert all(old != new for old, new in zip(before, maps.drawn(), strict=True))
    assert page.evaluate("scrollY") == at
    maps.button("Zoom together").click()
    maps.button("Move").click()
    before = maps.drawn()
    maps.drag(1, (0.5, 0.5), (0.7, 0.6))
    assert [old != new for old, new in zip(before, maps.drawn(), strict=True)] == [False, True, False]
    maps.button("Zoom together").click()
    maps.button("Show the whole map").click()
    expect(out).to_be_disabled()
    assert maps.sent() == []


def test_the_keyboard_goes_from_image_to_image_and_selects(maps: Maps, blobs: Blobs) -> None:
    maps.mount(message(blobs, N))
    maps.page.locator(".frame").nth(1).focus()
    hovered = []
    for key in ("ArrowUp", "ArrowLeft", "ArrowLeft", "ArrowDown", "ArrowDown", "ArrowRight"):
        maps.page.keyboard.press(key)
        maps.sent()
        hovered.append(maps.page.locator(".maps").get_attribute("data-hovered"))
    assert len(set(hovered)) >= 3
    expect(maps.page.locator(".unseen[aria-live]")).to_contain_text(f"test image {1000 + int(hovered[-1] or 0)}")
    maps.page.keyboard.press("Enter")
    assert maps.sent()[-1][2]["indices"] == [int(hovered[-1] or 0)]
    maps.page.keyboard.press("Escape")
    assert maps.sent()[-1][2]["count"] == 0


def test_points_travel_from_one_map_to_another_and_back(maps: Maps, blobs: Blobs) -> None:
    maps.mount(message(blobs, N))
    before = maps.drawn()
    maps.button("Morph").click()
    maps.page.get_by_label("How far the points have travelled").fill("1")
    expect(maps.page.locator("h3").first).to_have_text("PCA → CODE, 100 %")
    maps.page.get_by_label("To", exact=True).select_option("mds")
    expect(maps.page.locator("h3").first).to_have_text("PCA")
    maps.button("▶ Play").click()
    expect(maps.page.locator("h3").first).to_have_text("PCA → MDS, 100 %")
    maps.button("Morph").click()
    expect(maps.page.locator("h3").first).to_have_text("PCA")
    assert maps.drawn() == before


def test_a_redraw_fetches_what_changed_and_keeps_what_the_visitor_did(maps: Maps, blobs: Blobs) -> None:
    maps.mount(message(blobs, N))
    maps.drag(1, *ROUND)
    maps.button("Zoom in").click()
    maps.sent()
    maps.requested.clear()
    inverse = message(blobs, N)["panels"][0]["back"]["rows"]  # fetched when the pointer first rests on that map

    def fetched() -> int:
        return sum(not url.endswith(inverse) for url in maps.requested)

    maps.mount(message(blobs, N, colours="numbers"))
    assert fetched() == 1
    assert maps.sent() == []
    maps.mount(message(blobs, N, colours="numbers", shift=0.1, token="two"))
    assert fetched() == 2
    assert maps.sent() == [["state", "selection", {"token": "two", "indices": FIRST, "count": len(FIRST)}]]
    expect(maps.button("Zoom out")).to_be_enabled()
    maps.mount(message(blobs, N, colours="numbers", shift=0.1, token="two"))
    assert fetched() == 2


def test_what_cannot_be_loaded_is_said_once_and_loaded_when_it_is_there(maps: Maps, blobs: Blobs) -> None:
    told = message(blobs, N)
    places = told["panels"][0]["places"]
    held = blobs.held.pop(places)
    failed = ["state", "failed", {"reason": "the maps could not be loaded", "whole": True}]
    for said in ([failed], []):
        maps.page.evaluate("data => mount(data)", told)
        expect(maps.page.locator(".quiet")).to_contain_text("Reload the page")
        assert maps.sent() == said
    blobs.held[places] = held
    maps.mount(told)
    expect(maps.page.locator(".quiet")).to_be_empty()


def test_nothing_stays_of_maps_that_are_gone(maps: Maps, blobs: Blobs) -> None:
    devtools = maps.page.context.new_cdp_session(maps.page)
    devtools.send("Performance.enable")

    def held() -> list[float]:
        devtools.send("HeapProfiler.collectGarbage")
        found = {metric["name"]: metric["value"] for metric in devtools.send("Performance.getMetrics")["metrics"]}
        return [found["Nodes"], found["JSEventListeners"]]

    def around(times: int) -> list[float]:
        for _ in range(times):
            maps.mount(message(blobs, N))
            maps.page.mouse.move(*maps.at(0, 0.5, 0.5))
            maps.sent()
            maps.page.evaluate("unmount()")
        return held()

    first = around(3)
    assert around(10) == first


def test_the_file_that_stands_by_itself_shows_the_maps_offline(browser: Browser, tmp_path: Path) -> None:
    text = json.dumps(message(Blobs(inline=True), N)).replace("</", "<\\/")
    script = (DIST / live.MANIFEST["alone"]).read_text(encoding="utf-8")
    file = tmp_path / "maps.html"
    file.write_text(
        f'<!doctype html><meta charset="utf-8"><body><div class="maps host"></div>'
        f'<script type="application/json" id="maps">{text}</script><script type="module">{script}</script>',
        encoding="utf-8",
    )
    context = browser.new_context(viewport={"width": 1280, "height": 800}, offline=True)
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.goto(file.as_uri())
    expect(page.locator(".maps[data-ready='1']")).to_be_visible()
    maps = Maps(page, [])
    maps.drag(1, *ROUND)
    expect(page.locator(".legend .status")).to_contain_text(f"{len(FIRST)} selected")
    page.mouse.move(*maps.at(0, 0.5, 0.5))
    expect(page.locator(".maps")).to_have_attribute("data-dreamt", "true")
    expect(page.locator(".cell.made")).to_contain_text("Drawn by PCA")
    context.close()
    assert wrong == []
