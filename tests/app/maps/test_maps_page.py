import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from reading import OpenPage, sent_to
from streamlit.testing.v1 import AppTest

from aecore.foundation.errors import DataUnavailable
from aecore.maps.spec import AtlasSpec, PanelSpec
from aecore.pictures import sheets
from app import cache
from app.live import blobs, maps
from app.state import runs
from app.state.maps import MAP_CHOICE, MAP_SCATTER, MAP_WIDGET
from app.state.uploads import Upload
from app.views.maps import choice

pytestmark = pytest.mark.usefixtures("home")
OPENED = {MAP_CHOICE: True}
"""Held by a visitor who opened the maps' settings."""


def drawn(page: AppTest) -> dict[str, Any]:
    """The data that the page gave to the maps."""
    return sent_to(page, "live_maps")


def fetched(address: str, kind: str) -> np.ndarray:
    """What the browser gets from an address of the drawing."""
    blob = blobs.get(address.rsplit("/", 1)[1])
    assert blob is not None
    return np.frombuffer(blob.plain, kind)


def token(run_id: str) -> str:
    return cache.atlas(run_id, AtlasSpec()).key


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
        "Continuity",
        "Same-class neighbours",
    ]
    assert all(figure["said"] and figure["definition"] for panel in data["panels"] for figure in panel["figures"])
    assert data["n"] == 1000
    atlas = cache.atlas(run_ids["variational"], AtlasSpec())
    for panel, told in zip(atlas.panels, data["panels"], strict=True):
        np.testing.assert_array_equal(fetched(told["places"], "<i2").reshape(-1, 2), panel.grid)
    np.testing.assert_array_equal(fetched(data["index"], "<i4"), atlas.indices)
    np.testing.assert_array_equal(fetched(data["labels"], "<u2"), atlas.labels)
    assert data["legend"]["names"] == [str(i) for i in range(10)]
    assert "1,000 of 1,797 images" in words(page)
    assert "Kruskal" in data["panels"][1]["figures"][0]["said"]
    assert len(json.dumps(data)) < 30_000, "what is heavy has addresses"


def test_opened_charts_show_every_map_by_the_number_of_neighbours(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    page = open_page("maps", run=run_ids["variational"])
    assert not page.get("plotly_chart")
    page.session_state["map_charts"] = True
    healthy(page.run())
    figures = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    curves = [figure for figure in figures if figure["layout"]["xaxis"].get("type") == "log"]
    titles = [figure["layout"]["title"]["text"] for figure in curves]
    assert titles == ["Trustworthiness", "Continuity", "Same-class neighbours"]
    assert all([line["name"] for line in figure["data"]] == ["PCA", "MDS", "Autoencoder code"] for figure in curves)
    assert "500 of 1,000 images" in words(page)


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
    page.selectbox(key=runs.RUN_PICKER).select(run_ids["variational"]).run()
    assert drawn(healthy(page))["legend"]["title"] == "Class"


def test_a_selection_is_shown_with_its_classes(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    run_id = run_ids["variational"]
    page = open_page("maps", run=run_id)
    zeros = np.flatnonzero(cache.atlas(run_id, AtlasSpec()).labels == 0)[:7].tolist()
    page.session_state[MAP_SCATTER] = {"selection": {"token": token(run_id), "indices": zeros, "count": 7}}
    assert "7 selected" in words(healthy(page.run()))
    assert "class 0: 7 images." in words(page)


def test_without_a_selection_the_page_says_how_to_select(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    held = {MAP_SCATTER: {"selection": {"token": "another run", "indices": [1, 2]}}}
    assert "Draw a loop" in words(healthy(open_page("maps", held=held, run=run_ids["variational"])))


def test_the_selected_images_go_to_another_page_as_they_are(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    run_id = run_ids["variational"]
    atlas = cache.atlas(run_id, AtlasSpec())
    # With an image of one's own on the maps, the toggle that inverts own images is drawn before the button is pressed.
    own = Upload("own.png", sheets.png(sheets.filmstrip(atlas.pictures([5]))))
    page = open_page("maps", run=run_id, held={"_uploads": [own]})
    page.session_state[MAP_SCATTER] = {"selection": {"token": atlas.key, "indices": [3, 17, 41], "count": 3}}
    page.run()
    page.button(key=f"{MAP_WIDGET}denoise").click().run()
    healthy(page)
    *sent, kept = page.session_state["_uploads"]
    assert kept == own
    assert [upload.name for upload in sent] == [f"from-maps-{atlas.indices[i]}.png" for i in (3, 17, 41)]
    taken = [np.asarray(Image.open(io.BytesIO(upload.content)).convert("L"), np.float32) / 255 for upload in sent]
    np.testing.assert_allclose(np.stack(taken), atlas.pictures([3, 17, 41])[:, 0], atol=0.5 / 255 + 1e-6)


def test_a_click_between_the_points_shows_what_is_made_there(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    run_id = run_ids["variational"]
    page = open_page("maps", run=run_id)
    spot = {"token": token(run_id), "panel": "code", "x": 0.25, "y": -0.5}
    page.session_state["_map_spot"] = spot
    assert "Generated: a place" in words(healthy(page.run()))
    page.button(key=f"{MAP_WIDGET}from_here").click().run()
    healthy(page)
    atlas = cache.atlas(run_id, AtlasSpec())
    code = next(panel for panel in atlas.panels if panel.kind == "code")
    assert code.inverse is not None
    asked = {name: float(page.query_params[name]) for name in page.query_params if re.fullmatch(r"u\d+", name)}
    np.testing.assert_allclose(
        [asked[f"u{i}"] for i in range(len(asked))], code.inverse.row(0.25, -0.5), rtol=1e-3, atol=1e-3
    )


# --- which maps


def titles(page: AppTest) -> list[str]:
    return [panel["title"] for panel in drawn(page)["panels"]]


def test_a_link_says_which_maps_of_how_many_images(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    page = healthy(open_page("maps", run=run_ids["variational"], maps="code(units=0-1)|classical_mds", n=200))
    assert [panel["id"] for panel in drawn(page)["panels"]] == ["code(units=0-1)", "classical_mds"]
    assert drawn(page)["n"] == 200


@pytest.mark.parametrize(
    "text", ["nonsense", "mds|mds", "code~99999", "code@../../etc", "pca(a=b)", "mds(distance=precomputed)"]
)
def test_a_link_with_maps_that_cannot_be_asks_for_the_usual_ones(
    monkeypatch: pytest.MonkeyPatch, run_ids: dict[str, str], text: str
) -> None:
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(st, "query_params", {"maps": text, "n": "-3", "choice": "1e9"})
    session = cache.session(run_ids["variational"])
    assert choice.asked(session) == AtlasSpec()
    st.query_params.update(maps="pca|code", n="200", choice="3")
    assert choice.asked(session) == AtlasSpec(maps_of("pca", "code", n=200).panels, 200, 3)


def test_what_takes_time_is_never_begun_by_a_link(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    page = healthy(open_page("maps", run=run_ids["variational"], maps="tsne|code", n=300))
    assert titles(page) == ["PCA", "MDS", "Autoencoder code"]
    assert "Not yet computed" in words(page)
    assert cache.map_jobs().find(run_ids["variational"], maps_of("tsne", "code", n=300)) is None


def maps_of(*texts: str, n: int) -> AtlasSpec:
    return AtlasSpec(tuple(PanelSpec.parse(text) for text in texts), n)


def choose(page: AppTest, label: str, option: str) -> AppTest:
    next(box for box in page.selectbox if box.label == label).select(option)
    return healthy(page.run())


def test_a_choice_that_takes_no_time_is_drawn_at_once(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    page = choose(open_page("maps", run=run_ids["variational"], held=OPENED), "Map 2", "classical_mds")
    assert titles(page) == ["PCA", "Classical MDS", "Autoencoder code"]
    assert page.query_params["maps"] == "pca|classical_mds|code"
    page = choose(page, "Map 4", "mds")
    assert titles(page) == ["PCA", "Classical MDS", "Autoencoder code", "MDS"]
    page = choose(choose(choose(page, "Map 4", "none"), "Map 3", "none"), "Map 2", "none")
    assert titles(page) == ["PCA"]


def test_a_choice_that_takes_time_is_marked_and_run_only_when_asked(
    open_page: OpenPage, run_ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, AtlasSpec]] = []
    monkeypatch.setattr(cache.map_jobs(), "ask", lambda run_id, spec, who: asked.append((run_id, spec)))
    page = choose(open_page("maps", run=run_ids["variational"], held=OPENED), "Map 2", "tsne")
    assert titles(page) == ["PCA", "MDS", "Autoencoder code"]
    assert "Not yet computed" in words(page)
    assert asked == []
    next(button for button in page.button if button.label == "Run").click().run()
    assert titles(healthy(page)) == ["PCA", "MDS", "Autoencoder code"]
    wanted = AtlasSpec(tuple(PanelSpec.parse(text) for text in ("pca", "tsne", "code")))
    assert asked == [(run_ids["variational"], wanted)]
    assert page.query_params["maps"] == "pca|tsne|code"


def test_a_choice_that_is_not_drawn_yet_stays_when_its_settings_are_closed(
    open_page: OpenPage, run_ids: dict[str, str]
) -> None:
    page = open_page("maps", run=run_ids["variational"])
    assert not [box for box in page.selectbox if box.label == "Map 2"], "closed settings cost nothing"
    page.session_state[MAP_CHOICE] = True
    page = choose(page.run(), "Map 2", "tsne")
    page.session_state[MAP_CHOICE] = False
    healthy(page.run())
    assert "Not yet computed" in words(page)
    assert next(box for box in page.selectbox if box.label == "Map 2").value == "tsne"
    next(button for button in page.button if button.label == "Undo").click().run()
    page.run()
    assert not [box for box in page.selectbox if box.label == "Map 2"]


def test_a_choice_that_takes_time_can_be_taken_back(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    page = choose(open_page("maps", run=run_ids["variational"], held=OPENED), "Map 2", "tsne")
    next(button for button in page.button if button.label == "Undo").click().run()
    assert "Not yet computed" not in words(healthy(page))
    assert next(box for box in page.selectbox if box.label == "Map 2").value == "mds"


def test_the_same_map_twice_is_refused_in_words(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    page = choose(open_page("maps", run=run_ids["variational"], held=OPENED), "Map 2", "pca")
    assert "named twice" in words(page)
    assert titles(page) == ["PCA", "MDS", "Autoencoder code"]


def test_a_code_while_it_learned_beside_the_code_as_it_is(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    run_id = run_ids["variational"]
    first, *_, last = cache.session(run_id).snapshots
    page = healthy(open_page("maps", run=run_id, maps=f"code~{first}|code", held=OPENED))
    early, now = (fetched(panel["places"], "<i2") for panel in drawn(page)["panels"])
    assert not np.array_equal(early, now)
    decoders = [panel["back"]["decoder"] for panel in drawn(page)["panels"]]
    assert decoders[0] != decoders[1]
    slider = next(slider for slider in page.select_slider if slider.label == "Epoch")
    slider.set_value(last).run()
    assert [panel["id"] for panel in drawn(healthy(page))["panels"]] == [f"code~{last}", "code"]


def test_maps_that_fail_leave_the_choice_to_mend_them(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    page = healthy(open_page("maps", run=run_ids["variational"], maps="pca|code(units=0-999)"))
    assert "cannot be the 2 axes" in " ".join(str(e.proto.body) for e in page.get("html"))
    units = next(field for field in page.text_input if field.label == "Units")
    page = healthy(units.set_value("").run())
    assert titles(page) == ["PCA", "Autoencoder code"]


def test_two_runs_codes_of_the_same_images(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    other = run_ids["denoising"]
    page = choose(open_page("maps", run=run_ids["variational"], held=OPENED), "Map 2", f"@{other}")
    panel = drawn(page)["panels"][1]
    assert panel["id"] == f"code@{other}"
    assert f"/live/model/{other}/" in panel["back"]["decoder"] or panel["back"]["decoder"].endswith(".onnx")


def test_the_linked_maps_as_one_file_hold_all_they_need(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    sent = drawn(healthy(open_page("maps", run=run_ids["variational"])))
    page = maps.standalone({name: sent[name] for name in sent if name not in ("module", "base")}, "Maps </script><b>")
    assert "/live/" not in re.sub(r"<script type=\"module\">.*</script>", "", page, flags=re.S)
    assert "Maps &lt;/script&gt;" in page
    (data,) = re.findall(r'<script type="application/json" id="maps">(.*?)</script>', page, re.S)
    panel = json.loads(data)["panels"][0]
    head, _, content = panel["places"].partition(",")
    assert head == "data:application/octet-stream;base64"
    assert base64.b64decode(content) == fetched(sent["panels"][0]["places"], "u1").tobytes()


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

    monkeypatch.setattr("aecore.store.run_data.load_data", unavailable)
    page = healthy(open_page("maps", run=run_ids["variational"]))
    assert "decoded by the model: the digits are not here" in words(page)
    assert drawn(page)["origins"] == ["decoded training image"]


@pytest.fixture
def empty_caches() -> Any:
    cache.forget()
    yield
    cache.forget()


def test_no_run_is_answered_in_words(open_page: OpenPage, empty_home: Path) -> None:
    page = healthy(open_page("maps"))
    assert "no trained run" in words(page) or cache.runs()
