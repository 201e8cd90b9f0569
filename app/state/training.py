"""Keys and URL parameters of the Train page."""

import streamlit as st

from app.state import url

JOB = "job"
"""The training to watch, or `NEW_JOB`."""
NEW_JOB = "new"
RECIPE = "recipe"
DATASET = "dataset"
TRAIN_WIDGET = "_train_"
"""Prefix of the keys of the page's own widgets; `settings_form` makes the rest."""
TRAIN_SIDE = "_train_own_side"
TRAIN_COLOUR = "_train_own_colour"


def watched_job() -> str | None:
    """The training to watch in the URL."""
    return st.query_params.get(JOB)


def watch_job(run_id: str | None) -> None:
    """Write the training to watch into the URL, so that a reload, another tab or another day finds it."""
    url.set_parameter(JOB, run_id)
