"""Sprites with known factors."""

from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float32
from pydantic import Field

from aecore.foundation.progress import OnProgress
from aecore.parts.data import Data, Dataset
from aecore.parts.datasets._split import divide_by_share

SIDE = 32
CHUNK = 200
"""Pictures drawn at a time, because memory once used stays with the process."""
DRAWING = 1
"""Version of the drawing, part of the data's identity: raise it when equal settings give other pictures."""
Plane = Float32[np.ndarray, "n h w"]


def _length(x: Plane, y: Plane) -> Plane:
    return np.sqrt(x * x + y * y)


def _square(x: Plane, y: Plane) -> Plane:
    return np.maximum(np.abs(x), np.abs(y)) - np.float32(0.7)


def _ellipse(x: Plane, y: Plane) -> Plane:
    """First-order distance (f − 1) / ‖∇f‖ for f = ‖(x / a, y / b)‖, a = 1, b = 0.55; exact on the outline."""
    b = np.float32(0.55)
    near = _length(x, y / b)
    return near * (near - 1) / np.maximum(_length(x, y / b**2), np.float32(1e-6))


def _triangle(x: Plane, y: Plane) -> Plane:
    """Three half-planes at distance 1/2, the inradius."""
    return np.maximum(y, np.float32(3**0.5 / 2) * np.abs(x) - y / 2) - np.float32(0.5)


def _star(x: Plane, y: Plane) -> Plane:
    """A five-pointed star: the angle is folded into a tenth of a turn, which contains one straight edge."""
    tenth = np.float32(np.pi / 5)
    angle = np.abs(np.mod(np.arctan2(x, -y) + tenth, 2 * tenth) - tenth)
    inner = 0.45
    edge_x, edge_y = inner * np.cos(np.pi / 5) - 1, inner * np.sin(np.pi / 5)
    size = np.hypot(edge_x, edge_y)
    radius = _length(x, y)
    return (radius * np.cos(angle) - 1) * np.float32(edge_y / size) - radius * np.sin(angle) * np.float32(edge_x / size)


def _heart(x: Plane, y: Plane) -> Plane:
    """Exact distance to a square on its corner with two half-discs (I. Quilez, 2D distance functions)."""
    scale, centroid = np.float32(1.5), np.float32(0.6566)
    x, y = np.abs(x) / scale, -y / scale + centroid
    lobe = _length(x - np.float32(0.25), y - np.float32(0.75)) - np.float32(2**0.5 / 4)
    along = np.maximum(x + y, 0) / 2
    wedge = np.minimum(_length(x, y - 1), _length(x - along, y - along)) * np.sign(x - y)
    return np.where(x + y > 1, lobe, wedge) * scale


OUTLINES: dict[str, tuple[Callable[[Plane, Plane], Plane], float]] = {
    "square": (_square, 90.0),
    "ellipse": (_ellipse, 180.0),
    "heart": (_heart, 360.0),
    "triangle": (_triangle, 120.0),
    "star": (_star, 72.0),
}
"""{name: (signed distance to the outline of a sprite of size 1, negative inside; rotational symmetry in degrees)}."""


class Shapes(Dataset):
    """White sprites on black, 32 × 32 grey pixels, with known shape, scale, orientation and position.

    Brightness is the covered share of the pixel, clip(1/2 − d, 0, 1) with d the signed distance to the outline in
    pixels. Factors, uniform and independent: `shape` (index), `scale` (distance from the centre of mass to the
    farthest point, 5 to 9 pixels), `orientation` (clockwise turn in degrees, from 0 to the turn that maps the shape to
    itself, so that each picture has one value), `x` and `y` (centre of mass, 10 to 22 pixels from the left and the
    top). The sprite never leaves the picture. Shape (count, 1, 32, 32); 10 % validation, 10 % test.
    Source: after dSprites (L. Matthey et al., 2017).
    """

    kind: Literal["shapes"] = "shapes"
    title: ClassVar[str] = "Shapes"
    count: int = Field(
        default=5000,
        ge=50,
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
        rng = np.random.default_rng(self.seed)
        labels = rng.permutation(np.arange(self.count, dtype=np.int64) % len(OUTLINES))
        scale, turn, x, y = (rng.uniform(low, high, self.count) for low, high in ((5, 9), (0, 1), (10, 22), (10, 22)))
        orientation = turn * np.array([period for _, period in OUTLINES.values()])[labels]
        images = np.empty((self.count, 1, SIDE, SIDE), np.uint8)
        for index, (distance, _) in enumerate(OUTLINES.values()):
            every = np.flatnonzero(labels == index)
            for of in np.split(every, range(CHUNK, len(every), CHUNK)):
                images[of, 0] = _draw(distance, scale[of], orientation[of], x[of], y[of])
        return Data(
            images=images,
            split=divide_by_share(labels, 0.1),
            labels=labels,
            label_names=tuple(OUTLINES),
            factors={"shape": labels, "scale": scale, "orientation": orientation, "x": x, "y": y},
            name=self.title,
            source="Drawn by this program from its seed",
            licence="CC0 1.0",
            identity=f"{self.kind} {DRAWING}, {self.count} of seed {self.seed}",
        )


def _draw(
    distance: Callable[[Plane, Plane], Plane], scale: np.ndarray, degrees: np.ndarray, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Draw sprites as bytes (n, 32, 32); arguments (n,), lengths in pixels. Pixel centres lie at index + 1/2."""
    grid = np.arange(SIDE, dtype=np.float32) + np.float32(0.5)
    scale, angle, x, y = (v.astype(np.float32)[:, None, None] for v in (scale, np.deg2rad(degrees), x, y))
    right, down = (grid[None, None, :] - x) / scale, (grid[None, :, None] - y) / scale
    cosine, sine = np.cos(angle), np.sin(angle)
    d = distance(cosine * right + sine * down, cosine * down - sine * right) * scale
    return np.rint(np.clip(np.float32(0.5) - d, 0, 1) * 255).astype(np.uint8)
