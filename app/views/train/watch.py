"""One training, while it waits and runs and after it ended; read from its folder, never from the process."""

import html
import math

import numpy as np
import streamlit as st

from aecore.foundation.errors import AecoreError
from aecore.model.recipes import RECIPES
from aecore.pictures import sheets
from aecore.store.folder import LIVE, RunFolder, RunInfo
from aecore.training.trainer import TrainingProgress
from app import cache, visitor
from app.state import runs, training
from app.widgets.curves import train_curves
from app.widgets.picture import picture, picture_error
from app.widgets.queue import place_in_queue, resume_button, stop_button, train_queue
from app.widgets.run_picker import dataset_title, run_name
from app.widgets.text import plain

POLL_SECONDS = 0.5
GREY = 128
"""Pixel value of a picture that does not exist yet."""


def watch(run_id: str) -> None:
    """Draw one training. It polls while the training is live; the whole page is drawn again when it ended."""
    try:
        live = cache.store().info(run_id).state in LIVE
    except AecoreError as error:
        picture_error(str(error))
        _another()
        return
    st.fragment(_watch, run_every=POLL_SECONDS if live else None)(run_id, live)


def _watch(run_id: str, was_live: bool) -> None:
    if training.watched_job() != run_id:
        st.rerun()  # a button of this fragment chose another training; the page must follow
    try:
        info = cache.store().info(run_id)
    except AecoreError as error:
        picture_error(str(error))
        return
    if was_live != (info.state in LIVE):
        st.rerun()
    left, right = st.columns([7, 3], gap="large")
    with left:
        _picture(info)
        if info.state in LIVE:
            _progress(info)
        history = RunFolder(info.folder).history()
        if history or info.state in LIVE:
            train_curves(history, info.status.epochs)
    with right:
        _status(info)
        train_queue(run_id)


def _picture(info: RunInfo) -> None:
    if info.config is None:
        picture_error(info.reason)
        return
    try:
        clean, corrupted, reconstructed = _images(info)
        noisy = info.config.corruption.level > 0
        rows = [clean, corrupted, reconstructed] if noisy else [clean, reconstructed]
        names = ("Original", "Corrupted", "Reconstruction") if noisy else ("Original", "Reconstruction")
        corrupted_too = ", corrupted" if noisy else ""
        picture(
            sheets.sheet(rows),
            f"{len(clean)} held-out images{corrupted_too} and reconstructed in epoch {info.status.epoch}",
            rows=names,
            most=14,
        )
    except AecoreError as error:
        picture_error(str(error) if info.state in LIVE else "This run has no picture of its training.")


def _images(info: RunInfo) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clean, corrupted and reconstructed images; before the first epoch's preview the reconstructions are grey."""
    if (info.folder / "preview.safetensors").is_file():
        found = RunFolder(info.folder).arrays("preview.safetensors")
        return found["clean"], found["corrupted"], found["reconstruction"]
    assert info.config is not None
    preview = cache.outlook(info.config.json_text(), str(info.folder))
    return preview.clean, preview.corrupted, np.full_like(preview.clean, GREY)


def _progress(info: RunInfo) -> None:
    status = info.status
    if info.state == "queued":
        st.progress(0.0, text=place_in_queue(info.run_id))
        return
    now = TrainingProgress("", status.epoch, status.epochs, 0, 1, math.nan, math.nan, status.seconds)
    left = now.seconds_left
    if RunFolder(info.folder).stop_asked():
        words = "stopping; the best weights are kept"
    elif left is None:
        words = "starting" if not status.shape else "first epoch"
    else:
        words = f"{duration(left)} left"
    st.progress(now.fraction, text=f"Epoch {status.epoch} of {status.epochs} · {words}")


def duration(seconds: float) -> str:
    """`8 s`, `3 min`, `2 h 5 min`."""
    whole = max(1, round(seconds))
    if whole < 100:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _status(info: RunInfo) -> None:
    """Draw the settings, the state and the buttons that follow from it."""
    _facts(info)
    if info.state in LIVE:
        with st.container(horizontal=True):
            stop_button(info)
            _another()
        if info.reason:
            st.caption(plain(_sentence(info.reason)))
        st.caption("Training continues if you close this tab; reopen this link to watch.")
        return
    if info.state == "finished":
        st.success(result(info), icon=":material/check_circle:")
    elif info.state == "stopped":
        kept = "Its best weights so far can be explored." if info.explorable else "It ended before the first epoch."
        st.warning(f"{plain(_sentence(info.reason))} {kept}", icon=":material/stop_circle:")
    else:
        st.error(plain(_sentence(info.reason)), icon=":material/error:")
    if info.explorable:
        _onwards(info)
    with st.container(horizontal=True):
        if info.resumable:
            resume_button(info)
        _another()


def result(info: RunInfo) -> str:
    """The result in a line: errors on test images, which were never used for any choice."""
    figures, status = info.status.metrics, info.status
    line = f"{status.epoch} epochs in {duration(status.seconds)}."
    if "test_sse" in figures:
        line += f" Squared error per test image: **{figures['test_sse']:.2f}**."
    if "denoised_sse" in figures:
        line += f" From corrupted images: {figures['corrupted_sse']:.2f} → **{figures['denoised_sse']:.2f}**."
    return line


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}" if text else ""


def _facts(info: RunInfo) -> None:
    config = info.config
    if config is None:
        return
    recipe = RECIPES.get(config.recipe)
    facts = {
        "Kind": recipe.title if recipe else config.recipe,
        "Images": dataset_title(config),
        "Noise": f"{config.corruption.title}, {config.corruption.level:g}" if config.corruption.level else "",
        "Code": f"{config.code_dim} units",
        "Network": config.backbone.title,
        "Parameters": f"{info.status.parameters:,}" if info.status.parameters else "",
    }
    lines = "".join(f"<dt>{name}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items() if value)
    st.html(f'<p class="run-name">{html.escape(run_name(info))}</p><dl class="facts">{lines}</dl>')


def _onwards(info: RunInfo) -> None:
    pages = (("Denoise", "denoise", "blur_on"), ("Walk", "walk", "explore"), ("Maps", "maps", "scatter_plot"))
    with st.container(horizontal=True, key="train_onwards"):
        for title, name, icon in pages:
            if st.button(title, icon=f":material/{icon}:", type="primary", key=f"_train_to_{name}"):
                st.switch_page(f"views/{name}/page.py", query_params={runs.RUN: info.run_id})


def _another() -> None:
    if not visitor.current().may_write:
        return
    st.button(
        "Train another",
        icon=":material/add:",
        key="_train_another",
        on_click=training.watch_job,
        args=(training.NEW_JOB,),
    )
