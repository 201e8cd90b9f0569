"""The Walk page's live parts: the picture with its meter, the sliders, the drawing paper, and a run's library.

They are components of one built module and share one walk in the browser. The *library* (directions, a sample of codes)
stays outside the fragment that a move redraws, so it is sent once for a run; *stage* and *controls* follow each move.
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
from app.live.walk_messages import CONTROLS_KEY, DRAW_KEY, STAGE_KEY, WALK
from app.live.walk_place import Place
from app.state.live import last_received
from app.state.place import DRAW, PLANE_X, PLANE_Y, unit_parameter
from app.state.url import Parameters, number

HERE = Path(__file__).parent
PAPER_WIDTH = 320
"""Pixels on the page for the paper to draw on and the tools below it."""
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
    """Draw the picture of the code, the start's, and their difference; receive where the visitor went.

    Parts with the same `walk` share it in the browser; a page with two walks names them, and their keys begin so.
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
        on_place_change=lambda: walk_messages.receive_place(place, key),
        on_failed_change=lambda: None,
    )


def units(_: Place, walk: str = WALK) -> None:
    """Draw sliders of units, principal directions and attributes."""
    _controls("units", walk)


def pad(place: Place) -> None:
    """Draw the plane of two directions."""
    x, y = plane(place)
    _controls("pad", plane={"x": x, "y": y})


def path(place: Place) -> None:
    """Draw the path to another image."""
    other = walk_place.other_image(place.parameters, place.gallery)
    ends = {name: walk_place.image_label(place.gallery, i) for name, i in (("from", place.image), ("to", other))}
    if number(place.parameters, DRAW) is not None:
        ends["from"] = "the random code"
    _controls("way", ends=ends)


def plane(place: Place) -> tuple[str, str]:
    """Names of the plane's two directions: the parameters', else the most effective units."""
    parameters, session = place.parameters, place.session
    order = [unit_parameter(int(unit)) for unit in session.units_by_effect()]
    named = walk_place.named_directions(parameters, session, place.gallery)
    known = {*order, *walk_place.further_directions(session), *named}
    x = _asked(parameters, PLANE_X, known) or order[0]
    y = _asked(parameters, PLANE_Y, known - {x}) or next((name for name in [*order, "p1", "p2"] if name != x), x)
    return x, y


def _asked(parameters: Parameters, name: str, known: set[str]) -> str | None:
    """A known direction from the parameters, where a unit is its bare number."""
    asked = parameters.get(name, "")
    direction = f"u{asked}" if asked.isdecimal() else asked
    return direction if direction in known else None


def _controls(part: str, walk: str = WALK, **more: Any) -> None:
    key = CONTROLS_KEY if walk == WALK else f"{walk}_controls"
    _CONTROLS(
        key=key,
        data={"module": live.module_address("walk"), "part": part, "walk": walk, **more},
        on_plane_change=lambda: walk_messages.receive_plane(key),
    )


def draw(session: Session, walk: str = WALK) -> None:
    """Draw paper in a popover. A drawing joins the visitor's own images on all pages; on Walk it becomes the start."""
    key = DRAW_KEY if walk == WALK else f"{walk}_draw"
    if session.shape[0] not in (1, 3) or session.config.dataset.value_range != (0.0, 1.0):
        return
    # A popover does not learn the paper's width: one with a short button would cut it off.
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
                    "use": "Use my drawing" if walk == WALK else "Put my drawing on the maps",
                },
            },
            on_drawn_change=lambda: walk_messages.receive_drawing(session, key),
        )


def library(parameters: Parameters, session: Session, gallery: Gallery, walk: str = WALK) -> None:
    """Send the address of the run's library and the directions that the visitor named."""
    named = walk_place.named_directions(parameters, session, gallery)
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
    """The place as the browser reads it (`walk/state.ts`)."""
    parameters, other = place.parameters, None
    if place.gallery.images.size:
        other = floats(walk_place.other_code(parameters, place.session, place.gallery))
    return {
        "run": place.session.run_id,
        "base": live.base(),
        "decoder": models.address(place.session, "decoder"),
        "encoder": models.address(place.session, "encoder"),
        "token": place.origin_token,
        "heard": last_received(WALK, place.origin_token),
        "start": floats(place.start),
        "origin": floats(place.origin),
        "other": other,
        "spherical": walk_place.how(parameters) == "spherical",
        "off": walk_messages.off(place.session.run_id) is not None,
        "along": walk_place.along(parameters),
        "moved": {str(unit): value for unit, value in place.moved.items()},
        "added": place.added,
    }
