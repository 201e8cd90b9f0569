"""Error against noise level, as a small drawing of its own.

It follows the level with every move, beside the picture; a chart library takes longer to redraw than the picture
itself.
"""

import html
import math
from collections.abc import Mapping

import numpy as np

WIDTH, HEIGHT = 440, 230
LEFT, RIGHT, TOP, BOTTOM = 50, 428, 30, 188
"""The edges of the plot's frame inside the drawing, in its units."""


def error_curve(curve: Mapping[str, np.ndarray], trained_at: float | None, level: float) -> str:
    """SVG of the squared error per image before and after at levels 0 to 1, with the training level and the level now."""
    step = _step(max(float(curve["before"].max()), float(curve["after"].max())))
    top = step * max(1, math.ceil(max(float(curve["before"].max()), float(curve["after"].max())) / step))

    def x(value: float) -> float:
        return LEFT + (RIGHT - LEFT) * value

    def y(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * value / top

    parts: list[str] = []
    for value in np.arange(0, top + step / 2, step):
        parts.append(f'<path class="grid" d="M{LEFT} {y(value):.1f}H{RIGHT}"/>')
        parts.append(_text(LEFT - 6, y(value) + 4, f"{value:g}", "end"))
    parts += [_text(x(value), BOTTOM + 16, f"{value:g}", "middle") for value in (0, 0.2, 0.4, 0.6, 0.8, 1)]
    parts.append(_text((LEFT + RIGHT) / 2, HEIGHT - 6, "noise level", "middle"))
    parts.append(
        f'<g transform="translate(11 {(TOP + BOTTOM) / 2}) rotate(-90)">{_text(0, 0, "squared error per image", "middle")}</g>'
    )
    if trained_at:
        left = trained_at > 0.65
        parts.append(f'<path class="trained" d="M{x(trained_at):.1f} {TOP}V{BOTTOM}"/>')
        parts.append(
            _text(
                x(trained_at) + (-4 if left else 4),
                BOTTOM - 5,
                f"trained at {trained_at:.2f}",
                "end" if left else "start",
            )
        )
    for key in ("before", "after"):
        points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(curve["level"], curve[key], strict=True))
        parts.append(f'<polyline class="{key}" points="{points}"/>')
    parts.append(f'<path class="now" d="M{x(level):.1f} {TOP}V{BOTTOM}"/>')
    parts.append(_text(x(level), TOP - 4, f"now {level:.2f}", "middle"))
    legend = '<p class="legend"><span class="before">corrupted</span><span class="after">reconstruction</span></p>'
    words = f"Squared error per image against the noise level; the level now is {level:.2f}"
    return f'<div class="curve">{legend}<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{words}">{"".join(parts)}</svg></div>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _step(largest: float) -> float:
    """A round distance between ticks: 1, 2 or 5 times a power of ten, for three to six of them."""
    if not 0 < largest < math.inf:
        return 1.0
    power = 10.0 ** math.floor(math.log10(largest / 3))
    return next(power * k for k in (10, 5, 2, 1) if power * k <= largest / 3)
