"""The chain x → h → x → …: encode, sample a code, sample a picture, and again, until the start is forgotten."""

import html

import numpy as np
import streamlit as st

from aecore.model.generative import Chain
from aecore.parts.data import Pictures
from aecore.pictures import sheets
from app.live.walk_place import LAST_SEED, Place
from app.state import keys, url
from app.state.place import CORRUPT, STEPS
from app.state.url import whole
from app.widgets.drawn_curve import drawn_curve
from app.widgets.picture import picture

CHAINS = 8
"""Chains from the same start, whose mean makes smooth curves; the pictures are the first one's."""
DEFAULT_STEPS = 12
MIN_STEPS, MAX_STEPS = 4, 48
COLUMNS = 6
"""Steps side by side."""
LINES = {"after": "from the start", "before": "from the nearest image of the data"}
LEVELS = ("unrelated", "neighbours")
UNIT = f"squared error per image, mean of {CHAINS} chains; dashed: between images of the data, unrelated or neighbours"


def chain_view(place: Place) -> None:
    """The chain from the picture shown now, or from the image itself if nothing has been moved."""
    parameters, session = place.parameters, place.session
    steps = max(MIN_STEPS, whole(parameters, STEPS, MAX_STEPS + 1, DEFAULT_STEPS))
    seed = whole(parameters, keys.SEED, LAST_SEED + 1)
    corrupts = session.config.corruption.level > 0
    noisy = corrupts and whole(parameters, CORRUPT, 2, 1) == 1
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
            (STEPS, "Steps", steps, MIN_STEPS, MAX_STEPS),
            (keys.SEED, "Seed", seed, 0, LAST_SEED),
        ):
            url.hold(url.widget(name), value)
            st.number_input(
                label, least, most, key=url.widget(name), width=120, on_change=url.widget_to_url, args=(name,)
            )
        st.button(
            "New chain",
            icon=":material/casino:",
            on_click=url.set_pending,
            args=(keys.SEED, str((seed + 1) % (LAST_SEED + 1))),
        )
    if noisy is not None:
        key = url.widget(CORRUPT)
        url.hold(key, noisy)
        st.toggle(
            "Corrupt before each encoding, as in training",
            key=key,
            on_change=lambda: url.set_pending(CORRUPT, None if st.session_state[key] else "0"),
            help="The model was trained to remove this noise; with it the chain samples what the model has learned.",
        )


def _strips(chain: Chain, noisy: bool) -> None:
    """The first chain, `COLUMNS` steps a line: the encoder's input, the decoder's mean, and the sample from it."""
    rows = {"input": chain.inputs} if noisy else {}
    rows |= {"mean": chain.means, "sample": chain.samples}
    for first in range(0, len(chain.means), COLUMNS):
        part = slice(first, first + COLUMNS)
        sheet = sheets.sheet([images[part, 0] for images in rows.values()])
        steps = [str(step + 1) for step in range(len(chain.means))[part]]
        words = f"Steps {steps[0]} to {steps[-1]} of the chain, in rows: {', '.join(rows)}"
        picture(sheet, words, rows=list(rows), columns=steps, most=8)


def _curve(chain: Chain) -> str:
    """HTML of the mean distances at each step, with those of unrelated and of neighbouring images as levels."""
    steps = np.arange(1, len(chain.means) + 1)
    x = steps / len(steps)
    every = -(-len(steps) // 8)
    return drawn_curve(
        {name: (label, x, values) for (name, label), values in zip(LINES.items(), chain.curves, strict=True)},
        unit=UNIT,
        axis="step",
        ticks=[(step / len(steps), str(step)) for step in steps if step % every == 0],
        levels=dict(zip(LEVELS, chain.levels, strict=True)),
    )


def _how(stochastic: bool, noisy: bool) -> str:
    """What a step of the chain does."""
    code = "samples a code from its distribution" if stochastic else "takes the encoder's code, which is a single point"
    corrupt = "corrupts the picture, " if noisy else ""
    return f"Each step {corrupt}{code}, and samples every pixel from the decoder's output distribution."
