"""Parse the place of a walk from URL parameters: the start image's code, the code it moved to, and the moved units."""

import dataclasses
import functools
import zlib
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
from app.state import keys
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
    moved_units,
)
from app.state.url import Parameters, number, whole

RANDOM_CODES = 12
"""Random codes of one seed."""
LAST_SEED = 999_999
MAX_SPANS = 4
"""A direction is added at most so many lengths of its slider; several together move a code far."""
DEFAULT_SAMPLER = "gaussian"
How = Literal["linear", "spherical"]
HOWS: tuple[How, ...] = ("linear", "spherical")
DRAWING = "your drawing.png"
"""Name of a drawing among the visitor's uploads."""


@dataclasses.dataclass(frozen=True, eq=False)
class Place:
    """What `parse` makes of `parameters`.

    `start` is the code of the image, `origin` that or a random code, `base` the origin or a code between it and another
    image's; `now` is the base with the units in `moved` at their values and the steps in `added` along directions.
    """

    parameters: Parameters
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
        """Identifies the run and the base, for widget keys: another base has sliders of its own."""
        return f"{zlib.crc32(self.session.run_id.encode() + self.base.tobytes()):08x}"

    @functools.cached_property
    def origin_token(self) -> str:
        """Identifies the run, start and origin: with another of them it is another walk."""
        return f"{zlib.crc32(self.session.run_id.encode() + self.start.tobytes() + self.origin.tobytes()):08x}"

    @functools.cached_property
    def pictures(self) -> Pictures:
        """The decoded start, and the decoded code now."""
        return self.session.decode(np.stack([self.start, self.now]))

    def scale(self, unit: int) -> Scale:
        """The range over which a unit can be moved: somewhat more than the data's, and its value at the base."""
        return scale_of(unit_direction(self.session, unit)).including(float(self.base[unit]))


def parse(parameters: Parameters, session: Session, gallery: Gallery) -> Place:
    """Find the place to which these parameters lead; values that are invalid for this run are ignored or clipped.

    Raises `AecoreError` if the session cannot encode.
    """
    image = start_image(parameters, gallery)
    start = session.encode(gallery.images[image : image + 1])[0]
    origin = start
    if number(parameters, DRAW) is not None:
        origin = random_codes(parameters, session)[0][whole(parameters, PICK, RANDOM_CODES)]
    base = base_of(parameters, session, gallery, origin)
    return _moved(Place(parameters, session, gallery, image, start, origin, base, {}, {}, base))


def base_of(parameters: Parameters, session: Session, gallery: Gallery, origin: np.ndarray) -> np.ndarray:
    """Return the origin, or the code between it and the other image's."""
    position = along(parameters)
    if position <= 0:
        return origin
    return session.between(origin, other_code(parameters, session, gallery), np.array([position]), how(parameters))[0]


def _moved(place: Place) -> Place:
    """Add the parameters' moves to the base, all clipped to their ranges."""
    parameters, session = place.parameters, place.session
    moved = {unit: place.scale(unit).clipped(at) for unit, at in moved_units(parameters, session.code_dim).items()}
    now = session.moved(place.base, moved)
    added: dict[str, float] = {}
    for name, steps in added_directions(parameters).items():
        direction = direction_of(parameters, session, place.gallery, name)
        if direction is not None:
            most = MAX_SPANS * (direction.most - direction.least)
            added[name] = min(max(steps, -most), most)
            now = direction.stepped(now, added[name])
    return dataclasses.replace(place, moved=moved, added=added, now=now)


# --- directions, by their parameters: u3 is a unit, p1 a principal direction, a1 an attribute, n0123abcd a named one


def scale_of(direction: Direction) -> Scale:
    """Return a direction's slider, in round steps."""
    return Scale.over(direction.least, direction.most)


def unit_direction(session: Session, unit: int) -> Direction:
    """Return the direction of a unit. Raises `BadInput` for a unit that does not exist."""
    session.checked_unit(unit)
    return directions.units(session)[int(np.flatnonzero(session.units_by_effect() == unit)[0])]


def effect_words(effect: float) -> str:
    """Say how much a direction changes the picture; `effect` is a share of the pixel range."""
    return f"changes pixels by {effect:.1%} per standard deviation"


def further_directions(session: Session) -> dict[str, Direction]:
    """Return all directions of a run other than units."""
    return {
        **{f"p{i}": direction for i, direction in enumerate(directions.principal(session), 1)},
        **{f"a{i}": direction for i, direction in enumerate(directions.attributes(session), 1)},
    }


def named_directions(parameters: Parameters, session: Session, gallery: Gallery) -> dict[str, Direction]:
    """Return the directions that the visitor named: from the start of a kept place to that place."""
    found = {kept.direction: _named(session, gallery, kept) for kept in kept_places(parameters) if kept.name}
    return {name: direction for name, direction in found.items() if direction is not None}


def _named(session: Session, gallery: Gallery, kept: Kept) -> Direction | None:
    """Return the direction to a kept place; None if it is its own start. The place is parsed without the tray, so named
    directions never depend on each other.
    """
    there = parse(kept.parameters, session, gallery)
    codes = f"{zlib.crc32(there.start.tobytes() + there.now.tobytes()):08x}"
    return cache.own_direction(session.info.token, session.run_id, kept.name, there.start, there.now, codes)


def direction_of(parameters: Parameters, session: Session, gallery: Gallery, name: str) -> Direction | None:
    """Return the direction with the parameter `name`; None if there is none, or if it is a unit."""
    return further_directions(session).get(name) or named_directions(parameters, session, gallery).get(name)


# --- single parameters


def start_image(parameters: Parameters, gallery: Gallery) -> int:
    """Return the image whose code is the start."""
    return whole(parameters, keys.IMAGE, len(gallery.images))


def other_image(parameters: Parameters, gallery: Gallery) -> int:
    """Return the image to interpolate to; by default the last one, of another class if there are classes."""
    return whole(parameters, OTHER, len(gallery.images), len(gallery.images) - 1)


def other_code(parameters: Parameters, session: Session, gallery: Gallery) -> np.ndarray:
    """Return the code of the image to interpolate to."""
    other = other_image(parameters, gallery)
    return session.encode(gallery.images[other : other + 1])[0]


def along(parameters: Parameters) -> float:
    """Return the position between the origin (0) and the other image (1)."""
    return min(max(number(parameters, ALONG) or 0.0, 0.0), 1.0)


def how(parameters: Parameters) -> How:
    """Return the path of an interpolation."""
    return "spherical" if parameters.get(HOW) == "spherical" else "linear"


def samplers() -> dict[str, type[Sampler]]:
    """Return {kind: class} of the samplers of random codes."""
    return members("samplers", Sampler)


def sampler(parameters: Parameters) -> str:
    """Return the kind of the chosen sampler."""
    asked = parameters.get(SAMPLER)
    return asked if asked in samplers() else DEFAULT_SAMPLER


def seed(parameters: Parameters) -> int:
    """Return the seed of the random codes, clipped to its range; 0 while none was drawn."""
    return min(max(int(number(parameters, DRAW) or 0), 0), LAST_SEED)


def next_seed(parameters: Parameters) -> int:
    """Return the seed of the next random codes; the first one while none was drawn."""
    return 0 if number(parameters, DRAW) is None else (seed(parameters) + 1) % (LAST_SEED + 1)


def random_codes(parameters: Parameters, session: Session) -> tuple[np.ndarray, np.ndarray]:
    """Draw the random codes of the chosen seed and sampler; return them and their pictures."""
    return cache.random_codes(session.info.token, session.run_id, sampler(parameters), RANDOM_CODES, seed(parameters))


def image_label(gallery: Gallery, image: int) -> str:
    """Name an image: “image 12: shirt” if there are classes, else “image 12”; “your drawing” if the visitor drew it."""
    if gallery.names and gallery.names[image] == DRAWING:
        return "your drawing"
    if gallery.labels is None:
        return f"image {image}"
    label = int(gallery.labels[image])
    return f"image {image}: {gallery.label_names[label] if label < len(gallery.label_names) else label}"
