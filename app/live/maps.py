"""The Maps page's live part: what the browser needs to draw the maps by itself, and the messages it sends.

Large data (places, colours, pictures) have addresses by their content, so a redraw sends next to nothing.
"""

import base64
import dataclasses
import html
import json
from typing import Any, TypeGuard

import numpy as np

from aecore.foundation import geometry, metrics
from aecore.maps.atlas import Atlas
from aecore.maps.colours import Colouring
from aecore.maps.images import MAX_IN_MEMORY
from aecore.maps.panel import Inverse, Panel, Placement
from aecore.parts.data import Pictures
from aecore.pictures import sheets
from aecore.session.session import Session
from app import cache, live
from app.live import blobs, models
from app.live import tiles as image_blocks
from app.state import maps as maps_state
from app.state.live import sent

FIRST_PICTURES = 1_000
"""In an atlas of more than `MAX_IN_MEMORY` images, so many pictures come first, the others when shown."""
MAX_SELECTED = 5_000
"""Points that one message may name."""
MAX_REASON = 200
"""Letters of a reason."""
MAX_DISTANCE = 4.0
"""From the middle of a map, in halves of its side."""
_MAPS = live.component(
    "maps",
    html='<div class="maps host"></div>',
    css="",
)
NO_INVERSE = "{} has no inverse: there are no pictures between its points."
Message = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Own:
    """A visitor's images and their places on each map."""

    images: Pictures
    placed: tuple[Placement, ...]


@dataclasses.dataclass(frozen=True)
class Spot:
    """A place between the points, which the visitor clicked."""

    panel: Panel
    x: float
    y: float


def maps(message: Message) -> None:
    """Draw the maps of `message`."""
    _MAPS(
        key=maps_state.MAP_SCATTER,
        data={"module": live.module_address("maps"), "base": live.base(), **message},
        on_selection_change=lambda: None,
        on_place_change=_receive_place,
        on_failed_change=lambda: None,
    )


# --- sent to the browser


def message(
    session: Session, atlas: Atlas, colours: tuple[Colouring, ...], *, thumbnails: bool, own: Own | None
) -> Message:
    """All data of the maps; `colours` hold one colouring for all panels or one for each."""
    common = colours[0]
    origins = list(dict.fromkeys(atlas.origins))
    each = colours if len(colours) == len(atlas.panels) > 1 else (None,) * len(atlas.panels)
    return {
        "token": atlas.key,
        "n": len(atlas),
        "panels": [
            _panel(atlas, panel, common.title == "Class", each[i], None if own is None else own.placed[i])
            for i, panel in enumerate(atlas.panels)
        ],
        "colour": _put(common.index, "u1"),
        "table": common.table.tolist(),
        "shapes": list(common.shapes),
        "legend": {
            "title": common.title, "names": list(common.names),
            "low": f"{common.low:.3g}", "high": f"{common.high:.3g}",
        },
        "labels": None if atlas.labels is None else _put(atlas.labels, "<u2"),
        "label_names": list(atlas.label_names),
        "index": _put(atlas.indices, "<i4"),
        "origin": _put(np.array([origins.index(origin) for origin in atlas.origins]), "u1"),
        "origins": origins,
        "images": _images(session, atlas),
        "thumbnails": thumbnails,
        "own": None if own is None else {"sprite": _picture(own.images)},
    }  # fmt: skip


def _panel(atlas: Atlas, panel: Panel, classes: bool, colours: Colouring | None, own: Placement | None) -> Message:
    middles = atlas.class_medians(panel) if classes else {}
    return {
        "id": panel.spec.text,
        "title": panel.title,
        "note": panel.note,
        "alt": f"{panel.title} of {len(atlas)} images. {' '.join(panel.readings.values())}",
        "places": _put(panel.grid, "<i2"),
        "middles": [[name, round(x, 3), round(y, 3)] for name, (x, y) in middles.items()],
        "figures": _figures(panel),
        "colour": None if colours is None else _put(colours.index, "u1"),
        "own": [] if own is None else np.round(own.places.astype(float), 3).tolist(),
        "back": None if panel.inverse is None else _inverse(panel.inverse, atlas.shape),
        "nowhere": "" if panel.inverse is not None else NO_INVERSE.format(panel.title),
    }


def _inverse(inverse: Inverse, shape: tuple[int, int, int]) -> Message:
    rows = np.stack([inverse.origin, inverse.x, inverse.y])
    found = {"through": inverse.through, "rows": _put(rows, "<f4"), "shape": list(shape)}
    if inverse.through == "pixels":
        return found
    epoch = None if inverse.epoch is None else str(inverse.epoch)
    return {**found, "decoder": models.address(cache.session(inverse.run_id), "decoder", epoch)}


SHORT = {
    "stress_1": ("Stress-1", ".2f", metrics.kruskal_words),
    "trustworthiness": ("Trustworthiness", ".2f", metrics.trustworthiness_words),
    "continuity": ("Continuity", ".2f", metrics.trustworthiness_words),
    "knn_accuracy": ("Same-class neighbours", ".0%", lambda _: "nearest vote"),
    "explained_variance": ("Explained variance", ".0%", lambda _: "in this plane"),
    "reconstruction_sse": ("Reconstruction error", ".1f", lambda _: "squared error"),
}
"""{figure: (name, format, a word after it)}, in the order in which a panel shows them."""


def _figures(panel: Panel) -> list[Message]:
    quality, readings = panel.quality, panel.readings
    return [
        {
            "name": title, "value": format(quality[name], form), "word": word(quality[name]), "said": readings[name],
            "definition": panel.definitions.get(name, ""),
        }
        for name, (title, form, word) in SHORT.items()
        if name in quality and name in readings
    ]  # fmt: skip


def _images(session: Session, atlas: Atlas) -> Message:
    size = {"tile": list(sheets.tile_size(*atlas.shape[1:]))}
    if len(atlas) <= MAX_IN_MEMORY:
        return {**size, "sprite": blobs.put(atlas.sprite, "image/png")}
    first = np.array(geometry.evenly(len(atlas), FIRST_PICTURES))
    return {
        **size,
        "block": image_blocks.BLOCK,
        "blocks": image_blocks.addresses(session),
        "first": {"sprite": _picture(atlas.pictures(first)), "positions": _put(first, "<i4")},
    }


def _picture(images: Pictures) -> str:
    return blobs.put(sheets.png(sheets.tiles(images)), "image/png")


def _put(array: np.ndarray, kind: str) -> str:
    return blobs.put(np.ascontiguousarray(array, np.dtype(kind)).tobytes())


# --- received from the browser; it may be anything


def selected(n: int, token: str) -> tuple[list[int], int]:
    """The images that the visitor selected, sorted, at most `MAX_SELECTED`; and how many were selected in all."""
    match sent(maps_state.MAP_SCATTER, "selection"):
        case {"token": str(own), "indices": list(indices), **more} if own == token:
            found = sorted({i for i in indices[:MAX_SELECTED] if _whole(i, 0, n - 1)})
            count = more.get("count")
            return found, int(count) if _whole(count, len(found), n) else len(found)
        case _:
            return [], 0


def spot(atlas: Atlas) -> Spot | None:
    """The place between the points that the visitor clicked last, if it is on these maps."""
    match maps_state.map_spot():
        case {"token": str(token), "panel": str(name), "x": x, "y": y} if (
            token == atlas.key and _is_coordinate(x) and _is_coordinate(y)
        ):
            panel = next(
                (panel for panel in atlas.panels if panel.spec.text == name and panel.inverse is not None), None
            )
            return None if panel is None else Spot(panel, float(x), float(y))
        case _:
            return None


def failure() -> str | None:
    """Why this visitor's browser shows no pictures between the points; None unless something failed."""
    match sent(maps_state.MAP_SCATTER, "failed"):
        case {"reason": str(reason)}:
            return reason[:MAX_REASON]
        case _:
            return None


def undrawn() -> str | None:
    """Why this visitor's browser could not draw the maps at all, remembered for the visit; None while it can."""
    failed = sent(maps_state.MAP_SCATTER, "failed")
    if (reason := failure()) is not None and failed.get("whole") is True:
        maps_state.remember_undrawn(reason)
    return maps_state.undrawn_maps()


def _receive_place() -> None:
    maps_state.keep_map_spot(sent(maps_state.MAP_SCATTER, "place"))


def _whole(value: Any, low: int, high: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_coordinate(value: Any) -> bool:
    """True for a number that a map can show, zoomed out as far as it goes."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= MAX_DISTANCE  # NaN compares false


# --- downloads


def standalone(message: Message, heading: str) -> str:
    """The linked maps as one HTML file with data and program, which opens in any browser without a server.

    It has pictures between the points of PCA, which need no model; decoders are left out.
    """
    whole = json.loads(json.dumps(message), object_hook=_inlined)
    for panel in whole["panels"]:
        if panel["back"] is not None and panel["back"]["through"] == "codes":
            panel.update(back=None, nowhere="The decoder is not in this file; open the maps in the program to use it.")
    if "blocks" in whole["images"]:
        whole["images"]["blocks"] = ""
    program = (live.HERE / "dist" / live.MANIFEST["alone"]).read_text(encoding="utf-8")
    return _PAGE.format(
        title=html.escape(heading),
        data=json.dumps(whole).replace("<", "\\u003c"),
        program=program.replace("</", "<\\/"),
    )


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<h1>{title}</h1>
<div class="maps host"></div>
<script type="application/json" id="maps">{data}</script>
<script type="module">{program}</script>
</html>
"""


def _inlined(values: Message) -> Message:
    return {name: _inline(value) for name, value in values.items()}


def _inline(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith("/live/blob/"):
        return value
    blob = blobs.get(value.rsplit("/", 1)[1])
    assert blob is not None  # put there a moment ago
    return f"data:{blob.media_type};base64,{base64.b64encode(blob.plain).decode('ascii')}"
