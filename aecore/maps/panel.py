"""One map of an atlas: its points, its quality, and the way back from places to pictures."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, Int16, Int64

from aecore.foundation import geometry
from aecore.foundation.errors import BadInput
from aecore.maps import align, fit, shepard
from aecore.maps.images import Coder, Subset
from aecore.maps.plan import PanelPlan
from aecore.maps.quality import DEFINITIONS, Curves, curves, readings
from aecore.maps.spec import PanelSpec
from aecore.parts.data import CodeArray, Pictures
from aecore.parts.looking import Coordinates, FittedEmbedding
from aecore.session.session import Session

EDGE = 1.07
"""A panel shows −EDGE to EDGE in both directions; its images lie between −1 and 1."""
NEAREST = 5
SEED_OF_JITTER = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Placed:
    """New images on a map: where (clipped to the panel), which lie beyond it, and the nearest of the map's own."""

    places: Float32[np.ndarray, "m 2"]
    beyond: Bool[np.ndarray, "m"]
    nearest: Int64[np.ndarray, "m k"]


@dataclasses.dataclass(frozen=True, eq=False)
class Inverse:
    """What a place of a panel stands for: `row(px, py)`, pixels in rows (shown as all pictures are, clipped to [0, 1])
    or a code for the decoder of the run `run_id`, as it was after `epoch` where there is one. All maps with a way back
    lead there by a plane: row = origin + px x + py y.
    """

    through: Literal["pixels", "codes"]
    origin: Float32[np.ndarray, "f"]
    x: Float32[np.ndarray, "f"]
    y: Float32[np.ndarray, "f"]
    run_id: str
    epoch: int | None

    def row(self, px: float, py: float) -> Float32[np.ndarray, "f"]:
        return self.origin + np.float32(px) * self.x + np.float32(py) * self.y


@dataclasses.dataclass(frozen=True, eq=False)
class Panel:
    """One map, turned and mirrored to lie like the first one, then shifted and scaled to the square from −1 to 1.

    Only the turn is Procrustes'; each map fills its own panel, because their units (pixels, code) do not compare.
    """

    spec: PanelSpec
    title: str
    note: str
    places: Float32[np.ndarray, "n 2"]
    quality: dict[str, float]
    seconds: float
    back: Inverse | None
    _fitted: FittedEmbedding
    _coder: Coder | None
    _onto: align.Alignment
    _centre: Float[np.ndarray, "2"]
    _half: float
    _images: Subset
    _distortion: Callable[[], Float32[np.ndarray, "n"]]

    @property
    def kind(self) -> str:
        return self.spec.embedding.kind

    @property
    def coordinates(self) -> Coordinates:
        """As the method gave them, in its own units."""
        return self._fitted.coordinates

    @property
    def by_neighbours(self) -> bool:
        """True where new images are only put beside their nearest ones; whoever shows them says so."""
        return self._fitted.by_neighbours

    @property
    def readings(self) -> dict[str, str]:
        return readings(self.quality)

    @property
    def grid(self) -> Int16[np.ndarray, "n 2"]:
        """`places` in thousandths: a sixth of a screen pixel, and a quarter of the bytes to send."""
        return np.rint(self.places * 1000).astype(np.int16)

    @functools.cached_property
    def distortion(self) -> Float32[np.ndarray, "n"]:
        """Each image's share of the stress, measured against the pixels; see `aecore.maps.shepard`."""
        return self._distortion()

    @property
    def definitions(self) -> dict[str, str]:
        """What stands behind each of the `readings`: formula, what its ends mean, source."""
        return {name: DEFINITIONS[name] for name in self.readings}

    def shepard(self, most: int = 150) -> shepard.Shepard:
        """Shepard's diagram of the pairs of at most `most` images, spread evenly: 11,175 dots."""
        return shepard.shepard(self._images.rows, self.coordinates, most)

    @functools.cached_property
    def curves(self) -> Curves:
        """How true the map is from the nearest neighbours to wide neighbourhoods."""
        return curves(self._images.rows, self.coordinates, self._images.labels)

    def scree(self) -> geometry.Scree:
        """How the variance of what the map is made of, pixels or codes, falls from one direction to the next."""
        return geometry.scree(self._images.rows if self._coder is None else self._images.coded(self._coder))

    def between(self, px: float, py: float) -> Pictures:
        """The picture (1, C, H, W) that a place of the panel stands for; see `back`. Raises `BadInput` without one."""
        if self.back is None:
            raise BadInput(f"{self.title} has no way back: between its points there are no pictures")
        row = self.back.row(px, py)[None]
        if self._coder is not None:
            row = self._coder.decode(row)
        return row.clip(0, 1).reshape(1, *self._images.shape)

    def place(self, images: Pictures, codes: CodeArray | None = None) -> Placed:
        """Where new images belong. `codes` are theirs in the run of the atlas, encoded anew where it is another's."""
        x = images.reshape(len(images), -1)
        if self._coder is not None:
            x = self._coder.encode(images) if codes is None else codes
        places = (self._onto.apply(self._fitted.transform(x)[:, :2]) - self._centre) / self._half
        clipped = places.clip(-EDGE + 0.03, EDGE - 0.03).astype(np.float32)
        k = min(NEAREST, len(self.places))
        nearest = np.argsort(geometry.distances_between(places, self.places), axis=1, kind="stable")[:, :k]
        return Placed(clipped, (clipped != places.astype(np.float32)).any(1), nearest.astype(np.int64))


NOTES = {
    "pca": "The pictures' shadow on the plane in which they vary most.",
    "mds": "Distances as close as possible to those between the pictures.",
    "classical_mds": "Inner products as close as possible to those that the distances stand for.",
    "mds_nonmetric": "Distances in the same order, as far as possible, as those between the pictures.",
    "tsne": "Near pictures stay near; far apart says little.",
    "umap": "Near pictures stay near; far apart says little.",
}
"""One line under each map's title."""


def make_panel(
    images: Subset,
    plan: PanelPlan,
    result: fit.MapResult,
    reference: Coordinates,
    distortion: Callable[[], Float32[np.ndarray, "n"]],
) -> Panel:
    """A map of three dimensions is shown by its first two."""
    code = plan.coder if plan.embedding.kind == "code" else None
    strip = code is not None and code.session.code_dim == 1
    onto = _left_to_right(result, reference) if strip else align.alignment(reference, result.coordinates[:, :2])
    aligned = onto.apply(result.coordinates[:, :2])
    centre, half = _frame(aligned)
    places = ((aligned - centre) / half).astype(np.float32)
    if strip:
        _jitter(places)
    places.setflags(write=False)
    note = NOTES[plan.embedding.kind] if code is None else _code_note(code.session.code_dim, plan.spec)
    return Panel(
        plan.spec, _title(images.session, plan), " ".join([note, result.fitted.note]).strip(), places, result.quality,
        result.seconds, _inverse(images, plan, result.fitted, onto, centre, half), result.fitted, plan.coder, onto,
        centre, half, images, distortion,
    )  # fmt: skip


def _title(session: Session | None, plan: PanelPlan) -> str:
    title = plan.embedding.title
    if plan.coder is not None and plan.coder.session is not session:
        title = f"{title}: {plan.coder.session.info.name}"
    if plan.spec.epoch is not None:
        title += f", after epoch {plan.spec.epoch}" if plan.spec.epoch else ", before training"
    return title


def _code_note(units: int, spec: PanelSpec) -> str:
    named: tuple[int, ...] = spec.embedding.model_dump()["units"]
    if named:
        return f"Units {' and '.join(map(str, named))} of the code, as they are."
    if units == 1:
        return "One unit: left to right is its value; height has no meaning."
    return "The code's two units, as they are." if units == 2 else f"The plane in which the {units:,} units vary most."


def _left_to_right(result: fit.MapResult, reference: Coordinates) -> align.Alignment:
    """A code of one number as a strip: only mirrored, where the reference lies the other way."""
    values = result.coordinates[:, 0].astype(np.float64)
    sign = 1.0 if float(((values - values.mean()) * reference[:, 0]).sum()) >= 0 else -1.0
    return align.Alignment(np.diag([sign, 1.0]), 1.0, np.zeros(2), np.zeros(2))


def _jitter(places: Float32[np.ndarray, "n 2"]) -> None:
    """Up and down only keeps the points of a strip apart."""
    counts, edges = np.histogram(places[:, 0], 40, (-1, 1))
    crowd: np.ndarray = np.interp(places[:, 0], (edges[1:] + edges[:-1]) / 2, counts / counts.max())
    places[:, 1] = crowd * np.random.default_rng(SEED_OF_JITTER).uniform(-0.6, 0.6, len(places))


def _frame(coordinates: Coordinates) -> tuple[Float[np.ndarray, "2"], float]:
    """Middle and half the longer side of the points' bounding box; half is 1 where they all coincide."""
    low, high = coordinates.min(0).astype(np.float64), coordinates.max(0).astype(np.float64)
    return (low + high) / 2, float((high - low).max()) / 2 or 1.0


def _inverse(
    images: Subset,
    plan: PanelPlan,
    fitted: FittedEmbedding,
    onto: align.Alignment,
    centre: Float[np.ndarray, "2"],
    half: float,
) -> Inverse | None:
    """From places to the method's own coordinates, and from there back to the space the map was fitted in; both lead
    by planes, so three places say it. A third dimension stays at 0.
    """
    places = np.array([[0, 0], [1, 0], [0, 1]], np.float64)
    coordinates = np.zeros((3, fitted.coordinates.shape[1]))
    coordinates[:, :2] = onto.undo(places * half + centre)
    rows = fitted.inverse(coordinates)
    if rows is None:
        return None
    origin, x, y = rows[0], rows[1] - rows[0], rows[2] - rows[0]
    session = images.session if plan.coder is None else plan.coder.session
    return Inverse(
        "pixels" if plan.coder is None else "codes", origin.astype(np.float32), x.astype(np.float32),
        y.astype(np.float32), "" if session is None else session.run_id, plan.spec.epoch,
    )  # fmt: skip
