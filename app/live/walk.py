"""The Walk page's live parts: the picture with its meter, the sliders, and what they know of a run.

Three components of one built module share one walk in the browser. The *library* (directions, a sample of codes) stays
outside of the fragment that a move redraws, so it is sent once for a run; *stage* and *controls* follow each move.
"""

from pathlib import Path
from typing import Any

import streamlit as st

from aecore.pictures import sheets
from aecore.session.gallery import Gallery
from aecore.session.session import Session
from app import live
from app.live import library as live_library
from app.live import models, walk_messages, walk_place
from app.live.library import floats, line
from app.live.walk_messages import CONTROLS_KEY, DRAW_KEY, STAGE_KEY
from app.live.walk_place import Place
from app.state import url
from app.state.place import DRAW, PLANE_X, PLANE_Y, heard_of_walk

HERE = Path(__file__).parent
WALK = "walk"
PAPER_WIDTH = 320
"""Pixels on the page for the paper to draw on and the tools below it."""
"""Names the walk that the parts share in the browser."""
FULL = 0.5
"""The difference, as a share of the pixel range, that gets the full colour."""
_STAGE = live.component(
    "walk_stage",
    html=(HERE / "walk_stage.html").read_text(encoding="utf-8"),
    css=(HERE / "walk_stage.css").read_text(encoding="utf-8"),
)
_CONTROLS = live.component("walk_controls", html='<div class="host"></div>', css="")
_DRAW = live.component("walk_draw", html='<div class="host"></div>', css="")
_LIBRARY = live.component("walk_library", html="<div hidden></div>", css="")


def stage(place: Place, walk: str = WALK) -> None:
    """The picture of the code, the start's, and their difference; hears where the visitor went to.

    Parts with the same `walk` share it in the browser; a page with two of them gives them names, which are their keys.
    """
    key = STAGE_KEY if walk == WALK else f"{walk}_stage"
    shown = sheets.against(place.pictures[:1], place.pictures[1:], FULL)
    names = ("start", "now", "difference")
    _STAGE(
        key=key,
        data={
            "module": live.module_address("walk"),
            "part": "stage",
            "walk": walk,
            "off": walk_messages.off(place.session.run_id) is not None,
            "style": {"--w": f"{shown.shape[3]}px"},
            "pictures": {
                name: sheets.data_uri(sheets.png(sheets.filmstrip(image[None])))
                for name, image in zip(names, shown, strict=True)
            },
            "place": described(place),
        },
        on_place_change=lambda: walk_messages.hear(place, key),
        on_failed_change=lambda: None,
    )


def units(_: Place, walk: str = WALK) -> None:
    """Sliders of units, principal directions and attributes."""
    _controls("units", walk)


def pad(place: Place) -> None:
    """The plane of two directions."""
    x, y = plane(place)
    _controls("pad", plane={"x": x, "y": y})


def way(place: Place) -> None:
    """The way to another image."""
    other = walk_place.other_image(place.gallery)
    ends = {name: walk_place.image_label(place.gallery, i) for name, i in (("from", place.image), ("to", other))}
    if url.number(DRAW) is not None:
        ends["from"] = "the random code"
    _controls("way", ends=ends)


def plane(place: Place) -> tuple[str, str]:
    """Names of the plane's two directions: those of the URL, else the most effective units."""
    order = [f"u{unit}" for unit in place.session.units_by_effect()]
    session, gallery = place.session, place.gallery
    known = {*order, *walk_place.further_directions(session), *walk_place.named_directions(session, gallery)}
    x = _asked(PLANE_X, known) or order[0]
    y = _asked(PLANE_Y, known - {x}) or next((name for name in [*order, "p1", "p2"] if name != x), x)
    return x, y


def _asked(parameter: str, known: set[str]) -> str | None:
    """The direction that the URL names; a unit by its bare number."""
    asked = url.parameter(parameter) or ""
    name = f"u{asked}" if asked.isdecimal() else asked
    return name if name in known else None


def _controls(part: str, walk: str = WALK, **more: Any) -> None:
    key = CONTROLS_KEY if walk == WALK else f"{walk}_controls"
    _CONTROLS(
        key=key,
        data={"module": live.module_address("walk"), "part": part, "walk": walk, **more},
        on_plane_change=lambda: walk_messages.choose_plane(key),
    )


def draw(session: Session, walk: str = WALK) -> None:
    """Paper to draw on; what is drawn joins the visitor's own images, so that other pages have it too.

    In the page's own `walk` it becomes the start.
    """
    key = DRAW_KEY if walk == WALK else f"{walk}_draw"
    if session.shape[0] not in (1, 3) or session.config.dataset.value_range != (0.0, 1.0):
        return
    # The paper does not tell a popover how wide it is: one with a short button would cut it off.
    with st.popover("Draw", icon=":material/brush:", width="stretch"), st.container(width=PAPER_WIDTH):
        _DRAW(
            key=key,
            data={
                "module": live.module_address("walk"),
                "part": "draw",
                "walk": walk,
                "paper": {
                    "shape": list(session.shape),
                    "ground": 0.0 if session.mostly_dark else 1.0,
                    "use": "Start from it" if walk == WALK else "Put it on the maps",
                },
            },
            on_drawn_change=lambda: walk_messages.take_drawing(session, key),
        )


def library(session: Session, gallery: Gallery, walk: str = WALK) -> None:
    """Where the browser finds what it needs of a run to walk by itself, and the directions that the visitor named."""
    named = walk_place.named_directions(session, gallery)
    _LIBRARY(
        key=f"{walk}_library",
        data={
            "module": live.module_address("walk"),
            "part": "library",
            "walk": walk,
            "library": {
                "run": session.run_id,
                "address": live.base() + live_library.address(session),
                "named": [line(name, direction) for name, direction in named.items()],
            },
        },
    )


def described(place: Place) -> dict[str, object]:
    other = None
    if place.gallery.images.size:
        other = floats(walk_place.other_code(place.session, place.gallery))
    return {
        "run": place.session.run_id,
        "base": live.base(),
        "decoder": models.address(place.session, "decoder"),
        "encoder": models.address(place.session, "encoder"),
        "token": place.origin_token,
        "heard": heard_of_walk(place.origin_token),
        "start": floats(place.start),
        "origin": floats(place.origin),
        "other": other,
        "spherical": walk_place.how() == "spherical",
        "off": walk_messages.off(place.session.run_id) is not None,
        "along": walk_place.along(),
        "moved": {str(unit): value for unit, value in place.moved.items()},
        "added": place.added,
    }
