"""What the maps' figures look like: Shepard's diagram of each, how near and far neighbours fare, and how the variance
falls.
"""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from aecore.maps import quality
from aecore.maps.atlas import Atlas
from aecore.maps.panel import Panel

PAIRS_OF = 70
"""Images whose pairs are drawn: 2,415 dots."""
HEIGHT = 300
DOTS, STRAIGHT, ORDER = "rgba(0,114,178,0.3)", "#D55E00", "#009E73"
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""A colour for each map, told apart by colour-blind eyes too (Okabe and Ito)."""
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
        _curves(atlas)
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
            go.Scatter(x=found.delta, y=found.d, mode="markers", marker={"size": 3, "color": DOTS}, name="pairs"),
            go.Scatter(x=found.delta, y=found.linear, mode="lines", line={"color": STRAIGHT}, name="perfect"),
            go.Scatter(x=found.delta, y=found.monotone, mode="lines", line={"color": ORDER}, name="in order"),
        ]
    )
    _chart(
        figure, panel.title, f"map_shepard_{panel.spec.text}", "Distance of the pictures", "Distance on the map",
        f"Shepard's diagram of {panel.title}",
    )  # fmt: skip


def _curves(atlas: Atlas) -> None:
    """A chart for each figure, a line in it for each map."""
    found = [panel.curves for panel in atlas.panels]
    if not found[0].ks:
        return
    st.markdown(
        "**Near and far neighbours.** To the right, how many neighbours k of each image are looked at; upward, how far "
        "they are the right ones, 1 for all: a map that keeps only the closest falls early, one that keeps the large "
        f"picture stays high. On {found[0].n:,} of {len(atlas):,} images."
    )
    drawn: list[tuple[str, str, list[np.ndarray]]] = [
        ("trustworthiness", "Trustworthiness", [curves.trustworthiness for curves in found]),
        ("continuity", "Continuity", [curves.continuity for curves in found]),
    ]
    accuracies = [curves.knn_accuracy for curves in found if curves.knn_accuracy is not None]
    if accuracies:
        drawn.append(("knn_accuracy", "Neighbours agree", accuracies))
    for column, (name, title, lines) in zip(st.columns(len(drawn)), drawn, strict=True):
        figure = go.Figure(
            [
                go.Scatter(x=found[0].ks, y=line, mode="lines", line={"color": colour}, name=panel.title)
                for panel, line, colour in zip(atlas.panels, lines, LINES, strict=False)
            ]
        )
        figure.update_xaxes(type="log", tickvals=[1, 2, 5, 10, 20, 50, 100])
        with column:
            _chart(figure, title, f"map_curve_{name}", "Neighbours k", title, f"{title} of each map by neighbours")
            st.caption(quality.DEFINITIONS[name])


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
    if len(places) < 10:
        figure.update_xaxes(tickvals=places)  # plotly would also number what lies between two directions
    _chart(
        figure, panel.title, f"map_scree_{panel.spec.text}", "Principal direction", "Share of the variance",
        f"Scree of {panel.title}",
    )  # fmt: skip


def _chart(figure: go.Figure, title: str, key: str, across: str, up: str, alt: str) -> None:
    figure.update_layout(
        height=HEIGHT, margin={"l": 4, "r": 4, "t": 44, "b": 4}, title={"text": title, "font": {"size": 14}},
        legend={"orientation": "h", "y": -0.28}, xaxis_title=across, yaxis_title=up,
    )  # fmt: skip
    st.plotly_chart(figure, key=key, config={"displayModeBar": False}, alt=alt)
