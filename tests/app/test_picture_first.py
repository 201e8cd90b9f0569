"""A page with its picture waits for the others' pictures, for a limited time, and not for pages without any."""

import threading

import pytest

from app import picture_first


@pytest.fixture
def other():
    """Another thread that is before its picture until it is told to go on."""
    entered, go_on = threading.Event(), threading.Event()

    def draw() -> None:
        picture_first.enter()
        entered.set()
        go_on.wait(60)
        picture_first.leave()

    thread = threading.Thread(target=draw)
    thread.start()
    assert entered.wait(60)
    yield go_on
    go_on.set()
    thread.join(60)


def test_who_is_alone_waits_for_nobody():
    picture_first.enter()
    assert picture_first.wait_for_others(0)
    assert picture_first.wait_for_others(0), "the second picture of a page is none to wait for"


def test_the_rest_waits_for_the_other_s_picture(other):
    done = threading.Event()

    def draw() -> None:
        picture_first.enter()
        picture_first.wait_for_others(60)
        done.set()

    thread = threading.Thread(target=draw)
    thread.start()
    assert not done.wait(0.05)
    other.set()
    assert done.wait(60)
    thread.join(60)


def test_patience_ends(other):
    picture_first.enter()
    assert not picture_first.wait_for_others(0.01)


def test_a_redrawn_fragment_waits_for_nobody(other):
    assert picture_first.wait_for_others(0)


def test_a_page_without_its_picture_is_no_ghost(open_page):
    open_page("walk", run="no-such-run")
    picture_first.enter()
    assert picture_first.wait_for_others(0)
