import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from reading import OpenPage
from streamlit.testing.v1 import AppTest

from aecore.errors import DataUnavailable
from app import cache, state

pytestmark = pytest.mark.usefixtures("home")


def drawn(page: AppTest) -> dict[str, Any]:
    """What the drawing of the maps was given."""
    (element,) = [e for e in page.get("bidi_component") if e.proto.component_name == "map_scatter"]
    return json.loads(element.proto.json if element.proto.HasField("json") else element.proto.mixed.json)


def words(page: AppTest) -> str:
    return " ".join(
        str(e.value if e.type in ("markdown", "caption", "info") else e.proto.body)
        for kind in ("markdown", "caption", "html", "info")
        for e in page.get(kind)
    )


def healthy(page: AppTest) -> AppTest:
    assert not page.exception, [e.value for e in page.exception]
    return page


def test_first_view_shows_three_maps_with_figures(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    page = healthy(open_page("maps", run=run_ids["variational"]))
    data = drawn(page)
    assert [panel["title"] for panel in data["panels"]] == ["PCA", "MDS", "Autoencoder code"]
    assert [figure["name"] for figure in data["panels"][1]["figures"]] == [
        "Stress-1",
        "Trustworthiness",
        "Neighbours agree",
    ]
    assert data["n"] == 1000
    assert data["legend"]["names"] == [str(i) for i in range(10)]
    assert "1,000 of 1,797 images" in words(page)
    assert "Kruskal" in words(page)
    assert len(json.dumps(data)) < 250_000


def test_a_link_restores_colour_and_thumbnails(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    data = drawn(healthy(open_page("maps", run=run_ids["variational"], colour="Unit 3 of the code", pictures="false")))
    assert data["legend"]["title"] == "Unit 3 of the code"
    assert data["thumbnails"] is False


def test_a_link_with_nonsense_shows_the_usual_view(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    data = drawn(healthy(open_page("maps", run=run_ids["variational"], colour="Unit 99 of the code", pictures="maybe")))
    assert data["legend"]["title"] == "Class"


def test_another_run_without_that_unit_falls_back_to_classes(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    page = open_page("maps", run=run_ids["denoising"], colour="Unit 40 of the code")
    assert drawn(page)["legend"]["title"] == "Unit 40 of the code"
    page.selectbox(key=state.RUN_PICKER).select(run_ids["variational"]).run()
    assert drawn(healthy(page))["legend"]["title"] == "Class"


def test_a_selection_is_shown_with_its_classes(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    run_id = run_ids["variational"]
    page = open_page("maps", run=run_id)
    zeros = np.flatnonzero(cache.atlas(run_id).labels == 0)[:7].tolist()
    page.session_state[state.MAP_SCATTER] = {"selection": {"token": run_id, "indices": zeros}}
    assert "7 selected" in words(healthy(page.run()))
    assert "Classes: 0: 7." in words(page)


@pytest.mark.parametrize(
    "selection",
    [None, 3, [], {"indices": [1]}, {"token": "another run", "indices": [1, 2]}, {"token": True, "indices": "12"}],
)
def test_a_selection_that_is_not_one_is_ignored(open_page: OpenPage, run_ids: dict[str, str], selection: Any) -> None:
    page = open_page("maps", run=run_ids["variational"])
    page.session_state[state.MAP_SCATTER] = {"selection": selection}
    assert "Draw a loop" in words(healthy(page.run()))


def test_odd_indices_of_a_selection_are_left_out(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    page = open_page("maps", run=run_ids["variational"])
    odd = [-1, 1000, 10**12, 2.5, "3", None, True, 4, 4]
    page.session_state[state.MAP_SCATTER] = {"selection": {"token": run_ids["variational"], "indices": odd}}
    assert "1 selected" in words(healthy(page.run()))


def test_own_images_are_placed_on_all_maps(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    page = open_page("maps", run=run_ids["variational"])
    stroke = np.zeros((40, 40), np.uint8)
    stroke[5:35, 17:23] = 255
    out = io.BytesIO()
    Image.fromarray(stroke).save(out, "PNG")
    page.file_uploader[0].upload("one.png", out.getvalue()).run()
    data = drawn(healthy(page))
    assert [len(panel["own"]) for panel in data["panels"]] == [1, 1, 1]
    assert all(abs(value) <= 1.07 for panel in data["panels"] for value in panel["own"][0])
    assert "Your images" in words(page)


def test_without_the_dataset_the_page_says_so(
    open_page: OpenPage, run_ids: dict[str, str], empty_caches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(dataset: object) -> None:
        raise DataUnavailable("the digits are not here")

    monkeypatch.setattr("aecore.session.load_data", unavailable)
    page = healthy(open_page("maps", run=run_ids["variational"]))
    assert "decoded by the model: the digits are not here" in words(page)
    assert drawn(page)["origins"] == ["decoded training image"]


@pytest.fixture
def empty_caches() -> Any:
    cache.st.cache_resource.clear()
    yield
    cache.st.cache_resource.clear()


def test_no_run_is_answered_in_words(open_page: OpenPage, empty_home: Path) -> None:
    page = healthy(open_page("maps"))
    assert "no trained run" in words(page) or cache.runs()
