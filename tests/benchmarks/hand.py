"""A hand for the benchmarks of the live pages: real pointer events on one slider, and a watch over what they cause."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from playwright.async_api import Locator, Page

ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
MOVES = 120
"""Pointer events a second: more than there are frames, as a good mouse sends them."""
ROUND = 1.5
"""Seconds to and fro: in each frame the slider has another value."""
_WATCH = """() => {
  (window.__aecoreFrames ??= []).length = 0;
  Object.assign(window, {__long: [], __passed: 0, __counting: true});
  new PerformanceObserver(seen => window.__long.push(...seen.getEntries().map(task => task.duration)))
    .observe({entryTypes: ['longtask']});
  const count = () => { if (window.__counting) { window.__passed += 1; requestAnimationFrame(count); } };
  requestAnimationFrame(count);
}"""
_WATCHED = "() => { window.__counting = false; return [window.__aecoreFrames, window.__long, window.__passed]; }"


class Devtools(Protocol):
    """Whatever hands a command to the browser."""

    async def send(self, method: str, params: dict[str, Any]) -> dict[str, Any]: ...


@dataclass
class Seen:
    """What a drag caused: milliseconds from each pointer event to the end of its draw, those of tasks above 50 ms, and
    frames a second.
    """

    took: list[float]
    long: list[float]
    frames: float


async def watched(page: Page, act: Callable[[], Awaitable[None]], seconds: float) -> Seen:
    """What `act`, which takes so many seconds, causes on a page whose frames are logged."""
    await page.evaluate(_WATCH)
    await act()
    draws, long, passed = await page.evaluate(_WATCHED)
    return Seen([draw["done"] - draw["stamp"] for draw in draws], long, passed / seconds)


class Hand:
    """A mouse on a slider, whose moves are sent without waiting for their answers."""

    def __init__(self, devtools: Devtools, box: dict[str, float]) -> None:
        self.devtools, self.box = devtools, box

    @classmethod
    async def on(cls, page: Page, slider: Locator) -> "Hand":
        box = await slider.bounding_box()
        assert box is not None
        return cls(await page.context.new_cdp_session(page), dict(box))

    def mouse(self, kind: str, share: float):
        at = {"x": self.box["x"] + share * self.box["width"], "y": self.box["y"] + self.box["height"] / 2}
        button = {"button": "left", "buttons": 1, "clickCount": 1}
        return self.devtools.send("Input.dispatchMouseEvent", {"type": kind, **at, **button})

    async def drag(self, seconds: float) -> None:
        await self.mouse("mousePressed", 0.9)
        begun, moves = time.perf_counter(), []
        while (passed := time.perf_counter() - begun) < seconds:
            moves.append(asyncio.ensure_future(self.mouse("mouseMoved", 0.1 + 0.8 * abs(1 - 2 * (passed / ROUND % 1)))))
            await asyncio.sleep(1 / MOVES)
        await asyncio.gather(*moves)

    async def watched_drag(self, page: Page, seconds: float) -> Seen:
        return await watched(page, lambda: self.drag(seconds), seconds)

    async def let_go(self) -> None:
        await self.mouse("mouseReleased", 0.3)
