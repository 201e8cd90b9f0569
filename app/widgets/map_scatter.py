"""PCA, MDS and code side by side in one drawing: what is pointed at or selected in one map shows in all of them."""

import base64
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from streamlit.components import v2

from aecore import metrics, pictures
from aecore.atlas import Atlas, Panel, Placed
from aecore.colouring import Colouring
from aecore.session import Pictures
from app import state

HERE = Path(__file__).parent
_MAPS = v2.component(
    "map_scatter",
    html='<div class="maps"></div>',
    css=(HERE / "map_scatter.css").read_text(encoding="utf-8"),
    js=(HERE / "map_scatter.js").read_text(encoding="utf-8"),
)


@dataclasses.dataclass(frozen=True)
class Own:
    """A visitor's images and their places on each map."""

    images: Pictures
    placed: tuple[Placed, ...]


def scatter(atlas: Atlas, colouring: Colouring, *, token: str, thumbnails: bool, own: Own | None) -> list[int]:
    """Draws the maps and returns the selected images, sorted; `token` names the run, which no selection outlives."""
    origins = list(dict.fromkeys(atlas.origins))
    classes = colouring.title == "Class"
    _MAPS(
        key=state.MAP_SCATTER,
        data={
            "token": token,
            "n": len(atlas),
            "panels": [_panel(atlas, panel, i, classes, own) for i, panel in enumerate(atlas.panels)],
            "colour": _packed(colouring.index, np.uint16),
            "table": colouring.table.tolist(),
            "shapes": list(colouring.shapes),
            "legend": {
                "title": colouring.title, "names": list(colouring.names),
                "low": f"{colouring.low:.3g}", "high": f"{colouring.high:.3g}",
            },
            "labels": None if atlas.labels is None else _packed(atlas.labels, np.uint16),
            "label_names": list(atlas.label_names),
            "index": _packed(atlas.indices, np.int32),
            "origin": _packed(np.array([origins.index(origin) for origin in atlas.origins]), np.uint8),
            "origins": origins,
            "sprite": pictures.data_uri(atlas.sprite),
            "tile": list(pictures.tile_size(*atlas.shape[1:])),
            "columns": pictures.TILE_COLUMNS,
            "thumbnails": thumbnails,
            "own": None if own is None else {"sprite": pictures.data_uri(pictures.png(pictures.tiles(own.images)))},
        },
        on_selection_change=lambda: None,
    )  # fmt: skip
    return selected(len(atlas), token)


def selected(n: int, token: str) -> list[int]:
    """The images selected by the visitor. The value comes from the client, so anything may stand there."""
    held: Any = st.session_state.get(state.MAP_SCATTER)
    selection = held.get("selection") if isinstance(held, dict) else None
    if (
        not isinstance(selection, dict)
        or selection.get("token") != token
        or not isinstance(selection.get("indices"), list)
    ):
        return []
    return sorted(
        {i for i in selection["indices"][:n] if isinstance(i, int) and not isinstance(i, bool) and 0 <= i < n}
    )


def _panel(atlas: Atlas, panel: Panel, position: int, classes: bool, own: Own | None) -> dict[str, Any]:
    middles = atlas.class_middles(panel) if classes else {}
    return {
        "title": panel.title,
        "note": panel.note,
        "alt": f"{panel.title} of {len(atlas)} images. {' '.join(panel.readings.values())}",
        "places": _packed(panel.grid, np.int16),
        "middles": [[name, round(x, 3), round(y, 3)] for name, (x, y) in middles.items()],
        "figures": _figures(panel),
        "own": [] if own is None else np.round(own.placed[position].places.astype(float), 3).tolist(),
    }


def _figures(panel: Panel) -> list[dict[str, str]]:
    quality, said = panel.quality, panel.readings
    found: list[tuple[str, str, str, str]] = []
    if "stress_1" in quality:
        value = quality["stress_1"]
        found.append(("stress_1", "Stress-1", f"{value:.2f}", metrics.kruskal_words(value)))
    if "trustworthiness" in quality:
        value = quality["trustworthiness"]
        found.append(("trustworthiness", "Trustworthiness", f"{value:.2f}", metrics.trustworthiness_words(value)))
    if "knn_accuracy" in quality:
        found.append(
            (
                "knn_accuracy",
                "Neighbours agree",
                f"{quality['knn_accuracy']:.0%}",
                f"{quality['knn_k']:.0f} nearest vote",
            )
        )
    return [{"name": name, "value": shown, "word": word, "said": said[key]} for key, name, shown, word in found]


def _packed(array: np.ndarray, dtype: Any) -> str:
    """Little-endian bytes as base64: a fraction of the same numbers as text."""
    return base64.b64encode(np.ascontiguousarray(array, np.dtype(dtype).newbyteorder("<")).tobytes()).decode("ascii")
