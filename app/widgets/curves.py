"""Charts of a training: error on held-out images, and the terms of its loss, over the epochs."""

import functools
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from aecore.store.stages import Stage, stages
from app.widgets.text import chart_text, plain

HEIGHT = 215
Line = tuple[str, tuple[float, ...], tuple[float, ...]]
"""Label, epochs and values."""
MAX_FIGURES = 32
"""Figures that are kept: to build one takes longer than all else on a page."""
LOGARITHMIC: dict[str, Any] = {
    "type": "log", "tickvals": [m * 10.0**e for e in range(-3, 5) for m in (1, 2, 5)], "tickformat": "~g",
}  # fmt: skip
"""Plotly labels ticks between powers of ten with single digits, which are misread."""
MAX_POINTS = 300
"""Of each curve; more cost time and show nothing."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
TERMS = {"kl": "KL term"}
"""Labels of terms of a loss whose names in the history are not words."""
GREY = "rgba(128,128,128,0.9)"
COLOURS_DARK = ("#56B4E9", "#E69F00", "#2BC49A", "#E8A6CB")


def train_curves(history: Sequence[dict[str, Any]], epochs: int) -> None:
    """Draw two charts of the rows of history.jsonl, one row for each epoch; their keys keep them between redraws."""
    rows, marks = thinned(history), stages(history)
    left, right = st.columns(2, gap="small")
    with left:
        chart(
            "train_error", "Squared error per image", epochs, [line(rows, "held-out images", "validation_sse")], marks
        )
    learned = [row for row in rows if row.get("train")]
    names: list[str] = list(dict.fromkeys(name for row in learned for name in row["train"]))
    lines = [line([{**row, **row["train"]} for row in learned], TERMS.get(name, name), name) for name in names]
    if len(names) > 1 or not names:
        lines = [line(learned, "total loss (held-out)", "validation_loss"), *lines]
    with right:
        chart("train_terms", "Loss, nats per image", epochs, lines, marks)
    _say_stages(marks)


def _say_stages(marks: Sequence[Stage]) -> None:
    """Say the error of each stage if there are several."""
    if len(marks) > 1:
        reached = " · ".join(f"{plain(mark.name)} **{mark.sse:.2f}**" for mark in marks)
        st.caption(f"Best squared error per held-out image in each stage, for the layers trained so far: {reached}.")


def thinned(history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """At most about `MAX_POINTS` rows, evenly spread, always with the last."""
    step = -(-len(history) // MAX_POINTS) or 1
    return [*history[:-1:step], *history[-1:]]


def line(rows: Sequence[dict[str, Any]], label: str, name: str) -> Line:
    """The figure `name` of the rows over their epochs, as the line called `label`."""
    # A run's folder may hold anything, also other things than numbers.
    found = [(row["epoch"], row[name]) for row in rows if _is_number(row.get("epoch")) and _is_number(row.get(name))]
    return label.replace("_", " "), tuple(epoch for epoch, _ in found), tuple(value for _, value in found)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def chart(
    key: str, title: str, epochs: int, lines: Sequence[Line], marks: Sequence[Stage] = (), log: bool = False
) -> None:
    """Draw `lines` over the epochs, and mark where stages begin if there are several."""
    figure = _figure(key, title, epochs, tuple(lines), tuple(marks), log, st.context.theme.type == "dark")
    st.plotly_chart(figure, theme="streamlit", config={"displayModeBar": False}, key=key)


@functools.lru_cache(MAX_FIGURES)
def _figure(
    key: str, title: str, epochs: int, lines: tuple[Line, ...], marks: tuple[Stage, ...], log: bool, dark: bool
) -> go.Figure:
    colours = COLOURS_DARK if dark else COLOURS
    figure = go.Figure()
    for (label, x, y), colour in zip(lines, colours * len(lines), strict=False):
        figure.add_scatter(
            x=x, y=y, name=chart_text(label), mode="lines+markers" if len(x) < 3 else "lines",
            line={"color": colour, "width": 2.5}, hovertemplate="epoch %{x}: %{y:.2f}",
        )  # fmt: skip
    for mark in marks if len(marks) > 1 else ():
        # The label is at the bottom, right of the beginning of its stage, where falling curves leave room.
        figure.add_vline(
            x=mark.first - 1, line={"width": 1, "dash": "dot", "color": GREY}, annotation_text=chart_text(mark.name),
            annotation={"y": 0, "yanchor": "bottom", "xanchor": "left", "font": {"size": 12}, "textangle": 0},
        )  # fmt: skip
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 54, "r": 8, "t": 8, "b": 40},
        showlegend=True,
        legend={"x": 1, "y": 1, "xanchor": "right", "yanchor": "top", "title": None, "bgcolor": "rgba(0,0,0,0)"},
        xaxis={"title": {"text": "Epoch"}, "range": [0, epochs], "fixedrange": True},
        yaxis={"title": {"text": title}, "fixedrange": True, **(LOGARITHMIC if log else {"rangemode": "tozero"})},
        uirevision=key,
    )
    return figure
