"""A run's data for walking in the browser: directions, codes, distances and pictures, the same for every visitor."""

import base64
import gzip
import hashlib
import json
import threading

import cachetools
import numpy as np

from aecore.pictures import sheets
from aecore.session import directions
from aecore.session.directions import Direction
from aecore.session.distance import FARTHEST, NEARNESS
from aecore.session.session import Session
from app.live import walk_place

MAX_LIBRARIES = 16
"""Libraries held in memory, each below a megabyte."""
_libraries: cachetools.LRUCache[tuple[str, str], tuple[bytes, str]] = cachetools.LRUCache(MAX_LIBRARIES)
_lock = threading.Lock()
"""Guards the table; never held while a library is made, because pages ask for addresses meanwhile."""
_making = threading.Lock()
"""When a class opens a run at the same moment, the first request makes the library and the others wait for it."""


def address(session: Session) -> str:
    """Return the library's URL: named by its content once it has been made, so that a browser can keep it for ever."""
    with _lock:
        made = _libraries.get(_key(session))
    return f"/live/library/{session.run_id}{f'/{made[1]}' if made else ''}.json"


def content(session: Session) -> tuple[bytes, str]:
    """Return the library as gzip-compressed JSON, and the hash that names this content."""
    key = _key(session)
    with _making:
        with _lock:
            made = _libraries.get(key)
        if made is None:
            made = _content(session)
            with _lock:
                _libraries[key] = made
    return made


def _key(session: Session) -> tuple[str, str]:
    # Not the session itself, which the table would keep alive.
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
    """Describe all directions of a run for the browser: units by their effect on the picture, then the others."""
    order = [int(unit) for unit in session.units_by_effect()]
    units = [
        line(f"u{unit}", direction, unit) for unit, direction in zip(order, directions.units(session), strict=True)
    ]
    return units + [line(name, direction) for name, direction in walk_place.further_directions(session).items()]


def line(name: str, direction: Direction, unit: int | None = None) -> dict[str, object]:
    """Describe one direction for the browser, under the id `name`; `unit` is its index if it is a unit of the code."""
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
    """Encode numbers as base64 of little-endian float32."""
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode("ascii")
