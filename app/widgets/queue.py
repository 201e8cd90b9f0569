"""The queue of trainings on this server. A visitor sees and stops own trainings; who runs the server, everybody's."""

import html

import streamlit as st

from aecore.foundation.errors import AecoreError
from aecore.store.folder import RunInfo
from aecore.training import queue
from app import cache, visitor
from app.state import training
from app.widgets.run_picker import run_name
from app.widgets.sharing import owner_tag, shared
from app.widgets.text import plain


def train_queue(shown: str | None = None, elsewhere: bool = False) -> None:
    """Draw the queue; the training that the page shows already (`shown`) has no buttons. `elsewhere` than on Train, a
    training is shown there.
    """
    store = cache.store()
    who, trainings = store.who, queue.queue(store)
    if not who.is_operator:
        trainings = [info for info in trainings if who.owns(info.status.owner)]
    others = 0 if who.is_operator else queue.others_before(store)
    if [info.run_id for info in trainings] not in ([], [shown]):
        st.markdown("**Trainings on this server**, one at a time" if who.is_operator else "**Your trainings**")
        for place, info in enumerate(trainings):
            _entry(place, info, info.run_id == shown, elsewhere)
        if who.is_operator and shared():
            stop_all_button()
    if others:
        trainings_of = f"{others} training{'s' if others > 1 else ''} of others"
        st.caption(
            f"{trainings_of} before yours." if trainings else f"{trainings_of} run or wait; everybody has one in turn."
        )


def place_in_queue(run_id: str) -> str:
    """The place of a waiting training, in words."""
    before = queue.place(cache.store(), run_id)
    if why := queue.why_paused(cache.store()):
        return f"It cannot start at present: {why}."
    if not before:
        return "Starts in a moment."
    ended = "the training before it has ended" if before == 1 else f"the {before} trainings before it have ended"
    return f"Number {before} in the queue; starts when {ended}."


def stop_button(info: RunInfo) -> None:
    """Draw a button that stops or removes a training, after a second click; nothing for another visitor's."""
    if not visitor.current().owns(info.status.owner):
        return
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


def stop_all_button() -> None:
    """Draw a button that empties the queue, after a second click."""
    with st.popover("Stop all", icon=":material/stop_circle:", key="_train_stop_all"):
        st.caption("Ends the trainings of all visitors. The best weights so far are kept.")
        st.button("Stop all trainings", key="_train_stop_all_yes", on_click=_stop_all)


def resume_button(info: RunInfo) -> None:
    """Draw a button that continues a training of several stages that ended early; nothing for another visitor's."""
    if not visitor.current().owns(info.status.owner):
        return
    st.button(
        "Resume", icon=":material/resume:", key=f"_train_resume_{info.run_id}", on_click=_resume, args=(info.run_id,),
        help="Restarts the stage in which the training ended; completed stages are kept.",
    )  # fmt: skip


def _resume(run_id: str) -> None:
    try:
        queue.resume(cache.store(), run_id)
    except AecoreError as error:
        st.toast(plain(str(error)), icon=":material/error:")


def _entry(place: int, info: RunInfo, shown: bool, elsewhere: bool) -> None:
    words = "waiting" if info.state == "queued" else f"epoch {info.status.epoch} of {info.status.epochs}"
    if tag := owner_tag(info.status.owner):
        words += f" · {tag}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        name = html.escape(run_name(info))
        st.html(
            f'<p class="queue-line">{place + 1}. {f"<b>{name}</b>" if shown else name}<br>'
            f"<small>{html.escape(words)}</small></p>"
        )
        if shown:
            return
        key = f"_train_show_{info.run_id}"
        if not elsewhere:
            st.button("Show", key=key, on_click=training.watch_job, args=(info.run_id,))
        elif st.button("Show", key=key):
            st.switch_page("views/train/page.py", query_params={training.JOB: info.run_id})
        stop_button(info)


def _stop(run_id: str) -> None:
    try:
        queue.stop(cache.store(), run_id)
    except AecoreError as error:
        st.toast(plain(str(error)), icon=":material/error:")


def _stop_all() -> None:
    try:
        queue.clear(cache.store())
    except AecoreError as error:
        st.toast(plain(str(error)), icon=":material/error:")
