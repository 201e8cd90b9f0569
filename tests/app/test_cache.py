"""The caches of the pages: each result is kept until what it was made of changes, within a bound."""

import dataclasses
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from aecore.store.folder import RunInfo, Status
from app import cache


def info_of(run_id: str, name: str = "") -> RunInfo:
    return RunInfo(run_id, Path("runs") / run_id, "finished", "", False, Status(name=name), None)


def test_what_is_made_of_a_run_is_kept_until_the_run_changes() -> None:
    made: list[str] = []

    @cache.of_run
    def name_of(info: RunInfo) -> str:
        made.append(info.run_id)
        return info.name

    first = info_of("a", "before")
    assert [name_of(first), name_of(first), name_of(info_of("a", "before")), name_of(info_of("b"))] == [
        "before", "before", "before", "b",
    ]  # fmt: skip
    assert made == ["a", "b"]
    renamed = dataclasses.replace(first, status=Status(name="after"))
    assert name_of(renamed) == name_of(renamed) == "after"
    assert made == ["a", "b", "a"]


def test_a_text_larger_than_the_bound_is_made_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MAX_TEXTS", 10)
    made: list[str] = []

    @cache.of_run
    def long(info: RunInfo) -> str:
        made.append(info.run_id)
        return "x" * 11

    assert len(long(info_of("a"))) == len(long(info_of("a"))) == 11
    assert made == ["a", "a"]


def test_what_is_made_of_a_listing_is_kept_for_that_very_listing() -> None:
    made: list[int] = []

    @cache.of_listing
    def count(infos: Sequence[RunInfo]) -> int:
        made.append(1)
        return len(infos)

    listing = (info_of("a"),)
    assert count(listing) == count(listing) == 1
    assert made == [1]
    assert [count((info_of("a"), info_of(f"{i}"))) for i in range(2 * cache.MAX_LISTINGS)] == [
        2
    ] * 2 * cache.MAX_LISTINGS
    assert count(listing) == 1


def test_results_are_dropped_by_their_size_and_one_too_large_is_the_only_one() -> None:
    made: list[int] = []

    @cache.bounded(100, len)
    def zeros(n: int) -> bytes:
        made.append(n)
        return bytes(n)

    for n in (60, 30, 60, 30):
        zeros(n)
    assert made == [60, 30]
    zeros(50)  # 60 was used longer ago than 30
    zeros(30)
    zeros(60)
    assert made == [60, 30, 50, 60]
    assert len(zeros(1000)) == len(zeros(1000)) == 1000
    assert made == [60, 30, 50, 60, 1000]


def test_two_that_ask_at_once_share_one_call_and_an_error_is_not_kept() -> None:
    entered, go, calls = threading.Event(), threading.Event(), list[int]()

    @cache.bounded(100, len)
    def slow(n: int) -> bytes:
        calls.append(n)
        entered.set()
        assert go.wait(30)
        if len(calls) == 1:
            raise ValueError("the first one fails")
        return bytes(n)

    errors: list[Exception] = []

    def ask() -> None:
        try:
            slow(1)
        except ValueError as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert entered.wait(30)
    go.set()
    for thread in threads:
        thread.join(30)
    assert len(errors) == 1
    assert calls == [1, 1], "one failed, one made it for itself and the third"
