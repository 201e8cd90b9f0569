"""What an autoencoder is, shown with a run: picture, encoder, code, decoder, picture."""

import html

import numpy as np
import streamlit as st

from aecore.pictures import sheets
from aecore.session.session import Session

UNITS = 10
DESKTOP_SIDE, PHONE_SIDE = 176, 84
"""Pixels for a picture, enlarged by the largest whole number that fits."""


def hero(session: Session, image: np.ndarray) -> None:
    """Draw `image` (1, C, H, W) on its way through the autoencoder, with the numbers of its code."""
    code = session.encode(image)
    found = session.decode(code)
    c, h, w = session.shape
    error = float(session.squared_error(image, found)[0])
    st.html(
        '<div class="hero">'
        + _figure(image, "x", "original", f"{w} × {h}{' × 3 colours' if c == 3 else ''} = {c * h * w:,} numbers")
        + _net("encoder", "h = f(x)", "compresses")
        + _code(session, code[0])
        + _net("decoder", "r = g(h)", "reconstructs")
        + _figure(found, "r", "reconstruction", f"squared error {error:.2f}")
        + "</div>"
    )


def _figure(image: np.ndarray, symbol: str, name: str, note: str) -> str:
    side = max(image.shape[2:])
    uri = sheets.data_uri(sheets.png(sheets.filmstrip(image)))
    size = f"--natural:{image.shape[3]}px;--large:{max(1, DESKTOP_SIDE // side)};--small:{max(1, PHONE_SIDE // side)}"
    return (
        f'<figure class="hero-picture"><img src="{uri}" alt="{name}" style="{size}">'
        f"<figcaption><b>{name}</b> <i>{symbol}</i><br>{html.escape(note)}</figcaption></figure>"
    )


def _net(name: str, formula: str, what: str) -> str:
    return (
        f'<div class="hero-net {name}" role="img" aria-label="{name}, {formula}: it {what}"><span>'
        f"<b>{name}</b><br><i>{formula}</i></span></div>"
    )


def _code(session: Session, code: np.ndarray) -> str:
    """The units with the strongest effect as bars from a common zero; the longest is the training codes' limit."""
    shown = session.units_by_effect()[:UNITS]
    limit = session.code_limit
    rows = "".join(_bar(int(unit), float(code[unit]), limit) for unit in shown)
    n = session.code_dim
    note = f"{n} number{'' if n == 1 else 's'}" + (f", the {UNITS} strongest shown" if n > UNITS else "")
    return f'<figure class="hero-code"><ol>{rows}</ol><figcaption><b>code</b> <i>h</i><br>{note}</figcaption></figure>'


def _bar(unit: int, value: float, limit: float) -> str:
    side = "plus" if value >= 0 else "minus"
    return (
        f'<li class="{side}" style="--share:{min(1.0, abs(value) / limit):.3f}">'
        f"<span>{unit}</span><i></i><span>{value:+.1f}</span></li>"
    )
