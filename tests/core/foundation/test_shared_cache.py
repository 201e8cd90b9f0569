"""The cache that threads share: bounded, one version of each name, one thread makes a value."""

import threading

import pytest

from aecore.foundation.shared_cache import SharedCache


def test_the_least_recently_used_is_dropped_first() -> None:
    cache = SharedCache[bytes](100, len)
    made: list[str] = []

    def get(name: str, size: int = 40) -> None:
        cache.get(name, lambda: 0, lambda: made.append(name) or bytes(size))

    for name in ("a", "b", "a", "c", "a", "b"):
        get(name)
    assert made == ["a", "b", "c", "b"]
    assert cache.bytes == 80
    get("large", 1000)
    assert cache.bytes == 100, "it is kept alone"
    get("large")
    get("a")
    assert made[4:] == ["large", "a"]
    assert cache.bytes == 40


def test_another_version_replaces_the_one_before() -> None:
    cache = SharedCache[bytes](100, len)
    first = cache.get("a", lambda: 1, lambda: bytes(30))
    assert cache.get("a", lambda: 1, lambda: pytest.fail("made again")) is first
    assert cache.get("a", lambda: 2, lambda: bytes(50)) is not first
    assert cache.bytes == 50


def test_a_value_is_kept_as_the_version_that_making_it_led_to() -> None:
    version = ["absent"]

    def make() -> bytes:
        version[0] = "there"
        return b"x"

    cache = SharedCache[bytes](100, len)
    found = cache.get("a", lambda: version[0], make)
    assert cache.get("a", lambda: version[0], lambda: pytest.fail("made again")) is found


def test_threads_that_ask_at_once_get_one_value_and_others_do_not_wait() -> None:
    cache = SharedCache[object](100, lambda _: 1)
    started, gate = threading.Event(), threading.Event()
    made, got = list[object](), list[object]()

    def make() -> object:
        started.set()
        assert gate.wait(30)
        made.append(object())
        return made[-1]

    threads = [threading.Thread(target=lambda: got.append(cache.get("a", lambda: 0, make))) for _ in range(6)]
    for thread in threads:
        thread.start()
    assert started.wait(30)
    assert cache.get("b", lambda: 0, lambda: "at once") == "at once", "another name is not held up"
    gate.set()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert got == made * 6


def test_failures_are_not_kept() -> None:
    cache = SharedCache[bytes](100, len)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            cache.get("a", lambda: 0, lambda: bytes(1 // 0))
    assert cache.get("a", lambda: 0, lambda: b"x") == b"x"
