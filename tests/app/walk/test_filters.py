"""The Filters of the Walk page: what they say of a sparse run, what a link restores, and what a pick does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reading import OpenPage
from streamlit.testing.v1 import AppTest

import aecore
from aecore.session.session import Session
from app import cache
from app.live import walk_moves, walk_place
from app.views.walk import filters

SETTINGS: dict[str, Any] = {"dataset": "digits", "epochs": 2, "threads": 1}


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Session]]]:
    folder = tmp_path_factory.mktemp("sparse")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AECORE_HOME", str(folder))
        cache.forget()
        yield folder, {name: aecore.train(name, **SETTINGS) for name in ("top_k", "predictive_sparse")}
    cache.forget()


@pytest.fixture
def sessions(sparse: tuple[Path, dict[str, Session]], monkeypatch: pytest.MonkeyPatch) -> dict[str, Session]:
    monkeypatch.setenv("AECORE_HOME", str(sparse[0]))
    return sparse[1]


def texts(page: AppTest) -> str:
    return "\n".join(element.proto.body for element in page.get("html"))


def test_a_sparse_run_says_how_its_units_are_used(sessions: dict[str, Session], open_page: OpenPage) -> None:
    page = open_page("walk", run=sessions["top_k"].run_id, mode="Filters")
    assert not page.exception
    assert "5.0 of 48 units are active for an image" in texts(page)
    assert "encoder alone" not in texts(page)
    assert "nats" not in texts(page)


def test_predictive_codes_stand_beside_the_optimised_ones(sessions: dict[str, Session], open_page: OpenPage) -> None:
    session = sessions["predictive_sparse"]
    page = open_page("walk", run=session.run_id, mode="Filters")
    assert not page.exception
    found = session.inference(session.gallery(64).images)
    assert found is not None
    for name in ("encoder", "optimised"):
        cells = "".join(f"<td>{figure:.2f}</td>" for figure in found.figures(name))
        assert cells in texts(page)
    assert f"{session.nats['prior_nats']:.1f}" in texts(page)


@pytest.mark.parametrize(
    ("asked", "expected"), [("encoder", "encoder"), ("Looks for", "encoder"), ("magic", "decoder")]
)
def test_a_link_restores_which_filters_are_shown(
    sessions: dict[str, Session], open_page: OpenPage, monkeypatch: pytest.MonkeyPatch, asked: str, expected: str
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(filters, "tiles", lambda images, *args, **more: shown.append(images))
    session = sessions["predictive_sparse"]
    page = open_page("walk", run=session.run_id, mode="Filters", filters=asked)
    assert not page.exception
    found = session.filters()
    assert np.array_equal(shown[-1], found.drawn(getattr(found, expected), filters.MAX_FILTERS))


def test_a_picked_filter_raises_its_unit_and_puts_it_back(
    sessions: dict[str, Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = sessions["top_k"]
    moves: list[tuple[int, float]] = []
    taken: dict[str, Any] = {}
    monkeypatch.setattr(filters, "tiles", lambda *args, **more: taken.update(pick=args[4], labels=args[2], **more))
    monkeypatch.setattr(filters.st, "html", lambda text: None)
    monkeypatch.setattr(walk_moves, "move", lambda place, unit, value: moves.append((unit, value)))
    gallery = session.gallery(4)
    code = session.encode(gallery.images[:1])[0]
    unit = int(session.filters().order[3])
    place = walk_place.Place({}, session, gallery, 0, code, code, code, {}, {}, code)
    filters.filters(place)
    assert len(taken["labels"]) == 48
    assert taken["labels"][3].startswith(f"unit {unit}: ")
    assert taken["chosen"] is None
    taken["pick"](3)
    assert moves == [(unit, place.scale(unit).high)]
    high = place.scale(unit).high
    there = session.moved(code, {unit: high})
    filters.filters(walk_place.Place({}, session, gallery, 0, code, code, code, {unit: high}, {}, there))
    assert taken["chosen"] == 3
    taken["pick"](3)
    assert moves[-1] == (unit, float(code[unit]))
