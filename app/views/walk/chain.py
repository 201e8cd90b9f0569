"""The chain x → h → x → …: encode, draw a code, draw a picture, and again, until the start is forgotten."""

import html
import math

import numpy as np
import streamlit as st

from aecore.model.generative import Chain
from aecore.parts.data import Pictures
from aecore.pictures import sheets
from app.live.walk_place import LAST_SEED, Place
from app.state import keys, url
from app.state.place import CORRUPT, STEPS
from app.widgets.drawn_curve import line, tick_step
from app.widgets.picture import picture

CHAINS = 8
"""Chains from the same start, so that the curves are steady; the first one is shown."""
DEFAULT_STEPS = 12
LEAST_STEPS, MOST_STEPS = 4, 48
ACROSS = 6
"""Steps side by side."""
LINES = {"after": "from the start", "before": "from the nearest image of the data"}
LEVELS = ("unrelated", "neighbours")


def chain_view(place: Place) -> None:
    """The chain from the picture shown now: from the image itself where nothing has been moved."""
    session = place.session
    steps = max(LEAST_STEPS, url.whole(STEPS, MOST_STEPS + 1, DEFAULT_STEPS))
    seed = url.position(keys.SEED, LAST_SEED + 1)
    corrupts = session.config.corruption.level > 0
    noisy = corrupts and url.whole(CORRUPT, 2, 1) == 1
    _settings(steps, seed, noisy if corrupts else None)
    chain = session.chain(np.repeat(_start(place), CHAINS, 0), steps, seed, level=None if noisy else 0.0)
    st.html(f'<p class="reading"><b>{html.escape(chain.words)}</b></p>')
    _strips(chain, noisy)
    st.html(f"{_curve(chain)}<p class='reading'>{html.escape(_how(session.stochastic_encoder, noisy))}</p>")


def _start(place: Place) -> Pictures:
    here = np.array_equal(place.now, place.start)
    return place.gallery.images[place.image : place.image + 1] if here else place.pictures[1:]


def _settings(steps: int, seed: int, noisy: bool | None) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        for name, label, value, least, most in (
            (STEPS, "Steps", steps, LEAST_STEPS, MOST_STEPS),
            (keys.SEED, "Seed", seed, 0, LAST_SEED),
        ):
            url.hold(url.widget(name), value)
            st.number_input(
                label, least, most, key=url.widget(name), width=120, on_change=url.widget_to_url, args=(name,)
            )
        st.button(
            "Another chain",
            icon=":material/casino:",
            on_click=url.set_place_parameter,
            args=(keys.SEED, str((seed + 1) % (LAST_SEED + 1))),
        )
    if noisy is not None:
        key = url.widget(CORRUPT)
        url.hold(key, noisy)
        st.toggle(
            "Corrupt before each encoding, as in training",
            key=key,
            on_change=lambda: url.set_place_parameter(CORRUPT, None if st.session_state[key] else "0"),
            help="The model was trained to undo this noise; with it the chain draws from what the model has learned.",
        )


def _strips(chain: Chain, noisy: bool) -> None:
    """The first chain, `ACROSS` steps a line: what the encoder saw, the decoder's mean, and the picture drawn of it."""
    rows = {"seen": chain.inputs} if noisy else {}
    rows |= {"mean": chain.means, "draw": chain.samples}
    for first in range(0, len(chain.means), ACROSS):
        part = slice(first, first + ACROSS)
        sheet = sheets.sheet([images[part, 0] for images in rows.values()])
        steps = [str(step + 1) for step in range(len(chain.means))[part]]
        words = f"Steps {steps[0]} to {steps[-1]} of the chain, in rows: {', '.join(rows)}"
        picture(sheet, words, rows=list(rows), columns=steps, most=8)


def _curve(chain: Chain) -> str:
    """HTML of the mean distances at each step, with those of unrelated and of neighbouring images as levels."""
    count, curves = len(chain.means), zip(LINES, chain.curves, strict=True)
    highest = max(*chain.levels, *(float(values.max()) for values in chain.curves))
    unit = tick_step(highest)
    top = unit * max(1, math.ceil(highest / unit))
    steps = np.arange(1, count + 1)
    marks = [
        *(
            f'<b class="y" style="bottom:{y / top:.2%}"><span>{y:g}</span></b>'
            for y in np.arange(0, top + unit / 2, unit)
        ),
        *(f'<b class="x" style="left:{x / count:.2%}">{x}</b>' for x in steps if x % -(-count // 8) == 0),
        *(
            f'<i class="level" style="bottom:{y / top:.2%}"><span>{name}</span></i>'
            for name, y in zip(LEVELS, chain.levels, strict=True)
        ),
        *(f'<div class="{name}" style="{line(steps / count, values / top, name)}"></div>' for name, values in curves),
    ]
    legend = "".join(f'<span class="{name}">{words}</span>' for name, words in LINES.items())
    return (
        f'<div class="curve"><p class="legend">{legend}</p><p class="unit">squared error per image, mean of {CHAINS} '
        "chains; dashed: between images of the data, unrelated or neighbours</p>"
        f'<div class="plot levels">{"".join(marks)}</div><p class="axis">step</p></div>'
    )


def _how(stochastic: bool, noisy: bool) -> str:
    encode = "draws a code from its distribution" if stochastic else "takes the encoder's code, which is a single point"
    corrupt = "corrupts the picture, " if noisy else ""
    return f"Each step {corrupt}{encode}, and draws every pixel anew from what the decoder says."
