"""Charts of the maps' quality: Shepard's diagrams, figures over the number of neighbours, and scree plots."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from aecore.maps import quality
from aecore.maps.atlas import Atlas
from aecore.maps.panel import Panel
from app.widgets.text import chart_text

SHEPARD_IMAGES = 70
"""Images whose pairs are drawn: 2,415 dots."""
HEIGHT = 300
DOTS, STRAIGHT, ORDER = "rgba(0,114,178,0.3)", "#D55E00", "#009E73"
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""A colour for each map, told apart by colour-blind eyes too (Okabe and Ito)."""
WITH_SCREE = ("pca", "code")


def charts(atlas: Atlas) -> None:
    """Draw the charts in an expander, once somebody opens it."""
    folded = st.expander(
        "Distances and variances in charts", icon=":material/query_stats:", on_change="rerun", key="map_charts"
    )
    if not folded.open:
        return
    with folded:
        st.markdown(
            "**Shepard's diagram.** Each dot is a pair of images: to the right, the distance between the pictures; "
            "upward, their distance on the map. On a perfect map all dots lie on the straight line; stress-1 measures "
            "how far they are from it. The stepped line is the closest one that keeps the order of the distances."
        )
        for column, panel in zip(st.columns(len(atlas.panels)), atlas.panels, strict=True):
            with column:
                _shepard(panel)
        _curves(atlas)
        shown = [panel for panel in atlas.panels if panel.kind in WITH_SCREE]
        if not shown:
            return
        st.markdown(
            "**Scree plot.** The share of the variance along each principal direction and, as a line, the cumulative "
            "share. The map shows the first two directions; if the bars fall slowly, it hides much."
        )
        for column, panel in zip(st.columns(max(2, len(shown))), shown, strict=False):
            with column:
                _scree(panel)


def _shepard(panel: Panel) -> None:
    found = panel.shepard(SHEPARD_IMAGES)
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
    """Draw a chart for each figure, with a line for each map."""
    found = [panel.curves for panel in atlas.panels]
    if not found[0].ks:
        return
    st.markdown(
        "**Near and far neighbours.** To the right, the number k of neighbours of each image; upward, how well the map "
        "keeps them, 1 for all. A map that keeps only the closest ones falls early; one that keeps the global "
        f"structure stays high. Measured on {found[0].n:,} of {len(atlas):,} images."
    )
    drawn: list[tuple[str, str, list[np.ndarray]]] = [
        ("trustworthiness", "Trustworthiness", [curves.trustworthiness for curves in found]),
        ("continuity", "Continuity", [curves.continuity for curves in found]),
    ]
    accuracies = [curves.knn_accuracy for curves in found if curves.knn_accuracy is not None]
    if accuracies:
        drawn.append(("knn_accuracy", "Same-class neighbours", accuracies))
    for column, (name, title, lines) in zip(st.columns(len(drawn)), drawn, strict=True):
        figure = go.Figure(
            [
                go.Scatter(x=found[0].ks, y=line, mode="lines", line={"color": colour}, name=chart_text(panel.title))
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
            go.Scatter(x=places, y=found.summed, mode="lines+markers", line={"color": STRAIGHT}, name="cumulative"),
        ]
    )
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    if len(places) < 10:
        figure.update_xaxes(tickvals=places)  # plotly would also number what lies between two directions
    _chart(
        figure, panel.title, f"map_scree_{panel.spec.text}", "Principal direction", "Share of the variance",
        f"Scree plot of {panel.title}",
    )  # fmt: skip


def _chart(figure: go.Figure, title: str, key: str, across: str, up: str, alt: str) -> None:
    figure.update_layout(
        height=HEIGHT, margin={"l": 4, "r": 4, "t": 44, "b": 4}, xaxis_title=across, yaxis_title=up,
        title={"text": chart_text(title), "font": {"size": 14}}, legend={"orientation": "h", "y": -0.28},
    )  # fmt: skip
    st.plotly_chart(figure, key=key, config={"displayModeBar": False}, alt=alt)
