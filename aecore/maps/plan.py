"""Plan an atlas: how many images it shows, which maps are fitted, which are taken from the cache."""

import contextlib
import dataclasses
from collections.abc import Callable, Generator

import numpy as np
from jaxtyping import Float32

from aecore.foundation import geometry
from aecore.foundation.errors import BadInput, Stopped
from aecore.foundation.progress import OnProgress, ShouldStop
from aecore.maps import cache, fit, shepard
from aecore.maps.images import Coder, ImageSet, count_images, find_coder, run_images
from aecore.maps.quality import Decode
from aecore.maps.spec import MAX_IMAGES, AtlasSpec, PanelSpec
from aecore.parts.looking import Embedding
from aecore.session.session import Session

DEFAULT_IMAGES = 1000
MAX_DEFAULT_VALUES = 1_100_000
"""Bound of images × pixels unless a number of images is given, so that the first maps come within a second."""
FAST_METHODS = ("pca", "mds", "classical_mds", "code")


def is_cached(session: Session, spec: AtlasSpec) -> bool:
    """True if everything slow is on disk, so that `atlas` only reads. Raises `BadInput` as `atlas` does."""
    planned = plan_atlas(session, spec)
    images, own = planned.images, Coder(session)
    return (
        all(plan.find(images) is not None for plan in planned.panels)
        and all(images.is_cached("distortion", (plan.key,)) for plan in planned.panels)
        and images.is_cached("errors", (own.key,))
        and (images.decoded or images.is_cached("codes", (own.key,)))
    )


def is_fast(session: Session, spec: AtlasSpec) -> bool:
    """True if `atlas` takes about half a second at most without the cache. Raises `BadInput` as `atlas` does."""
    n = requested_count(session, spec)
    return n <= default_count(session) and all(
        panel.embedding.kind in FAST_METHODS and panel.embedding.model_dump().get("distance") != "geodesic"
        for panel in spec.panels
    )


def validate(session: Session, spec: AtlasSpec) -> None:
    """Raise `BadInput` for more images than a method takes, and for a run or an epoch without codes of the images."""
    requested_count(session, spec)
    for panel in spec.panels:
        if panel.embedding.uses_codes:
            find_coder(session, panel.run, panel.epoch)


def shown_count(session: Session, spec: AtlasSpec) -> int:
    """Count the images that `atlas` shows. Raises `BadInput` for more than a method takes."""
    return min(requested_count(session, spec), count_images(session))


def max_count(session: Session, spec: AtlasSpec) -> int:
    """Return the largest number of images that all these maps take."""
    return min([count_images(session), MAX_IMAGES, *_limits(spec)])


def default_count(session: Session) -> int:
    """Return how many images are shown unless a number is given: 1,000, fewer for large pictures."""
    return max(2, min(DEFAULT_IMAGES, MAX_DEFAULT_VALUES // int(np.prod(session.shape))))


def _limits(spec: AtlasSpec) -> list[int]:
    return [limit for panel in spec.panels if (limit := panel.embedding.limit) is not None]


def requested_count(session: Session, spec: AtlasSpec) -> int:
    """Return `spec.n` or its default. Raises `BadInput` for more images than a method takes."""
    if spec.n is None:
        return min([default_count(session), MAX_IMAGES, *_limits(spec)])
    check_limits(spec, spec.n)
    return spec.n


def check_limits(spec: AtlasSpec, n: int) -> None:
    """Raise `BadInput` if a method takes fewer than `n` images."""
    for panel in spec.panels:
        limit = panel.embedding.limit
        if limit is not None and n > limit:
            raise BadInput(
                f"{panel.embedding.title} takes at most {limit:,} images, because it compares every pair, and {n:,} "
                "are asked for; choose fewer, or another method"
            )


@dataclasses.dataclass(frozen=True, eq=False)
class PanelPlan:
    """One map of an atlas before it is computed: `key` is its `cache.map_key`, made from `key_parts`."""

    spec: PanelSpec
    coder: Coder | None
    key_parts: list[str]
    key: str

    @property
    def embedding(self) -> Embedding:
        return self.spec.embedding

    @property
    def is_slow(self) -> bool:
        """True if fitting takes much longer than reading the images."""
        return self.embedding.kind not in ("pca", "code")

    @property
    def decode(self) -> Decode | None:
        return None if self.coder is None else self.coder.decode

    def codes(self, images: ImageSet) -> geometry.LazyRows | None:
        return None if self.coder is None else images.code_rows(self.coder)

    def find(self, images: ImageSet) -> fit.MapResult | None:
        """Return the map from the cache, if it is there."""
        return cache.find_map(self.key, self.embedding, self.codes(images) or images.rows)

    def compute(self, images: ImageSet, on_progress: OnProgress, should_stop: ShouldStop | None) -> fit.MapResult:
        """Return the map from the cache, or encode the images, fit and measure it."""
        if self.coder is not None and self.find(images) is None:
            images.codes(self.coder, lambda share, words: on_progress(share / 2, words))
        return cache.cached_map(
            self.embedding, images.rows, self.codes(images), images.labels, self.key_parts, decode=self.decode,
            progress=lambda share, words: on_progress((1 + share) / 2, words), should_stop=should_stop,
        )  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class AtlasPlan:
    """Chosen images, and one plan per map."""

    images: ImageSet
    panels: tuple[PanelPlan, ...]


def plan_atlas(session: Session, spec: AtlasSpec) -> AtlasPlan:
    """Choose a run's images and plan their maps. Raises `BadInput` as `atlas` does."""
    return plan_images(session, run_images(session, requested_count(session, spec), spec.seed), spec)


def plan_images(session: Session | None, images: ImageSet, spec: AtlasSpec) -> AtlasPlan:
    """Plan the maps of given images."""
    return AtlasPlan(images, tuple(plan_panel(session, images, panel) for panel in spec.panels))


def plan_panel(session: Session | None, images: ImageSet, panel: PanelSpec) -> PanelPlan:
    """Plan one map. Raises `BadInput` as `find_coder` does."""
    coder = find_coder(session, panel.run, panel.epoch) if panel.embedding.uses_codes else None
    parts = [*images.key] if coder is None else [*images.key, coder.key]
    return PanelPlan(panel, coder, parts, cache.map_key(panel.embedding, images.rows, None, images.labels, parts))


class WorkProgress:
    """Report the progress of work in `steps` equal steps, and stop it on request."""

    def __init__(self, on_progress: OnProgress | None, should_stop: ShouldStop | None, steps: int) -> None:
        self.on_progress, self.should_stop, self.steps, self.done = on_progress, should_stop, steps, 0

    @contextlib.contextmanager
    def part(self, words: str, size: int = 1) -> Generator[OnProgress]:
        """Yield the progress callback of a part of `size` steps, which reports `words` throughout.

        Calling it raises `Stopped` once `should_stop` returns True.
        """

        def report(share: float, _words: str = "") -> None:
            if self.should_stop is not None and self.should_stop():
                raise Stopped("The maps were stopped before they were finished; ask again to get them.")
            if self.on_progress is not None:
                self.on_progress(min(1.0, (self.done + size * share) / self.steps), words)

        report(0.0)
        yield report
        self.done += size
        report(0.0)


def fit_panel(
    images: ImageSet, plan: PanelPlan, work: WorkProgress
) -> tuple[fit.MapResult, Callable[[], Float32[np.ndarray, "n"]]]:
    """Return a map and a function that returns its points' distortions: computed on demand for images in memory, else
    taken from the cache or computed now.
    """
    with work.part(plan.embedding.title, 2 if plan.is_slow else 1) as report:
        result = plan.compute(images, lambda share, words: report(3 / 4 * share, words), work.should_stop)
        coordinates = result.coordinates

        def distortion() -> Float32[np.ndarray, "n"]:
            compared = shepard.MAX_COMPARED if images.in_memory else shepard.MAX_COMPARED // 2
            return shepard.distortion(images.rows, coordinates, compared).astype(np.float32)

        if images.in_memory:
            return result, distortion
        key = (*images.key, plan.key)
        found = cache.find_array("distortion", key, len(images))
        if found is None:
            report(3 / 4, plan.embedding.title)
            found = distortion()
            cache.store_array("distortion", key, found)
        return result, lambda: found
