"""Pictures to pick one of: a grid of tiles cut from one sprite, by pointer or arrow keys."""

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st
from streamlit.components import v2

from aecore.pictures import sheets

HERE = Path(__file__).parent
_TILES = v2.component(
    "walk_tiles",
    html='<div class="host">\n<div class="tiles" role="group"></div>\n</div>',
    css=(HERE / "tiles.css").read_text(encoding="utf-8"),
    js=(HERE / "tiles.js").read_text(encoding="utf-8"),
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
    """Calls `on_pick` with the picked position before the next run. `sprite` is that of the images, where it is known.

    Without `columns` the tiles flow as the width allows; with it they fill the width by whole enlargements. `mark` is
    a place on the grid, (0, 0) the middle of the bottom-left tile and (1, 1) that of the top-right one.
    """

    def picked() -> None:
        position = st.session_state[key].get("picked")  # from the client: anything may stand there
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
