"""Which run is shown, which are compared, which was deleted last."""

import streamlit as st

from app.state.url import set_parameter

# Widget keys that are bound to the URL; a link with them restores the view.
RUN = "run"
"""The run's id. Written by `choose_run`, not bound: a bound selectbox would put the run's name into links."""
_LAST_RUN = "_last_run"
_OFFERED_RUN = "_offered_run"
RUN_PICKER = "_run_picker"


def choose_run(run_id: str) -> None:
    """Keeps the run, which somebody chose, for the other pages and puts it into the URL."""
    st.session_state[_LAST_RUN] = run_id
    st.session_state.pop(_OFFERED_RUN, None)
    set_parameter(RUN, run_id)


def offer_run(page: str, run_id: str) -> None:
    """Puts into the URL what `page` shows as long as nobody chose a run; other pages show theirs."""
    st.session_state[_OFFERED_RUN] = (page, run_id)
    set_parameter(RUN, run_id)


def is_offered(page: str, run_id: str) -> bool:
    return st.session_state.get(_OFFERED_RUN) == (page, run_id)


def last_run() -> str | None:
    return st.session_state.get(_LAST_RUN)


COMPARED = "compare"
"""Run ids, comma-separated. Written by `compare_runs`."""
RUNS_WIDGET = "_runs_"
_DELETED = "_deleted_run"


def compared_runs() -> list[str]:
    return [run_id for run_id in st.query_params.get(COMPARED, "").split(",") if run_id]


def compare_runs(run_ids: list[str]) -> None:
    set_parameter(COMPARED, ",".join(run_ids) or None)


def deleted_run() -> tuple[str, str] | None:
    """(id, name) of the run that this visitor deleted last and can bring back."""
    return st.session_state.get(_DELETED)


def remember_deleted(run: tuple[str, str] | None) -> None:
    st.session_state[_DELETED] = run
