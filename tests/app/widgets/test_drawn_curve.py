"""The drawn curve: round ticks, and levels and lines on one scale."""

import re

import numpy as np
import pytest

from app.widgets.drawn_curve import drawn_curve, error_curve


@pytest.mark.parametrize("largest", [1e-6, 0.03, 0.9, 1.0, 14.6, 99.0, 151.3, 12345.6])
def test_ticks_are_round_and_few(largest: float) -> None:
    levels = np.linspace(0, 1, 3)
    drawing = error_curve({"level": levels, "before": levels * largest, "after": levels * 0}, None, 0.5)
    ticks = [float(text) for text in re.findall(r'class="y".*?<span>([^<]+)</span>', drawing)]
    assert 3 <= len(ticks) <= 7
    assert ticks[0] == 0
    assert largest <= ticks[-1] * (1 + 1e-5) <= 2 * largest + 1e-9
    assert f"{ticks[1]:e}"[0] in "125"


def test_a_curve_of_nothing_is_drawn_all_the_same() -> None:
    flat = np.zeros(1)
    assert "noise level" in error_curve({"level": flat, "before": flat, "after": flat}, 0.4, 0.0)


def test_levels_and_lines_share_one_scale() -> None:
    x = np.array([0.5, 1.0])
    lines = {"after": ("from the start", x, np.array([10.0, 20.0])), "before": ("nearest", x, np.array([5.0, 5.0]))}
    drawing = drawn_curve(lines, unit="u", axis="step", ticks=[(0.5, "1"), (1.0, "2")], levels={"unrelated": 40.0})
    assert '<i class="level" style="bottom:100.00%"><span>unrelated</span></i>' in drawing
    assert "500%2C750%201000%2C500" in drawing, "half and quarter of the height, as SVG counts from the top"
    assert drawing.index('class="after"') < drawing.index('class="before"')
