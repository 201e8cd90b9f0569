"""Messages of the Walk page's live parts. They come from the client, so they may hold anything."""

import base64
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from aecore.pictures import sheets
from aecore.session.session import Session
from app.live import walk_moves
from app.live.walk_place import DRAWING, Place
from app.state import live, uploads, url
from app.state.place import PLANE_X, PLANE_Y
from app.state.uploads import Upload

STAGE_KEY = "walk_stage"
CONTROLS_KEY = "walk_live_controls"
DRAW_KEY = "walk_draw"
WALK = "walk"
"""The walk that the page's parts share in the browser, and the key of its last message."""
DIRECTION = re.compile(r"[upa]\d{1,4}|n[0-9a-f]{8}")
MAX_MOVES = 2_000
"""Directions that one message may move; a code has fewer."""
MAX_REASON = 200
"""Letters of a reason."""


def off(run_id: str) -> str | None:
    """Why the run is not live in this visitor's browser; None unless something failed."""
    failed = live.sent(STAGE_KEY, "failed")
    match failed:
        case {"reason": str(reason), "run": str(run)} if run == run_id:
            return reason[:MAX_REASON]
        case {"reason": str(reason)} if "run" not in failed:
            return reason[:MAX_REASON]
        case _:
            return None


def receive_place(place: Place, key: str = STAGE_KEY) -> None:
    """Go where the visitor went, if the message is valid and belongs to this walk."""
    match live.sent(key, "place"):
        case {"count": int(count), "token": str(token), "moved": dict(moved), "added": dict(added), "along": along}:
            if token != place.origin_token:
                return
            live.receive(WALK, token, count)
            walk_moves.go_live(place, _numbers(moved), _numbers(added), _number(along) or 0.0)
        case _:
            pass


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _numbers(values: Mapping[Any, Any]) -> dict[str, float]:
    found = {str(name): _number(value) for name, value in list(values.items())[:MAX_MOVES]}
    return {name: value for name, value in found.items() if value is not None}


def receive_plane(key: str = CONTROLS_KEY) -> None:
    """Show the plane of two other directions, if the message is valid."""
    match live.sent(key, "plane"):
        case {"x": str(x), "y": str(y)} if x != y and DIRECTION.fullmatch(x) and DIRECTION.fullmatch(y):
            url.set_pending(PLANE_X, x.removeprefix("u"))
            url.set_pending(PLANE_Y, y.removeprefix("u"))
        case _:
            pass


def receive_drawing(session: Session, key: str = DRAW_KEY) -> None:
    """Put a drawing of the run's image size before the visitor's own images; on Walk it becomes the start."""
    sent = live.sent(key, "drawn")
    size = math.prod(session.shape)
    if not isinstance(sent, str) or len(sent) > 4 * (size // 3 + 1):
        return
    try:
        content = base64.b64decode(sent, validate=True)
    except ValueError:
        return
    if len(content) == size:
        image = np.frombuffer(content, np.uint8).reshape(session.shape)
        drawing = Upload(DRAWING, sheets.png(sheets.filmstrip(image[None], background=sheets.WHITE)))
        uploads.keep_uploads([drawing, *uploads.uploads()])
        uploads.show_own_images()
        if key == DRAW_KEY:
            walk_moves.choose_image(0)
