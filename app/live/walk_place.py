"""Where a walk stands: the start image's code, the code it was taken to, and the units moved since; all in the URL."""

import dataclasses
import functools
import zlib
from collections.abc import Mapping
from typing import Literal

import numpy as np

from aecore.parts.data import Pictures
from aecore.parts.looking import Sampler
from aecore.parts.registry import members
from aecore.session import directions
from aecore.session.directions import Direction
from aecore.session.gallery import Gallery
from aecore.session.scale import Scale
from aecore.session.session import Session
from app import cache
from app.state import keys, url
from app.state.place import (
    ALONG,
    DRAW,
    HOW,
    OTHER,
    PICK,
    SAMPLER,
    Kept,
    added_directions,
    kept_places,
    leave_place,
    move_to,
    move_unit,
    moved_units,
)

DRAWN = 12
"""Random codes on one shelf."""
LAST_SEED = 999_999
FINER = 2
"""More decimals than a slider's step has, for what lies between its steps; the browser rounds the same."""
MOST_ROUNDS = 4
"""How many lengths of its slider a direction can be added, at most; several together move a code far."""
DEFAULT_SAMPLER = "gaussian"
How = Literal["linear", "spherical"]
HOWS: tuple[How, ...] = ("linear", "spherical")


@dataclasses.dataclass(frozen=True, eq=False)
class Place:
    """`start` is the image's code, `origin` that or a random code, `base` the origin or a code on the way to another
    image; `now` is the base with `moved` units at their values, and directions `added` in steps of them.
    """

    session: Session
    gallery: Gallery
    image: int
    start: np.ndarray
    origin: np.ndarray
    base: np.ndarray
    moved: dict[int, float]
    added: dict[str, float]
    now: np.ndarray

    @functools.cached_property
    def token(self) -> str:
        """Names the base in widget keys: sliders of another run, image or random code are other sliders."""
        return f"{zlib.crc32(self.session.run_id.encode() + self.base.tobytes()):08x}"

    @functools.cached_property
    def origin_token(self) -> str:
        """Names the origin: what is moved from another run, image or random code is another walk."""
        return f"{zlib.crc32(self.session.run_id.encode() + self.start.tobytes() + self.origin.tobytes()):08x}"

    @functools.cached_property
    def pictures(self) -> Pictures:
        """Two decoded pictures: of the start, and now."""
        return self.session.decode(np.stack([self.start, self.now]))

    def scale(self, unit: int) -> Scale:
        """What a unit can be moved over: somewhat more than the data's range, and where it was."""
        return scale_of(unit_direction(self.session, unit)).including(float(self.base[unit]))


def read(session: Session, gallery: Gallery) -> Place:
    """The place that the URL names, everything in it checked against this run. Raises `AecoreError`."""
    image = start_image(gallery)
    start = session.encode(gallery.images[image : image + 1])[0]
    origin = _origin(session, start)
    base = base_of(session, gallery, origin)
    return _moved(Place(session, gallery, image, start, origin, base, {}, {}, base))


def base_of(session: Session, gallery: Gallery, origin: np.ndarray) -> np.ndarray:
    """The origin, or the code that the URL names on the way from it to the other image."""
    if along() <= 0:
        return origin
    return session.between(origin, other_code(session, gallery), np.array([along()]), how())[0]


def _moved(place: Place) -> Place:
    """The place with the URL's moves on top of its base, all within their ranges."""
    session = place.session
    moved = {unit: place.scale(unit).clipped(at) for unit, at in moved_units(session.code_dim).items()}
    now = session.moved(place.base, moved)
    added: dict[str, float] = {}
    for name, steps in added_directions().items():
        direction = further_directions(session).get(name) or named_directions(session, place.gallery).get(name)
        if direction is not None:
            most = MOST_ROUNDS * (direction.most - direction.least)
            added[name] = min(max(steps, -most), most)
            now = direction.stepped(now, added[name])
    return dataclasses.replace(place, moved=moved, added=added, now=now)


def _origin(session: Session, start: np.ndarray) -> np.ndarray:
    if url.number(DRAW) is None:
        return start
    codes, _ = shelf(session, draw())
    return codes[url.whole(PICK, DRAWN)]


# --- directions, by the names that the URL gives them: u3 is a unit, p1 a principal direction, a1 an attribute


def scale_of(direction: Direction) -> Scale:
    """A direction's slider, on round steps."""
    return Scale.over(direction.least, direction.most)


def unit_direction(session: Session, unit: int) -> Direction:
    """Raises `BadInput` for a unit that does not exist."""
    session.checked_unit(unit)
    return directions.units(session)[int(np.flatnonzero(session.units_by_effect() == unit)[0])]


def further_directions(session: Session) -> dict[str, Direction]:
    """Those besides the units."""
    return {
        **{f"p{i}": direction for i, direction in enumerate(directions.principal(session), 1)},
        **{f"a{i}": direction for i, direction in enumerate(directions.attributes(session), 1)},
    }


def named_directions(session: Session, gallery: Gallery) -> dict[str, Direction]:
    """Those from the start of a kept place to it, which the visitor named."""
    found: dict[str, Direction] = {}
    for kept in kept_places():
        if kept.name:
            direction = _named(session, gallery, kept)
            if direction is not None:
                found[kept.direction] = direction
    return found


def _named(session: Session, gallery: Gallery, kept: Kept) -> Direction | None:
    there = read_kept(session, gallery, kept)
    codes = f"{zlib.crc32(there.start.tobytes() + there.now.tobytes()):08x}"
    return cache.own_direction(str(session.folder), session.run_id, kept.name, there.start, there.now, codes)


def read_kept(session: Session, gallery: Gallery, kept: Kept) -> Place:
    """A kept place, read like a link's. Directions named by the visitor are none to build others from."""
    with url.instead(kept.parameters):
        return read(session, gallery)


def direction_name(place: Place, name: str) -> str:
    """What a page calls the direction, no unit, that the URL calls `name`."""
    found = further_directions(place.session).get(name) or named_directions(place.session, place.gallery).get(name)
    return found.name if found else name


def shelf(session: Session, draw: int) -> tuple[np.ndarray, np.ndarray]:
    """The random codes of a seed, by the chosen sampler, and their pictures."""
    return cache.random_codes(str(session.folder), session.run_id, sampler(), DRAWN, draw)


def draw() -> int:
    """The seed of the random codes on the shelf."""
    return min(max(int(url.number(DRAW) or 0), 0), LAST_SEED)


def next_draw() -> int:
    """The seed of another shelf; the first one when none was taken from yet."""
    return 0 if url.number(DRAW) is None else (draw() + 1) % (LAST_SEED + 1)


def along() -> float:
    """The share of the way to the other image."""
    return min(max(url.number(ALONG) or 0.0, 0.0), 1.0)


def samplers() -> dict[str, type[Sampler]]:
    return members("samplers", Sampler)


def sampler() -> str:
    asked = url.parameter(SAMPLER)
    return asked if asked in samplers() else DEFAULT_SAMPLER


def how() -> How:
    return "spherical" if url.parameter(HOW) == "spherical" else "linear"


def start_image(gallery: Gallery) -> int:
    return url.whole(keys.IMAGE, len(gallery.images))


def other_image(gallery: Gallery) -> int:
    """The image to interpolate to; by default the last one, which is of another class where there are classes."""
    return url.whole(OTHER, len(gallery.images), len(gallery.images) - 1)


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
    leave_place()
    url.set_place_parameter(keys.IMAGE, str(image) if image else None)


def draw_random(draw: int, pick: int = 0) -> None:
    leave_place()
    url.set_place_parameter(DRAW, str(draw))
    url.set_place_parameter(PICK, str(pick) if pick else None)


def go_between(along: float) -> None:
    leave_place()
    url.set_place_parameter(ALONG, f"{along:.2f}" if along > 0 else None)


def go_live(place: Place, moved: Mapping[str, float], added: Mapping[str, float], along: float) -> None:
    """Where the browser went by itself: units and directions by name, and the share of the way.

    All else is put back; what does not exist is left out.
    """
    session = place.session
    url.set_place_parameter(ALONG, f"{min(along, 1.0):.2f}" if along > 0 else None)
    here = dataclasses.replace(place, base=base_of(session, place.gallery, place.origin))
    texts: dict[str, str] = {}
    for name, value in moved.items():
        if name.isdecimal() and len(name) < 5 and int(name) < session.code_dim:
            scale = here.scale(int(name))
            texts[f"u{name}"] = _text(scale.clipped(value), scale)
    for name, steps in added.items():
        direction = further_directions(session).get(name) or named_directions(session, place.gallery).get(name)
        if direction is not None:
            texts[name] = _text(steps, scale_of(direction))
    move_to(texts)


def _text(value: float, scale: Scale) -> str:
    """As short as the browser's own number; that of a unit with directions on top of it lies between two steps."""
    exact, short = f"{value:.{scale.decimals + FINER}f}", scale.text(value)
    return short if float(exact) == float(short) else exact.rstrip("0")


def choose_other(other: int) -> None:
    """Keeps the position on the way; units moved on the old way are back."""
    position = along()
    url.set_place_parameter(OTHER, str(other))
    go_between(position)


def choose_how(how: str) -> None:
    position = along()
    url.set_place_parameter(HOW, how if how == "spherical" else None)
    go_between(position)


def choose_sampler(kind: str) -> None:
    """Draws the same seed by another sampler, where one was drawn."""
    url.set_place_parameter(SAMPLER, kind if kind != DEFAULT_SAMPLER else None)
    if url.number(DRAW) is not None:
        draw_random(draw(), url.whole(PICK, DRAWN))


def move(place: Place, unit: int, value: float) -> None:
    """Puts a unit to `value`; one that is back where it was counts as not moved."""
    scale = place.scale(unit)
    back = scale.same(value, float(place.base[unit]))
    move_unit(unit, None if back else scale.text(scale.clipped(value)))
