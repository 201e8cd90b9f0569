"""The Walk page: what a link restores, what its controls write, and hostile values in both."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from reading import drawn
from streamlit.testing.v1 import AppTest

from aecore.pictures import sheets
from aecore.pictures.uploads import read_files
from aecore.session.gallery import Gallery, own_gallery
from aecore.session.scale import Scale
from aecore.session.session import Session
from app import cache
from app.live import library, walk, walk_messages, walk_moves, walk_place
from app.state import keys, runs, uploads, url
from app.state.place import CORRUPT, MAX_KEPT, STEPS, Kept, go_to, keep, kept_places, place_text
from app.views.walk import filmstrip
from app.views.walk.filmstrip import Film, Paging, films
from app.widgets import tiles

OpenPage = Callable[..., AppTest]
MODES = ["Units", "Interpolate", "Plane", "Random", "Chain", "Filters"]
RECIPES = ["denoising", "variational"]


def mounted_data(page: AppTest, component: str) -> list[dict[str, Any]]:
    """What the page gives to the components of this name."""
    found = [element.proto for element in page.get("bidi_component")]
    return [json.loads(proto.json) for proto in found if proto.component_name == component]


def stage(page: AppTest) -> dict[str, Any]:
    (found,) = mounted_data(page, "live_walk_stage")
    return found


def main_picture(page: AppTest) -> str:
    """The server's pictures of the start, the code now, and their difference."""
    return "\n".join(stage(page)["pictures"].values())


def about(page: AppTest) -> str:
    (found,) = [element.proto.body for element in page.get("html") if 'class="walk-where"' in element.proto.body]
    return found


# --- the page


@pytest.mark.parametrize(("mode", "recipe"), list(zip(MODES, RECIPES * 3, strict=True)))
def test_every_mode_is_drawn(open_page: OpenPage, run_ids: dict[str, str], recipe: str, mode: str) -> None:
    page = open_page("walk", run=run_ids[recipe], mode=mode)
    assert not page.exception
    assert main_picture(page)
    assert "The code of image 0" in about(page)
    parts = [data["part"] for data in mounted_data(page, "live_walk_controls")]
    assert parts == {"Units": ["units"], "Interpolate": ["way"], "Plane": ["pad"]}.get(mode, [])
    if mode == "Random":
        assert page.number_input(key="_walk_seed").value == 0


@pytest.mark.parametrize(("mode", "recipe"), list(zip(MODES, RECIPES[::-1] * 3, strict=True)))
def test_every_mode_is_drawn_where_the_browser_cannot(
    open_page: OpenPage, run_ids: dict[str, str], recipe: str, mode: str
) -> None:
    run = run_ids[recipe]
    failed = {"walk_stage": {"failed": {"reason": "this browser has no WebAssembly", "run": run}}}
    page = open_page("walk", held=failed, run=run, mode=mode)
    assert not page.exception
    assert not mounted_data(page, "live_walk_controls")
    assert "standard deviations" in about(page)
    assert [text.value for text in page.caption if text.value.startswith("Not live: this browser has no WebAssembly.")]
    films = {"Units": ["units"], "Interpolate": ["way"]}
    assert len(mounted_data(page, "filmstrip")) == len(films.get(mode, []))


@pytest.mark.parametrize(
    ("failed", "reason"),
    [
        ({"reason": "too large", "run": "ours"}, "too large"), ({"reason": "no program"}, "no program"),
        ({"reason": "too large", "run": "another"}, None), ({"reason": 3, "run": "ours"}, None), ("nonsense", None),
        ({}, None), (None, None), ({"reason": "x" * 999}, "x" * 200),
    ],
    ids=str,
)  # fmt: skip
def test_a_failure_in_the_browser_is_believed_for_its_run(
    monkeypatch: pytest.MonkeyPatch, failed: Any, reason: str | None
) -> None:
    monkeypatch.setattr(st, "session_state", {"walk_stage": {"failed": failed}})
    assert walk_messages.off("ours") == reason


def test_a_link_restores_image_units_and_directions(
    open_page: OpenPage, run_ids: dict[str, str], session: Session
) -> None:
    page = open_page("walk", run=session.run_id, image=3, u2=0.5, p1=0.8)
    assert not page.exception
    for words in ("image 3", "unit 2 moved", "moved along principal direction 1"):
        assert words in about(page)
    place = walk_place.parse({"image": "3", "u2": "0.5", "p1": "0.8"}, session, session.gallery(64))
    shown = stage(page)
    assert shown["place"]["token"] == place.origin_token
    assert (shown["place"]["moved"], shown["place"]["added"]) == ({"2": 0.5}, {"p1": 0.8})
    assert shown["pictures"]["now"] == sheets.data_uri(sheets.png(sheets.filmstrip(place.pictures[1:])))
    assert len(set(shown["pictures"].values())) == 3


HOSTILE = [
    {"u2": "nan"}, {"u2": "inf"}, {"u2": "1e400"}, {"u2": ""}, {"u2": "<b>"}, {"u9999": "1"}, {"u99999": "1"},
    {"image": "-1"}, {"image": "1e9"}, {"image": "nan"}, {"image": "٣"}, {"at": "nan"}, {"p1": "nan"}, {"p999": "1"},
    {"p1": "<b>"}, {"n00000000": "1"}, {"kept": "<b>"}, {"kept": "*"}, {"kept": "|||"}, {"kept": "*u2=nan"},
    {"kept": "*image=-1~u2=1e99"}, {"kept": "*kept=x~run=y"}, {"kept": "a*b*c=d"}, {"kept": "*u2=0.5" * 999},
    {"kept": "n*n00000000=1"},
]  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE, ids=str)
def test_what_makes_no_sense_in_a_link_moves_nothing(
    session: Session, gallery: Gallery, hostile: dict[str, str]
) -> None:
    place = walk_place.parse(hostile, session, gallery)
    assert place.image == 0
    assert np.array_equal(place.now, place.start)
    assert not walk_place.named_directions(hostile, session, gallery)


@pytest.mark.parametrize("mode", ["Random", "Chain", "<script>"])
def test_a_page_of_a_senseless_link_is_the_usual_one(open_page: OpenPage, session: Session, mode: str) -> None:
    kept = "|".join(hostile["kept"] for hostile in HOSTILE if "kept" in hostile and len(hostile["kept"]) < 99)
    hostile = {"u2": "nan", "u99999": "1", "image": "1e9", "at": "nan", "p1": "<b>", "x": "nan", "to": "-5", "how": "'"}
    hostile |= {"sampler": "../../etc", "steps": "1e9", "seed": "-1", "corrupt": "<b>", "filters": "<b>", "kept": kept}
    page = open_page("walk", run=session.run_id, mode=mode, **hostile)
    assert not page.exception
    place = walk_place.parse({}, session, session.gallery(64))
    assert stage(page)["pictures"]["now"] == sheets.data_uri(sheets.png(sheets.filmstrip(place.pictures[1:])))
    assert "The code of image 0" in about(page)


def test_random_codes_stay_in_their_bounds(open_page: OpenPage, session: Session, gallery: Gallery) -> None:
    for hostile, (seed, pick) in {"-3": (0, 0), "1e6": (walk_place.LAST_SEED, 0), "2.5": (2, 5)}.items():
        parameters = {"draw": hostile, "pick": "5" if pick else "99"}
        place = walk_place.parse(parameters, session, gallery)
        assert walk_place.seed(parameters) == seed
        assert np.array_equal(place.now, walk_place.random_codes({"draw": str(seed)}, session)[0][pick])
    page = open_page("walk", run=session.run_id, mode="Random", draw=-3, pick=99)
    assert not page.exception
    assert "A random code" in about(page)
    assert page.number_input(key="_walk_seed").value == 0


def test_units_beyond_their_range_are_clipped(session: Session, gallery: Gallery) -> None:
    place = walk_place.parse({"u2": "99999"}, session, gallery)
    assert place.moved == {2: place.scale(2).high}


def test_reset_leaves_the_place(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    page = open_page("walk", run=run_ids["variational"], image=1, u2=0.5)
    (reset,) = [button for button in page.button if button.label == "Reset"]
    page = reset.click().run()
    assert stage(page)["pictures"]["now"] == stage(page)["pictures"]["start"]
    assert "u2" not in page.query_params
    assert page.query_params["image"] == "1"


def test_a_new_dozen_is_another_code_and_stays_in_the_link(open_page: OpenPage, session: Session) -> None:
    page = open_page("walk", run=session.run_id, mode="Random")
    seen = {main_picture(page)}
    for draw in ("0", "1"):
        (another,) = [button for button in page.button if button.label == "New dozen"]
        page = another.click().run()
        assert page.query_params["draw"] == draw
        seen.add(main_picture(page))
    assert len(seen) == 3


def test_samplers_differ(open_page: OpenPage, session: Session) -> None:
    page = open_page("walk", run=session.run_id, mode="Random", draw=0)
    seen = {main_picture(page)}
    for kind in ("normal", "empirical", "mixture"):
        page = page.selectbox(key="_walk_sampler").select(kind).run()
        assert not page.exception
        assert page.query_params["sampler"] == kind
        seen.add(main_picture(page))
    assert len(seen) == 4


def test_another_run_forgets_moved_units_but_a_link_brings_its_own(
    open_page: OpenPage, run_ids: dict[str, str]
) -> None:
    page = open_page("walk", run=run_ids["variational"], u2=0.5)
    page = page.selectbox(key=runs.RUN_PICKER).select(run_ids["denoising"]).run()
    assert "moved" not in about(page)
    assert "unit 1 moved" in about(open_page("walk", run=run_ids["denoising"], u1=0.5))


def test_a_run_that_is_not_there_is_answered_in_words(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    page = open_page("walk", run="nobody-knows-it")
    assert not page.exception
    assert any("picture-error" in element.proto.body for element in page.get("html"))


# --- the chain


def strips(page: AppTest) -> list[str]:
    return [element.proto.body for element in page.get("html") if "of the chain, in rows" in element.proto.body]


def test_a_link_restores_a_chain(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    run = run_ids["denoising"]
    page = open_page("walk", run=run, mode="Chain", steps=8, seed=5, corrupt=0)
    assert [page.number_input(key=url.widget(name)).value for name in (STEPS, keys.SEED)] == [8, 5]
    assert not page.toggle(key=url.widget(CORRUPT)).value
    assert len(strips(page)) == 2
    assert "Steps 7 to 8 of the chain, in rows: mean, sample" in strips(page)[1]
    first = strips(page)
    page = page.number_input(key=url.widget(keys.SEED)).set_value(6).run()
    assert strips(page) != first
    assert strips(page.number_input(key=url.widget(keys.SEED)).set_value(5).run()) == first


def test_what_is_set_of_a_chain_goes_into_the_link(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    page = open_page("walk", run=run_ids["denoising"], mode="Chain")
    assert "in rows: input, mean, sample" in strips(page)[0]
    page = page.toggle(key=url.widget(CORRUPT)).set_value(False).run()
    page = page.number_input(key=url.widget(STEPS)).set_value(6).run()
    (another,) = [button for button in page.button if button.label == "New chain"]
    page = another.click().run()
    assert not page.exception
    assert {name: page.query_params[name] for name in ("corrupt", "steps", "seed")} == {
        "corrupt": "0", "steps": "6", "seed": "1",
    }  # fmt: skip
    assert len(strips(page)) == 1
    assert "in rows: mean, sample" in strips(page)[0]
    page = page.toggle(key=url.widget(CORRUPT)).set_value(True).run()
    assert "corrupt" not in page.query_params


def test_a_chain_says_in_words_how_it_mixes_and_what_a_step_is(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    for recipe, encode in (("variational", "samples a code from its distribution"), ("denoising", "a single point")):
        said = drawn(open_page("walk", run=run_ids[recipe], mode="Chain"))
        assert encode in said
        assert "the start is forgotten" in said or "of the way to unrelated pictures" in said
        assert ("corrupts the picture" in said) == (recipe == "denoising")


def test_a_chain_starts_where_the_walk_has_come_to(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    page = open_page("walk", run=run_ids["variational"], mode="Chain", u2=3)
    moved = strips(page)
    next(button for button in page.button if button.label == "Reset").click().run()
    assert strips(page) != moved


# --- places


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The URL's parameters of a visit without a page."""
    parameters: dict[str, str] = {}
    monkeypatch.setattr(st, "query_params", parameters)
    monkeypatch.setattr(st, "session_state", {})
    return parameters


@pytest.fixture
def session(home: Path, run_ids: dict[str, str]) -> Session:
    return cache.session(run_ids["variational"])


@pytest.fixture
def gallery(session: Session) -> Gallery:
    return session.gallery(8)


def test_a_unit_moves_and_comes_back(visit: dict[str, str], session: Session, gallery: Gallery) -> None:
    place = walk_place.parse(url.parameters(), session, gallery)
    assert np.array_equal(place.now, place.start)
    scale = place.scale(2)
    walk_moves.move(place, 2, scale.high)
    there = walk_place.parse(url.parameters(), session, gallery)
    assert there.moved == {2: pytest.approx(scale.high)}
    assert not np.array_equal(there.pictures[0], there.pictures[1])
    url.write_pending()
    assert visit == {"u2": scale.text(scale.high)}
    walk_moves.move(there, 2, float(place.base[2]))
    url.write_pending()
    assert visit == {}


def test_a_move_is_not_lost_to_a_url_that_comes_late(visit: dict[str, str], session: Session, gallery: Gallery) -> None:
    place = walk_place.parse(url.parameters(), session, gallery)
    walk_moves.move(place, 1, place.scale(1).high)
    url.write_pending()
    visit.clear()  # the next move was sent before the browser knew the new address
    url.forget_written()
    walk_moves.move(place, 2, place.scale(2).low)
    assert set(walk_place.parse(url.parameters(), session, gallery).moved) == {1, 2}
    url.write_pending()
    assert set(visit) == {"u1", "u2"}
    url.forget_written()
    visit.clear()  # now it knew it, so this is the visitor going back
    assert walk_place.parse(url.parameters(), session, gallery).moved == {}


def test_another_image_is_another_place(visit: dict[str, str], session: Session, gallery: Gallery) -> None:
    visit.update(u1="0.5", at="0.3", image="2")
    token = walk_place.parse(url.parameters(), session, gallery).token
    walk_moves.choose_image(5)
    url.write_pending()
    assert visit == {"image": "5"}
    assert walk_place.parse(url.parameters(), session, gallery).token != token


def test_the_way_ends_at_the_other_image(visit: dict[str, str], session: Session, gallery: Gallery) -> None:
    visit.update(to="4")
    walk_moves.go_between(1.0)
    place = walk_place.parse(url.parameters(), session, gallery)
    np.testing.assert_allclose(place.now, session.encode(gallery.images[4:5])[0], atol=1e-5)
    walk_moves.choose_other(6)
    assert walk_place.along(url.parameters()) == 1.0
    walk_moves.go_between(0.0)
    assert np.array_equal(walk_place.parse(url.parameters(), session, gallery).now, place.start)


# --- what the browser walks with, and what comes from it


def decoded(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4")


def test_the_browser_is_told_the_place_exactly(visit: dict[str, str], session: Session, gallery: Gallery) -> None:
    visit.update(u2="0.5", p1="0.25", at="0.3", to="4")
    place = walk_place.parse(url.parameters(), session, gallery)
    told = walk.described(place)
    np.testing.assert_array_equal(decoded(told["start"]), place.start)
    np.testing.assert_array_equal(decoded(told["other"]), walk_place.other_code(visit, session, gallery))
    assert (told["moved"], told["added"], told["along"]) == ({"2": 0.5}, {"p1": 0.25}, 0.3)


def test_moves_add_up_in_the_order_that_the_browser_adds_them(
    visit: dict[str, str], session: Session, gallery: Gallery
) -> None:
    visit.update(u2="0.5", p1="0.25", a1="-0.5")
    place = walk_place.parse(url.parameters(), session, gallery)
    further = walk_place.further_directions(session)
    expected = session.moved(place.start, {2: 0.5})
    for name, steps in (("p1", 0.25), ("a1", -0.5)):
        expected = expected + steps * further[name].vector
    np.testing.assert_allclose(place.now, expected, atol=1e-6)


def test_going_somewhere_in_the_browser_is_the_same_place_text(
    visit: dict[str, str], session: Session, gallery: Gallery
) -> None:
    visit.update(u1="0.5")
    place = walk_place.parse(url.parameters(), session, gallery)
    walk_moves.go_live(place, {"2": 0.5, "77": 1.0, "x": 1.0}, {"p1": 0.251, "p99": 1.0, "u3": 1.0}, 0.0)
    url.write_pending()
    assert visit == {"u2": place.scale(2).text(0.5), "p1": "0.251"}
    walk_moves.go_live(place, {}, {}, 0.456)
    url.write_pending()
    assert visit == {"at": "0.46"}


@pytest.mark.parametrize(
    "sent",
    [
        None, "nonsense", {}, {"count": 1}, {"count": "1", "token": "", "moved": {}, "added": {}, "along": 0},
        {"count": 1, "token": "another", "moved": {"2": 1.0}, "added": {}, "along": 0},
        {"count": 1, "token": "", "moved": [], "added": {}, "along": 0},
        {"count": 1, "token": "", "moved": {"2": "nan"}, "added": {"p1": None}, "along": None},
        {"count": 1, "token": "", "moved": {"2": float("nan")}, "added": {"p1": float("inf")}, "along": float("nan")},
        {"count": 1, "token": "", "moved": {"-1": 1.0, "1e9": 1.0, "": 1.0}, "added": {"": 1.0}, "along": -5},
    ],
    ids=str,
)  # fmt: skip
def test_nothing_moves_by_a_message_that_makes_no_sense(
    visit: dict[str, str], session: Session, gallery: Gallery, sent: Any
) -> None:
    place = walk_place.parse(url.parameters(), session, gallery)
    if isinstance(sent, dict) and sent.get("token") == "":
        sent = {**sent, "token": place.origin_token}
    st.session_state["walk_stage"] = {"place": sent}
    walk_messages.receive_place(place)
    url.write_pending()
    assert visit == {}


def test_a_message_is_answered_by_its_number(visit: dict[str, str], session: Session, gallery: Gallery) -> None:
    place = walk_place.parse(url.parameters(), session, gallery)
    sent = {"count": 7, "token": place.origin_token, "moved": {"2": 0.5}, "added": {}, "along": 0}
    st.session_state["walk_stage"] = {"place": sent}
    walk_messages.receive_place(place)
    assert walk.described(walk_place.parse(url.parameters(), session, gallery))["heard"] == 7
    url.write_pending()
    assert list(visit) == ["u2"]
    visit.update(image="5")
    assert walk.described(walk_place.parse(url.parameters(), session, gallery))["heard"] == 0


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, None), ({"x": "1", "y": "0"}, ("u1", "u0")), ({"x": "p2", "y": "a1"}, ("p2", "a1")),
        ({"x": "p2", "y": "p2"}, ("p2", None)), ({"x": "<b>", "y": "p99"}, None),
    ],
    ids=str,
)  # fmt: skip
def test_the_plane_of_a_link(
    visit: dict[str, str], session: Session, gallery: Gallery, asked: dict[str, str], expected: Any
) -> None:
    visit.update(asked)
    x, y = walk.plane(walk_place.parse(url.parameters(), session, gallery))
    first, second = (f"u{unit}" for unit in session.units_by_effect()[:2])
    wanted_x, wanted_y = expected or (first, second)
    assert (x, y) == (wanted_x, wanted_y or first)


def test_a_plane_chosen_in_the_browser_goes_into_the_link(visit: dict[str, str]) -> None:
    for sent in ({"x": "<b>", "y": "u1"}, {"x": "u1", "y": "u1"}, {"x": 1, "y": 2}, None, "nonsense"):
        st.session_state["walk_live_controls"] = {"plane": sent}
        walk_messages.receive_plane()
    url.write_pending()
    assert visit == {}
    st.session_state["walk_live_controls"] = {"plane": {"x": "u3", "y": "p1"}}
    walk_messages.receive_plane()
    url.write_pending()
    assert visit == {"x": "3", "y": "p1"}


def test_all_directions_are_told_with_their_slider(session: Session) -> None:
    told = library.directions_of(session)
    assert [line["id"] for line in told[:2]] == [f"u{unit}" for unit in session.units_by_effect()[:2]]
    assert {line["kind"] for line in told} >= {"unit", "principal", "class"}
    for line in told:
        assert line["least"] <= line["low"] <= line["high"] <= line["most"]
        assert (line["vector"] is None) == (line["unit"] is not None)
    assert len({line["id"] for line in told}) == len(told)


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The last mounting of a component: its data and callbacks; `st.session_state` is what the browser sent."""
    found: dict[str, Any] = {}
    monkeypatch.setattr(filmstrip, "_FILMS", lambda **given: found.update(given))
    monkeypatch.setattr(tiles, "_TILES", lambda **given: found.update(given))
    monkeypatch.setattr(st, "session_state", {})
    return found


def a_film() -> Film:
    return Film("unit 1", "", np.zeros((filmstrip.FRAMES, 1, 4, 4), np.float32), Scale(-1.0, 1.0, 0.1), 0.2, 0.0)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"row": 1, "value": 0.5, "count": 1, "rounds": "r"}, [(1, 0.5)]),
        ({"row": 0, "value": 9, "count": 1, "rounds": "r"}, [(0, 1.0)]),
        ({"row": 2, "value": 0.5, "count": 1, "rounds": "r"}, []),
        ({"row": -1, "value": 0.5, "count": 1, "rounds": "r"}, []),
        ({"row": 0, "value": float("nan"), "count": 1, "rounds": "r"}, []),
        ({"row": 0, "value": "0.5", "count": 1, "rounds": "r"}, []),
        ({"row": 0, "value": 0.5, "count": 1, "rounds": "an earlier run"}, []),
        ({"row": 0}, []),
        ("nonsense", []),
        (None, []),
    ],
)
def test_films_believe_only_a_value_on_a_scale_they_show(
    mounted: dict[str, Any], sent: Any, expected: list[Any]
) -> None:
    heard: list[Any] = []
    films([a_film(), a_film()], "key", lambda row, value: heard.append((row, value)), rounds="r")
    st.session_state["key"] = {"moved": sent}
    mounted["on_moved_change"]()
    assert heard == expected


def test_films_say_which_move_they_answer(mounted: dict[str, Any]) -> None:
    films([a_film()], "key", lambda row, value: None, rounds="r")
    assert mounted["data"]["heard"] == 0
    assert mounted["data"]["films"][0]["moved"]
    st.session_state["key"] = {"moved": {"row": 0, "value": 0.5, "count": 7, "rounds": "r"}}
    mounted["on_moved_change"]()
    films([a_film()], "key", lambda row, value: None, rounds="r")
    assert mounted["data"]["heard"] == 7
    films([a_film()], "key", lambda row, value: None, rounds="another")
    assert mounted["data"]["heard"] == 0


@pytest.mark.parametrize(("page", "expected"), [(1, [1]), (3, []), (-1, []), ("1", []), (None, [])])
def test_films_turn_to_pages_that_are_there(mounted: dict[str, Any], page: Any, expected: list[int]) -> None:
    turned: list[int] = []
    films([a_film()], "key", lambda row, value: None, rounds="r", paging=Paging(0, 3, "", turned.append))
    st.session_state["key"] = {"turned": page}
    mounted["on_turned_change"]()
    assert turned == expected


@pytest.mark.parametrize(
    ("picked", "expected"), [(2, [2]), (3, []), (-1, []), (float("nan"), []), ("2", []), (None, [])]
)
def test_tiles_believe_only_a_tile_they_show(mounted: dict[str, Any], picked: Any, expected: list[int]) -> None:
    heard: list[int] = []
    tiles.tiles(np.zeros((3, 1, 4, 4), np.float32), "Three", ["a", "b", "c"], "key", heard.append)
    st.session_state["key"] = {"picked": picked}
    mounted["on_picked_change"]()
    assert heard == expected


# --- the tray


def test_a_place_is_kept_found_again_and_named_as_a_direction(open_page: OpenPage, run_ids: dict[str, str]) -> None:
    run = run_ids["variational"]
    page = open_page("walk", run=run, image=3, u2=0.5, p1=0.25)
    kept = main_picture(page)
    (button,) = [button for button in page.button if button.label == "Keep"]
    page = button.click().run()
    assert page.query_params["kept"] == "*image=3~u2=0.5~p1=0.25"
    assert [button.disabled for button in page.button if button.label == "Keep"] == [True]
    there = open_page("walk", run=run, kept=page.query_params["kept"])
    assert main_picture(there) != kept
    there.session_state["_walk_kept"] = {"picked": 0}
    assert [data["labels"] for data in mounted_data(there, "walk_tiles")].count(["kept 1"]) == 1
    named = open_page("walk", run=run, kept="smile" + page.query_params["kept"])
    lines = mounted_data(named, "live_walk_library")[0]["library"]["named"]
    (own,) = [line for line in lines if line["kind"] == "own"]
    assert own["name"] == "smile"
    moved = open_page("walk", run=run, image=3, kept="smile" + page.query_params["kept"], **{own["id"]: 1.0})
    assert "moved along smile" in about(moved)
    assert not moved.exception
    assert main_picture(moved) == kept, "one step along it leads from its start to where it was kept"


def test_the_tray_takes_so_many_and_forgets(visit: dict[str, str]) -> None:
    visit.update(image="3", u2="0.5", level="1", seed="4")
    assert place_text(url.parameters()) == "image=3~u2=0.5"
    many = [Kept(f"n|a*m~e={i}", f"image={i}") for i in range(20)]
    keep(many)
    url.write_pending()
    assert [kept.place for kept in kept_places(url.parameters())] == [f"image={i}" for i in range(MAX_KEPT)]
    assert kept_places(url.parameters())[2].name == "n a m e 2"
    go_to(kept_places(url.parameters())[5])
    url.write_pending()
    assert (visit["image"], "u2" in visit, visit["level"]) == ("5", False, "1")
    keep([])
    url.write_pending()
    assert "kept" not in visit


# --- a drawing


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        (base64.b64encode(bytes(range(64))).decode(), True), (base64.b64encode(bytes(63)).decode(), False),
        ("not base64!", False), ("A" * 10_000, False), (None, False), (7, False), ({"pixels": ""}, False),
    ],
    ids=["whole", "too small", "nonsense", "too large", "none", "number", "dict"],
)  # fmt: skip
def test_a_drawing_is_taken_pixel_by_pixel_or_not_at_all(
    visit: dict[str, str], session: Session, sent: Any, taken: bool
) -> None:
    visit.update(image="3", u2="0.5")
    st.session_state["walk_draw"] = {"drawn": sent}
    walk_messages.receive_drawing(session)
    url.write_pending()
    assert visit == ({} if taken else {"image": "3", "u2": "0.5"})
    assert len(uploads.uploads()) == taken
    for upload in uploads.uploads():
        intake = read_files([(upload.name, upload.content)], (8, 8), 1)
        assert intake.images.tobytes() == bytes(range(64))


def test_a_drawing_is_named_as_one() -> None:
    content = sheets.png(sheets.filmstrip(np.zeros((1, 1, 8, 8), np.uint8)))
    own = own_gallery(read_files([(walk_place.DRAWING, content), ("a.png", content)], (8, 8), 1))
    assert [walk_place.image_label(own, image) for image in range(2)] == ["your drawing", "image 1"]
