"""The filters of all units, the most active first, and the encoder compared with optimised codes."""

import html

import streamlit as st

from aecore.model.filters import Filters, Inference
from aecore.pictures import sheets
from app import cache
from app.live import walk_moves
from app.live.walk_place import Place, effect_words
from app.state import url
from app.state.place import FILTERS, WALK_WIDGET
from app.widgets.image_source import GALLERY
from app.widgets.picture import picture
from app.widgets.tiles import tiles

MAX_FILTERS = 512
KINDS = {"decoder": "Decoder filters", "encoder": "Encoder filters"}
ENCODER = ("encoder", "Looks for")
"""Values of the parameter `FILTERS` for the encoder's filters; the second is in links of earlier versions."""
COMPARED = 8
"""Images of which the encoder's and the optimised codes are compared."""


def filters(place: Place) -> None:
    """The grid; picking a unit moves it to the end of its range, picking it again resets it."""
    session = place.session
    found = cache.filters(session.info.token, session.run_id)
    shown = found.decoder
    if found.encoder is not None and _kind(place) == "encoder":
        shown = found.encoder
    order = [int(unit) for unit in found.order[:MAX_FILTERS]]

    def picked(position: int) -> None:
        unit = order[position]
        home = float(place.base[unit])
        walk_moves.move(place, unit, home if unit in place.moved else place.scale(unit).high)

    moved = [position for position, unit in enumerate(order) if unit in place.moved]
    tiles(
        found.drawn(shown, MAX_FILTERS),
        "Filters of the units, the most active first",
        [_label(place, found, unit) for unit in order],
        f"{WALK_WIDGET}filters",
        picked,
        chosen=moved[0] if len(moved) == 1 else None,
    )
    st.html(f'<p class="filters-words">{html.escape(_words(place, found))}</p>')
    compared = cache.inference(session.info.token, session.run_id)
    if compared is not None:
        _compare(place, compared)


def _kind(place: Place) -> str:
    """The choice between the decoder's and the encoder's filters."""
    kind = "encoder" if place.parameters.get(FILTERS) in ENCODER else "decoder"
    key = url.widget(FILTERS)
    url.hold(key, kind)
    st.segmented_control(
        "Filters",
        list(KINDS),
        required=True,
        key=key,
        on_change=lambda: url.set_pending(FILTERS, "encoder" if st.session_state[key] == "encoder" else None),
        format_func=KINDS.__getitem__,
        label_visibility="collapsed",
        help="Decoder filters: how the picture changes when the unit rises. Encoder filters: its weights to the unit.",
    )
    return kind


def _label(place: Place, found: Filters, unit: int) -> str:
    if found.rate is None:
        return f"unit {unit}: {effect_words(place.session.effects[unit])}{', hardly used' if found.dead[unit] else ''}"
    return f"unit {unit}: " + ("always silent" if found.dead[unit] else f"active for {found.rate[unit]:.1%} of images")


def _words(place: Place, found: Filters) -> str:
    more = f" The first {MAX_FILTERS:,} are shown." if len(found.order) > MAX_FILTERS else ""
    grey = " (grey)" if found.dead.any() else ""
    words = (
        f"{found.words.removesuffix('.')}{grey}.{more} Orange is brighter, blue darker; each filter has its own scale. "
        "Pick one to raise its unit in the picture, pick it again to reset it."
    )
    nats = place.session.nats
    if nats:
        words += (
            f" Per test image, −log p(x | h) is {nats['reconstruction_nats']:.1f} nats, and −log p(h) under the "
            f"Laplace prior is {nats['prior_nats']:.1f} (of densities, so they may be negative)."
        )
    return words


def _compare(place: Place, compared: Inference) -> None:
    session = place.session
    images = cache.gallery(session.info.token, session.run_id, GALLERY).images[:COMPARED]
    sheet = sheets.sheet([images, *(shown[:COMPARED] for shown in compared.pictures.values())])
    st.caption("The encoder's codes compared with optimised codes")
    rows = ("original", "encoder", "optimised")
    picture(sheet, "Originals, reconstructions from the encoder's codes, and from optimised codes", rows=rows, most=6)
    lines = "".join(
        f"<tr><th>{name}</th>{''.join(f'<td>{figure:.2f}</td>' for figure in compared.figures(key))}</tr>"
        for name, key in (("encoder", "encoder"), ("optimised codes", "optimised"))
    )
    st.html(
        '<table class="compared"><tr><th></th><th>squared error per image</th><th>active units</th>'
        f"<th>−log p(x, h) in nats</th></tr>{lines}</table>"
    )
