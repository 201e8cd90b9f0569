"""Describe in words how pictures change, measured on pairs of pictures; only clear changes are described.

Pictures are (N, C, H, W) in [0, 1], C = 1 (grey) or 3 (colour). Their border decides between two sorts: *things* on an
even background (a digit, a sprite), which have a size, a place and a thickness, and *textures* (all others), which have
contrast and fineness. Each measure is one function with its definition; `MEASURES` lists them with their words and the
smallest change that is described.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

Values = Float64[np.ndarray, "n"]
Planes = Float64[np.ndarray, "n h w"]

MIN_AGREEING = 7 / 8
"""Share of the pairs, among those with a value, that must change in the same direction."""
MIN_MEASURED = 1 / 2
"""Share of the pairs for which a measure must have a value."""
MAX_WORDS = 2
"""Most words for one change, the clearest first."""
MIN_SIDE = 4
"""Pictures with a shorter side are not described (rows of a table are pictures of height 1)."""
BACKGROUND_SHARE = 0.1
"""Pixels that differ from the background by less than this share of the largest difference belong to it."""
EVEN_BORDER = 0.7
"""A picture shows a thing if its border differs from the background by less than this share of the whole picture's
mean.
"""
MIN_DIRECTION = 0.15
"""Elongation or coherence, 0 (round, no direction) to 1 (a line), from which an orientation is measurable."""
COLOURS = ("redder", "yellower", "greener", "more cyan", "bluer", "pinker")
"""Towards the hues 0, 60, … 300 degrees."""
MIN_COLOUR_CHANGE = 0.04
"""Smallest change of the mean colour that is described, in the units of `Measured.colour`."""
MIN_COLOUR_AGREEMENT = 0.8
"""Length of the mean colour change over the mean length of the changes, from which they have one direction."""


@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
    """Pictures with the quantities that several measures share."""

    pictures: Float32[np.ndarray, "n c h w"]

    @functools.cached_property
    def luma(self) -> Planes:
        """0.2126 R + 0.7152 G + 0.0722 B (ITU-R BT.709) of the stored values; for grey pictures the grey value."""
        rgb = self.pictures.astype(np.float64)
        return rgb[:, 0] if rgb.shape[1] == 1 else np.einsum("nchw,c->nhw", rgb, np.array([0.2126, 0.7152, 0.0722]))

    @functools.cached_property
    def difference(self) -> Planes:
        """|luma − background|, where the background is the median of the picture's border."""
        y = self.luma
        background = np.median(_border(y), 1)
        return np.abs(y - background[:, None, None])

    @functools.cached_property
    def thing(self) -> Bool[np.ndarray, "n"]:
        """True for things: mean `difference` on the border at most `EVEN_BORDER` times that of the whole picture."""
        return _border(self.difference).mean(1) <= EVEN_BORDER * self.difference.mean((1, 2))

    @functools.cached_property
    def weight(self) -> Planes:
        """How much each pixel belongs to the thing: `difference` above that of the background, with sum 1; NaN in an
        empty picture.
        """
        least = BACKGROUND_SHARE * self.difference.max((1, 2), keepdims=True)
        clear = np.maximum(self.difference - least, 0)
        total = clear.sum((1, 2), keepdims=True)
        return np.divide(clear, total, out=np.full_like(clear, np.nan), where=total > 1e-3)

    @functools.cached_property
    def moments(self) -> Float64[np.ndarray, "5 n"]:
        """Moments of `weight` in pixels, y downwards: mean x, mean y, variances xx and yy, covariance xy."""
        w = self.weight
        x, y = np.arange(w.shape[2]) + 0.5, np.arange(w.shape[1]) + 0.5
        mean_x, mean_y = np.einsum("nhw,w->n", w, x), np.einsum("nhw,h->n", w, y)
        xx = np.einsum("nhw,w->n", w, x**2) - mean_x**2
        yy = np.einsum("nhw,h->n", w, y**2) - mean_y**2
        xy = np.einsum("nhw,h,w->n", w, y, x) - mean_x * mean_y
        return np.stack([mean_x, mean_y, xx, yy, xy])

    @functools.cached_property
    def colour(self) -> Float64[np.ndarray, "2 n"]:
        """Mean over the pixels of (R − (G + B) / 2, √3/2 (G − B)): its direction is the hue, red 0°, green 120°."""
        r, g, b = self.pictures.astype(np.float64).mean((2, 3)).T
        return np.stack([r - (g + b) / 2, 3**0.5 / 2 * (g - b)])


def _border(planes: Planes) -> Float64[np.ndarray, "n b"]:
    """Return the B outermost pixels of each plane."""
    edges = (planes[:, 0], planes[:, -1], planes[:, 1:-1, 0], planes[:, 1:-1, -1])
    return np.concatenate(edges, 1)


# --- measures --------------------------------------------------------------------------------------------------------


def brightness(measured: Measured) -> Values:
    """Mean luma of a texture; for a thing, the mean over its pixels weighted by the square of `weight`.

    The square gives little weight to the half covered pixels of the outline, so that a larger sprite is not brighter.
    """
    inside = np.square(measured.weight)
    total = inside.sum((1, 2))
    return np.where(measured.thing, np.einsum("nhw,nhw->n", inside, measured.luma) / total, measured.luma.mean((1, 2)))


def saturation(measured: Measured) -> Values:
    """Mean over the pixels of max(R, G, B) − min(R, G, B); NaN for grey pictures."""
    if measured.pictures.shape[1] == 1:
        return np.full(len(measured.pictures), np.nan)
    return np.ptp(measured.pictures, 1).mean((1, 2)).astype(np.float64)


def contrast(measured: Measured) -> Values:
    """Standard deviation of the luma over the pixels."""
    return measured.luma.std((1, 2))


def fineness(measured: Measured) -> Values:
    """Texture energy ln(mean |∇Y|² / (4 var Y)), with Y the luma and ∇ the differences of neighbouring pixels.

    Contrast cancels out. 0 for white noise, −2 ln λ plus a constant for stripes of wavelength λ; NaN where
    var Y < 10⁻⁴.
    """
    y = measured.luma
    energy = np.square(np.diff(y, axis=1)).mean((1, 2)) + np.square(np.diff(y, axis=2)).mean((1, 2))
    return _log(energy, 4 * y.var((1, 2)), 4e-4)


def size(measured: Measured) -> Values:
    """ln r, where r = √(variance of x + variance of y) the radius of gyration of the thing in pixels."""
    _, _, xx, yy, _ = measured.moments
    return 0.5 * _log(xx + yy, np.ones_like(xx), 0.5)


def thickness(measured: Measured) -> Values:
    """ln(2 A / (P r)): the width 2 A / P of the strokes over the radius of gyration r, so that size cancels out.

    A is the sum of `weight`, P its total variation (the length of the outline): a stroke of width t and length l has
    A = t l and P = 2 l.
    """
    w = measured.weight
    outline = np.sqrt(np.square(np.diff(w[:, :, :-1], axis=1)) + np.square(np.diff(w[:, :-1], axis=2))).sum((1, 2))
    return _log(np.full(len(w), 2.0), outline, 1e-9) - size(measured)


def place_x(measured: Measured) -> Values:
    """Horizontal centre of mass of the thing, 0 (left) to 1 (right)."""
    return measured.moments[0] / measured.luma.shape[2]


def place_y(measured: Measured) -> Values:
    """Vertical centre of mass of the thing, 0 (top) to 1 (bottom)."""
    return measured.moments[1] / measured.luma.shape[1]


def tilt(measured: Measured) -> Values:
    """Orientation in degrees modulo 180, clockwise: of a thing's longer axis, ½ atan2(2 σ_xy, σ_xx − σ_yy); of a
    texture's gradients, ½ atan2(2 Σ g_x g_y, Σ g_x² − Σ g_y²).

    NaN without a clear direction: where the elongation √((σ_xx − σ_yy)² + 4 σ_xy²) / (σ_xx + σ_yy), or the coherence of
    the gradients (the same formula), is below `MIN_DIRECTION`.
    """
    y = measured.luma
    g_x, g_y = y[:, 1:-1, 2:] - y[:, 1:-1, :-2], y[:, 2:, 1:-1] - y[:, :-2, 1:-1]
    gradients = [np.einsum("nhw,nhw->n", a, b) for a, b in ((g_x, g_x), (g_y, g_y), (g_x, g_y))]
    xx, yy, xy = np.where(measured.thing, measured.moments[2:], np.stack(gradients))
    directed = np.hypot(xx - yy, 2 * xy) >= MIN_DIRECTION * (xx + yy)
    return np.where(directed & (xx + yy > 1e-6), np.rad2deg(np.arctan2(2 * xy, xx - yy)) / 2, np.nan)


def _log(above: Values, below: Values, least: float) -> Values:
    """ln(above / below); NaN where one of them is not positive, or both are less than `least`."""
    real = (above > 0) & (below > 0) & (np.maximum(above, below) >= least)
    return np.log(np.divide(above, below, out=np.full_like(above, np.nan), where=real))


@dataclasses.dataclass(frozen=True)
class Measure:
    """A number per picture (NaN: no value), the words for more and less of it, and the smallest change described.

    `shown_by` is the sort of pictures that it is measured on; `period` that of an angle.
    """

    of: Callable[[Measured], Values]
    more: str
    less: str
    least: float
    shown_by: Literal["thing", "texture", "both"] = "both"
    period: float | None = None


MEASURES = (
    Measure(brightness, "brighter", "darker", 0.05),
    Measure(saturation, "more colourful", "paler", 0.03),
    Measure(contrast, "more contrast", "less contrast", 0.02, "texture"),
    Measure(fineness, "finer texture", "coarser texture", 0.15, "texture"),
    Measure(size, "larger", "smaller", 0.05, "thing"),
    Measure(thickness, "bolder", "thinner", 0.10, "thing"),
    Measure(place_x, "moves right", "moves left", 0.04, "thing"),
    Measure(place_y, "moves down", "moves up", 0.04, "thing"),
    Measure(tilt, "tilts right", "tilts left", 5.0, period=180.0),
)


# --- words -----------------------------------------------------------------------------------------------------------


def words(before: Float32[np.ndarray, "n c h w"], after: Float32[np.ndarray, "n c h w"]) -> str:
    """Describe the change from each of `before` to its `after`: "larger, moves right", or "" if nothing is clear.

    A measure is described if it has a value for at least `MIN_MEASURED` of the pairs, at least `MIN_AGREEING` of those
    change in the same direction, and their median change is at least the measure's `least`. Of several, those
    `MAX_WORDS` are described whose median is the largest multiple of `least`. A colour change is described by the
    nearest of six hues to the mean change of the mean colour, if the changes have one direction
    (`MIN_COLOUR_AGREEMENT`) and their components along it satisfy the same rule.
    """
    _, channels, height, width = before.shape
    if channels not in (1, 3) or min(height, width) < MIN_SIDE or len(before) == 0:
        return ""
    a, b = Measured(before), Measured(after)
    sort = "thing" if (a.thing & b.thing).mean() > 0.5 else "texture"
    changes = [_change(measure, a, b) for measure in MEASURES if measure.shown_by in (sort, "both")]
    changes += [_colour_change(a, b)] if channels == 3 else []
    clear = sorted((change for change in changes if change is not None), key=lambda change: -change[0])
    return ", ".join(word for _, word in clear[:MAX_WORDS])


def _change(measure: Measure, a: Measured, b: Measured) -> tuple[float, str] | None:
    """Return the size of a measure's change, in units of its `least`, and its word; None if it is not clear."""
    change = measure.of(b) - measure.of(a)
    if measure.period is not None:
        change = (change + measure.period / 2) % measure.period - measure.period / 2
    clear = _clear(change, measure.least)
    return None if clear is None else (abs(clear), measure.more if clear > 0 else measure.less)


def _clear(change: Float[np.ndarray, "n"], least: float) -> float | None:
    """Return the median change in units of `least` if the rule of `words` holds, else None."""
    real = change[np.isfinite(change)]
    if len(real) == 0 or len(real) < MIN_MEASURED * len(change):
        return None
    middle = float(np.median(real))
    agreeing = float((np.sign(real) == np.sign(middle)).mean())
    return middle / least if abs(middle) >= least and agreeing >= MIN_AGREEING else None


def _colour_change(a: Measured, b: Measured) -> tuple[float, str] | None:
    """As `_change`, for the mean colour."""
    changes = b.colour - a.colour
    mean = changes.mean(1)
    length, usual = float(np.hypot(*mean)), float(np.hypot(*changes).mean())
    clear = _clear(mean @ changes / length, MIN_COLOUR_CHANGE) if length > 0 else None
    if clear is None or length < MIN_COLOUR_AGREEMENT * usual:
        return None
    hue = float(np.rad2deg(np.arctan2(mean[1], mean[0])))
    return clear, COLOURS[round(hue / 60) % 6]
