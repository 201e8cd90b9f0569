"""Where a walk stands: the start image's code, the code it was taken to, and the units moved since; all in the URL."""

import dataclasses
import functools
import zlib
from typing import Literal

import numpy as np

from aecore.parts import Sampler
from aecore.registry import members
from aecore.session import Gallery, Pictures, Scale, Session
from app import cache, state

DRAWN = 12
"""Random codes on one shelf."""
LAST_SEED = 999_999
DEFAULT_SAMPLER = "gaussian"
How = Literal["linear", "spherical"]
HOWS: tuple[How, ...] = ("linear", "spherical")


@dataclasses.dataclass(frozen=True, eq=False)
class Place:
    """`start` is the image's code; `base` that, a random code or one between two images; `now` adds the moved units."""

    session: Session
    gallery: Gallery
    image: int
    start: np.ndarray
    base: np.ndarray
    moved: dict[int, float]
    now: np.ndarray

    @functools.cached_property
    def token(self) -> str:
        """Names the base in widget keys: sliders of another run, image or random code are other sliders."""
        return f"{zlib.crc32(self.session.run_id.encode() + self.base.tobytes()):08x}"

    @functools.cached_property
    def pictures(self) -> Pictures:
        """Two decoded pictures: of the start, and now."""
        return self.session.decode(np.stack([self.start, self.now]))

    def scale(self, unit: int) -> Scale:
        return self.session.scale(unit, float(self.base[unit]))


def read(session: Session, gallery: Gallery) -> Place:
    """The place that the URL names, everything in it checked against this run. Raises `AecoreError`."""
    image = start_image(gallery)
    start = session.encode(gallery.images[image : image + 1])[0]
    base = _base(session, gallery, start)
    moved = {
        unit: session.scale(unit, float(base[unit])).clipped(at)
        for unit, at in state.moved_units(session.code_dim).items()
    }
    return Place(session, gallery, image, start, base, moved, session.moved(base, moved))


def _base(session: Session, gallery: Gallery, start: np.ndarray) -> np.ndarray:
    if state.number(state.DRAW) is not None:
        codes, _ = shelf(session, draw())
        return codes[state.whole(state.PICK, DRAWN)]
    if along() > 0:
        return session.between(start, other_code(session, gallery), np.array([along()]), how())[0]
    return start


def shelf(session: Session, draw: int) -> tuple[np.ndarray, np.ndarray]:
    """The random codes of a seed, by the chosen sampler, and their pictures."""
    return cache.random_codes(str(session.folder), session.run_id, sampler(), DRAWN, draw)


def draw() -> int:
    """The seed of the random codes on the shelf."""
    return min(max(int(state.number(state.DRAW) or 0), 0), LAST_SEED)


def next_draw() -> int:
    """The seed of another shelf; the first one when none was taken from yet."""
    return 0 if state.number(state.DRAW) is None else (draw() + 1) % (LAST_SEED + 1)


def along() -> float:
    """The share of the way to the other image."""
    return min(max(state.number(state.ALONG) or 0.0, 0.0), 1.0)


def samplers() -> dict[str, type[Sampler]]:
    return members("samplers", Sampler)


def sampler() -> str:
    asked = state.parameter(state.SAMPLER)
    return asked if asked in samplers() else DEFAULT_SAMPLER


def how() -> How:
    return "spherical" if state.parameter(state.HOW) == "spherical" else "linear"


def start_image(gallery: Gallery) -> int:
    return state.whole(state.IMAGE, len(gallery.images))


def other_image(gallery: Gallery) -> int:
    """The image to interpolate to; by default the last one, which is of another class where there are classes."""
    return state.whole(state.OTHER, len(gallery.images), len(gallery.images) - 1)


def other_code(session: Session, gallery: Gallery) -> np.ndarray:
    other = other_image(gallery)
    return session.encode(gallery.images[other : other + 1])[0]


def image_label(gallery: Gallery, image: int) -> str:
    """“image 12: shirt”, where there are classes."""
    if gallery.labels is None:
        return f"image {image}"
    label = int(gallery.labels[image])
    return f"image {image}: {gallery.label_names[label] if label < len(gallery.label_names) else label}"


# --- what buttons and sliders do: they write the URL, and the next run reads it


def choose_image(image: int) -> None:
    state.leave_place()
    state.set_place_parameter(state.IMAGE, str(image) if image else None)


def draw_random(draw: int, pick: int = 0) -> None:
    state.leave_place()
    state.set_place_parameter(state.DRAW, str(draw))
    state.set_place_parameter(state.PICK, str(pick) if pick else None)


def go_between(along: float) -> None:
    state.leave_place()
    state.set_place_parameter(state.ALONG, f"{along:.2f}" if along > 0 else None)


def choose_other(other: int) -> None:
    """Keeps the position on the way; units moved on the old way are back."""
    position = along()
    state.set_place_parameter(state.OTHER, str(other))
    go_between(position)


def choose_how(how: str) -> None:
    position = along()
    state.set_place_parameter(state.HOW, how if how == "spherical" else None)
    go_between(position)


def choose_sampler(kind: str) -> None:
    """Draws the same seed by another sampler, where one was drawn."""
    state.set_place_parameter(state.SAMPLER, kind if kind != DEFAULT_SAMPLER else None)
    if state.number(state.DRAW) is not None:
        draw_random(draw(), state.whole(state.PICK, DRAWN))


def move(place: Place, unit: int, value: float) -> None:
    """Puts a unit to `value`; one that is back where it was counts as not moved."""
    scale = place.scale(unit)
    back = scale.same(value, float(place.base[unit]))
    state.move_unit(unit, None if back else scale.text(scale.clipped(value)))
