"""Plan an atlas: which maps to fit, which are cached, how many images they take."""

import contextlib
import dataclasses
from collections.abc import Callable, Generator

import numpy as np
from jaxtyping import Float32

from aecore.foundation import geometry
from aecore.foundation.errors import BadInput, Stopped
from aecore.foundation.progress import OnProgress, ShouldStop
from aecore.maps import cache, fit, shepard
from aecore.maps.images import Coder, Subset, coder, most, subset
from aecore.maps.quality import Decode
from aecore.maps.spec import MOST_IMAGES, AtlasSpec, PanelSpec
from aecore.parts.looking import Embedding
from aecore.session.session import Session

USUAL_IMAGES = 1000
MOST_NUMBERS = 1_100_000
"""Images times pixels: with more, comparing all pairs would keep a first visitor waiting too long."""
QUICK = ("pca", "mds", "classical_mds", "code")


def kept(session: Session, spec: AtlasSpec) -> bool:
    """Whether all that takes time is on the disk, so that `atlas` only reads. Raises `BadInput` as `atlas` does."""
    found = plan_atlas(session, spec)
    own = Coder(session)
    return (
        all(plan.kept(found.subset) is not None for plan in found.panels)
        and all(found.subset.has("distortion", (plan.key,)) for plan in found.panels)
        and found.subset.has("errors", (own.key,))
        and (found.subset.decoded or found.subset.has("codes", (own.key,)))
    )


def quick(session: Session, spec: AtlasSpec) -> bool:
    """Whether `atlas` takes at most about half a second although nothing is kept. Raises `BadInput` as `atlas` does."""
    n = checked_count(session, spec)
    return n <= usual_count(session) and all(
        panel.embedding.kind in QUICK and panel.embedding.model_dump().get("distance") != "geodesic"
        for panel in spec.panels
    )


def check(session: Session, spec: AtlasSpec) -> None:
    """Raises `BadInput` where a method takes fewer images, or a run or an epoch has no codes of them."""
    checked_count(session, spec)
    for panel in spec.panels:
        if panel.embedding.uses_codes:
            coder(session, panel.run, panel.epoch)


def count(session: Session, spec: AtlasSpec) -> int:
    """How many images `atlas` shows. Raises `BadInput` for more than a method takes."""
    return min(checked_count(session, spec), most(session))


def most_images(session: Session, spec: AtlasSpec) -> int:
    """The most images that these maps can show; with an `n` above it `atlas` says which method takes no more."""
    return min([most(session), MOST_IMAGES, *_limits(spec)])


def usual_count(session: Session) -> int:
    return max(2, min(USUAL_IMAGES, MOST_NUMBERS // int(np.prod(session.shape))))


def _limits(spec: AtlasSpec) -> list[int]:
    return [limit for panel in spec.panels if (limit := panel.embedding.limit) is not None]


def checked_count(session: Session, spec: AtlasSpec) -> int:
    """How many images are shown. Raises `BadInput` for more than a method takes."""
    least = min([MOST_IMAGES, *_limits(spec)])
    if spec.n is None:
        return min(usual_count(session), least)
    check_count(spec, spec.n)
    return spec.n


def check_count(spec: AtlasSpec, n: int) -> None:
    for panel in spec.panels:
        limit = panel.embedding.limit
        if limit is not None and n > limit:
            raise BadInput(
                f"{panel.embedding.title} takes at most {limit:,} images, because it compares every pair, and {n:,} "
                "are asked for; choose fewer, or another method"
            )


@dataclasses.dataclass(frozen=True, eq=False)
class PanelPlan:
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
    def decode(self) -> Decode | None:
        return None if self.coder is None else self.coder.decode

    def kept(self, images: Subset) -> fit.MapResult | None:
        return cache.kept_map(self.key, self.embedding, self.codes(images) or images.rows)

    def made(self, images: Subset, on_progress: OnProgress, should_stop: ShouldStop | None) -> fit.MapResult:
        """The map, fitted and measured where it is not kept."""
        if self.coder is not None and self.kept(images) is None:
            images.codes(self.coder, lambda share, words: on_progress(share / 2, words))
        return cache.cached_map(
            self.embedding, images.rows, self.codes(images), images.labels, self.parts, decode=self.decode,
            progress=lambda share, words: on_progress((1 + share) / 2, words), should_stop=should_stop,
        )  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class AtlasPlan:
    subset: Subset
    panels: tuple[PanelPlan, ...]


def plan_atlas(session: Session, spec: AtlasSpec) -> AtlasPlan:
    return plan_for(session, subset(session, checked_count(session, spec), spec.seed), spec)


def plan_for(session: Session | None, images: Subset, spec: AtlasSpec) -> AtlasPlan:
    return AtlasPlan(images, tuple(plan_panel(session, images, panel) for panel in spec.panels))


def plan_panel(session: Session | None, images: Subset, panel: PanelSpec) -> PanelPlan:
    owner = coder(session, panel.run, panel.epoch) if panel.embedding.uses_codes else None
    parts = [*images.key] if owner is None else [*images.key, owner.key]
    return PanelPlan(panel, owner, parts, cache.map_key(panel.embedding, images.rows, None, images.labels, parts))


class WorkProgress:
    """Tells the share of `steps` equal steps that is done, and asks at each whether to stop."""

    def __init__(self, progress: OnProgress | None, should_stop: ShouldStop | None, steps: int) -> None:
        self.progress, self.should_stop, self.steps, self.done = progress, should_stop, steps, 0

    @contextlib.contextmanager
    def part(self, words: str, size: int = 1) -> Generator[OnProgress]:
        """Yield the progress callback of a part of `size` steps; the atlas reports `words` for the whole part."""

        def report(share: float, _words: str = "") -> None:
            if self.should_stop is not None and self.should_stop():
                raise Stopped("The maps were stopped before they were finished; ask again to get them.")
            if self.progress is not None:
                self.progress(min(1.0, (self.done + size * share) / self.steps), words)

        report(0.0)
        yield report
        self.done += size
        report(0.0)


def fit_panel(
    images: Subset, plan: PanelPlan, work: WorkProgress
) -> tuple[fit.MapResult, Callable[[], Float32[np.ndarray, "n"]]]:
    """The map and what gives its points' distortions: at once for few images, for many from the disk."""
    with work.part(plan.embedding.title, 2 if plan.slow else 1) as report:
        result = plan.made(images, lambda share, words: report(3 / 4 * share, words), work.should_stop)
        coordinates = result.coordinates

        def distortion() -> Float32[np.ndarray, "n"]:
            compared = shepard.MOST_COMPARED if images.small else shepard.MOST_COMPARED // 2
            return shepard.distortion(images.rows, coordinates, compared).astype(np.float32)

        if images.small:
            return result, distortion
        name = (*images.key, plan.key)
        found = cache.kept_array("distortion", name, len(images))
        if found is None:
            report(3 / 4, plan.embedding.title)
            found = distortion()
            cache.keep_array("distortion", name, found)
        return result, lambda: found
