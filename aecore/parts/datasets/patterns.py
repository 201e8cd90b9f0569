"""Two-colour textures with known factors."""

from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float, Float32, UInt8
from pydantic import Field

from aecore.foundation.progress import OnProgress
from aecore.parts.data import Data, Dataset
from aecore.parts.datasets._split import divide_by_share

SIDE = 32
DRAWING = 1
"""Version of the drawing, part of the data's identity: raise it when equal settings give other pictures."""
SHADES = 64
CHUNK = 200
"""Pictures drawn at a time, because memory once used stays with the process."""
Plane = Float32[np.ndarray, "n h w"]
Column = Float32[np.ndarray, "n 1 1"]


def _stripe(u: Plane) -> Plane:
    """Signed distance, in periods, to the nearest edge of bands half a period wide, one of them centred at u = 0."""
    return np.abs(u - np.rint(u)) * -1 + np.float32(0.25)


def _stripes(u: Plane, v: Plane, width: Column) -> Plane:
    return _ramp(_stripe(u), width)


def _checks(u: Plane, v: Plane, width: Column) -> Plane:
    a, b = _stripe(u - np.float32(0.25)), _stripe(v - np.float32(0.25))
    return _ramp(np.minimum(np.abs(a), np.abs(b)) * np.sign(a * b), width)


def _dots(u: Plane, v: Plane, width: Column) -> Plane:
    """Discs on the points of a square lattice and in the middle of its cells."""
    a, b = (u + v) / np.float32(2**0.5), (u - v) / np.float32(2**0.5)
    return _ramp(np.float32(0.3) - np.sqrt((a - np.rint(a)) ** 2 + (b - np.rint(b)) ** 2), width)


def _waves(u: Plane, v: Plane, width: Column) -> Plane:
    return _ramp(_stripe(u + np.float32(0.22) * np.sin(np.float32(np.pi) * v)), width)


def _plaid(u: Plane, v: Plane, width: Column) -> Plane:
    """Crossing broad bands, with a thin thread in the middle of each gap."""
    weave = (_ramp(_stripe(u), width) + _ramp(_stripe(v), width)) / 2
    threads = [_ramp(np.float32(0.05) - np.abs(w - np.floor(w) - np.float32(0.5)), width) for w in (u, v)]
    return np.minimum(weave + np.float32(0.5) * np.maximum(threads[0], threads[1]), 1)


def _grain(u: Plane, v: Plane, width: Column) -> Plane:
    """A fixed sum of cosines of similar directions and wavelengths: the same wood grain in every picture."""
    rng = np.random.default_rng(3)
    terms = 12
    angle, length, phase = rng.normal(0, 0.26, terms), rng.uniform(0.7, 1.3, terms), rng.uniform(0, 2 * np.pi, terms)
    total = np.zeros_like(u)
    for a, k, p in zip(angle, length, phase, strict=True):
        total += np.cos(
            np.float32(2 * np.pi * k * np.cos(a)) * u + np.float32(2 * np.pi * k * np.sin(a)) * v + np.float32(p)
        )
    # The slope at an edge is about 2π times the standard deviation per period; dividing by it gives a distance.
    return _ramp(total / np.float32(2 * np.pi * (terms / 2) ** 0.5), width)


def _ramp(distance: Plane, width: Column) -> Plane:
    """0 outside, 1 inside, a cubic smooth step of `width` between them; lengths in periods."""
    t = np.clip(distance / width + np.float32(0.5), 0, 1)
    return t * t * (3 - 2 * t)


WEAVES: dict[str, tuple[Callable[[Plane, Plane, Column], Plane], float]] = {
    "stripes": (_stripes, 180.0),
    "checks": (_checks, 90.0),
    "dots": (_dots, 90.0),
    "waves": (_waves, 180.0),
    "plaid": (_plaid, 90.0),
    "grain": (_grain, 180.0),
}
"""{name: (share of the figure's colour at (u, v), in periods from the centre; range of orientations in degrees)}."""

_LAB_TO_LMS = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def oklab_to_linear_rgb(lab: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """Convert OKLab to linear sRGB; values outside [0, 1] are colours that sRGB lacks (B. Ottosson, 2020)."""
    return ((lab @ _LAB_TO_LMS.T) ** 3) @ _LMS_TO_RGB.T


def oklch_to_oklab(
    lightness: Float[np.ndarray, "n"], chroma: Float[np.ndarray, "n"], hue: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "n 3"]:
    """Convert lightness in [0, 1], chroma and hue in degrees to OKLab.

    Chroma outside the sRGB gamut is reduced by bisection, at unchanged lightness and hue.
    """
    angle = np.deg2rad(hue)
    direction = np.stack([np.zeros_like(angle), np.cos(angle), np.sin(angle)], -1)
    grey = np.stack([lightness, np.zeros_like(angle), np.zeros_like(angle)], -1)
    low, high = np.zeros_like(chroma), chroma
    for _ in range(12):
        middle = (low + high) / 2
        rgb = oklab_to_linear_rgb(grey + direction * middle[:, None])
        inside = ((rgb >= 0) & (rgb <= 1)).all(-1)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return grey + direction * low[:, None]


def _palettes(
    hue: Float[np.ndarray, "n"], second_hue: Float[np.ndarray, "n"], contrast: Float[np.ndarray, "n"]
) -> UInt8[np.ndarray, "n 3 s"]:
    """The shades of each picture from ground to figure as sRGB bytes, equally spaced in OKLab.

    The figure (`hue`) is dark and the ground (`second_hue`) light, so they differ even if the hues are close. Since
    dark yellows look muddy and light blues dull, yellowish figures are lighter and bluish grounds darker.
    """

    def warmth(degrees: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        return np.cos(np.deg2rad(degrees - 100))

    figure = oklch_to_oklab(0.65 - 0.22 * contrast + 0.08 * warmth(hue), np.full_like(hue, 0.16), hue)
    ground = oklch_to_oklab(0.74 + 0.16 * contrast + 0.03 * warmth(second_hue), np.full_like(hue, 0.11), second_hue)
    mix = np.linspace(0, 1, SHADES)[:, None]
    linear = np.clip(oklab_to_linear_rgb(ground[:, None] * (1 - mix) + figure[:, None] * mix), 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.ascontiguousarray(np.rint(encoded * 255).astype(np.uint8).transpose(0, 2, 1))


class Patterns(Dataset):
    """Two-colour textures of 32 × 32 pixels with known hue, frequency, orientation, contrast and softness.

    Six weaves (stripes, checks, dots, waves, plaid, grain), centred in the picture, so that it changes smoothly with
    every factor. Factors: `hue` of the dark figure and `second_hue` of the light ground (degrees in
    OKLCH, 50 to 180 apart), `frequency` (1.5 to 4 periods across the picture, uniform in its logarithm),
    `orientation` (clockwise turn in degrees, up to 180, or 90 where the weave repeats), `contrast` (0.3 to 1; the
    difference in lightness is 0.09 + 0.38 · contrast, slightly corrected by hue) and `softness` (0: edges one pixel
    wide; 1: half a period). Colours are mixed in OKLab. Shape (count, 3, 32, 32); 10 % validation, 10 % test.
    Source: after the texture walks of "Deepstyle"; colour space: B. Ottosson, A perceptual color space for image
    processing, 2020.
    """

    kind: Literal["patterns"] = "patterns"
    title: ClassVar[str] = "Patterns"
    count: int = Field(
        default=6000,
        ge=60,
        le=50_000,
        title="Pictures",
        description="Number of pictures to draw",
        json_schema_extra={"unit": "pictures"},
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        title="Seed",
        description="Of the random factors",
        json_schema_extra={"unit": ""},
    )

    def load(self, progress: OnProgress | None = None, fetch: bool = False) -> Data:
        n, rng = self.count, np.random.default_rng(self.seed)
        labels = rng.permutation(np.arange(n, dtype=np.int64) % len(WEAVES))
        hue = rng.uniform(0, 360, n)
        second_hue = (hue + rng.choice([-1, 1], n) * rng.uniform(50, 180, n)) % 360
        frequency = np.exp(rng.uniform(np.log(1.5), np.log(4), n))
        orientation = rng.uniform(0, 1, n) * np.array([turn for _, turn in WEAVES.values()])[labels]
        contrast, softness = rng.uniform(0.3, 1, n), rng.uniform(0, 1, n)
        palettes = np.concatenate(
            [_palettes(hue[i : i + CHUNK], second_hue[i : i + CHUNK], contrast[i : i + CHUNK])
             for i in range(0, n, CHUNK)]
        )  # fmt: skip
        images = np.empty((n, 3, SIDE, SIDE), np.uint8)
        for index, (weave, _) in enumerate(WEAVES.values()):
            every = np.flatnonzero(labels == index)
            for of in np.split(every, range(CHUNK, len(every), CHUNK)):
                figure = _weave(weave, frequency[of], orientation[of], softness[of])
                shade = np.rint(figure * (SHADES - 1)).astype(np.int64).reshape(len(of), 1, -1)
                images[of] = np.take_along_axis(palettes[of], shade, -1).reshape(-1, 3, SIDE, SIDE)
        return Data(
            images=images,
            split=divide_by_share(labels, 0.1),
            labels=labels,
            label_names=tuple(WEAVES),
            factors={
                "hue": hue,
                "second_hue": second_hue,
                "frequency": frequency,
                "orientation": orientation,
                "contrast": contrast,
                "softness": softness,
            },
            name=self.title,
            source="Drawn by this program from its seed",
            licence="CC0 1.0",
            identity=f"{self.kind} {DRAWING}, {self.count} of seed {self.seed}",
        )


def _weave(
    weave: Callable[[Plane, Plane, Column], Plane], frequency: np.ndarray, degrees: np.ndarray, softness: np.ndarray
) -> Plane:
    """Draw the share of the figure's colour, (n, 32, 32) in [0, 1]; arguments (n,)."""
    grid = (np.arange(SIDE, dtype=np.float32) + np.float32(0.5)) / SIDE - np.float32(0.5)
    frequency, angle, softness = (
        v.astype(np.float32)[:, None, None] for v in (frequency, np.deg2rad(degrees), softness)
    )
    right, down = frequency * grid[None, None, :], frequency * grid[None, :, None]
    cosine, sine = np.cos(angle), np.sin(angle)
    pixel = frequency * np.float32(1.4 / SIDE)  # a smooth step of 1.4 pixels is as steep as a filter of one pixel
    width = pixel + softness * (np.float32(0.5) - pixel)
    return weave(cosine * right + sine * down, cosine * down - sine * right, width)
