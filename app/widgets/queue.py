"""Trainings that run or wait on this server: seen by everybody, and each can be taken out after a second click."""

import html

import streamlit as st

from aecore.foundation.errors import AecoreError
from aecore.store.folder import RunInfo
from aecore.training import queue
from app import cache
from app.state import training
from app.widgets.run_picker import run_name


def train_queue(shown: str | None = None) -> None:
    """The queue with everyone's trainings; the one that the page already shows (`shown`) only has its place said."""
    trainings = queue.queue(cache.store())
    if not trainings or [info.run_id for info in trainings] == [shown]:
        return
    st.markdown("**Trainings on this server**, one at a time")
    for place, info in enumerate(trainings):
        _entry(place, info, info.run_id == shown)


def place_in_queue(run_id: str) -> str:
    """In words, for a training that waits."""
    ids = [info.run_id for info in queue.queue(cache.store())]
    before = ids.index(run_id) if run_id in ids else 0
    if not before:
        return "It begins in a moment."
    return f"It is number {before} in the queue and begins when the {'one' if before == 1 else before} before it ended."


def stop_button(info: RunInfo) -> None:
    """Stops a running training or takes a waiting one out; asks once more, because it may be someone else's."""
    waiting = info.state == "queued"
    label = "Take out" if waiting else "Stop"
    with st.popover(label, icon=":material/close:" if waiting else ":material/stop:", key=f"_train_stop_{info.run_id}"):
        st.caption(
            "It has not begun; nothing of it is kept."
            if waiting
            else "It ends at its next step; the best weights so far are kept."
        )
        st.button(
            f"{label} {run_name(info)}", key=f"_train_stop_yes_{info.run_id}", on_click=_stop, args=(info.run_id,)
        )


def resume_button(info: RunInfo) -> None:
    """For a training of several stages that ended early."""
    st.button(
        "Resume", icon=":material/resume:", key=f"_train_resume_{info.run_id}", on_click=_resume, args=(info.run_id,),
        help="It goes on at the beginning of the stage in which it ended; whole stages are kept.",
    )  # fmt: skip


def _resume(run_id: str) -> None:
    try:
        queue.resume(cache.store(), run_id)
    except AecoreError as error:
        st.toast(f"{error}", icon=":material/error:")


def _entry(place: int, info: RunInfo, shown: bool) -> None:
    words = "waits" if info.state == "queued" else f"epoch {info.status.epoch} of {info.status.epochs}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        name = html.escape(run_name(info))
        st.html(
            f'<p class="queue-line">{place + 1}. {f"<b>{name}</b>" if shown else name}<br><small>{words}</small></p>'
        )
        if not shown:
            st.button("Show", key=f"_train_show_{info.run_id}", on_click=training.watch_job, args=(info.run_id,))
            stop_button(info)


def _stop(run_id: str) -> None:
    try:
        queue.stop(cache.store(), run_id)
    except AecoreError as error:
        st.toast(f"{error}", icon=":material/error:")
