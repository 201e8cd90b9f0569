"""Maps of the same images of a run side by side: by default PCA and MDS of their pixels, and the autoencoder's code."""

import contextlib
import csv
import dataclasses
import functools
import hashlib
import io
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, Int16, Int64

from aecore.maps import fit, shepard
from aecore.pictures import sheets
from aecore.foundation import geometry
from aecore.maps.spec import MOST_IMAGES, AtlasSpec, PanelSpec
from aecore.foundation.errors import BadInput, Stopped
from aecore.parts.contracts import Coordinates, Embedding, FittedEmbedding, Progress, Shape, Stopper
from aecore.session.session import CodeArray, Pictures, Session
from aecore.maps.images import SMALL, Coder, Subset, Told, coder, from_codes, most, own_images, subset

USUAL_IMAGES = 1000
MOST_NUMBERS = 1_100_000
"""Images times pixels: with more, comparing all pairs would keep a first visitor waiting too long."""
QUICK = ("pca", "mds", "classical_mds", "code")
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
class Back:
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
    back: Back | None
    _fitted: FittedEmbedding
    _coder: Coder | None
    _onto: fit.Alignment
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
        return fit.readings(self.quality)

    @property
    def grid(self) -> Int16[np.ndarray, "n 2"]:
        """`places` in thousandths: a sixth of a screen pixel, and a quarter of the bytes to send."""
        return np.rint(self.places * 1000).astype(np.int16)

    @functools.cached_property
    def distortion(self) -> Float32[np.ndarray, "n"]:
        """How wrong the map is about each image: its share of the stress, against the pixels. See `aecore.maps.shepard`."""
        return self._distortion()

    @property
    def definitions(self) -> dict[str, str]:
        """What stands behind each of the `readings`: formula, what its ends mean, source."""
        return {name: fit.DEFINITIONS[name] for name in self.readings}

    def shepard(self, most: int = 150) -> shepard.Shepard:
        """Shepard's diagram of the pairs of at most `most` images, spread evenly: 11,175 dots."""
        return shepard.shepard(self._images.rows, self.coordinates, most)

    @functools.cached_property
    def curves(self) -> fit.Curves:
        """How true the map is from the nearest neighbours to wide neighbourhoods."""
        return fit.curves(self._images.rows, self.coordinates, self._images.labels)

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


@dataclasses.dataclass(frozen=True, eq=False)
class Atlas:
    """The same images on several maps. `key` names all that it shows: data, images, weights and maps."""

    spec: AtlasSpec
    panels: tuple[Panel, ...]
    key: str
    units: Int64[np.ndarray, "k"]
    _subset: Subset

    def __len__(self) -> int:
        return len(self._subset)

    @property
    def indices(self) -> Int64[np.ndarray, "n"]:
        """The images' positions in the dataset."""
        return self._subset.indices

    @property
    def labels(self) -> Int64[np.ndarray, "n"] | None:
        return self._subset.labels

    @property
    def label_names(self) -> tuple[str, ...]:
        return self._subset.label_names

    @property
    def factors(self) -> Mapping[str, Float32[np.ndarray, "n"]]:
        return self._subset.factors

    @property
    def origins(self) -> tuple[str, ...]:
        return self._subset.origins

    @property
    def has_run(self) -> bool:
        """Whether there are `codes` and `errors`."""
        return self._subset.session is not None

    @property
    def decoded(self) -> bool:
        """Whether the images are the model's own pictures of stored codes."""
        return self._subset.decoded

    @property
    def note(self) -> str:
        return self._subset.note

    @property
    def shape(self) -> Shape:
        """(C, H, W) of an image."""
        return self._subset.shape

    @functools.cached_property
    def codes(self) -> CodeArray:
        """The run's codes of the images; of many, they stay on the disk until they are read."""
        own = self._subset.own
        if own is None:
            raise BadInput("these images have no run that makes codes of them; choose one")
        return self._subset.codes(own)

    @functools.cached_property
    def errors(self) -> Float32[np.ndarray, "n"]:
        """The squared error per image of the run's reconstruction."""
        return self._subset.errors()

    def pictures(self, positions: Sequence[int] | Int64[np.ndarray, "m"]) -> Pictures:
        """The images at these positions, read now: many images are never all held as floats."""
        return self._subset.pictures(np.asarray(positions, np.int64))

    @functools.cached_property
    def sprite(self) -> bytes:
        """All images as one PNG; see `pictures.tiles`. Made once, because every visitor's view carries it. Raises
        `BadInput` for more than `SMALL` images.
        """
        if not self._subset.small:
            raise BadInput(f"{len(self):,} images are too many for one picture; at most {SMALL:,} are drawn")
        return sheets.png(sheets.tiles(self.pictures(range(len(self)))))

    def class_of(self, i: int) -> str:
        """The name of an image's class; empty where there are no classes."""
        return "" if self.labels is None else self.label_names[int(self.labels[i])]

    def class_counts(self, chosen: Sequence[int] | Int64[np.ndarray, "m"]) -> dict[str, int]:
        """How many of the chosen images each class has, the largest first; classes without any are left out."""
        if self.labels is None:
            return {}
        counts = np.bincount(self.labels[np.asarray(chosen, np.int64)], minlength=len(self.label_names))
        order = np.argsort(-counts, kind="stable")
        return {self.label_names[i]: int(counts[i]) for i in order if counts[i]}

    def class_middles(self, panel: Panel) -> dict[str, tuple[float, float]]:
        """The median place of each class on a map, where its name can stand."""
        if self.labels is None:
            return {}
        groups = {name: panel.places[self.labels == i] for i, name in enumerate(self.label_names)}
        return {
            name: (float(np.median(own[:, 0])), float(np.median(own[:, 1]))) for name, own in groups.items() if len(own)
        }

    def place(self, images: Pictures, codes: CodeArray) -> tuple[Placed, ...]:
        """New images, with their codes, on each of the maps. Raises `BadInput` when they are of another size."""
        if images.shape[1:] != self.shape:
            c, h, w = self.shape
            raise BadInput(f"these maps show images of {c} × {h} × {w} (channels, height, width), not {images.shape}")
        session = self._subset.session
        run = None if session is None else session.run_id
        theirs = [panel.spec.run in (None, run) and panel.spec.epoch is None for panel in self.panels]
        return tuple(panel.place(images, codes if t else None) for panel, t in zip(self.panels, theirs, strict=True))

    def csv(self) -> str:
        """A table with one line an image: where it comes from, its index, class, and its coordinates on each map."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["origin", "index", "class", *self.axes])
        columns = self.coordinates
        for i in range(len(self)):
            numbers = [f"{value:.6g}" for value in columns[i]]
            writer.writerow([self.origins[i], int(self.indices[i]), self.class_of(i), *numbers])
        return out.getvalue()

    def npy(self) -> bytes:
        """`coordinates` as a file of NumPy."""
        out = io.BytesIO()
        np.save(out, self.coordinates, allow_pickle=False)
        return out.getvalue()

    @property
    def axes(self) -> list[str]:
        """The names of the columns of `coordinates`, such as `mds_x`."""
        kinds = [panel.kind for panel in self.panels]
        names = [panel.kind if kinds.count(panel.kind) == 1 else panel.spec.text for panel in self.panels]
        return [
            f"{name}_{axis}"
            for name, panel in zip(names, self.panels, strict=True)
            for axis in "xyz"[: panel.coordinates.shape[1]]
        ]

    @property
    def coordinates(self) -> Coordinates:
        """Those of all maps, side by side, in the methods' own units."""
        return np.concatenate([panel.coordinates for panel in self.panels], 1)


# --- asking for one --------------------------------------------------------------------------------------------------


def atlas(
    session: Session,
    spec: AtlasSpec | None = None,
    progress: Progress | None = None,
    should_stop: Stopper | None = None,
) -> Atlas:
    """The maps that `spec` names of the images of a run, taken from the disk where they are kept there.

    Test images first, then validation and training images, each stratified by class. Without `spec.n`: 1,000, fewer for
    large pictures. Where the dataset is not on this machine, the images are decoded from the run's stored codes.
    `progress` hears the share of everything that is done, and what is done now. Raises `BadInput` for what cannot be
    shown, `Stopped` when `should_stop` says so.
    """
    spec = spec or AtlasSpec()
    return _worked_out(spec, _planned(session, spec), progress, should_stop)


def atlas_of(
    images: Pictures,
    names: Sequence[str],
    spec: AtlasSpec,
    session: Session | None = None,
    progress: Progress | None = None,
    should_stop: Stopper | None = None,
    classes: Sequence[str] = (),
) -> Atlas:
    """The maps that `spec` names of somebody's own images, all of them, with a name each; of their codes too where a
    run is given, for whose size they must be. With the `classes` of all, their neighbours are measured as those of a
    dataset are. Raises as `atlas` does.
    """
    if len(images) < 2 or (session is not None and images.shape[1:] != session.shape):
        raise BadInput(f"a map needs at least two images, of the run's size; these are {images.shape}")
    _check_count(spec, len(images))
    chosen = own_images(images, tuple(names), session, tuple(classes))
    return _worked_out(spec, _of(session, chosen, spec), progress, should_stop)


def _worked_out(spec: AtlasSpec, found: "_Planned", progress: Progress | None, should_stop: Stopper | None) -> Atlas:
    images = found.subset
    work = _Work(progress, should_stop, sum(2 if plan.slow else 1 for plan in found.panels) + (not images.small))
    results = [_result(images, plan, work) for plan in found.panels]
    if not images.small and images.own is not None:
        with work.part("Codes and errors of all images") as told:
            images.codes(images.own, lambda share: told(share / 2))
            images.errors(lambda share: told((1 + share) / 2))
    return _assembled(spec, found, results)


def kept(session: Session, spec: AtlasSpec) -> bool:
    """Whether all that takes time is on the disk, so that `atlas` only reads. Raises `BadInput` as `atlas` does."""
    found = _planned(session, spec)
    own = Coder(session)
    return (
        all(plan.kept(found.subset) is not None for plan in found.panels)
        and all(found.subset.has("distortion", (plan.key,)) for plan in found.panels)
        and found.subset.has("errors", (own.key,))
        and (found.subset.decoded or found.subset.has("codes", (own.key,)))
    )


def quick(session: Session, spec: AtlasSpec) -> bool:
    """Whether `atlas` takes at most about half a second although nothing is kept. Raises `BadInput` as `atlas` does."""
    n = _count(session, spec)
    return n <= _usual(session) and all(
        panel.embedding.kind in QUICK and panel.embedding.model_dump().get("distance") != "geodesic"
        for panel in spec.panels
    )


def check(session: Session, spec: AtlasSpec) -> None:
    """Raises `BadInput` where a method takes fewer images, or a run or an epoch has no codes of them."""
    _count(session, spec)
    for panel in spec.panels:
        if panel.embedding.uses_codes:
            coder(session, panel.run, panel.epoch)


def count(session: Session, spec: AtlasSpec) -> int:
    """How many images `atlas` shows. Raises `BadInput` for more than a method takes."""
    return min(_count(session, spec), most(session))


def most_images(session: Session, spec: AtlasSpec) -> int:
    """The most images that these maps can show; with an `n` above it `atlas` says which method takes no more."""
    return min([most(session), MOST_IMAGES, *_limits(spec)])


def precompute(session: Session, folder: Path) -> set[str]:
    """Fits the maps that `atlas` will ask for, as far as they are not in `folder`, and keeps them there: for runs that
    ship with the program. Returns the names of their files.

    Of a dataset that has to be fetched, both the maps of its images and those of the decoded codes are kept.
    """
    n = _usual(session)
    subsets = [subset(session, n, 0)]
    if session.config.dataset.on_demand and not subsets[0].decoded:
        subsets.append(from_codes(session, n, 0, ""))
    names: set[str] = set()
    for images in subsets:
        for panel in AtlasSpec().panels:
            plan = _plan(session, images, panel)
            name = f"{plan.key}.safetensors"
            if not (folder / name).is_file():
                codes = plan.codes(images)
                made = fit.fit_map(panel.embedding, images.rows, codes, images.labels, plan.decode)
                fit.write_map(folder / name, made)
            names.add(name)
    return names


def _usual(session: Session) -> int:
    return max(2, min(USUAL_IMAGES, MOST_NUMBERS // int(np.prod(session.shape))))


def _limits(spec: AtlasSpec) -> list[int]:
    return [limit for panel in spec.panels if (limit := panel.embedding.limit) is not None]


def _count(session: Session, spec: AtlasSpec) -> int:
    """How many images are shown. Raises `BadInput` for more than a method takes."""
    least = min([MOST_IMAGES, *_limits(spec)])
    if spec.n is None:
        return min(_usual(session), least)
    _check_count(spec, spec.n)
    return spec.n


def _check_count(spec: AtlasSpec, n: int) -> None:
    for panel in spec.panels:
        limit = panel.embedding.limit
        if limit is not None and n > limit:
            raise BadInput(
                f"{panel.embedding.title} takes at most {limit:,} images, because it compares every pair, and {n:,} "
                "are asked for; choose fewer, or another method"
            )


# --- plan and work ---------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, eq=False)
class _Plan:
    """One map of an atlas, not made yet: `key` is its `maps.map_key`."""

    spec: PanelSpec
    coder: Coder | None
    parts: list[str]
    key: str

    @property
    def embedding(self) -> Embedding:
        return self.spec.embedding

    @property
    def slow(self) -> bool:
        """Whether making it takes much longer than reading the images."""
        return self.embedding.kind not in ("pca", "code")

    def codes(self, images: Subset) -> geometry.Rows | None:
        return None if self.coder is None else images.coded(self.coder)

    @property
    def decode(self) -> fit.Decode | None:
        return None if self.coder is None else self.coder.decode

    def kept(self, images: Subset) -> fit.MapResult | None:
        return fit.kept_map(self.key, self.embedding, self.codes(images) or images.rows)

    def made(self, images: Subset, told: Told, should_stop: Stopper | None) -> fit.MapResult:
        """The map, fitted and measured where it is not kept."""
        if self.coder is not None and self.kept(images) is None:
            images.codes(self.coder, lambda share: told(share / 2))
        return fit.cached_map(
            self.embedding, images.rows, self.codes(images), images.labels, self.parts, decode=self.decode,
            progress=lambda share: told((1 + share) / 2), should_stop=should_stop,
        )  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class _Planned:
    subset: Subset
    panels: tuple[_Plan, ...]


def _planned(session: Session, spec: AtlasSpec) -> _Planned:
    return _of(session, subset(session, _count(session, spec), spec.seed), spec)


def _of(session: Session | None, images: Subset, spec: AtlasSpec) -> _Planned:
    return _Planned(images, tuple(_plan(session, images, panel) for panel in spec.panels))


def _plan(session: Session | None, images: Subset, panel: PanelSpec) -> _Plan:
    owner = coder(session, panel.run, panel.epoch) if panel.embedding.uses_codes else None
    parts = [*images.key] if owner is None else [*images.key, owner.key]
    return _Plan(panel, owner, parts, fit.map_key(panel.embedding, images.rows, None, images.labels, parts))


class _Work:
    """Tells the share of `steps` equal steps that is done, and asks at each whether to stop."""

    def __init__(self, progress: Progress | None, should_stop: Stopper | None, steps: int) -> None:
        self.progress, self.should_stop, self.steps, self.done = progress, should_stop, steps, 0

    @contextlib.contextmanager
    def part(self, words: str, size: int = 1) -> Generator[Told]:
        """A part of `size` steps; gives what hears the share of it that is done."""

        def told(share: float) -> None:
            if self.should_stop is not None and self.should_stop():
                raise Stopped("The maps were stopped before they were finished; ask again to get them.")
            if self.progress is not None:
                self.progress(min(1.0, (self.done + size * share) / self.steps), words)

        told(0.0)
        yield told
        self.done += size
        told(0.0)


def _result(images: Subset, plan: _Plan, work: _Work) -> tuple[fit.MapResult, Callable[[], Float32[np.ndarray, "n"]]]:
    """The map and what gives its points' distortions: at once for few images, for many from the disk."""
    with work.part(plan.embedding.title, 2 if plan.slow else 1) as told:
        result = plan.made(images, lambda share: told(3 / 4 * share), work.should_stop)
        coordinates = result.coordinates

        def distortion() -> Float32[np.ndarray, "n"]:
            compared = shepard.MOST_COMPARED if images.small else shepard.MOST_COMPARED // 2
            return shepard.distortion(images.rows, coordinates, compared).astype(np.float32)

        if images.small:
            return result, distortion
        name = (*images.key, plan.key)
        found = fit.kept_array("distortion", name, len(images))
        if found is None:
            told(3 / 4)
            found = distortion()
            fit.keep_array("distortion", name, found)
        return result, lambda: found


# --- assembling ------------------------------------------------------------------------------------------------------


def _assembled(
    spec: AtlasSpec,
    found: _Planned,
    results: Sequence[tuple[fit.MapResult, Callable[[], Float32[np.ndarray, "n"]]]],
) -> Atlas:
    images, reference = found.subset, results[0][0].coordinates[:, :2]
    panels = tuple(
        _panel(images, plan, result, reference, distortion)
        for plan, (result, distortion) in zip(found.panels, results, strict=True)
    )
    said = ["" if images.own is None else images.own.key, *images.key, *(plan.key for plan in found.panels)]
    key = hashlib.sha256("\n".join(said).encode()).hexdigest()
    units = np.zeros(0, np.int64) if images.session is None else images.session.units_by_effect()
    return Atlas(spec, panels, key, units, images)


NOTES = {
    "pca": "The pictures' shadow on the plane in which they vary most.",
    "mds": "Distances as close as possible to those between the pictures.",
    "classical_mds": "Inner products as close as possible to those that the distances stand for.",
    "mds_nonmetric": "Distances in the same order, as far as possible, as those between the pictures.",
    "tsne": "Near pictures stay near; far apart says little.",
    "umap": "Near pictures stay near; far apart says little.",
}
"""One line under each map's title."""


def _panel(
    images: Subset,
    plan: _Plan,
    result: fit.MapResult,
    reference: Coordinates,
    distortion: Callable[[], Float32[np.ndarray, "n"]],
) -> Panel:
    """A map of three dimensions is shown by its first two."""
    code = plan.coder if plan.embedding.kind == "code" else None
    strip = code is not None and code.session.code_dim == 1
    onto = _left_to_right(result, reference) if strip else fit.alignment(reference, result.coordinates[:, :2])
    aligned = onto.apply(result.coordinates[:, :2])
    centre, half = _frame(aligned)
    places = ((aligned - centre) / half).astype(np.float32)
    if strip:
        _spread(places)
    places.setflags(write=False)
    note = NOTES[plan.embedding.kind] if code is None else _code_note(code.session.code_dim, plan.spec)
    return Panel(
        plan.spec, _title(images.session, plan), " ".join([note, result.fitted.note]).strip(), places, result.quality,
        result.seconds, _back(images, plan, result.fitted, onto, centre, half), result.fitted, plan.coder, onto,
        centre, half, images, distortion,
    )  # fmt: skip


def _title(session: Session | None, plan: _Plan) -> str:
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


def _left_to_right(result: fit.MapResult, reference: Coordinates) -> fit.Alignment:
    """A code of one number as a strip: only mirrored, where the reference lies the other way."""
    values = result.coordinates[:, 0].astype(np.float64)
    sign = 1.0 if float(((values - values.mean()) * reference[:, 0]).sum()) >= 0 else -1.0
    return fit.Alignment(np.diag([sign, 1.0]), 1.0, np.zeros(2), np.zeros(2))


def _spread(places: Float32[np.ndarray, "n 2"]) -> None:
    """Up and down only keeps the points of a strip apart."""
    counts, edges = np.histogram(places[:, 0], 40, (-1, 1))
    crowd: np.ndarray = np.interp(places[:, 0], (edges[1:] + edges[:-1]) / 2, counts / counts.max())
    places[:, 1] = crowd * np.random.default_rng(SEED_OF_JITTER).uniform(-0.6, 0.6, len(places))


def _frame(coordinates: Coordinates) -> tuple[Float[np.ndarray, "2"], float]:
    """Middle and half the longer side of the points' bounding box; half is 1 where they all coincide."""
    low, high = coordinates.min(0).astype(np.float64), coordinates.max(0).astype(np.float64)
    return (low + high) / 2, float((high - low).max()) / 2 or 1.0


def _back(
    images: Subset,
    plan: _Plan,
    fitted: FittedEmbedding,
    onto: fit.Alignment,
    centre: Float[np.ndarray, "2"],
    half: float,
) -> Back | None:
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
    return Back(
        "pixels" if plan.coder is None else "codes", origin.astype(np.float32), x.astype(np.float32),
        y.astype(np.float32), "" if session is None else session.run_id, plan.spec.epoch,
    )  # fmt: skip
