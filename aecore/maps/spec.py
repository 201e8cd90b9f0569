"""Specify an atlas: which maps of how many images; as plain values, and as the short text of links and commands."""

import dataclasses
import re
from typing import Any, get_origin

from aecore.foundation.errors import BadInput
from aecore.parts.looking import Embedding
from aecore.parts.registry import make, members
from aecore.store.folder import RUN_ID

MAX_PANELS = 4
MAX_IMAGES = 70_000
_MAX_LENGTH = 200
_FORM = re.compile(r"([a-z_]+)(?:\(([^()]*)\))?(?:@([^~]+))?(?:~(\d{1,5}))?")


@dataclasses.dataclass(frozen=True)
class PanelSpec:
    """One map: a method with its settings and, for a map of codes, whose codes: those of another `run` on the same
    images, or those with the weights kept after an `epoch`. Raises `BadInput` for an impossible combination.
    """

    embedding: Embedding
    run: str | None = None
    epoch: int | None = None

    def __post_init__(self) -> None:
        method = self.embedding.kind
        if (self.run is not None or self.epoch is not None) and not self.embedding.uses_codes:
            raise BadInput(f"the map {method} shows the pictures themselves, so no run or epoch goes with it")
        if self.run is not None and not RUN_ID.fullmatch(self.run):
            raise BadInput(f"{self.run!r} is not the id of a run")
        if self.epoch is not None and not 0 <= self.epoch < 100_000:
            raise BadInput(f"there is no epoch {self.epoch}")
        if self._settings.get("distance") == "precomputed":
            raise BadInput("pictures have no precomputed distances; choose another distance")

    @property
    def _settings(self) -> dict[str, Any]:
        return self.embedding.model_dump(mode="json", exclude_defaults=True, exclude={"kind"})

    @property
    def text(self) -> str:
        """Text that `parse` reads: `mds(distance=geodesic)`, `code(units=3-7)`, `code@RUN`, `code~12`."""
        settings = ",".join(f"{name}={_format(value)}" for name, value in sorted(self._settings.items()))
        run = f"@{self.run}" if self.run is not None else ""
        epoch = f"~{self.epoch}" if self.epoch is not None else ""
        return f"{self.embedding.kind}{f'({settings})' if settings else ''}{run}{epoch}"

    @classmethod
    def parse(cls, text: str) -> "PanelSpec":
        """Parse `text` as written by `PanelSpec.text`. Raises `BadInput` for any other text."""
        match = _FORM.fullmatch(text) if len(text) <= _MAX_LENGTH else None
        if match is None:
            raise BadInput(f"{text[:80]!r} names no map; write mds, mds(distance=cosine), code@RUN or code~EPOCH")
        kind, settings, run, epoch = match.groups()
        known = members("embeddings", Embedding)
        if kind not in known:
            raise BadInput(f"there is no map {kind!r}; there are: {', '.join(known)}")
        values = {"kind": kind, **dict(_setting(known[kind], part) for part in (settings or "").split(",") if part)}
        try:
            embedding = make("embeddings", Embedding, values)
        except ValueError as error:
            raise BadInput(f"the map {text!r} is invalid: {error}") from None
        return cls(embedding, run, None if epoch is None else int(epoch))


def _format(value: Any) -> str:
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)


def _setting(kind: type[Embedding], text: str) -> tuple[str, Any]:
    """Parse `name=value`; the value is validated by the embedding itself. Raises `BadInput` for an unknown name."""
    name, equals, value = text.partition("=")
    if not equals or name not in kind.model_fields or name == "kind":
        raise BadInput(f"the map {kind.kind_name()} has no setting {name!r}")
    is_list = get_origin(kind.model_fields[name].annotation) is tuple
    return name, [_number_or_text(part) for part in value.split("-")] if is_list else _number_or_text(value)


def _number_or_text(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


DEFAULT_PANELS = tuple(PanelSpec(make("embeddings", Embedding, kind)) for kind in ("pca", "mds", "code"))
"""The maps shown when none are named."""


@dataclasses.dataclass(frozen=True)
class AtlasSpec:
    """One to four different maps of the same images: at most `n`, drawn with `seed`; without `n`, as many as are fast.

    Raises `BadInput` for other numbers of maps or images, repeated maps and invalid seeds.
    """

    panels: tuple[PanelSpec, ...] = DEFAULT_PANELS
    n: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= len(self.panels) <= MAX_PANELS:
            raise BadInput(f"1 to {MAX_PANELS} maps stand side by side, not {len(self.panels)}")
        if len(set(self.panels)) < len(self.panels):
            raise BadInput("the same map is named twice; leave one of them out")
        if self.n is not None and not 2 <= self.n <= MAX_IMAGES:
            raise BadInput(f"maps show 2 to {MAX_IMAGES:,} images, not {self.n:,}")
        if not 0 <= self.seed < 2**32:
            raise BadInput(f"a seed is a number from 0 to {2**32 - 1:,}, not {self.seed}")
