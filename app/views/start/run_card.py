"""Cards of runs: pictures it makes, what it teaches, its figures, and links to the pages that open it."""

import dataclasses
import html
from collections.abc import Sequence

import streamlit as st

from aecore.foundation import metrics
from aecore.foundation.errors import AecoreError
from aecore.model.recipes import RECIPES
from aecore.pictures import sheets
from aecore.session.gallery import Gallery
from aecore.session.session import Session
from aecore.store.folder import RunInfo
from app import cache, live
from app.state import runs
from app.widgets.figures import figure_list
from app.widgets.pressable import link, pressable
from app.widgets.run_picker import run_name

WIDTH = 320
TILE = 32
COPIES_NOISE = 0.5
"""A model whose R² of pure noise is at least this copies; its card shows that."""
PAGES = {"denoise": ("Denoise", "blur_on"), "walk": ("Walk", "explore"), "maps": ("Maps", "scatter_plot")}
"""{page that a card opens: (label, icon)}."""


@dataclasses.dataclass(frozen=True)
class Strip:
    """A composed picture as a data URI, its natural width in pixels, its enlargement, and a caption."""

    uri: str
    width: int
    factor: int
    caption: str


@st.fragment
def run_cards(infos: Sequence[RunInfo], key: str) -> None:
    """Draw the cards, three in a row."""
    shown = {info.run_id for info in infos}
    pressed = pressable(f'<div class="run-cards">{"".join(map(_card, infos))}</div>', key)
    if pressed is not None and pressed[0] in PAGES and pressed[1] in shown:
        st.switch_page(f"views/{pressed[0]}/page.py", query_params={runs.RUN: pressed[1]})


def _card(info: RunInfo) -> str:
    links = "".join(
        link(f"{live.base()}/{name}?{runs.RUN}={info.run_id}", name, info.run_id, label, icon)
        for name, (label, icon) in PAGES.items()
    )
    run_id = html.escape(info.run_id, quote=True)
    return f'<article class="run-card" data-run="{run_id}">{_strip(info)}{_words(info)}<nav>{links}</nav></article>'


def _strip(info: RunInfo) -> str:
    try:
        strip = cache.strip(info.token, info.run_id, make_strip)
    except AecoreError as error:
        return f'<div class="picture-error" role="alert">{html.escape(str(error))}</div>'
    return (
        f'<figure class="card-strip"><img src="{strip.uri}" alt="{html.escape(strip.caption, quote=True)}" '
        f'style="width:{strip.width * strip.factor}px"><figcaption>{html.escape(strip.caption)}</figcaption></figure>'
    )


@cache.of_run
def _words(info: RunInfo) -> str:
    recipe = RECIPES.get(info.config.recipe) if info.config else None
    teaches = recipe.teaches if recipe else ""
    return (
        f'<div class="card-words"><h3>{html.escape(run_name(info))}</h3><p>{html.escape(teaches)}</p>'
        f"{figure_list(info)}</div>"
    )


def make_strip(session: Session, gallery: Gallery) -> Strip:
    """Three rows of pictures that show what is typical of the run's kind."""
    height, width = session.shape[1:]
    factor = max(1, round(TILE / width))
    columns = max(3, (WIDTH + factor) // (factor * (width + 1)))
    rows, caption = _rows(session, gallery, columns)
    sheet = sheets.sheet(rows[: max(1, round(3 * TILE / (factor * height)))] if height > 2 * TILE else rows)
    return Strip(sheets.data_uri(sheets.png(sheet)), sheet.shape[1], factor, caption)


def _rows(session: Session, gallery: Gallery, columns: int) -> tuple[list[sheets.Stack], str]:
    images = gallery.images[:columns]
    if session.config.corruption.level:
        done = session.denoise(images)
        return [done.original, done.shown, done.reconstruction], "Originals, corrupted, reconstructions"
    if session.config.objective.params_per_code == 2:
        _, drawn = session.sample(3 * columns)
        return [drawn[i * columns : (i + 1) * columns] for i in range(3)], "Random codes, decoded: new images"
    if session.code_dim == 2:
        _, _, plane = session.plane(session.code_mean, 0, 1, columns)
        lines = [
            plane[i * columns : (i + 1) * columns] for i in (columns // 6, columns // 2, columns - 1 - columns // 6)
        ]
        return lines, "Across the plane of its two units"
    if session.status.metrics.get("noise_r2", 0.0) > COPIES_NOISE:
        noise = metrics.noise_images(session.shape, n=columns)
        return [images, noise, session.reconstruct(noise)], "Originals, pure noise, and its reconstruction"
    if session.code_dim <= TILE:
        units = session.units_by_effect()[:3]
        return [session.walk(session.code_mean, int(unit), columns)[1] for unit in units], "One unit moved in each row"
    found = session.reconstruct(images)
    return [images, found, sheets.difference(images, found)], "Originals, reconstructions, differences"
