"""Error against noise level, as a small drawing of its own.

It follows the level with every move, beside the picture; a chart library takes longer to redraw than the picture
itself. Text is text; the lines are masks, so that they take their colours from the page's theme.
"""

import math
import urllib.parse
from collections.abc import Mapping

import numpy as np

DASHES = {"before": " stroke-dasharray='2 5' stroke-linecap='round'", "after": ""}
"""The two lines of a drawing, apart also without colour."""
SIDE = 1000
"""Units of the drawing in both directions; the page stretches it."""


def error_curve(curve: Mapping[str, np.ndarray], trained_at: float | None, level: float) -> str:
    """HTML of the squared error per image before and after at levels 0 to 1, the training level and the level now."""
    largest = max(float(curve["before"].max()), float(curve["after"].max()))
    step = tick_step(largest)
    top = step * max(1, math.ceil(largest / step))
    ticks = np.arange(0, top + step / 2, step)
    marks = f'<i class="now" style="left:{level:.2%}"><span>now</span></i>'
    if trained_at:
        marks += f'<i class="trained" style="left:{trained_at:.2%}"><span>trained at {trained_at:.2f}</span></i>'
    return (
        '<div class="curve"><p class="legend"><span class="before">corrupted</span>'
        '<span class="after">reconstruction</span></p><p class="unit">squared error per image</p><div class="plot">'
        + "".join(f'<b class="y" style="bottom:{value / top:.2%}"><span>{value:g}</span></b>' for value in ticks)
        + "".join(f'<b class="x" style="left:{value:.0%}">{value:g}</b>' for value in (0, 0.2, 0.4, 0.6, 0.8, 1))
        + marks
        + "".join(
            f'<div class="{name}" style="{line(curve["level"], curve[name] / top, name)}"></div>' for name in DASHES
        )
        + '</div><p class="axis">noise level</p></div>'
    )


def line(across: np.ndarray, up: np.ndarray, name: str) -> str:
    """The line `name` through the points (shares of the width and height) as a CSS mask; its width does not stretch."""
    points = " ".join(f"{a * SIDE:.0f},{SIDE - b * SIDE:.0f}" for a, b in zip(across, up, strict=True))
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {SIDE} {SIDE}' preserveAspectRatio='none'>"
        f"<polyline points='{points}' fill='none' stroke='#000' stroke-width='2.5' stroke-linejoin='round'"
        f"{DASHES[name]} vector-effect='non-scaling-stroke'/></svg>"
    )
    return f"--line:url(&quot;data:image/svg+xml,{urllib.parse.quote(svg)}&quot;)"


def tick_step(largest: float) -> float:
    """A round distance between ticks, 1, 2 or 5 times a power of ten, for at most six of them."""
    if not 0 < largest < math.inf:
        return 1.0
    power = 10.0 ** math.floor(math.log10(largest / 5))
    return next(power * k for k in (1, 2, 5, 10) if power * k >= largest / 5)
