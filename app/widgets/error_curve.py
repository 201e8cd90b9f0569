"""Error against noise level: a curve that stays, and a mark that moves over it."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
import streamlit as st

HEIGHT = 230
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 26, 40
"""Margins of the plot in pixels; `level_marker` and style.css place the mark by them."""


def error_curve(curve: Mapping[str, np.ndarray], trained_at: float | None) -> None:
    """Squared error per image of the corrupted images and of the reconstructions at each level from 0 to 1."""
    dark = st.context.theme.type == "dark"
    before, after = ("#E69F00", "#56B4E9") if dark else ("#D55E00", "#0072B2")
    figure = go.Figure()
    for name, key, colour, dash in (
        ("corrupted", "before", before, "dot"),
        ("reconstruction", "after", after, "solid"),
    ):
        figure.add_scatter(
            x=curve["level"], y=curve[key], name=name, mode="lines+markers", marker={"size": 5},
            line={"color": colour, "width": 2.5, "dash": dash}, hovertemplate="level %{x:.1f}: %{y:.2f}",
        )  # fmt: skip
    if trained_at:
        figure.add_vline(trained_at, line={"dash": "dash", "width": 1, "color": "gray"})
        right = trained_at <= 0.6
        figure.add_annotation(
            x=trained_at, y=0, yref="paper", xanchor="left" if right else "right", yanchor="bottom", showarrow=False,
            text=f"trained at {trained_at:.2f}",
        )  # fmt: skip
    figure.update_layout(
        height=HEIGHT,
        margin={"l": LEFT, "r": RIGHT, "t": TOP, "b": BOTTOM},
        legend={"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom", "title": None},
        xaxis={"title": {"text": "Noise level"}, "range": [0, 1], "automargin": False, "fixedrange": True},
        yaxis={
            "title": {"text": "Squared error per image"},
            "rangemode": "tozero",
            "automargin": False,
            "fixedrange": True,
        },
    )
    st.plotly_chart(figure, theme="streamlit", config={"displayModeBar": False}, key="error_curve")


def level_marker(level: float) -> None:
    """The level now, drawn over the curve; redrawing the curve itself for each level would hold up the picture."""
    st.html(
        f'<div class="level-now" style="--level:{level:.4f}" role="img" aria-label="level now {level:.2f}">'
        "<span>now</span></div>"
    )
