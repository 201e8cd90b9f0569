"""A grid of pictures to pick one from, by pointer or arrow keys; all are cut from one sprite."""

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st
from streamlit.components import v2

from aecore.pictures import sheets
from app import live

HERE = Path(__file__).parent
_TILES = v2.component(
    "walk_tiles",
    html='<div class="host">\n<div class="tiles" role="group"></div>\n</div>',
    css=(HERE / "tiles.css").read_text(encoding="utf-8"),
    js=live.script("tiles"),
)


def tiles(
    images: sheets.Stack,
    title: str,
    labels: Sequence[str],
    key: str,
    on_pick: Callable[[int], None],
    *,
    chosen: int | None = None,
    columns: int | None = None,
    mark: tuple[float, float] | None = None,
    sprite: str | None = None,
) -> None:
    """Show the images as tiles; call `on_pick` with the position of the picked one before the next run.

    Without `columns` as many tiles stand in a row as the width allows; with it the rows have that many, enlarged by a
    whole factor to fill the width. `mark` puts a ring on the grid: (0, 0) is the middle of the bottom-left tile, (1, 1)
    of the top-right one. `sprite` is the images' sprite as a data URI, made here if it is not given.
    """

    def picked() -> None:
        position = st.session_state[key].get("picked")  # sent by the browser: may be anything
        if isinstance(position, int | float) and 0 <= position < len(labels):
            on_pick(int(position))

    _TILES(
        key=key,
        data={
            "uri": sprite or sheets.sprite(images),
            "width": images.shape[3],
            "height": images.shape[2],
            "across": min(len(images), sheets.SPRITE_COLUMNS),
            "title": title,
            "labels": list(labels),
            "chosen": chosen,
            "columns": columns,
            "mark": mark,
        },
        on_picked_change=picked,
    )
