"""What a browser needs of a run to walk in it by itself; the same for every visitor, so it is made and sent once."""

import base64
import gzip
import hashlib
import json
import threading
from collections import OrderedDict

import numpy as np

from aecore.pictures import sheets
from aecore.session import directions
from aecore.session.directions import Direction
from aecore.session.distance import FARTHEST, NEARNESS
from aecore.session.session import Session
from app.live import walk_place

KEPT = 16
"""Libraries held in memory, each below a megabyte."""
_made: OrderedDict[tuple[str, str], tuple[bytes, str]] = OrderedDict()
_turn = threading.Lock()
"""One library is made at a time: of a class that opens a run at once, the first visitor's request makes it for all."""


def address(session: Session) -> str:
    """Where the library is; once it has been made, by its content, so that a browser that has it need not ask."""
    made = _made.get(_key(session))
    return f"/live/library/{session.run_id}{f'/{made[1]}' if made else ''}.json"


def content(session: Session) -> tuple[bytes, str]:
    """The library as compressed JSON, and the name of that content."""
    key = _key(session)
    with _turn:
        if key not in _made:
            _made[key] = _content(session)
        _made.move_to_end(key)
        while len(_made) > KEPT:
            _made.popitem(last=False)
        return _made[key]


def _key(session: Session) -> tuple[str, str]:
    # Names, so that what is kept here keeps no session alive.
    return session.run_id, session.weights_hash


def _content(session: Session) -> tuple[bytes, str]:
    sample = directions.neighbourhood(session)
    text = json.dumps(
        {
            "run": session.run_id,
            "shape": list(session.shape),
            "mean": floats(session.code_mean),
            "directions": directions_of(session),
            "codes": floats(sample.codes),
            "scale": floats(sample.scale),
            "typical": floats(sample.typical),
            "labels": None if sample.labels is None else sample.labels.tolist(),
            "pictured": sample.pictured,
            "columns": sample.columns,
            "sprite": sheets.data_uri(sheets.png(sample.sprite)),
            "nearness": NEARNESS,
            "farthest": FARTHEST,
        }
    )
    body = gzip.compress(text.encode(), mtime=0)
    return body, hashlib.sha256(body).hexdigest()[:16]


def directions_of(session: Session) -> list[dict[str, object]]:
    order = [int(unit) for unit in session.units_by_effect()]
    found = [
        line(f"u{unit}", direction, unit) for unit, direction in zip(order, directions.units(session), strict=True)
    ]
    return found + [line(name, one) for name, one in walk_place.further_directions(session).items()]


def line(name: str, direction: Direction, unit: int | None = None) -> dict[str, object]:
    """A direction as the browser reads it."""
    scale = walk_place.scale_of(direction)
    return {
        "id": name,
        "name": direction.name,
        "kind": direction.kind,
        "note": f"changes pixels by {direction.effect:.1%} per SD" + (", hardly used" if direction.dead else ""),
        "words": direction.words,
        "unit": unit,
        "vector": None if unit is not None else floats(direction.vector),
        "offset": direction.offset,
        "low": direction.low,
        "high": direction.high,
        "least": scale.low,
        "most": scale.high,
        "step": scale.step,
        "decimals": scale.decimals,
        "dead": direction.dead,
    }


def floats(values: np.ndarray) -> str:
    """Little-endian float32 as base64."""
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode("ascii")
