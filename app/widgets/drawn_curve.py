"""Two lines over an axis as HTML: error against noise level, or distances along a chain.

It is redrawn with every move, beside the picture; a chart library takes longer to redraw than the picture itself. Text
is text; the lines are masks, so that they take their colours from the page's theme.
"""

import html
import math
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

DASHES = {"before": " stroke-dasharray='2 5' stroke-linecap='round'", "after": ""}
"""The two lines, told apart without colour too."""
Line = tuple[str, np.ndarray, np.ndarray]
"""Label, x from 0 to 1, y."""
SIDE = 1000
"""Units of the drawing in both directions; the page stretches it."""


def drawn_curve(
    lines: Mapping[str, Line],
    *,
    unit: str,
    axis: str,
    ticks: Iterable[tuple[float, str]],
    levels: Mapping[str, float] | None = None,
    marks: Sequence[tuple[str, float, str]] = (),
) -> str:
    """HTML of the lines "before" and "after", y in `unit` over x on the `axis` with its `ticks` (x, text).

    `levels` {text: y} are dashed horizontal lines; `marks` ("now" or "trained", x, text) are vertical lines.
    """
    levels = levels or {}
    highest = max([*levels.values(), *(float(y.max()) for _, _, y in lines.values())])
    step = tick_step(highest)
    top = step * max(1, math.ceil(highest / step))
    legend = "".join(f'<span class="{name}">{html.escape(label)}</span>' for name, (label, _, _) in lines.items())
    parts = [
        *(
            f'<b class="y" style="bottom:{y / top:.2%}"><span>{y:g}</span></b>'
            for y in np.arange(0, top + step / 2, step)
        ),
        *(f'<b class="x" style="left:{x:.2%}">{html.escape(text)}</b>' for x, text in ticks),
        *(f'<i class="{name}" style="left:{x:.2%}"><span>{html.escape(text)}</span></i>' for name, x, text in marks),
        *(
            f'<i class="level" style="bottom:{y / top:.2%}"><span>{html.escape(text)}</span></i>'
            for text, y in levels.items()
        ),
        *(f'<div class="{name}" style="{_line(x, y / top, name)}"></div>' for name, (_, x, y) in lines.items()),
    ]
    return (
        f'<div class="curve"><p class="legend">{legend}</p><p class="unit">{html.escape(unit)}</p>'
        f'<div class="plot{" levels" if levels else ""}">{"".join(parts)}</div>'
        f'<p class="axis">{html.escape(axis)}</p></div>'
    )


def error_curve(curve: Mapping[str, np.ndarray], trained_at: float | None, level: float) -> str:
    """HTML of the squared error per image before and after, at levels 0 to 1, the training level and the level now."""
    marks = [("now", level, "now")]
    if trained_at:
        marks.append(("trained", trained_at, f"trained at {trained_at:.2f}"))
    return drawn_curve(
        {
            "before": ("corrupted", curve["level"], curve["before"]),
            "after": ("reconstruction", curve["level"], curve["after"]),
        },
        unit="squared error per image",
        axis="noise level",
        ticks=[(x, f"{x:g}") for x in (0, 0.2, 0.4, 0.6, 0.8, 1)],
        marks=marks,
    )


def _line(x: np.ndarray, y: np.ndarray, name: str) -> str:
    """The line through the points (x and y from 0 to 1) as a CSS mask; its width does not stretch."""
    points = " ".join(f"{a * SIDE:.0f},{SIDE - b * SIDE:.0f}" for a, b in zip(x, y, strict=True))
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
