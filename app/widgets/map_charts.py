"""What the maps' figures look like: Shepard's diagram of each, and how the variance falls."""

import plotly.graph_objects as go
import streamlit as st

from aecore.atlas import Atlas, Panel

PAIRS_OF = 70
"""Images whose pairs are drawn: 2,415 dots."""
HEIGHT = 300
DOTS, STRAIGHT, ORDER = "rgba(0,114,178,0.3)", "#D55E00", "#009E73"
MADE_OF_DIRECTIONS = ("pca", "code")


def charts(atlas: Atlas) -> None:
    """Drawn once somebody opens them."""
    folded = st.expander(
        "Distances and variances in charts", icon=":material/query_stats:", on_change="rerun", key="map_charts"
    )
    if not folded.open:
        return
    with folded:
        st.markdown(
            "**Shepard's diagram.** Each dot is a pair of images: to the right, how far apart they are as pictures; "
            "upward, how far apart they lie on the map. On a perfect map all dots lie on the straight line; stress-1 "
            "is how far they are from it; the stepped line is the nearest one that keeps the order of the distances."
        )
        for column, panel in zip(st.columns(len(atlas.panels)), atlas.panels, strict=True):
            with column:
                _shepard(panel)
        shown = [panel for panel in atlas.panels if panel.kind in MADE_OF_DIRECTIONS]
        if not shown:
            return
        st.markdown(
            "**Scree.** What share of the variance each principal direction has, and, as a line, all up to it: the map "
            "shows the first two. Where the bars fall slowly, a plane hides much."
        )
        for column, panel in zip(st.columns(max(2, len(shown))), shown, strict=False):
            with column:
                _scree(panel)


def _shepard(panel: Panel) -> None:
    found = panel.shepard(PAIRS_OF)
    figure = go.Figure(
        [
            go.Scatter(x=found.wanted, y=found.shown, mode="markers", marker={"size": 3, "color": DOTS}, name="pairs"),
            go.Scatter(x=found.wanted, y=found.straight, mode="lines", line={"color": STRAIGHT}, name="perfect"),
            go.Scatter(x=found.wanted, y=found.monotone, mode="lines", line={"color": ORDER}, name="in order"),
        ]
    )
    _chart(figure, panel, "shepard", "Distance of the pictures", "Distance on the map", "Shepard's diagram")


def _scree(panel: Panel) -> None:
    found = panel.scree()
    places = list(range(1, len(found.shares) + 1))
    figure = go.Figure(
        [
            go.Bar(x=places, y=found.shares, marker={"color": "#0072B2"}, name="one direction"),
            go.Scatter(x=places, y=found.summed, mode="lines+markers", line={"color": STRAIGHT}, name="all up to it"),
        ]
    )
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    _chart(figure, panel, "scree", "Principal direction", "Share of the variance", "Scree")


def _chart(figure: go.Figure, panel: Panel, what: str, across: str, up: str, name: str) -> None:
    figure.update_layout(
        height=HEIGHT, margin={"l": 4, "r": 4, "t": 44, "b": 4}, title={"text": panel.title, "font": {"size": 14}},
        legend={"orientation": "h", "y": -0.28}, xaxis_title=across, yaxis_title=up,
    )  # fmt: skip
    st.plotly_chart(
        figure, key=f"map_{what}_{panel.spec.text}", config={"displayModeBar": False}, alt=f"{name} of {panel.title}"
    )
