"""A run's figures as HTML, each with its definition as a tooltip."""

import html

import streamlit as st

from aecore.store.figures import FIGURES, STAGES, Figure, figures
from aecore.store.folder import RunInfo


def name_of(figure: Figure) -> str:
    """HTML of the figure's name with its definition as a tooltip."""
    return f'<abbr title="{html.escape(figure.definition, quote=True)}">{html.escape(figure.label)}</abbr>'


def figure_list(info: RunInfo) -> str:
    """HTML of all figures of a run, as a list of names and values."""
    lines = (f"<div><dt>{name_of(figure)}</dt><dd>{html.escape(text)}</dd></div>" for figure, text in figures(info))
    return f'<dl class="card-figures">{"".join(lines)}</dl>'


def definitions() -> None:
    """Draw all definitions in an expander, for screens without a pointer."""
    with st.expander("What the figures mean", icon=":material/help:"):
        lines = (
            f"<dt>{html.escape(figure.label)}</dt><dd>{html.escape(figure.definition)}</dd>"
            for figure in (*FIGURES, STAGES)
        )
        st.html(f'<dl class="facts definitions">{"".join(lines)}</dl>')
