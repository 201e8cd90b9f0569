"""Maps of the same images side by side: by default PCA and MDS of their pixels, and the autoencoder's code."""

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
from aecore.maps.images import MAX_IN_MEMORY, ImageSet, decoded_images, own_images, run_images
from aecore.maps.panel import Panel, Placement, make_panel
from aecore.maps.plan import (
    AtlasPlan,
    WorkProgress,
    check_limits,
    default_count,
    fit_panel,
    plan_atlas,
    plan_images,
    plan_panel,
)
from aecore.maps.spec import AtlasSpec
from aecore.parts.data import CodeArray, Pictures, Shape
from aecore.parts.looking import Coordinates
from aecore.pictures import sheets
from aecore.session import render
from aecore.session.session import Session


@dataclasses.dataclass(frozen=True, eq=False)
class Atlas:
    """The same images on several maps. `key` identifies data, images, weights and maps; `units` are the code's units,
    those that change the picture most first.
    """

    spec: AtlasSpec
    panels: tuple[Panel, ...]
    key: str
    units: Int64[np.ndarray, "k"]
    _images: ImageSet

    def __len__(self) -> int:
        return len(self._images)

    @property
    def indices(self) -> Int64[np.ndarray, "n"]:
        """Positions of the images in the dataset."""
        return self._images.indices

    @property
    def labels(self) -> Int64[np.ndarray, "n"] | None:
        return self._images.labels

    @property
    def label_names(self) -> tuple[str, ...]:
        return self._images.label_names

    @property
    def factors(self) -> Mapping[str, Float32[np.ndarray, "n"]]:
        return self._images.factors

    @property
    def origins(self) -> tuple[str, ...]:
        return self._images.origins

    @property
    def has_run(self) -> bool:
        """True if the images belong to a run, so that there are `codes` and `errors`."""
        return self._images.session is not None

    @property
    def decoded(self) -> bool:
        """True if the images are decoded from the run's stored codes."""
        return self._images.decoded

    @property
    def note(self) -> str:
        return self._images.note

    @property
    def shape(self) -> Shape:
        """(C, H, W) of an image."""
        return self._images.shape

    @functools.cached_property
    def codes(self) -> CodeArray:
        """The run's codes of the images; of many images, mapped from the disk. Raises `BadInput` without a run."""
        coder = self._images.coder
        if coder is None:
            raise BadInput("these images have no run that makes codes of them; choose one")
        return self._images.codes(coder)

    @functools.cached_property
    def errors(self) -> Float32[np.ndarray, "n"]:
        """The squared error per image of the run's reconstructions. Raises `BadInput` without a run."""
        return self._images.errors()

    def pictures(self, positions: Sequence[int] | Int64[np.ndarray, "m"]) -> Pictures:
        """Read the images at these positions; they are not held in memory."""
        return self._images.pictures(np.asarray(positions, np.int64))

    @functools.cached_property
    def sprite(self) -> bytes:
        """All images as one PNG, see `sheets.tiles`; cached, because every page shows it. Raises `BadInput` for more
        than `MAX_IN_MEMORY` images.
        """
        if not self._images.in_memory:
            raise BadInput(f"{len(self):,} images are too many for one picture; at most {MAX_IN_MEMORY:,} are drawn")
        return sheets.png(sheets.tiles(self.pictures(range(len(self)))))

    def class_of(self, i: int) -> str:
        """Return the name of an image's class; empty if there are no classes."""
        return "" if self.labels is None else self.label_names[int(self.labels[i])]

    def class_counts(self, chosen: Sequence[int] | Int64[np.ndarray, "m"]) -> dict[str, int]:
        """Count the chosen images of each class, largest first, without empty classes."""
        if self.labels is None:
            return {}
        counts = np.bincount(self.labels[np.asarray(chosen, np.int64)], minlength=len(self.label_names))
        order = np.argsort(-counts, kind="stable")
        return {self.label_names[i]: int(counts[i]) for i in order if counts[i]}

    def class_medians(self, panel: Panel) -> dict[str, tuple[float, float]]:
        """Compute the median place of each class on a map, where its name is drawn."""
        if self.labels is None:
            return {}
        groups = {name: panel.places[self.labels == i] for i, name in enumerate(self.label_names)}
        medians = {name: np.median(places, axis=0).tolist() for name, places in groups.items() if len(places)}
        return {name: (x, y) for name, (x, y) in medians.items()}

    def place(self, images: Pictures, codes: CodeArray) -> tuple[Placement, ...]:
        """Place new images, given with their codes, on each map. Raises `BadInput` if they are of another size."""
        if images.shape[1:] != self.shape:
            c, h, w = self.shape
            raise BadInput(f"these maps show images of {c} × {h} × {w} (channels, height, width), not {images.shape}")
        session = self._images.session
        run = None if session is None else session.run_id
        return tuple(
            panel.place(images, codes if panel.spec.run in (None, run) and panel.spec.epoch is None else None)
            for panel in self.panels
        )

    def csv(self) -> str:
        """Write a table with one line per image: origin, index, class, and coordinates on each map."""
        rows = (
            [origin, int(index), self.class_of(i), *(f"{value:.6g}" for value in row)]
            for i, (origin, index, row) in enumerate(zip(self.origins, self.indices, self.coordinates, strict=True))
        )
        return render.csv_text(["origin", "index", "class", *self.axes], rows)

    def npy(self) -> bytes:
        """Write `coordinates` as an `.npy` file."""
        return render.npy_bytes(self.coordinates)

    @property
    def axes(self) -> list[str]:
        """Names of the columns of `coordinates`, such as `mds_x`."""
        kinds = [panel.kind for panel in self.panels]
        names = [panel.kind if kinds.count(panel.kind) == 1 else panel.spec.text for panel in self.panels]
        return [
            f"{name}_{axis}"
            for name, panel in zip(names, self.panels, strict=True)
            for axis in "xyz"[: panel.coordinates.shape[1]]
        ]

    @property
    def coordinates(self) -> Coordinates:
        """Coordinates on all maps side by side (n, sum of dimensions), in the methods' own units."""
        return np.concatenate([panel.coordinates for panel in self.panels], 1)


def atlas(
    session: Session,
    spec: AtlasSpec | None = None,
    progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Atlas:
    """Compute the maps of a run's images that `spec` names, or take them from the cache.

    Images are chosen as in `images.run_images`; their default number is `plan.default_count`. `progress` is called
    with the share of all work that is done and the current step. Raises `BadInput` for maps that cannot be made,
    `Stopped` if `should_stop` returns True.
    """
    spec = spec or AtlasSpec()
    return _compute(spec, plan_atlas(session, spec), progress, should_stop)


def atlas_of(
    images: Pictures,
    names: Sequence[str],
    spec: AtlasSpec,
    session: Session | None = None,
    progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    classes: Sequence[str] = (),
) -> Atlas:
    """Compute the maps that `spec` names of a user's own images with their names.

    With a run, whose image size they must have, also maps of their codes; with `classes`, also `knn_accuracy`. Raises
    as `atlas` does.
    """
    if len(images) < 2 or (session is not None and images.shape[1:] != session.shape):
        raise BadInput(f"a map needs at least two images, of the run's size; these are {images.shape}")
    check_limits(spec, len(images))
    chosen = own_images(images, tuple(names), session, tuple(classes))
    return _compute(spec, plan_images(session, chosen, spec), progress, should_stop)


def _compute(spec: AtlasSpec, planned: AtlasPlan, progress: OnProgress | None, should_stop: ShouldStop | None) -> Atlas:
    images = planned.images
    steps = sum(2 if plan.is_slow else 1 for plan in planned.panels) + (not images.in_memory)
    work = WorkProgress(progress, should_stop, steps)
    results = [fit_panel(images, plan, work) for plan in planned.panels]
    if not images.in_memory and images.coder is not None:
        with work.part("Codes and errors of all images") as report:
            images.codes(images.coder, lambda share, step: report(share / 2, step))
            images.errors(lambda share, step: report((1 + share) / 2, step))
    return _assemble(spec, planned, results)


def precompute(session: Session, folder: Path) -> set[str]:
    """Fit the default maps of a run that ships with the program into `folder`, except those that are there already.

    Returns the names of their files. Of a dataset that has to be downloaded, also the maps of decoded codes, which are
    shown without the dataset.
    """
    n = default_count(session)
    sets = [run_images(session, n, 0)]
    if session.config.dataset.on_demand and not sets[0].decoded:
        sets.append(decoded_images(session, n, 0, ""))
    names: set[str] = set()
    for images in sets:
        for panel in AtlasSpec().panels:
            plan = plan_panel(session, images, panel)
            name = f"{plan.key}.safetensors"
            if not (folder / name).is_file():
                result = fit.fit_map(panel.embedding, images.rows, plan.codes(images), images.labels, plan.decode)
                cache.write_map(folder / name, result)
            names.add(name)
    return names


def _assemble(
    spec: AtlasSpec,
    planned: AtlasPlan,
    results: Sequence[tuple[fit.MapResult, Callable[[], Float32[np.ndarray, "n"]]]],
) -> Atlas:
    images, reference = planned.images, results[0][0].coordinates[:, :2]
    panels = tuple(
        make_panel(images, plan, result, reference, distortion)
        for plan, (result, distortion) in zip(planned.panels, results, strict=True)
    )
    parts = ["" if images.coder is None else images.coder.key, *images.key, *(plan.key for plan in planned.panels)]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    units = np.zeros(0, np.int64) if images.session is None else images.session.units_by_effect()
    return Atlas(spec, panels, key, units, images)
