"""Filmstrips with a slider under each: the strip is the slider's scale, first and last frame being its two ends.

One element for all of them, with sliders of its own: a page of six would else be redrawn too slowly.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st
from streamlit.components import v2

from aecore.parts.data import Pictures
from aecore.pictures import sheets
from aecore.session.scale import Scale
from app import live

FRAMES = 7
HERE = Path(__file__).parent
_FILMS = v2.component(
    "filmstrip",
    html='<div class="host">\n<div class="films"></div>\n'
    '<div class="pager" hidden><output></output><button type="button">Stronger</button>'
    '<button type="button">Weaker units</button></div>\n</div>',
    css=(HERE / "filmstrip.css").read_text(encoding="utf-8"),
    js=live.script("filmstrip"),
)


@dataclasses.dataclass(frozen=True, eq=False)
class Film:
    """A strip of `FRAMES` images over `scale`, now at `value`; it is moved when that is not its `home`."""

    title: str
    note: str
    images: Pictures
    scale: Scale
    value: float
    home: float
    ends: tuple[str, str] = ("", "")
    faint: bool = False


@dataclasses.dataclass(frozen=True)
class Paging:
    """More rows than are shown: page `page` of `pages`, said in `words`; `on_turn` gets the page to turn to."""

    page: int
    pages: int
    words: str
    on_turn: Callable[[int], None]


def films(
    rows: Sequence[Film],
    key: str,
    on_move: Callable[[int, float], None],
    rounds: str,
    paging: Paging | None = None,
) -> None:
    """Calls `on_move` with the row and the value its slider was released at, before the next run.

    `rounds` names what the rows are (a page of units of a code): when it changes, what the sliders hold is forgotten.
    """

    def moved() -> None:
        sent = st.session_state[key].get("moved")  # from the client: anything may stand there
        match sent:
            case {"row": int(row), "value": int() | float() as value, "count": int(count), "rounds": str(name)}:
                state = st.session_state.setdefault(f"{key}_heard", {})
                state.clear()
                state[rounds] = count
                if name == rounds and 0 <= row < len(rows) and math.isfinite(value):
                    on_move(row, rows[row].scale.clipped(float(value)))
            case _:
                pass

    def turned() -> None:
        page = st.session_state[key].get("turned")
        if paging is not None and isinstance(page, int) and 0 <= page < paging.pages:
            paging.on_turn(page)

    sheet = sheets.sheet([row.images for row in rows])
    frame = rows[0].images.shape
    _FILMS(
        key=key,
        data={
            "uri": sheets.data_uri(sheets.png(sheet)),
            "width": frame[3],
            "height": frame[2],
            "natural": sheet.shape[1],
            "rounds": rounds,
            "heard": st.session_state.get(f"{key}_heard", {}).get(rounds, 0),
            "films": [_described(row) for row in rows],
            "page": paging.page if paging else 0,
            "pages": paging.pages if paging else 1,
            "paging": paging.words if paging else "",
        },
        on_moved_change=moved,
        on_turned_change=turned,
    )


def _described(row: Film) -> dict[str, object]:
    return {
        "title": row.title,
        "note": row.note,
        "ends": row.ends,
        "faint": row.faint,
        "low": row.scale.low,
        "high": row.scale.high,
        "step": row.scale.step,
        "decimals": row.scale.decimals,
        "value": row.value,
        "home": row.home,
        "moved": not row.scale.same(row.value, row.home),
    }
