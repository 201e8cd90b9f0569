"""Maps of the same images of a run side by side: by default PCA and MDS of their pixels, and the autoencoder's code."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64

from aecore.foundation.errors import BadInput
from aecore.foundation.progress import OnProgress, ShouldStop
from aecore.maps import cache, fit
from aecore.maps.images import SMALL, Subset, from_codes, own_images, subset
from aecore.maps.panel import Panel, Placed, make_panel
from aecore.maps.plan import (
    AtlasPlan,
    WorkProgress,
    check_count,
    fit_panel,
    plan_atlas,
    plan_for,
    plan_panel,
    usual_count,
)
from aecore.maps.spec import AtlasSpec
from aecore.parts.contracts import Coordinates
from aecore.parts.data import CodeArray, Pictures, Shape
from aecore.pictures import sheets
from aecore.session import render
from aecore.session.session import Session


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
        rows = (
            [origin, int(index), self.class_of(i), *(f"{value:.6g}" for value in row)]
            for i, (origin, index, row) in enumerate(zip(self.origins, self.indices, self.coordinates, strict=True))
        )
        return render.csv_text(["origin", "index", "class", *self.axes], rows)

    def npy(self) -> bytes:
        """`coordinates` as a file of NumPy."""
        return render.npy_bytes(self.coordinates)

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


def atlas(
    session: Session,
    spec: AtlasSpec | None = None,
    progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Atlas:
    """The maps that `spec` names of the images of a run, taken from the disk where they are kept there.

    Test images first, then validation and training images, each stratified by class. Without `spec.n`: 1,000, fewer for
    large pictures. Where the dataset is not on this machine, the images are decoded from the run's stored codes.
    `progress` hears the share of everything that is done, and what is done now. Raises `BadInput` for what cannot be
    shown, `Stopped` when `should_stop` says so.
    """
    spec = spec or AtlasSpec()
    return _worked_out(spec, plan_atlas(session, spec), progress, should_stop)


def atlas_of(
    images: Pictures,
    names: Sequence[str],
    spec: AtlasSpec,
    session: Session | None = None,
    progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    classes: Sequence[str] = (),
) -> Atlas:
    """The maps that `spec` names of somebody's own images, all of them, with a name each; of their codes too where a
    run is given, for whose size they must be. With the `classes` of all, their neighbours are measured as those of a
    dataset are. Raises as `atlas` does.
    """
    if len(images) < 2 or (session is not None and images.shape[1:] != session.shape):
        raise BadInput(f"a map needs at least two images, of the run's size; these are {images.shape}")
    check_count(spec, len(images))
    chosen = own_images(images, tuple(names), session, tuple(classes))
    return _worked_out(spec, plan_for(session, chosen, spec), progress, should_stop)


def _worked_out(
    spec: AtlasSpec, found: AtlasPlan, progress: OnProgress | None, should_stop: ShouldStop | None
) -> Atlas:
    images = found.subset
    work = WorkProgress(progress, should_stop, sum(2 if plan.slow else 1 for plan in found.panels) + (not images.small))
    results = [fit_panel(images, plan, work) for plan in found.panels]
    if not images.small and images.own is not None:
        with work.part("Codes and errors of all images") as report:
            images.codes(images.own, lambda share, step: report(share / 2, step))
            images.errors(lambda share, step: report((1 + share) / 2, step))
    return _assembled(spec, found, results)


def precompute(session: Session, folder: Path) -> set[str]:
    """Fits the maps that `atlas` will ask for, as far as they are not in `folder`, and keeps them there: for runs that
    ship with the program. Returns the names of their files.

    Of a dataset that has to be fetched, both the maps of its images and those of the decoded codes are kept.
    """
    n = usual_count(session)
    subsets = [subset(session, n, 0)]
    if session.config.dataset.on_demand and not subsets[0].decoded:
        subsets.append(from_codes(session, n, 0, ""))
    names: set[str] = set()
    for images in subsets:
        for panel in AtlasSpec().panels:
            plan = plan_panel(session, images, panel)
            name = f"{plan.key}.safetensors"
            if not (folder / name).is_file():
                codes = plan.codes(images)
                made = fit.fit_map(panel.embedding, images.rows, codes, images.labels, plan.decode)
                cache.write_map(folder / name, made)
            names.add(name)
    return names


def _assembled(
    spec: AtlasSpec,
    found: AtlasPlan,
    results: Sequence[tuple[fit.MapResult, Callable[[], Float32[np.ndarray, "n"]]]],
) -> Atlas:
    images, reference = found.subset, results[0][0].coordinates[:, :2]
    panels = tuple(
        make_panel(images, plan, result, reference, distortion)
        for plan, (result, distortion) in zip(found.panels, results, strict=True)
    )
    said = ["" if images.own is None else images.own.key, *images.key, *(plan.key for plan in found.panels)]
    key = hashlib.sha256("\n".join(said).encode()).hexdigest()
    units = np.zeros(0, np.int64) if images.session is None else images.session.units_by_effect()
    return Atlas(spec, panels, key, units, images)
