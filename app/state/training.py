"""Keys and URL parameters of the Train page."""

import streamlit as st

from app.state.url import set_parameter

JOB = "job"
"""The training that is watched, or `NEW_JOB`."""
NEW_JOB = "new"
RECIPE = "recipe"
DATASET = "dataset"
TRAIN_WIDGET = "_train_"
"""Prefix of the keys of the page's own widgets; `settings_form` makes the rest."""
TRAIN_SIDE = "_train_own_side"
TRAIN_COLOUR = "_train_own_colour"
TRAIN_NAME = "_train_name"


def watched_job() -> str | None:
    return st.query_params.get(JOB)


def watch_job(run_id: str | None) -> None:
    """The run id goes into the URL, so that a reload, another tab or another day finds it."""
    set_parameter(JOB, run_id)
