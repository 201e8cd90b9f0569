"""The filters of all units at once, the most active first, and the encoder alone against optimised codes."""

import html

import streamlit as st

from aecore.model.filters import Filters
from aecore.model.filters import Inference as Compared
from aecore.pictures import sheets
from app import cache
from app.live import walk_place
from app.live.walk_place import Place
from app.state.place import FILTERS, WALK_WIDGET
from app.widgets.image_source import GALLERY
from app.widgets.picture import picture
from app.widgets.tiles import tiles

MOST = 512
KINDS = {"draws": "Draws", "looks": "Looks for"}
COMPARED = 8


def filters(place: Place) -> None:
    """The grid; a picked unit goes to the end of its range in the picture, and picked again it goes back."""
    session = place.session
    found = cache.filters(str(session.folder), session.run_id)
    shown = found.decoder
    if found.encoder is not None:
        kind = st.segmented_control(
            "Filters",
            list(KINDS),
            default="draws",
            required=True,
            key=FILTERS,
            bind="query-params",
            format_func=KINDS.__getitem__,
            label_visibility="collapsed",
            help="Draws: how the picture changes when the unit rises. Looks for: the encoder's weights.",
        )
        shown = found.encoder if kind == "looks" else found.decoder
    order = [int(unit) for unit in found.order[:MOST]]

    def picked(position: int) -> None:
        unit = order[position]
        home = float(place.base[unit])
        walk_place.move(place, unit, home if unit in place.moved else place.scale(unit).high)

    moved = [position for position, unit in enumerate(order) if unit in place.moved]
    tiles(
        found.drawn(shown, MOST),
        "Filters of the units, the most active first",
        [_label(place, found, unit) for unit in order],
        f"{WALK_WIDGET}filters",
        picked,
        chosen=moved[0] if len(moved) == 1 else None,
    )
    st.html(f'<p class="filters-words">{html.escape(_words(place, found))}</p>')
    compared = cache.inference(str(session.folder), session.run_id)
    if compared is not None:
        _compare(place, compared)


def _label(place: Place, found: Filters, unit: int) -> str:
    if found.rate is None:
        effect = f"changes the picture by {place.session.effects[unit]:.1%} per SD"
        return f"unit {unit}: {effect}{', hardly used' if found.dead[unit] else ''}"
    return f"unit {unit}: " + ("always silent" if found.dead[unit] else f"active for {found.rate[unit]:.1%} of images")


def _words(place: Place, found: Filters) -> str:
    more = f" The first {MOST:,} are shown." if len(found.order) > MOST else ""
    grey = " (grey)" if found.dead.any() else ""
    words = (
        f"{found.words.removesuffix('.')}{grey}.{more} Orange is brighter, blue darker; each filter in its own scale. "
        "Pick one to raise its unit in the picture, again to put it back."
    )
    nats = place.session.nats
    if nats:
        words += (
            f" Per test image, −log p(x | h) is {nats['reconstruction_nats']:.1f} nats, and −log p(h) under the "
            f"Laplace prior is {nats['prior_nats']:.1f} (of densities, so they may be negative)."
        )
    return words


def _compare(place: Place, compared: Compared) -> None:
    session = place.session
    images = cache.gallery(str(session.folder), session.run_id, GALLERY).images[:COMPARED]
    sheet = sheets.sheet([images, *(shown[:COMPARED] for shown in compared.pictures.values())])
    st.caption("The encoder alone against optimised codes")
    rows = ("original", "encoder", "optimised")
    picture(sheet, "Originals, the encoder's reconstructions, those of optimised codes", rows=rows, most=6)
    lines = "".join(
        f"<tr><th>{name}</th>{''.join(f'<td>{figure:.2f}</td>' for figure in compared.figures(key))}</tr>"
        for name, key in (("encoder alone", "encoder"), ("optimised codes", "optimised"))
    )
    st.html(
        '<table class="compared"><tr><th></th><th>squared error per image</th><th>active units</th>'
        f"<th>−log p(x, h) in nats</th></tr>{lines}</table>"
    )
