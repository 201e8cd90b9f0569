"""The list of runs: for each its pictures, its figures and buttons."""

import html
import itertools
from collections.abc import Sequence

import streamlit as st

from aecore.foundation.errors import AecoreError, words_of
from aecore.pictures import sheets
from aecore.store.figures import short
from aecore.store.folder import LIVE, RunInfo
from app import cache, visitor
from app.state import runs, training, url
from app.views.runs.manage import manage
from app.widgets.pressable import button, pressable
from app.widgets.queue import resume_button
from app.widgets.run_picker import dataset_title, run_name
from app.widgets.sharing import owner_tag, shared
from app.widgets.text import plain

SHOWN_RUNS = 20
STATES = {
    "queued": "waiting",
    "running": "training",
    "stopped": "stopped early",
    "finished": "",
    "failed": "failed",
    "damaged": "damaged",
}


def runs_list(infos: Sequence[RunInfo]) -> None:
    """Draw own runs, newest first, then those that others share, then the ready-made ones."""
    who = visitor.current()
    own = [info for info in infos if not info.builtin and who.owns(info.status.owner)]
    others = [info for info in infos if not info.builtin and not who.owns(info.status.owner)]
    ready = [info for info in infos if info.builtin]
    if who.may_write:
        _undo()
        st.markdown("**Trained here**" if who.is_operator else "**Your runs**")
        if not own:
            somebody = "Nothing has been" if who.is_operator else "You have not"
            st.caption(
                f"{somebody} trained {'' if who.is_operator else 'anything '}here yet: open Train, or import a run."
            )
        _newest(own, f"{runs.RUNS_WIDGET}all")
    if others:
        st.markdown("**Shared by others**")
        _newest(others, f"{runs.RUNS_WIDGET}all_others")
    if ready:
        st.markdown("**Ready-made**")
        _lines(ready)
    _trash()


def _newest(infos: Sequence[RunInfo], all_key: str) -> None:
    """Draw the newest runs, and a button for all."""
    shown = infos if st.session_state.get(all_key) else infos[:SHOWN_RUNS]
    _lines(shown)
    if len(shown) < len(infos):
        st.button(
            f"Show {len(infos) - len(shown)} older runs", key=f"{all_key}_button", on_click=url.hold,
            args=(all_key, True),
        )  # fmt: skip


def _lines(infos: Sequence[RunInfo]) -> None:
    """Draw the runs below one another; those that can only be opened stand together in one component."""
    who = visitor.current()

    def has_widgets(info: RunInfo) -> bool:
        return info.state in LIVE or (info.resumable and who.owns(info.status.owner))

    for widgets, group in itertools.groupby(infos, has_widgets):
        for part in ([info] for info in group) if widgets else [list(group)]:
            _live_line(part[0]) if widgets else _ended_lines(part)


def _live_line(info: RunInfo) -> None:
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", gap="medium", key=f"runline_{info.run_id}"
    ):
        st.html(_words(info) + _tag(info))
        if info.state in LIVE:
            if st.button("Watch", icon=":material/visibility:", key=f"_runs_watch_{info.run_id}"):
                st.switch_page("views/train/page.py", query_params={training.JOB: info.run_id})
            return
        resume_button(info)
        if info.explorable and st.button("Walk", icon=":material/explore:", key=f"_runs_walk_{info.run_id}"):
            _walk(info.run_id)
        if st.button("More", icon=":material/more_horiz:", key=f"_runs_more_{info.run_id}"):
            manage(info.run_id)


def _ended_lines(infos: Sequence[RunInfo]) -> None:
    shown = {info.run_id for info in infos}
    key = f"{runs.RUNS_WIDGET}lines_{infos[0].run_id}"
    match pressable(f'<div class="run-lines">{"".join(map(_ended_line, infos))}</div>', key):
        case ("walk", run_id) if run_id in shown:
            _walk(run_id)
        case ("more", run_id) if run_id in shown:
            manage(run_id)
        case _:
            pass


def _ended_line(info: RunInfo) -> str:
    walk = button("walk", info.run_id, "Walk", "explore") if info.explorable else ""
    more = button("more", info.run_id, "More", "more_horiz")
    return f'<div data-run="{html.escape(info.run_id, quote=True)}">{_words(info)}{_tag(info)}{walk}{more}</div>'


def _walk(run_id: str) -> None:
    st.switch_page("views/walk/page.py", query_params={runs.RUN: run_id})


@cache.of_run
def _words(info: RunInfo) -> str:
    """HTML of a run's pictures, name, state and figures."""
    thumbnail = cache.thumbnail(info)
    image = (
        f'<img src="{sheets.data_uri(sheets.png(thumbnail))}" alt="" style="--natural:{thumbnail.shape[1]}px">'
        if thumbnail is not None
        else '<span class="no-image"></span>'
    )
    words = [STATES[info.state]]
    if info.config is not None:
        words.append(dataset_title(info.config))
    if info.status.imported:
        words.append("imported")
    if info.status.shared and shared():
        words.append("shared")
    words += short(info, "test_sse", "code_dim", "probe_accuracy", "noise_r2")
    facts = " · ".join(word for word in words if word)
    reason = f'<br><span class="why">{html.escape(info.reason)}</span>' if info.reason else ""
    return (
        f'<div class="run-line">{image}<p><b>{html.escape(run_name(info))}</b><br>'
        f"<small>{html.escape(facts)}{reason}</small></p></div>"
    )


def _tag(info: RunInfo) -> str:
    """HTML of the visitor whose run it is, for the person who runs the server."""
    tag = owner_tag(info.status.owner)
    return f'<p class="owner-tag">{html.escape(tag)}</p>' if tag else ""


def _undo() -> None:
    deleted = runs.deleted_run()
    if deleted is None:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="runs_undo"):
        st.html(f"<p class='queue-line'>“{html.escape(deleted[1])}” was deleted.</p>")
        st.button("Undo", icon=":material/undo:", key="_runs_undo", on_click=_restore, args=(deleted[0],))


def _restore(run_id: str) -> None:
    try:
        cache.store().restore(run_id)
    except (AecoreError, OSError) as error:
        st.toast(plain(words_of(error)), icon=":material/error:")
    runs.remember_deleted(None)


def _trash() -> None:
    names = cache.store().trash()
    if not names:
        return
    with st.expander(f"Deleted runs ({len(names)})", icon=":material/delete:"):
        st.caption("The last ten can be restored, but not copies of your own images that a run was trained on.")
        for run_id in names:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.html(f"<p class='queue-line'>{html.escape(run_id)}</p>")
                st.button("Restore", key=f"_runs_back_{run_id}", on_click=_restore, args=(run_id,))
        with st.popover("Delete all for good", icon=":material/delete_forever:"):
            st.caption("They cannot be restored after this.")
            st.button("Delete for good", key="_runs_empty", on_click=_empty)


def _empty() -> None:
    try:
        cache.store().empty_trash()
    except (AecoreError, OSError) as error:
        st.toast(plain(words_of(error)), icon=":material/error:")
    runs.remember_deleted(None)
