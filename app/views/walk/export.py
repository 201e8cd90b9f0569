"""Downloads of a walk: the picture, films of it, and the code."""

import json
from collections.abc import Callable
from functools import partial

import numpy as np
import streamlit as st

from aecore.parts.data import Pictures
from aecore.pictures import sheets
from aecore.session import render
from app.live.walk_place import Place
from app.state.place import WALK_WIDGET

ENLARGEMENT = 8
FRAMES = 25
"""Of a film, in one direction."""
MILLISECONDS = 60
"""Per frame."""


def export(place: Place, where: str) -> None:
    """Draw the download buttons; `where` describes the code's origin.

    A file is made when its button is pressed, in a thread without the visitor's session state, so `place` holds all it
    needs.
    """
    unit = int(place.session.units_by_effect()[0])
    name = f"walk-{place.session.run_id}"
    offers: list[tuple[str, str, str, Callable[[Place], bytes | str]]] = [
        ("Picture, PNG", ":material/image:", ".png", _as_png),
        (f"Walk of unit {unit}, GIF", ":material/gif_box:", f"-unit{unit}.gif", partial(_unit_gif, unit)),
        ("Code, JSON", ":material/data_object:", ".json", partial(_as_json, where)),
        ("Code, NPY", ":material/data_array:", ".npy", _as_npy),
    ]
    if not np.array_equal(place.now, place.start):
        codes = place.session.between(place.start, place.now, np.linspace(0, 1, FRAMES))
        offers.insert(2, ("From the start to here, GIF", ":material/gif_box:", "-path.gif", partial(_path_gif, codes)))
    for label, icon, ending, make in offers:
        st.download_button(
            label,
            partial(make, place),
            name + ending,
            icon=icon,
            on_click="ignore",
            key=f"{WALK_WIDGET}{label}",
            width="stretch",
        )


def _as_png(place: Place) -> bytes:
    return sheets.png(sheets.enlarge(sheets.filmstrip(place.pictures[1:]), ENLARGEMENT))


def _unit_gif(unit: int, place: Place) -> bytes:
    return _there_and_back(place.session.walk(place.now, unit, values=place.scale(unit).values(FRAMES))[1])


def _path_gif(codes: np.ndarray, place: Place) -> bytes:
    return _there_and_back(place.session.decode(codes))


def _there_and_back(images: Pictures) -> bytes:
    frames = [sheets.filmstrip(image[None]) for image in images]
    return sheets.gif([*frames, *frames[-2:0:-1]], MILLISECONDS, ENLARGEMENT)


def _as_json(where: str, place: Place) -> str:
    known = {"run": place.session.run_id, "from": where, "code": [float(value) for value in place.now]}
    return json.dumps(known, indent=1, ensure_ascii=False)


def _as_npy(place: Place) -> bytes:
    return render.npy_bytes(place.now)
