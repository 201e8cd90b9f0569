"""Filmstrips with a slider under each: the first and last frame are the slider's two ends.

One component draws all of them, with sliders of its own: six elements would be redrawn too slowly.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from streamlit.components import v2

from aecore.parts.data import Pictures
from aecore.pictures import sheets
from aecore.session.scale import Scale
from app import live
from app.state.live import last_received, receive, sent

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
    """A strip of `FRAMES` images over `scale`, now at `value`; it is moved if that differs from its `home`."""

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
    """The rows are page `page` of `pages`, as `words` describe; `on_turn` is called with the page to turn to."""

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
    """Draw `rows`; call `on_move` with a row and the value at which its slider was released, before the next run.

    `rounds` identifies the rows (a page of units of a code): when it changes, the sliders forget their values.
    """

    def moved() -> None:
        match sent(key, "moved"):
            case {"row": int(row), "value": int() | float() as value, "count": int(count), "rounds": str(name)}:
                receive(key, rounds, count)
                if name == rounds and 0 <= row < len(rows) and math.isfinite(value):
                    on_move(row, rows[row].scale.clipped(float(value)))
            case _:
                pass

    def turned() -> None:
        page = sent(key, "turned")
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
            "heard": last_received(key, rounds),
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
