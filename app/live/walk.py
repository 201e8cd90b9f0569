"""The Walk page's live parts: the picture with its meter, the sliders, and what they know of a run.

Three components of one built module share one walk in the browser. The *library* (directions, a sample of codes) stays
outside of the fragment that a move redraws, so it is sent once for a run; *stage* and *controls* follow each move.
"""

import base64
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from aecore import directions, pictures
from aecore.directions import Direction
from aecore.session import FARTHEST, NEARNESS, Gallery, Session
from app import live, state
from app.widgets import walk_place
from app.widgets.walk_place import Place

HERE = Path(__file__).parent
WALK = "walk"
"""Names the walk that the parts share in the browser."""
STAGE_KEY = "walk_stage"
CONTROLS_KEY = "walk_live_controls"
DIRECTION = re.compile(r"[upa]\d{1,4}")
FULL = 0.5
"""The difference, as a share of the pixel range, that gets the full colour."""
MOST_MOVES = 2_000
"""Directions that one message may move; a code has fewer."""
_STAGE = live.component(
    "walk_stage",
    html=(HERE / "walk_stage.html").read_text(encoding="utf-8"),
    css=(HERE / "walk_stage.css").read_text(encoding="utf-8"),
)
_CONTROLS = live.component("walk_controls", html='<div class="host"></div>', css="")
_LIBRARY = live.component("walk_library", html="<div hidden></div>", css="")


def off(run_id: str) -> str | None:
    """Why the run is not live in this visitor's browser, in words; None while nothing failed."""
    failed = st.session_state.get(STAGE_KEY, {}).get("failed")  # from the client: anything may stand there
    match failed:
        case {"reason": str(reason), "run": str(run)} if run == run_id:
            return reason[:200]
        case {"reason": str(reason)} if "run" not in failed:
            return reason[:200]
        case _:
            return None


def stage(place: Place) -> None:
    """The picture of the code, the start's, and their difference; hears where the visitor went to."""
    shown = pictures.against(place.pictures[:1], place.pictures[1:], FULL)
    names = ("start", "now", "difference")
    _STAGE(
        key=STAGE_KEY,
        data={
            "module": live.module_address("walk"),
            "part": "stage",
            "walk": WALK,
            "off": off(place.session.run_id) is not None,
            "style": {"--w": f"{shown.shape[3]}px"},
            "pictures": {
                name: pictures.data_uri(pictures.png(pictures.filmstrip(image[None])))
                for name, image in zip(names, shown, strict=True)
            },
            "place": described(place),
        },
        on_place_change=lambda: hear(place),
        on_failed_change=lambda: None,
    )


def units(_: Place) -> None:
    """Sliders of units, principal directions and attributes."""
    _controls("units")


def pad(place: Place) -> None:
    """The plane of two directions."""
    x, y = plane(place)
    _controls("pad", plane={"x": x, "y": y})


def way(place: Place) -> None:
    """The way to another image."""
    other = walk_place.other_image(place.gallery)
    ends = {name: walk_place.image_label(place.gallery, i) for name, i in (("from", place.image), ("to", other))}
    if state.number(state.DRAW) is not None:
        ends["from"] = "the random code"
    _controls("way", ends=ends)


def plane(place: Place) -> tuple[str, str]:
    """Names of the plane's two directions: those of the URL, else the most effective units."""
    order = [f"u{unit}" for unit in place.session.units_by_effect()]
    known = {*order, *walk_place.further_directions(place.session)}
    x = _asked(state.PLANE_X, known) or order[0]
    y = _asked(state.PLANE_Y, known - {x}) or next((name for name in [*order, "p1", "p2"] if name != x), x)
    return x, y


def _asked(parameter: str, known: set[str]) -> str | None:
    """The direction that the URL names; a unit by its bare number."""
    asked = state.parameter(parameter) or ""
    name = f"u{asked}" if asked.isdecimal() else asked
    return name if name in known else None


def _controls(part: str, **more: Any) -> None:
    _CONTROLS(
        key=CONTROLS_KEY,
        data={"module": live.module_address("walk"), "part": part, "walk": WALK, **more},
        on_plane_change=choose_plane,
    )


def choose_plane() -> None:
    match st.session_state[CONTROLS_KEY].get("plane"):
        case {"x": str(x), "y": str(y)} if x != y and DIRECTION.fullmatch(x) and DIRECTION.fullmatch(y):
            state.set_place_parameter(state.PLANE_X, x.removeprefix("u"))
            state.set_place_parameter(state.PLANE_Y, y.removeprefix("u"))
        case _:
            pass


def library(session: Session, gallery: Gallery) -> None:
    """All that the browser needs of a run to walk by itself."""
    sample = directions.neighbourhood(session)
    _LIBRARY(
        key="walk_library",
        data={
            "module": live.module_address("walk"),
            "part": "library",
            "walk": WALK,
            "library": {
                "run": session.run_id,
                "base": live.base(),
                "decoder": f"/live/model/{session.run_id}/decoder.json",
                "encoder": f"/live/model/{session.run_id}/encoder.json",
                "shape": list(session.shape),
                "mean": _floats(session.code_mean),
                "directions": [*directions_of(session), *_named(session, gallery)],
                "codes": _floats(sample.codes),
                "scale": _floats(sample.scale),
                "typical": _floats(sample.typical),
                "labels": None if sample.labels is None else sample.labels.tolist(),
                "pictured": sample.pictured,
                "columns": sample.columns,
                "sprite": pictures.data_uri(pictures.png(sample.sprite)),
                "nearness": NEARNESS,
                "farthest": FARTHEST,
            },
        },
    )


def _floats(values: np.ndarray) -> str:
    """Little-endian float32 as base64."""
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode("ascii")


def described(place: Place) -> dict[str, object]:
    other = None
    if place.gallery.images.size:
        other = _floats(walk_place.other_code(place.session, place.gallery))
    return {
        "run": place.session.run_id,
        "token": place.origin_token,
        "heard": state.heard_of_walk(place.origin_token),
        "start": _floats(place.start),
        "origin": _floats(place.origin),
        "other": other,
        "spherical": walk_place.how() == "spherical",
        "off": off(place.session.run_id) is not None,
        "along": walk_place.along(),
        "moved": {str(unit): value for unit, value in place.moved.items()},
        "added": place.added,
    }


def directions_of(session: Session) -> list[dict[str, object]]:
    order = [int(unit) for unit in session.units_by_effect()]
    found = [
        _line(f"u{unit}", direction, unit) for unit, direction in zip(order, directions.units(session), strict=True)
    ]
    return found + [_line(name, line) for name, line in walk_place.further_directions(session).items()]


def _named(session: Session, gallery: Gallery) -> list[dict[str, object]]:
    return [_line(name, line) for name, line in walk_place.named_directions(session, gallery).items()]


def _line(name: str, direction: Direction, unit: int | None = None) -> dict[str, object]:
    scale = walk_place.scale_of(direction)
    return {
        "id": name,
        "name": direction.name,
        "kind": direction.kind,
        "note": f"{direction.effect:.1%} per SD" + (", hardly used" if direction.dead else ""),
        "words": direction.words,
        "unit": unit,
        "vector": None if unit is not None else _floats(direction.vector),
        "offset": direction.offset,
        "low": direction.low,
        "high": direction.high,
        "least": scale.low,
        "most": scale.high,
        "step": scale.step,
        "decimals": scale.decimals,
        "dead": direction.dead,
    }


# --- what comes from the browser


def hear(place: Place) -> None:
    """Goes where the visitor went, if the message is of this walk and makes sense; else nothing moves."""
    match st.session_state[STAGE_KEY].get("place"):
        case {"count": int(count), "token": str(token), "moved": dict(moved), "added": dict(added), "along": along}:
            if token != place.origin_token:
                return
            state.hear_walk(token, count)
            walk_place.go_live(place, _numbers(moved), _numbers(added), _number(along) or 0.0)
        case _:
            pass


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _numbers(values: Mapping[Any, Any]) -> dict[str, float]:
    found = {str(name): _number(value) for name, value in list(values.items())[:MOST_MOVES]}
    return {name: value for name, value in found.items() if value is not None}
