"""One map of an atlas: its points, its quality, and its inverse from places to pictures."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, Int16, Int64

from aecore.foundation import geometry
from aecore.foundation.errors import BadInput
from aecore.maps import align, fit, shepard
from aecore.maps.images import Coder, ImageSet
from aecore.maps.plan import PanelPlan
from aecore.maps.quality import DEFINITIONS, Curves, curves, readings
from aecore.maps.spec import PanelSpec
from aecore.parts.data import CodeArray, Pictures
from aecore.parts.looking import Coordinates, FittedEmbedding
from aecore.session.session import Session

EDGE = 1.07
"""A panel shows −EDGE to EDGE in both directions; its images lie between −1 and 1."""
MARGIN = 0.03
"""Images beyond the panel are drawn this far inside its edge."""
NEIGHBOURS = 5
"""Nearest images of the map that are found for each new image."""
JITTER_SEED = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Placement:
    """New images on a map: their places (clipped to the panel), which of them lie `beyond` it, and the positions of the
    nearest images of the map.
    """

    places: Float32[np.ndarray, "m 2"]
    beyond: Bool[np.ndarray, "m"]
    nearest: Int64[np.ndarray, "m k"]


@dataclasses.dataclass(frozen=True, eq=False)
class Inverse:
    """The inverse of a map: the plane row = origin + px x + py y in the space that the map was fitted in.

    Through `pixels`: a row is a picture, to be clipped to [0, 1]. Through `codes`: a row is a code for the decoder of
    the run `run_id`, with the weights after `epoch` if there is one.
    """

    through: Literal["pixels", "codes"]
    origin: Float32[np.ndarray, "f"]
    x: Float32[np.ndarray, "f"]
    y: Float32[np.ndarray, "f"]
    run_id: str
    epoch: int | None

    def row(self, px: float, py: float) -> Float32[np.ndarray, "f"]:
        """Return the pixels or the code of a place of the panel."""
        return self.origin + np.float32(px) * self.x + np.float32(py) * self.y


@dataclasses.dataclass(frozen=True, eq=False)
class Panel:
    """One map, rotated and reflected to match the first one, then shifted and scaled to the square from −1 to 1.

    Only the rotation is Procrustes'; each map fills its own panel, because their units (pixels, codes) do not compare.
    `places` are in the panel's units, `coordinates` in the method's.
    """

    spec: PanelSpec
    title: str
    note: str
    places: Float32[np.ndarray, "n 2"]
    quality: dict[str, float]
    seconds: float
    inverse: Inverse | None
    _fitted: FittedEmbedding
    _coder: Coder | None
    _alignment: align.Alignment
    _centre: Float[np.ndarray, "2"]
    _half: float
    _images: ImageSet
    _distortion: Callable[[], Float32[np.ndarray, "n"]]

    @property
    def kind(self) -> str:
        return self.spec.embedding.kind

    @property
    def coordinates(self) -> Coordinates:
        """Coordinates as the method returned them, in its own units."""
        return self._fitted.coordinates

    @property
    def by_neighbours(self) -> bool:
        """True if the method cannot place new images, so that `place` puts them beside their nearest neighbours."""
        return self._fitted.by_neighbours

    @property
    def readings(self) -> dict[str, str]:
        """One sentence on each figure, see `quality.readings`."""
        return readings(self.quality)

    @property
    def grid(self) -> Int16[np.ndarray, "n 2"]:
        """`places` in thousandths: a sixth of a screen pixel, and a quarter of the bytes to send."""
        return np.rint(self.places * 1000).astype(np.int16)

    @functools.cached_property
    def distortion(self) -> Float32[np.ndarray, "n"]:
        """Each image's `shepard.distortion`, measured against the pixels."""
        return self._distortion()

    @property
    def definitions(self) -> dict[str, str]:
        """Formula, meaning of the extremes and source of each of the `readings`."""
        return {name: DEFINITIONS[name] for name in self.readings}

    def shepard(self, max_points: int = 150) -> shepard.Shepard:
        """Compute Shepard's diagram of the pairs of at most `max_points` images: 11,175 dots by default."""
        return shepard.shepard(self._images.rows, self.coordinates, max_points)

    @functools.cached_property
    def curves(self) -> Curves:
        """Quality at growing numbers of neighbours, see `quality.curves`."""
        return curves(self._images.rows, self.coordinates, self._images.labels)

    def scree(self) -> geometry.Scree:
        """Compute the shares of variance along the principal directions of the pixels or codes that the map shows."""
        return geometry.scree(self._images.rows if self._coder is None else self._images.code_rows(self._coder))

    def between(self, px: float, py: float) -> Pictures:
        """Return the picture (1, C, H, W) of a place of the panel. Raises `BadInput` if the map has no inverse."""
        if self.inverse is None:
            raise BadInput(f"{self.title} has no inverse: between its points there are no pictures")
        row = self.inverse.row(px, py)[None]
        if self._coder is not None:
            row = self._coder.decode(row)
        return row.clip(0, 1).reshape(1, *self._images.shape)

    def place(self, images: Pictures, codes: CodeArray | None = None) -> Placement:
        """Place new images on the map; `codes` are their codes by the panel's coder, computed here if not given."""
        x = images.reshape(len(images), -1)
        if self._coder is not None:
            x = self._coder.encode(images) if codes is None else codes
        places = (self._alignment.apply(self._fitted.transform(x)[:, :2]) - self._centre) / self._half
        clipped = places.clip(-EDGE + MARGIN, EDGE - MARGIN).astype(np.float32)
        k = min(NEIGHBOURS, len(self.places))
        nearest = np.argsort(geometry.distances_between(places, self.places), axis=1, kind="stable")[:, :k]
        return Placement(clipped, (clipped != places.astype(np.float32)).any(1), nearest.astype(np.int64))


NOTES = {
    "pca": "The pictures projected onto the plane in which they vary most.",
    "mds": "Distances as close as possible to those between the pictures.",
    "classical_mds": "Inner products as close as possible to those that follow from the distances.",
    "mds_nonmetric": "Distances in the same order, as far as possible, as those between the pictures.",
    "tsne": "Similar pictures stay near; large distances mean little.",
    "umap": "Similar pictures stay near; large distances mean little.",
}
"""One line under each map's title."""


def make_panel(
    images: ImageSet,
    plan: PanelPlan,
    result: fit.MapResult,
    reference: Coordinates,
    distortion: Callable[[], Float32[np.ndarray, "n"]],
) -> Panel:
    """Align a map with the `reference` map and fit it into its panel; of three dimensions the first two are shown."""
    code = plan.coder if plan.embedding.kind == "code" else None
    is_strip = code is not None and code.session.code_dim == 1
    alignment = _align_strip(result, reference) if is_strip else align.alignment(reference, result.coordinates[:, :2])
    aligned = alignment.apply(result.coordinates[:, :2])
    centre, half = _frame(aligned)
    places = ((aligned - centre) / half).astype(np.float32)
    if is_strip:
        _jitter(places)
    places.setflags(write=False)
    note = NOTES[plan.embedding.kind] if code is None else _code_note(code.session.code_dim, plan.spec)
    return Panel(
        plan.spec, _title(images.session, plan), " ".join([note, result.fitted.note]).strip(), places, result.quality,
        result.seconds, _inverse(images, plan, result.fitted, alignment, centre, half), result.fitted, plan.coder,
        alignment, centre, half, images, distortion,
    )  # fmt: skip


def _title(session: Session | None, plan: PanelPlan) -> str:
    title = plan.embedding.title
    if plan.coder is not None and plan.coder.session is not session:
        title = f"{title}: {plan.coder.session.info.name}"
    if plan.spec.epoch is not None:
        title += f", after epoch {plan.spec.epoch}" if plan.spec.epoch else ", before training"
    return title


def _code_note(units: int, spec: PanelSpec) -> str:
    chosen: tuple[int, ...] = spec.embedding.model_dump()["units"]
    if chosen:
        return f"Units {' and '.join(map(str, chosen))} of the code, unchanged."
    if units == 1:
        return "One unit: left to right is its value; height has no meaning."
    return "The code's two units, unchanged." if units == 2 else f"The plane in which the {units:,} units vary most."


def _align_strip(result: fit.MapResult, reference: Coordinates) -> align.Alignment:
    """Reflect a code of one unit if it runs against the reference's first coordinate; never rotate it."""
    values = result.coordinates[:, 0].astype(np.float64)
    sign = 1.0 if float(((values - values.mean()) * reference[:, 0]).sum()) >= 0 else -1.0
    return align.Alignment(np.diag([sign, 1.0]), 1.0, np.zeros(2), np.zeros(2))


def _jitter(places: Float32[np.ndarray, "n 2"]) -> None:
    """Jitter vertically, in place; height has no meaning. Denser stretches of the strip are spread wider."""
    counts, edges = np.histogram(places[:, 0], 40, (-1, 1))
    density: np.ndarray = np.interp(places[:, 0], (edges[1:] + edges[:-1]) / 2, counts / counts.max())
    places[:, 1] = density * np.random.default_rng(JITTER_SEED).uniform(-0.6, 0.6, len(places))


def _frame(coordinates: Coordinates) -> tuple[Float[np.ndarray, "2"], float]:
    """Return centre and half the longer side of the bounding box; 1 instead of 0 if all points coincide."""
    low, high = coordinates.min(0).astype(np.float64), coordinates.max(0).astype(np.float64)
    return (low + high) / 2, float((high - low).max()) / 2 or 1.0


def _inverse(
    images: ImageSet,
    plan: PanelPlan,
    fitted: FittedEmbedding,
    alignment: align.Alignment,
    centre: Float[np.ndarray, "2"],
    half: float,
) -> Inverse | None:
    """Invert panel, alignment and embedding; None if the embedding has no inverse.

    The inverses of all three are affine, so the images of three places define the plane. A third dimension stays at 0.
    """
    places = np.array([[0, 0], [1, 0], [0, 1]], np.float64)
    coordinates = np.zeros((3, fitted.coordinates.shape[1]))
    coordinates[:, :2] = alignment.undo(places * half + centre)
    rows = fitted.inverse(coordinates)
    if rows is None:
        return None
    origin, x, y = rows[0], rows[1] - rows[0], rows[2] - rows[0]
    session = images.session if plan.coder is None else plan.coder.session
    return Inverse(
        "pixels" if plan.coder is None else "codes", origin.astype(np.float32), x.astype(np.float32),
        y.astype(np.float32), "" if session is None else session.run_id, plan.spec.epoch,
    )  # fmt: skip
