"""What the Walk page's live parts tell the server. It comes from the client, so anything may stand there."""

import base64
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from aecore.pictures import sheets
from aecore.session.session import Session
from app.live import walk_place
from app.live.walk_place import Place
from app.state import uploads, url
from app.state.place import PLANE_X, PLANE_Y, hear_walk
from app.state.uploads import Upload

STAGE_KEY = "walk_stage"
CONTROLS_KEY = "walk_live_controls"
DRAW_KEY = "walk_draw"
DIRECTION = re.compile(r"[upa]\d{1,4}|n[0-9a-f]{8}")
MOST_MOVES = 2_000
"""Directions that one message may move; a code has fewer."""
MOST_WORDS = 200
"""Letters of a reason."""


def off(run_id: str) -> str | None:
    """Why the run is not live in this visitor's browser, in words; None while nothing failed."""
    failed = st.session_state.get(STAGE_KEY, {}).get("failed")
    match failed:
        case {"reason": str(reason), "run": str(run)} if run == run_id:
            return reason[:MOST_WORDS]
        case {"reason": str(reason)} if "run" not in failed:
            return reason[:MOST_WORDS]
        case _:
            return None


def hear(place: Place, key: str = STAGE_KEY) -> None:
    """Goes where the visitor went, if the message is of this walk and makes sense; else nothing moves."""
    match st.session_state[key].get("place"):
        case {"count": int(count), "token": str(token), "moved": dict(moved), "added": dict(added), "along": along}:
            if token != place.origin_token:
                return
            hear_walk(token, count)
            walk_place.go_live(place, _numbers(moved), _numbers(added), _number(along) or 0.0)
        case _:
            pass


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _numbers(values: Mapping[Any, Any]) -> dict[str, float]:
    found = {str(name): _number(value) for name, value in list(values.items())[:MOST_MOVES]}
    return {name: value for name, value in found.items() if value is not None}


def choose_plane(key: str = CONTROLS_KEY) -> None:
    """The plane of two other directions."""
    match st.session_state[key].get("plane"):
        case {"x": str(x), "y": str(y)} if x != y and DIRECTION.fullmatch(x) and DIRECTION.fullmatch(y):
            url.set_place_parameter(PLANE_X, x.removeprefix("u"))
            url.set_place_parameter(PLANE_Y, y.removeprefix("u"))
        case _:
            pass


def take_drawing(session: Session, key: str = DRAW_KEY) -> None:
    """A drawing is the first of the visitor's own images, and on Walk the start. One of another size is none."""
    sent = st.session_state[key].get("drawn")
    size = math.prod(session.shape)
    if not isinstance(sent, str) or len(sent) > 4 * (size // 3 + 1):
        return
    try:
        content = base64.b64decode(sent, validate=True)
    except ValueError:
        return
    if len(content) == size:
        image = np.frombuffer(content, np.uint8).reshape(session.shape)
        drawing = Upload("drawing.png", sheets.png(sheets.filmstrip(image[None], background=sheets.WHITE)))
        uploads.keep_uploads([drawing, *uploads.uploads()])
        uploads.show_own_images()
        if key == DRAW_KEY:
            walk_place.choose_image(0)
