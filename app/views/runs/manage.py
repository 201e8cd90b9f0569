"""A run's dialog: open, export, rename and delete it; and the import of runs."""

from collections.abc import Callable

import streamlit as st

from aecore.foundation.errors import AecoreError, words_of
from aecore.session import render
from aecore.store import archive
from aecore.store.folder import LIVE, RunInfo
from aecore.store.owners import own_images
from app import cache, visitor
from app.state import runs, url
from app.widgets.run_picker import run_name
from app.widgets.sharing import shared
from app.widgets.text import plain

PAGES = (("Denoise", "denoise", "blur_on"), ("Walk", "walk", "explore"), ("Maps", "maps", "scatter_plot"))
READY_MADE = "This run came with the program, so it cannot be renamed or deleted."
OTHERS = "Somebody shares this run for looking; only they can export, rename or delete it."
MAX_ZIP_MB = 40


@st.dialog("Run", width="medium")
def manage(run_id: str) -> None:
    """Draw everything that can be done with one run; it closes when the list has to change."""
    try:
        info = cache.store().info(run_id)
    except AecoreError as error:
        st.error(plain(str(error)))
        return
    st.markdown(f"**{plain(run_name(info))}**  \n`{run_id}`")
    if info.reason:
        st.warning(plain(info.reason))
    if info.explorable:
        with st.container(horizontal=True):
            for title, name, icon in PAGES:
                if st.button(title, icon=f":material/{icon}:", key=f"_runs_to_{name}"):
                    st.switch_page(f"views/{name}/page.py", query_params={runs.RUN: run_id})
    who = visitor.current()
    if not (info.builtin or who.owns(info.status.owner)):
        st.caption(f":material/lock: {OTHERS}")
        return
    if info.explorable:
        _exports(info)
    if info.builtin:
        if who.may_write:
            st.caption(f":material/lock: {READY_MADE}")
        return
    if shared() and info.state not in LIVE:
        _sharing(info)
    _change(info)


def import_run() -> None:
    """Draw the upload of a run's ZIP; say in one line why one cannot be imported."""
    with st.popover("Import a run", icon=":material/upload:"):
        # A new key after each import empties the uploader.
        count_key = f"{runs.RUNS_WIDGET}imports"
        key = f"{runs.RUNS_WIDGET}zip{url.value(count_key, 0)}"
        file = st.file_uploader("Run exported as ZIP", type=["zip"], key=key, max_upload_size=MAX_ZIP_MB)
        if file is not None and st.button("Import", type="primary", key="_runs_import"):
            try:
                run_id = archive.import_zip(cache.store(), file.getvalue())
            except AecoreError as error:
                st.error(plain(f"{file.name}: {error}"))
            else:
                url.hold(count_key, url.value(count_key, 0) + 1)
                st.toast(f"“{plain(run_name(cache.store().info(run_id)))}” is in the list.", icon=":material/check:")
                st.rerun()


def _exports(info: RunInfo) -> None:
    """Draw the download buttons; a file is made when its button is pressed."""
    run_id, store = info.run_id, cache.store()  # the files are made outside of the page, where there is no visitor
    try:
        session = cache.session(run_id)
    except (AecoreError, OSError) as error:
        st.warning(plain(str(error)))
        return
    made: tuple[tuple[str, str, Callable[[], bytes]], ...] = (
        ("Reconstructions, PNG", "reconstructions.png", lambda: render.reconstructions_png(session)),
        ("Latent walk, GIF", "walk.gif", lambda: render.walk_gif(session)),
        ("Codes, CSV", "codes.csv", lambda: render.codes_csv(session)),
        ("Codes, NPY", "codes.npy", lambda: render.codes_npy(session)),
    )
    st.markdown("**Export**")
    with st.container(horizontal=True):
        for label, name, make in made:
            st.download_button(
                label, make, f"{run_id}-{name}", icon=":material/download:", on_click="ignore", key=f"_runs_get_{name}"
            )
        own = (info.folder / archive.IMAGES).is_file()
        with_images = own and st.checkbox("with the training images", key="_runs_with_images")
        st.download_button(
            "Run, ZIP",
            lambda: archive.export_zip(store, run_id, with_images),
            f"{run_id}.zip",
            icon=":material/folder_zip:",
            on_click="ignore",
            key="_runs_get_zip",
        )


def sharing_words(info: RunInfo) -> str:
    """What sharing a run shows, before it is done."""
    count = own_images(info)
    pictures = f"{count:,} of your own pictures" if count else "pictures of a dataset that everybody has"
    return (
        f"Everybody on this server then sees its figures, codes, reconstructions and the images it was trained on: "
        f"{pictures}. They cannot change or export it."
    )


def _sharing(info: RunInfo) -> None:
    """Draw what shows a run to all visitors, or no longer."""
    if info.status.shared:
        st.caption(":material/group: Everybody on this server sees this run, with the images it was trained on.")
        st.button(
            "Stop sharing", icon=":material/lock:", key="_runs_unshare", on_click=_share, args=(info.run_id, False)
        )
        return
    st.caption(f":material/group: {sharing_words(info)}")
    st.button("Share", icon=":material/group:", key="_runs_share", on_click=_share, args=(info.run_id, True))


def _share(run_id: str, shown: bool) -> None:
    try:
        cache.store().share(run_id, shown)
    except (AecoreError, OSError) as error:
        st.toast(plain(str(error)), icon=":material/error:")
    st.rerun()


def _change(info: RunInfo) -> None:
    """Draw what renames and deletes an own run."""
    key = f"_runs_name_{info.run_id}"
    if info.state != "damaged":
        with st.form("rename", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input("Name", run_name(info), max_chars=80, key=key)
            st.form_submit_button("Rename", on_click=_rename, args=(info.run_id, key))
    st.button("Delete", icon=":material/delete:", key="_runs_delete", on_click=_delete, args=(info.run_id,))


def _rename(run_id: str, key: str) -> None:
    try:
        cache.store().rename(run_id, str(url.value(key, "")))
    except (AecoreError, OSError) as error:
        st.toast(plain(words_of(error)), icon=":material/error:")
    st.rerun()


def _delete(run_id: str) -> None:
    try:
        info = cache.store().info(run_id)
        cache.store().delete(run_id)
        runs.remember_deleted((run_id, run_name(info)))
    except (AecoreError, OSError) as error:
        st.toast(plain(words_of(error)), icon=":material/error:")
    st.rerun()
