"""A place in code space: parsed from a link, changed by moves and messages, kept in the tray."""

import base64
from typing import Any

import numpy as np
import pytest
import streamlit as st

from aecore.pictures import sheets
from aecore.pictures.uploads import read_files
from aecore.session.gallery import Gallery, own_gallery
from aecore.session.session import Session
from app.live import library, walk, walk_messages, walk_moves, walk_place
from app.state import uploads, url
from app.state.place import MAX_KEPT, Kept, go_to, keep, kept_places, place_text

HOSTILE = [
    {"u2": "nan"}, {"u2": "inf"}, {"u2": "1e400"}, {"u2": ""}, {"u2": "<b>"}, {"u9999": "1"}, {"u99999": "1"},
    {"image": "-1"}, {"image": "1e9"}, {"image": "nan"}, {"image": "٣"}, {"at": "nan"}, {"p1": "nan"}, {"p999": "1"},
    {"p1": "<b>"}, {"n00000000": "1"}, {"kept": "<b>"}, {"kept": "*"}, {"kept": "|||"}, {"kept": "*u2=nan"},
    {"kept": "*image=-1~u2=1e99"}, {"kept": "*kept=x~run=y"}, {"kept": "a*b*c=d"}, {"kept": "*u2=0.5" * 999},
    {"kept": "n*n00000000=1"},
]  # fmt: skip


# --- places


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The URL's parameters of a visit without a page."""
    parameters: dict[str, str] = {}
    monkeypatch.setattr(st, "query_params", parameters)
    monkeypatch.setattr(st, "session_state", {})
    return parameters


@pytest.mark.parametrize("hostile", HOSTILE, ids=str)
def test_what_makes_no_sense_in_a_link_moves_nothing(
    session: Session, gallery: Gallery, hostile: dict[str, str]
) -> None:
    place = walk_place.parse(hostile, session, gallery)
    assert place.image == 0
    assert np.array_equal(place.now, place.start)
    assert not walk_place.named_directions(hostile, session, gallery)


def test_units_beyond_their_range_are_clipped(session: Session, gallery: Gallery) -> None:
    place = walk_place.parse({"u2": "99999"}, session, gallery)
    assert place.moved == {2: place.scale(2).high}


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
