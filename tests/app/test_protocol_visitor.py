"""The benchmarks' visitor finds on every page what it opens, moves and uploads; else they would measure nothing."""

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from server import server
from soak import picture
from visitor import MIX, Visitor, move


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with server(tmp_path_factory.mktemp("home")) as (url, _):
        yield url


def answer(coroutine):
    """What a coroutine returns, run by an event loop in a thread of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


@pytest.mark.parametrize("page", MIX)
def test_each_page_is_drawn_and_its_control_moved(url, page):
    async def act() -> Visitor:
        async with Visitor(url) as visitor:
            await visitor.open(page, MIX[page][0])
            await move(visitor, page, random.Random(1))
            return visitor

    visitor = answer(act())
    assert visitor.errors == []
    changed = {"": "example=1", "denoise": "level=", "walk": "u0="}.get(page, "")
    assert changed in visitor.query


@pytest.mark.parametrize("page", ["denoise", "walk", "maps"])
def test_an_upload_is_taken(url, page):
    async def act() -> tuple[bool, list[str]]:
        async with Visitor(url) as visitor:
            await visitor.open(page, MIX[page][0])
            before = any(key.endswith("_invert") for key in visitor.controls)
            await visitor.upload("drawn.png", picture(random.Random(1)))
            return before, [*visitor.errors, *visitor.controls]

    before, found = answer(act())
    assert not before
    assert "_invert" in found, "the choice for own images is drawn once there are some"
    assert not any(":" in word for word in found)


def test_a_page_that_does_not_show_its_main_piece_is_an_error(url):
    async def act() -> list[str]:
        async with Visitor(url) as visitor:
            await visitor.open("walk", {"run": "no-such-run"})
            return visitor.errors

    first, second = answer(act())
    assert first.startswith("no picture:")
    assert second == "walk?run=no-such-run: without its main piece"


def test_a_visitor_keeps_its_cookies_when_it_comes_back(url):
    async def act() -> tuple[dict[str, str], dict[str, str], str, str]:
        visitor = Visitor(url)
        await visitor.arrive()
        await visitor.open("runs")
        cookies, session = dict(visitor.cookies), visitor.session_id
        await visitor.leave()
        await visitor.arrive()
        await visitor.open("runs")
        again = visitor.session_id
        await visitor.leave()
        return cookies, visitor.cookies, session, again

    cookies, later, session, again = answer(act())
    assert cookies
    assert cookies == later
    assert session != again
