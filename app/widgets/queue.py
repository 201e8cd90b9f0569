"""The queue of trainings on this server; everybody sees it and can stop a training, after a second click."""

import html

import streamlit as st

from aecore.foundation.errors import AecoreError
from aecore.store.folder import RunInfo
from aecore.training import queue
from app import cache
from app.state import training
from app.widgets.run_picker import run_name
from app.widgets.text import plain


def train_queue(shown: str | None = None) -> None:
    """Draw the queue; the training that the page shows already (`shown`) has no buttons."""
    trainings = queue.queue(cache.store())
    if not trainings or [info.run_id for info in trainings] == [shown]:
        return
    st.markdown("**Trainings on this server**, one at a time")
    for place, info in enumerate(trainings):
        _entry(place, info, info.run_id == shown)


def place_in_queue(run_id: str) -> str:
    """The place of a waiting training, in words."""
    ids = [info.run_id for info in queue.queue(cache.store())]
    before = ids.index(run_id) if run_id in ids else 0
    if why := queue.why_paused(cache.store()):
        return f"It cannot start at present: {why}."
    if not before:
        return "Starts in a moment."
    ended = "the training before it has ended" if before == 1 else f"the {before} trainings before it have ended"
    return f"Number {before} in the queue; starts when {ended}."


def stop_button(info: RunInfo) -> None:
    """Draw a button that stops or removes a training, after a second click, because it may be someone else's."""
    waiting = info.state == "queued"
    label = "Remove" if waiting else "Stop"
    with st.popover(label, icon=":material/close:" if waiting else ":material/stop:", key=f"_train_stop_{info.run_id}"):
        st.caption(
            "The training has not started; nothing is kept."
            if waiting
            else "The training ends after its current step; the best weights so far are kept."
        )
        st.button(
            f"{label} {plain(run_name(info))}",
            key=f"_train_stop_yes_{info.run_id}",
            on_click=_stop,
            args=(info.run_id,),
        )


def resume_button(info: RunInfo) -> None:
    """Draw a button that continues a training of several stages that ended early."""
    st.button(
        "Resume", icon=":material/resume:", key=f"_train_resume_{info.run_id}", on_click=_resume, args=(info.run_id,),
        help="Restarts the stage in which the training ended; completed stages are kept.",
    )  # fmt: skip


def _resume(run_id: str) -> None:
    try:
        queue.resume(cache.store(), run_id)
    except AecoreError as error:
        st.toast(plain(str(error)), icon=":material/error:")


def _entry(place: int, info: RunInfo, shown: bool) -> None:
    words = "waiting" if info.state == "queued" else f"epoch {info.status.epoch} of {info.status.epochs}"
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
        st.toast(plain(str(error)), icon=":material/error:")
