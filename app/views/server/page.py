"""Server: who waits and runs, what every visitor keeps, and the machine; for the person who runs a shared server."""

import html
from collections.abc import Mapping

import streamlit as st

from aecore.foundation.errors import AecoreError, words_of
from aecore.foundation.machine import size_text
from aecore.maps.queue import MapJob
from aecore.store.owners import Owned, machine_of, owners, remove_owner
from aecore.training import queue
from app import cache, visitor
from app.state import visits
from app.text import plain
from app.widgets.header import header
from app.widgets.picture import picture_error
from app.widgets.queue import train_queue
from app.widgets.run_picker import run_name
from app.widgets.sharing import owner_tag

POLL_SECONDS = 2.0
LINKS = (
    "The addresses of this server and the teacher's link are not shown here; they were printed where the server was "
    "started."
)


def page() -> None:
    header(
        "Server",
        "Who uses this server, and what they keep on it.",
        "stop a training for which others wait too long.",
    )
    if not visitor.current().is_operator:
        picture_error("Only the person who runs this server may see this page.")
        return
    left, right = st.columns([6, 4], gap="large")
    try:
        with left:
            st.fragment(_queues, run_every=POLL_SECONDS)()
            _visitors()
        with right:
            _machine()
    except AecoreError as error:
        picture_error(str(error))


# --- who waits and runs


def _queues() -> None:
    if queue.queue(cache.store()):
        train_queue(elsewhere=True)
    else:
        st.markdown("**Trainings**")
        st.caption("No training runs or waits.")
    jobs = cache.map_jobs().live(visitor.current())
    st.markdown("**Maps**, made one at a time")
    if not jobs:
        st.caption("No maps are made.")
    for place, job in enumerate(jobs):
        _map_job(place, job)
    if len(jobs) > 1:
        with st.popover("Stop all", icon=":material/stop_circle:", key="_server_maps_stop_all"):
            st.caption("Whoever asked for these maps can ask for them again.")
            st.button("Stop all maps", key="_server_maps_stop_all_yes", on_click=_stop_maps)


def _map_job(place: int, job: MapJob) -> None:
    try:
        name = run_name(cache.store().info(job.run_id))
    except AecoreError:
        name = job.run_id
    askers = " · ".join(tag for owner in job.askers if (tag := owner_tag(owner)))
    words = " · ".join(filter(None, (job.words if job.state == "running" else "waiting", askers)))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<p class="queue-line">{place + 1}. {html.escape(name)}<br><small>{html.escape(words)}</small></p>')
        st.button("Stop", icon=":material/stop:", key=f"_server_map_stop_{place}", on_click=_stop_map, args=(job,))


def _stop_map(job: MapJob) -> None:
    job.stop(visitor.current())


def _stop_maps() -> None:
    try:
        cache.map_jobs().clear(visitor.current())
    except AecoreError as error:
        st.toast(plain(words_of(error)), icon=":material/error:")


# --- what everybody keeps


def _visitors() -> None:
    store = cache.store()
    found = owners(store.who, store.root)
    st.markdown("**Who keeps runs here**, the largest first")
    if not found:
        st.caption("Nobody keeps a run on this server yet.")
    for owned in found:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            tag = owner_tag(owned.owner) or "you"
            st.html(f'<p class="queue-line">{html.escape(tag)}<br><small>{html.escape(_kept(owned))}</small></p>')
            if owned.owner:
                _remove_button(owned.owner)


def _kept(owned: Owned) -> str:
    counts = (
        (owned.ended, "run" if owned.ended == 1 else "runs"),
        (owned.deleted, "deleted"),
        (owned.live, "in the queue"),
    )
    return " · ".join([*(f"{count} {words}" for count, words in counts if count), size_text(owned.bytes)])


def _remove_button(owner: str) -> None:
    with st.popover("Remove everything", icon=":material/delete_forever:", key=f"_server_remove_{owner}"):
        st.caption("Stops this visitor's trainings and maps, and deletes all their runs for good.")
        st.button(
            f"Remove everything of {plain(owner_tag(owner))}", key=f"_server_remove_yes_{owner}", on_click=_remove,
            args=(owner,),
        )  # fmt: skip


def _remove(owner: str) -> None:
    store = cache.store()
    try:
        queue.clear(store, owner)
        cache.map_jobs().clear(store.who, owner)
        removed = remove_owner(store.who, store.root, owner)
    except (AecoreError, OSError) as error:
        st.toast(plain(words_of(error)), icon=":material/error:")
        return
    later = " One training is ending; remove again when it has." if store.live_of(owner) else ""
    st.toast(f"Removed {removed} run{'' if removed == 1 else 's'}.{later}", icon=":material/delete_forever:")


# --- the machine


def _machine() -> None:
    store = cache.store()
    found = machine_of(store.who, store.root)
    _facts(
        "This machine",
        {
            "Disk": f"{size_text(found.disk_free)} free of {size_text(found.disk)}",
            "Kept by this program": size_text(found.home),
            "Memory": f"{size_text(found.memory_free)} free of {size_text(found.memory)}",
            "Memory of the server": size_text(found.process),
            "Open pages": str(visits.open_visits()),
            "Uploads held": size_text(visits.upload_bytes()),
        },
    )
    limits = visitor.quotas()
    values = limits.model_dump()
    _facts(
        "Limits of a guest",
        {
            field.title or name: f"{values[name]:,}".removesuffix(".0") + f", {field.description}"
            for name, field in type(limits).model_fields.items()
        },
    )
    st.caption("They are set by flags when the server is started.")
    _facts("Versions", found.versions)
    st.caption(LINKS)


def _facts(title: str, facts: Mapping[str, str]) -> None:
    lines = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items())
    st.markdown(f"**{title}**")
    st.html(f'<dl class="facts">{lines}</dl>')


page()
