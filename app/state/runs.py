"""Which run is shown, which runs are compared, and which was deleted last."""

import streamlit as st

from app.state import url

RUN = "run"
"""The run's id. Written by `choose_run`, not bound: a bound selectbox would put the run's name into links."""
RUN_PICKER = "_run_picker"
_LAST_RUN = "_last_run"
_OFFERED_RUN = "_offered_run"
COMPARED = "compare"
"""Run ids, comma-separated. Written by `compare_runs`."""
RUNS_WIDGET = "_runs_"
"""Prefix of the keys of the Runs page's own widgets."""
_DELETED = "_deleted_run"


def asked_run() -> str | None:
    """The run id in the URL."""
    return st.query_params.get(RUN)


def choose_run(run_id: str) -> None:
    """Remember the run that somebody chose, for all pages, and write it into the URL."""
    st.session_state[_LAST_RUN] = run_id
    st.session_state.pop(_OFFERED_RUN, None)
    url.set_parameter(RUN, run_id)


def offer_run(page: str, run_id: str) -> None:
    """Write into the URL what `page` shows as long as nobody chose a run; other pages show their own."""
    st.session_state[_OFFERED_RUN] = (page, run_id)
    url.set_parameter(RUN, run_id)


def is_offered(page: str, run_id: str) -> bool:
    """True while `page` shows the run that it offered itself."""
    return st.session_state.get(_OFFERED_RUN) == (page, run_id)


def last_run() -> str | None:
    """The run that this visitor chose last."""
    return st.session_state.get(_LAST_RUN)


def compared_runs() -> list[str]:
    """The run ids to compare in the URL."""
    return [run_id for run_id in st.query_params.get(COMPARED, "").split(",") if run_id]


def compare_runs(run_ids: list[str]) -> None:
    """Write the run ids to compare into the URL."""
    url.set_parameter(COMPARED, ",".join(run_ids) or None)


def deleted_run() -> tuple[str, str] | None:
    """(id, name) of the run that this visitor deleted last and can restore."""
    return st.session_state.get(_DELETED)


def remember_deleted(run: tuple[str, str] | None) -> None:
    """Remember what `deleted_run` returns."""
    st.session_state[_DELETED] = run
