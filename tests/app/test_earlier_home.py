"""A home and links that version 0.1.0 wrote before the rooms were divided open as they did then.

`earlier_home.zip` holds that home (two runs, one of them stopped in its second stage; one waiting; one deleted; cached
maps) and `expected.json`: links into every page, and what the earlier version showed for each.
"""

import base64
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reading import OpenPage, words
from streamlit.testing.v1 import AppTest

from aecore.maps import cache as map_cache
from aecore.maps.atlas import atlas
from aecore.maps.spec import AtlasSpec, PanelSpec
from aecore.session.session import Session
from aecore.store.store import RunStore
from aecore.training import queue
from aecore.training.run import train

ARCHIVE = Path(__file__).parent / "earlier_home.zip"


@pytest.fixture
def earlier(empty_home: Path) -> dict[str, Any]:
    """The earlier home, unpacked as the home of this test; gives what was expected then."""
    with zipfile.ZipFile(ARCHIVE) as packed:
        packed.extractall(empty_home)
    return json.loads((empty_home / "expected.json").read_text(encoding="utf-8"))


def mounted(page: AppTest, component: str) -> list[dict[str, Any]]:
    """What the page gave to each component of that name."""
    found = [element.proto for element in page.get("bidi_component") if element.proto.component_name == component]
    return [json.loads(proto.json if proto.HasField("json") else proto.mixed.json) for proto in found]


def numbers(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.float32)


def test_its_runs_its_queue_and_its_trash_are_found(earlier: dict[str, Any], empty_home: Path) -> None:
    store = RunStore()
    states = {info.run_id: info.state for info in store.runs() if not info.builtin}
    assert states == {earlier["run"]: "finished", earlier["stopped"]: "stopped", earlier["queued"]: "queued"}
    assert [info.run_id for info in queue.queue(store)] == [earlier["queued"]]
    assert store.info(earlier["stopped"]).resumable
    session = Session(store, earlier["run"])
    np.testing.assert_allclose(session.encode(session.gallery(4).images), earlier["codes"], atol=1e-4)
    assert session.snapshots
    (deleted,) = (path.name for path in (empty_home / "trash").iterdir())
    store.restore(deleted)
    assert store.info(deleted).explorable


def test_its_maps_are_read_from_its_cache(earlier: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_cache, "fit_map", lambda *_: pytest.fail("a cached map was fitted anew"))
    maps = atlas(
        Session(RunStore(), earlier["run"]), AtlasSpec(tuple(map(PanelSpec.parse, ("pca", "mds", "code"))), 80)
    )
    first = [panel.coordinates[0] for panel in maps.panels]
    np.testing.assert_allclose(first, earlier["coordinates"], atol=1e-4)


@pytest.mark.parametrize("name", ["walk", "walk_between", "walk_random"])
def test_its_links_to_walk_lead_to_the_same_code(earlier: dict[str, Any], open_page: OpenPage, name: str) -> None:
    page = open_page("walk", **earlier["links"][name])
    assert not page.exception
    (stage,) = mounted(page, "live_walk_stage")
    here, then = stage["place"], earlier["places"][name]
    for code in ("start", "origin", "other"):
        np.testing.assert_allclose(numbers(here[code]), numbers(then[code]), atol=1e-4)
    for field in ("spherical", "along", "moved", "added"):
        assert here[field] == then[field]
    if name == "walk":
        assert ["smile", "kept 2"] in [tiles["labels"] for tiles in mounted(page, "walk_tiles")]


def test_its_link_to_denoise_shows_the_same_noise(earlier: dict[str, Any], open_page: OpenPage) -> None:
    page = open_page("denoise", **earlier["links"]["denoise"])
    assert not page.exception
    (here,), then = mounted(page, "live_denoise"), earlier["denoise"]
    assert [here[field] for field in ("kind", "level", "seed", "labels", "runs")] == [
        then[field] for field in ("kind", "level", "seed", "labels", "runs")
    ]
    np.testing.assert_allclose(here["before"]["sse"], then["before"], rtol=1e-3)
    np.testing.assert_allclose([side["sse"] for side in here["after"]], then["after"], rtol=1e-3)


def test_its_link_to_maps_shows_the_same_atlas(earlier: dict[str, Any], open_page: OpenPage) -> None:
    page = open_page("maps", **earlier["links"]["maps"])
    assert not page.exception
    (here,) = mounted(page, "live_maps")
    assert here["token"] == earlier["maps"]["token"]
    assert [panel["title"] for panel in here["panels"]] == earlier["maps"]["titles"]


def test_its_links_to_train_and_runs_find_their_runs(earlier: dict[str, Any], open_page: OpenPage) -> None:
    waiting = open_page("train", **earlier["links"]["train"])
    assert not waiting.exception
    assert "Waiting" in words(waiting)
    compared = open_page("runs", **earlier["links"]["runs"])
    assert not compared.exception
    assert compared.multiselect(key="_runs_compared").value == [earlier["run"], earlier["stopped"]]


def test_its_queue_goes_on(earlier: dict[str, Any]) -> None:
    store = RunStore()
    queue.claim(store, earlier["queued"])
    info = store.info(earlier["queued"])
    assert info.config is not None
    train(info.config, store, run_id=earlier["queued"])
    assert store.info(earlier["queued"]).state == "finished"
