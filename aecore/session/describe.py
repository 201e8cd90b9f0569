"""What a change does to pictures, in words: measured on pairs of pictures, said only where it is clear.

Pictures are (N, C, H, W) in [0, 1], C = 1 (grey) or 3 (colour). Two sorts are told apart by their border: *things* on
an even ground (a digit, a sprite), which have a size, a place and a thickness, and everything else (*textures*), which
has contrast and fineness. Each measure is one function with its definition; `MEASURES` lists them with the words and
the smallest change that is named.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

Values = Float64[np.ndarray, "n"]
Planes = Float64[np.ndarray, "n h w"]

AGREE = 7 / 8
"""Share of the pairs, of those where a measure exists, that must change the same way."""
MEASURABLE = 1 / 2
"""Share of the pairs for which a measure must exist at all."""
WORDS = 2
"""At most so many words are said of one change, the clearest first."""
SMALLEST = 4
"""Pictures with a shorter side have no describable content (tables are pictures of one row)."""
HAZE = 0.1
"""What differs from the ground by less than this share of the largest difference is none of the thing."""
EVEN = 0.7
"""A picture shows a thing where its border differs from the ground by less than this share of the picture's mean."""
DIRECTED = 0.15
"""Elongation or coherence, 0 (round, no direction) to 1 (a line), from which an orientation is measurable."""
COLOURS = ("redder", "yellower", "greener", "more cyan", "bluer", "pinker")
"""Towards the hues 0, 60, … 300 degrees."""
COLOUR_LEAST = 0.04
"""Smallest move of the mean colour that is named, in the units of `Seen.colour`."""
COLOUR_AGREE = 0.8
"""Length of the mean of the moves over the mean of their lengths, from which they go one way."""


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """Pictures with what several measures share."""

    pictures: Float32[np.ndarray, "n c h w"]

    @functools.cached_property
    def luma(self) -> Planes:
        """0.2126 R + 0.7152 G + 0.0722 B (ITU-R BT.709) of the values as stored; the grey value itself in grey."""
        rgb = self.pictures.astype(np.float64)
        return rgb[:, 0] if rgb.shape[1] == 1 else np.einsum("nchw,c->nhw", rgb, np.array([0.2126, 0.7152, 0.0722]))

    @functools.cached_property
    def apart(self) -> Planes:
        """|luma − ground|, the ground being the median of the picture's border."""
        y = self.luma
        ground = np.median(_border(y), 1)
        return np.abs(y - ground[:, None, None])

    @functools.cached_property
    def thing(self) -> Bool[np.ndarray, "n"]:
        """Where the border is even: mean `apart` on it at most `EVEN` times that of the whole picture."""
        return _border(self.apart).mean(1) <= EVEN * self.apart.mean((1, 2))

    @functools.cached_property
    def weight(self) -> Planes:
        """How much each pixel belongs to the thing: `apart` less the haze, summing to 1; NaN in an empty picture."""
        clear = np.maximum(self.apart - HAZE * self.apart.max((1, 2), keepdims=True), 0)
        total = clear.sum((1, 2), keepdims=True)
        return np.divide(clear, total, out=np.full_like(clear, np.nan), where=total > 1e-3)

    @functools.cached_property
    def moments(self) -> Float64[np.ndarray, "5 n"]:
        """Of `weight`, in pixels, y downwards: mean x, mean y, variances xx and yy, covariance xy."""
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
    edges = (planes[:, 0], planes[:, -1], planes[:, 1:-1, 0], planes[:, 1:-1, -1])
    return np.concatenate(edges, 1)


# --- measures --------------------------------------------------------------------------------------------------------


def brightness(seen: Seen) -> Values:
    """Mean luma of a texture; of a thing, the luma of its pixels by the square of `weight`, which hardly counts the
    half covered ones at its outline: a larger sprite is no brighter one.
    """
    inside = np.square(seen.weight)
    total = inside.sum((1, 2))
    return np.where(seen.thing, np.einsum("nhw,nhw->n", inside, seen.luma) / total, seen.luma.mean((1, 2)))


def saturation(seen: Seen) -> Values:
    """Mean over the pixels of max(R, G, B) − min(R, G, B); NaN for grey pictures."""
    if seen.pictures.shape[1] == 1:
        return np.full(len(seen.pictures), np.nan)
    return np.ptp(seen.pictures, 1).mean((1, 2)).astype(np.float64)


def contrast(seen: Seen) -> Values:
    """Standard deviation of the luma over the pixels."""
    return seen.luma.std((1, 2))


def fineness(seen: Seen) -> Values:
    """Texture energy ln(mean |∇Y|² / (4 var Y)), Y the luma, ∇ the differences of neighbouring pixels.

    Contrast cancels: 0 for white noise, −2 ln λ plus a constant for stripes of wavelength λ. NaN where var Y < 10⁻⁴.
    """
    y = seen.luma
    energy = np.square(np.diff(y, axis=1)).mean((1, 2)) + np.square(np.diff(y, axis=2)).mean((1, 2))
    return _log(energy, 4 * y.var((1, 2)), 4e-4)


def size(seen: Seen) -> Values:
    """ln r, with r = √(variance of x + variance of y) the radius of gyration of the thing in pixels."""
    _, _, xx, yy, _ = seen.moments
    return 0.5 * _log(xx + yy, np.ones_like(xx), 0.5)


def thickness(seen: Seen) -> Values:
    """ln(2 A / (P r)): the width 2 A / P of the strokes against the radius of gyration r, so size cancels.

    A is the sum of `weight`, P its total variation (the length of the outline): a stroke of width t and length l has
    A = t l and P = 2 l.
    """
    w = seen.weight
    outline = np.sqrt(np.square(np.diff(w[:, :, :-1], axis=1)) + np.square(np.diff(w[:, :-1], axis=2))).sum((1, 2))
    return _log(np.full(len(w), 2.0), outline, 1e-9) - size(seen)


def place_x(seen: Seen) -> Values:
    """Centre of mass of the thing from the left, as a share of the picture's width."""
    return seen.moments[0] / seen.luma.shape[2]


def place_y(seen: Seen) -> Values:
    """Centre of mass of the thing from the top, as a share of the picture's height."""
    return seen.moments[1] / seen.luma.shape[1]


def tilt(seen: Seen) -> Values:
    """Orientation in degrees modulo 180, growing clockwise: of a thing's longer axis ½ atan2(2 σ_xy, σ_xx − σ_yy), of
    a texture's gradients ½ atan2(2 Σ g_x g_y, Σ g_x² − Σ g_y²).

    NaN where there is no direction: elongation √((σ_xx − σ_yy)² + 4 σ_xy²) / (σ_xx + σ_yy), likewise the coherence of
    the gradients, below `DIRECTED`.
    """
    y = seen.luma
    g_x, g_y = y[:, 1:-1, 2:] - y[:, 1:-1, :-2], y[:, 2:, 1:-1] - y[:, :-2, 1:-1]
    gradients = [np.einsum("nhw,nhw->n", a, b) for a, b in ((g_x, g_x), (g_y, g_y), (g_x, g_y))]
    xx, yy, xy = np.where(seen.thing, seen.moments[2:], np.stack(gradients))
    directed = np.hypot(xx - yy, 2 * xy) >= DIRECTED * (xx + yy)
    return np.where(directed & (xx + yy > 1e-6), np.rad2deg(np.arctan2(2 * xy, xx - yy)) / 2, np.nan)


def _log(above: Values, below: Values, least: float) -> Values:
    """ln(above / below); NaN where one of them is 0 or less or `below` and `above` are both under `least`."""
    real = (above > 0) & (below > 0) & (np.maximum(above, below) >= least)
    return np.log(np.divide(above, below, out=np.full_like(above, np.nan), where=real))


@dataclasses.dataclass(frozen=True)
class Measure:
    """A number per picture (NaN: none), the words for more and less of it, and the smallest change that gets one."""

    of: Callable[[Seen], Values]
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
    """What happens from each of `before` to its `after`: "larger, moves right", or "" where nothing is clear.

    A measure's word is said where the measure exists for at least `MEASURABLE` of the pairs, at least `AGREE` of those
    change the same way, and their median change is at least the measure's `least`. Of several, the `WORDS` whose median
    is largest against that least. A colour is named by the nearest of six hues to the mean move of the mean colour,
    where the moves go one way (`COLOUR_AGREE`) and all this holds for their parts in its direction.
    """
    _, channels, height, width = before.shape
    if channels not in (1, 3) or min(height, width) < SMALLEST or len(before) == 0:
        return ""
    a, b = Seen(before), Seen(after)
    sort = "thing" if (a.thing & b.thing).mean() > 0.5 else "texture"
    said = [_said(measure, a, b) for measure in MEASURES if measure.shown_by in (sort, "both")]
    said += [_colour(a, b)] if channels == 3 else []
    clear = sorted((found for found in said if found is not None), key=lambda found: -found[0])
    return ", ".join(word for _, word in clear[:WORDS])


def _said(measure: Measure, a: Seen, b: Seen) -> tuple[float, str] | None:
    change = measure.of(b) - measure.of(a)
    if measure.period is not None:
        change = (change + measure.period / 2) % measure.period - measure.period / 2
    clear = _clear(change, measure.least)
    return None if clear is None else (abs(clear), measure.more if clear > 0 else measure.less)


def _clear(change: Float[np.ndarray, "n"], least: float) -> float | None:
    """The median change in units of `least`, where the rule of `words` holds; else None."""
    real = change[np.isfinite(change)]
    if len(real) == 0 or len(real) < MEASURABLE * len(change):
        return None
    middle = float(np.median(real))
    agreeing = float((np.sign(real) == np.sign(middle)).mean())
    return middle / least if abs(middle) >= least and agreeing >= AGREE else None


def _colour(a: Seen, b: Seen) -> tuple[float, str] | None:
    moves = b.colour - a.colour
    mean = moves.mean(1)
    length, usual = float(np.hypot(*mean)), float(np.hypot(*moves).mean())
    clear = _clear(mean @ moves / length, COLOUR_LEAST) if length > 0 else None
    if clear is None or length < COLOUR_AGREE * usual:
        return None
    hue = float(np.rad2deg(np.arctan2(mean[1], mean[0])))
    return clear, COLOURS[round(hue / 60) % 6]
