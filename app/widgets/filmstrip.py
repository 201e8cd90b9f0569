"""A filmstrip with a slider under it: the strip is the slider's scale, first and last frame being its two ends."""

import html
from collections.abc import Callable

import streamlit as st

from aecore import pictures
from aecore.session import Pictures, Scale

FRAMES = 7


def filmstrip(images: Pictures, alt: str, *, caption: str = "", ends: tuple[str, str] | None = None) -> None:
    """The images side by side, as wide as the column allows; `caption` (HTML) above, `ends` named at its corners."""
    sheet = pictures.filmstrip(images)
    uri = pictures.data_uri(pictures.png(sheet))
    size = "film" if len(images) == FRAMES else f'film loose" style="--own:{sheet.shape[1]}px'
    corners = f"<span>{html.escape(ends[0])}</span><span>{html.escape(ends[1])}</span>" if ends else ""
    st.html(
        (f'<div class="film-caption">{caption}</div>' if caption else "")
        + f'<img class="{size}" src="{uri}" alt="{html.escape(alt, quote=True)}">'
        + (f'<p class="film-ends">{corners}</p>' if ends else "")
    )


def film_slider(label: str, scale: Scale, wanted: float, key: str, on_change: Callable[[], None]) -> None:
    """The slider of the strip above it. It is told its value only where it holds another, so a held key never jumps."""
    if key not in st.session_state or not scale.same(st.session_state[key], wanted):
        st.session_state[key] = scale.clipped(wanted)
    st.slider(
        label,
        scale.low,
        scale.high,
        step=scale.step,
        format=f"%.{scale.decimals}f",
        key=key,
        on_change=on_change,
        label_visibility="collapsed",
    )


def film_size(frame: Pictures) -> None:
    """Tells the style sheet how wide a strip of such frames is, so that every slider lies under its strip."""
    wide, frame_wide = pictures.filmstrip(frame.repeat(FRAMES, 0)).shape[1], frame.shape[3]
    st.html(f"<style>:root {{ --film: {wide}px; --frame: {frame_wide / wide:.5f}; }}</style>")
