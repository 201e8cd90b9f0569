"""A run's figures as words: each with its meaning, which also lies under the pointer."""

import html

import streamlit as st

from aecore.store.figures import FIGURES, STAGES, Figure, figures
from aecore.store.folder import RunInfo


def name_of(figure: Figure) -> str:
    """The figure's name with its definition as a tip."""
    return f'<abbr title="{html.escape(figure.definition, quote=True)}">{html.escape(figure.label)}</abbr>'


def figure_list(info: RunInfo) -> str:
    """All that is known of a run as a list of names and values."""
    lines = (f"<div><dt>{name_of(figure)}</dt><dd>{html.escape(text)}</dd></div>" for figure, text in figures(info))
    return f'<dl class="card-figures">{"".join(lines)}</dl>'


def definitions() -> None:
    """What every figure means, where there is no pointer to ask with."""
    with st.expander("What the figures mean", icon=":material/help:"):
        lines = (
            f"<dt>{html.escape(figure.label)}</dt><dd>{html.escape(figure.definition)}</dd>"
            for figure in (*FIGURES, STAGES)
        )
        st.html(f'<dl class="facts definitions">{"".join(lines)}</dl>')
