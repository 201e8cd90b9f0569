"""The Walk page: what a link restores, what its controls write, and hostile values in both."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from reading import drawn
from streamlit.testing.v1 import AppTest

from aecore.pictures import sheets
from aecore.session.gallery import Gallery
from aecore.session.session import Session
from app.live import walk_place
from app.state import keys, runs, url
from app.state.place import CORRUPT, STEPS

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


@pytest.mark.parametrize("mode", ["Random", "Chain", "<script>"])
def test_a_page_of_a_senseless_link_is_the_usual_one(open_page: OpenPage, session: Session, mode: str) -> None:
    kept = "<b>|*|||*u2=nan|*image=-1~u2=1e99|*kept=x~run=y|a*b*c=d|n*n00000000=1"
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
