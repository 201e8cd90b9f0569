"""Colour the dots of a map: by class, factor, unit of the code, error or distortion."""

import dataclasses

import numpy as np
from jaxtyping import Float32, UInt8, UInt16

from aecore.foundation.errors import BadInput
from aecore.maps.atlas import Atlas
from aecore.maps.panel import Panel
from aecore.pictures.sheets import Colour

OKABE_ITO: tuple[Colour, ...] = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (213, 94, 0), (86, 180, 233), (204, 121, 167), (160, 150, 30),
)  # fmt: skip
"""Okabe & Ito (2008), without black, which vanishes on a dark page, and with a darker yellow for white pages."""
PETROFF: tuple[Colour, ...] = (
    (63, 144, 218), (255, 169, 14), (189, 31, 1), (148, 164, 162), (131, 45, 182),
    (169, 107, 89), (231, 99, 0), (185, 172, 112), (113, 117, 129), (146, 218, 221),
)  # fmt: skip
"""Ten colours optimised for colour-vision deficiency. Source: Petroff, arXiv:2107.02270 (2021)."""
VIRIDIS: tuple[Colour, ...] = (
    (72, 36, 117), (65, 68, 135), (53, 95, 141), (42, 120, 142), (33, 145, 140), (34, 168, 132), (68, 191, 112),
    (122, 209, 81), (189, 223, 38),
)  # fmt: skip
"""The perceptually uniform colour map viridis from 0.1 to 0.9; its ends vanish on dark and on white pages.
Source: van der Walt & Smith (2015)."""
SINGLE: Colour = (63, 144, 218)
"""The colour of all dots when they are coloured by nothing."""
STEPS = 64
"""Colours of a continuous scale."""
SHAPES = ("circle", "diamond", "square", "cross")
"""Beyond ten classes the colours repeat with the next shape."""


@dataclasses.dataclass(frozen=True, eq=False)
class Colouring:
    """What the dots' colours mean. With `names`, `values` are class indices; without, they lie on a scale from `low` to
    `high`.
    """

    title: str
    values: Float32[np.ndarray, "n"]
    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    low: float
    high: float

    @property
    def shapes(self) -> tuple[str, ...]:
        """Shape of the dots of each class."""
        return tuple(SHAPES[i // len(PETROFF) % len(SHAPES)] for i in range(len(self.names)))

    @property
    def table(self) -> UInt8[np.ndarray, "t 3"]:
        """The colours that `index` refers to: one per class, or `STEPS` from low to high."""
        anchors = np.array(self.colours, np.float64)
        if self.names:
            return anchors.astype(np.uint8)
        at = np.linspace(0, len(anchors) - 1, STEPS)
        columns = [np.interp(at, np.arange(len(anchors)), anchors[:, i]) for i in range(3)]
        return np.rint(np.stack(columns, 1)).astype(np.uint8)

    @property
    def index(self) -> UInt16[np.ndarray, "n"]:
        """Row of `table` for each image."""
        if self.names:
            return self.values.astype(np.uint16)
        share = (self.values.astype(np.float64) - self.low) / (self.high - self.low or 1.0)
        return np.rint(share.clip(0, 1) * (STEPS - 1)).astype(np.uint16)

    @property
    def rgb(self) -> UInt8[np.ndarray, "n 3"]:
        """Colour of each image."""
        return self.table[self.index]


def colourings(atlas: Atlas) -> dict[str, str]:
    """List what an atlas's images can be coloured by: {name: title}, classes first, units by their effect."""
    found = {"class": "Class"} if atlas.labels is not None else {}
    found |= {f"factor-{name}": f"Factor: {name.replace('_', ' ')}" for name in atlas.factors}
    found["distortion"] = "Distortion of the map"
    found |= {"error": "Squared error of the reconstruction"} if atlas.has_run else {}
    found |= {f"unit-{unit}": f"Unit {unit} of the code" for unit in atlas.units}
    return found | {"none": "One colour"}


def colouring(atlas: Atlas, name: str, panel: Panel | None = None) -> Colouring:
    """Colour an atlas by one of `colourings`. Raises `BadInput` for any other name.

    Distortion is that of `panel` (default: the first), on a scale that all panels of the atlas share.
    """
    titles = colourings(atlas)
    if name not in titles:
        raise BadInput(f"these images cannot be coloured by {name!r}")
    if name == "class" and atlas.labels is not None:
        names = atlas.label_names
        return Colouring("Class", atlas.labels.astype(np.float32), names, palette(len(names)), 0.0, 1.0)
    if name == "none":
        return Colouring("", np.zeros(len(atlas), np.float32), ("image",), (SINGLE,), 0.0, 1.0)
    if name == "distortion":
        values = (panel or atlas.panels[0]).distortion
        low, high = 0.0, float(np.quantile(np.concatenate([each.distortion for each in atlas.panels]), 0.98))
    elif name == "error":
        values = atlas.errors
        low, high = 0.0, float(np.quantile(values, 0.98))
    else:
        kind, _, what = name.partition("-")
        values = atlas.factors[what] if kind == "factor" else np.asarray(atlas.codes[:, int(what)])
        low, high = (float(np.quantile(values, q)) for q in ((0, 1) if kind == "factor" else (0.02, 0.98)))
    return Colouring(titles[name], values.clip(low, high).astype(np.float32), (), VIRIDIS, low, high)


def palette(classes: int) -> tuple[Colour, ...]:
    """Choose one colour per class: Okabe and Ito's for up to seven, Petroff's for more, repeated beyond ten."""
    base = OKABE_ITO if classes <= len(OKABE_ITO) else PETROFF
    return tuple(base[i % len(base)] for i in range(classes))
