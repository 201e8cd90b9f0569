"""One composed picture per view, enlarged by whole numbers, with its labels as real text."""

import html
import time
from collections.abc import Sequence

import numpy as np
import streamlit as st

from aecore.pictures import sheets
from app import picture_first


def picture(
    sheet: np.ndarray,
    alt: str,
    *,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    least: int = 1,
    most: int = 16,
) -> None:
    """Draw `sheet` (H, W, 3 or 4 bytes, at its own size) as large as fits, never blurred: `least` to `most` times.

    `rows` and `columns` label equal shares of the height and width. Narrower than `least` times, it scrolls sideways.
    """
    uri = sheets.data_uri(sheets.png(sheet))
    size = f"--natural:{sheet.shape[1]}px;--least:{least};--most:{most}"
    spans = "".join(f"<span>{html.escape(text)}</span>" for text in rows)
    heads = "".join(f"<span>{html.escape(text)}</span>" for text in columns)
    st.html(
        f'<figure class="picture{"" if rows else " bare"}" style="{size}">'
        + (f'<div class="rows">{spans}</div>' if rows else "")
        + f'<div class="strip"><img src="{uri}" decoding="sync" alt="{html.escape(alt, quote=True)}">'
        + (f'<div class="columns">{heads}</div>' if columns else "")
        + "</div></figure>"
    )


def picture_error(message: str) -> None:
    """Draw an error in the picture's place."""
    st.html(f'<div class="picture-error" role="alert">{html.escape(message)}</div>')


def send_now() -> None:
    """Let the server's thread send what is drawn so far, so that a main picture need not wait for the rest."""
    time.sleep(0.001)  # releases the interpreter lock, which this thread would otherwise hold until the page is done
    picture_first.wait_for_others()
