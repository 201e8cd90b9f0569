"""What an atlas shows: which maps, of how many images; as plain values and as the short text of links and commands."""

import dataclasses
import re
from typing import Any, get_origin

from aecore.foundation.errors import BadInput
from aecore.parts.looking import Embedding
from aecore.parts.registry import make, members
from aecore.store.folder import RUN_ID

MOST_PANELS = 4
MOST_IMAGES = 70_000
_LONGEST = 200
_FORM = re.compile(r"([a-z_]+)(?:\(([^()]*)\))?(?:@([^~]+))?(?:~(\d{1,5}))?")


@dataclasses.dataclass(frozen=True)
class PanelSpec:
    """One map: a method with its settings, and for maps of codes whose codes they are: those of another `run` on the
    same images, or those with the weights kept after an `epoch`. Raises `BadInput` for what cannot be.
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
        """As `parse` reads it: `mds(distance=geodesic)`, `code(units=3-7)`, `code@RUN`, `code~12`."""
        said = ",".join(f"{name}={_said(value)}" for name, value in sorted(self._settings.items()))
        whose = f"@{self.run}" if self.run is not None else ""
        when = f"~{self.epoch}" if self.epoch is not None else ""
        return f"{self.embedding.kind}{f'({said})' if said else ''}{whose}{when}"

    @classmethod
    def parse(cls, text: str) -> "PanelSpec":
        """The panel that a `text` names. Raises `BadInput` in words for any other text."""
        found = _FORM.fullmatch(text) if len(text) <= _LONGEST else None
        if found is None:
            raise BadInput(f"{text[:80]!r} names no map; write mds, mds(distance=cosine), code@RUN or code~EPOCH")
        kind, settings, run, epoch = found.groups()
        known = members("embeddings", Embedding)
        if kind not in known:
            raise BadInput(f"there is no map {kind!r}; there are: {', '.join(known)}")
        values = {"kind": kind, **dict(_setting(known[kind], part) for part in (settings or "").split(",") if part)}
        try:
            embedding = make("embeddings", Embedding, values)
        except ValueError as error:
            raise BadInput(f"the map {text!r} cannot be: {error}") from None
        return cls(embedding, run, None if epoch is None else int(epoch))


def _said(value: Any) -> str:
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)


def _setting(kind: type[Embedding], text: str) -> tuple[str, Any]:
    """The name and value of one setting; what cannot be is found by the part itself."""
    name, equals, value = text.partition("=")
    if not equals or name not in kind.model_fields or name == "kind":
        raise BadInput(f"the map {kind.kind_name()} has no setting {name!r}")
    several = get_origin(kind.model_fields[name].annotation) is tuple
    return name, [_number(part) for part in value.split("-")] if several else _number(value)


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


DEFAULT = tuple(PanelSpec(make("embeddings", Embedding, kind)) for kind in ("pca", "mds", "code"))
"""The maps that stand side by side when none are named."""


@dataclasses.dataclass(frozen=True)
class AtlasSpec:
    """One to four different maps of the same at most `n` images (without: as many as are quick), which `seed` draws.

    Raises `BadInput` for what cannot be.
    """

    panels: tuple[PanelSpec, ...] = DEFAULT
    n: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= len(self.panels) <= MOST_PANELS:
            raise BadInput(f"1 to {MOST_PANELS} maps stand side by side, not {len(self.panels)}")
        if len(set(self.panels)) < len(self.panels):
            raise BadInput("the same map is named twice; leave one of them out")
        if self.n is not None and not 2 <= self.n <= MOST_IMAGES:
            raise BadInput(f"maps show 2 to {MOST_IMAGES:,} images, not {self.n:,}")
        if not 0 <= self.seed < 2**32:
            raise BadInput(f"a seed is a number from 0 to {2**32 - 1:,}, not {self.seed}")
