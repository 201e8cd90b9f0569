"""The place in code space: the Walk page's URL parameters, its tray of kept places."""

import dataclasses
import re
import zlib
from collections.abc import Mapping, Sequence

import streamlit as st

from app.state.url import names, number, parameter, set_place_parameter

MODE = "mode"
OTHER = "to"
"""The image to interpolate to."""
HOW = "how"
ALONG = "at"
"""The share of the way to the other image; absent unless the code lies between two images."""
SAMPLER = "sampler"
DRAW = "draw"
"""The seed of the random codes; absent unless the code is one of them."""
PICK = "pick"
STEPS = "steps"
"""Of the chain; its seed is `SEED`."""
CORRUPT = "corrupt"
"""0 where the chain of a denoising run leaves out the noise."""
FILTERS = "filters"
"""What the filters show: what a unit draws, or what it looks for."""
PLANE_X = "x"
PLANE_Y = "y"
_MOVED = re.compile(r"u(\d{1,4})")
_ADDED = re.compile(r"[pa]\d{1,4}|n[0-9a-f]{8}")
"""Steps along a principal direction (p1), an attribute (a1) or a direction that the visitor named (n and its hash)."""
KEPT = "kept"
"""Places kept in the tray: `name*image=3~u2=0.5`, joined by "|"; see `Kept`."""
MOST_KEPT = 8
MOST_NAME = 24
MOST_PLACE = 1_000
"""Letters of one kept place; a code of very many moved units is too long for a link."""
_OF_A_PLACE = ("image", "to", "how", "at", "sampler", "draw", "pick")
_WALK_SEEN = "_walk_seen"
_WALK_PAGE = "_walk_page"
_WALK_HEARD = "_walk_heard"
_WALK_NAMED = "_walk_named"
WALK_WIDGET = "_walk_"
"""Prefix of the keys of the page's own widgets."""


def moved_units(code_dim: int) -> dict[int, float]:
    """{unit: value} of the `u3=0.51` in the URL, those that exist."""
    found: dict[int, float] = {}
    for name in names():
        if (match := _MOVED.fullmatch(name)) and int(match[1]) < code_dim and (at := number(name)) is not None:
            found[int(match[1])] = at
    return found


def move_unit(unit: int, text: str | None) -> None:
    set_place_parameter(f"u{unit}", text)


def added_directions() -> dict[str, float]:
    """{direction: steps} of the `p1=0.4` in the URL."""
    found = {name: number(name) for name in names() if _ADDED.fullmatch(name)}
    return {name: steps for name, steps in found.items() if steps is not None}


def move_to(values: Mapping[str, str]) -> None:
    """Moves units (`u3`) and directions (`p1`) to these texts, and puts all others back."""
    for name in names():
        if _is_move(name) and name not in values:
            set_place_parameter(name, None)
    for name, text in values.items():
        set_place_parameter(name, text)


def _is_move(name: str) -> bool:
    return bool(_MOVED.fullmatch(name) or _ADDED.fullmatch(name))


def _place() -> dict[str, str | None]:
    return {name: parameter(name) for name in names() if _is_move(name) or name in (DRAW, PICK, ALONG)}


def leave_place() -> None:
    """Forgets moved units, random code and interpolation: the code is the start image's own again."""
    for name in _place():
        set_place_parameter(name, None)


@dataclasses.dataclass(frozen=True)
class Kept:
    """A place in the tray: the URL's parameters of a place, and a name once the visitor gave it one."""

    name: str
    place: str

    @property
    def parameters(self) -> dict[str, str]:
        pairs = (pair.partition("=") for pair in self.place.split("~"))
        return {key: value for key, _, value in pairs if key in _OF_A_PLACE or _is_move(key)}

    @property
    def direction(self) -> str:
        """What the URL calls the direction from the place's start to it."""
        return f"n{zlib.crc32(self.place.encode()):08x}"


def kept_places() -> list[Kept]:
    texts = (parameter(KEPT) or "").split("|")[:MOST_KEPT]
    found = (text[:MOST_PLACE].partition("*") for text in texts if text)
    return [Kept(name[:MOST_NAME], place) for name, _, place in found]


def keep(places: Sequence[Kept]) -> None:
    text = "|".join(f"{_plain(place.name)}*{place.place}" for place in places[:MOST_KEPT])
    set_place_parameter(KEPT, text or None)


def names_changed(names: Sequence[tuple[str, str]]) -> bool:
    """Whether named places are others than when this visit asked last; at its first time it is answered no."""
    named = [name for name in names if name[0]]
    before = st.session_state.get(_WALK_NAMED)
    st.session_state[_WALK_NAMED] = named
    return before is not None and before != named


def _plain(name: str) -> str:
    return "".join(" " if letter in "*|~=" else letter for letter in name).strip()[:MOST_NAME]


def place_here() -> str:
    """The place that the URL names, to be kept."""
    here = {name: parameter(name) for name in names() if name in _OF_A_PLACE or _is_move(name)}
    return "~".join(f"{name}={value}" for name, value in here.items())


def go_to(place: Kept) -> None:
    """Goes to a kept place: the URL says again what it said there."""
    for name in names():
        if name in _OF_A_PLACE or _is_move(name):
            set_place_parameter(name, None)
    for name, value in place.parameters.items():
        set_place_parameter(name, value)


def forget_place_of_another(start: str) -> None:
    """Leaves the place when the `start` (run and source) changed under it; a link that brings another keeps that."""
    seen = st.session_state.get(_WALK_SEEN)
    if seen is not None and seen[0] != start and seen[1] == _place():
        leave_place()


def remember_place(start: str) -> None:
    st.session_state[_WALK_SEEN] = (start, _place())


def heard_of_walk(token: str) -> int:
    """The number of the last move that the browser told of this walk; an answer to an earlier one is late there."""
    return st.session_state.get(_WALK_HEARD, {}).get(token, 0)


def hear_walk(token: str, count: int) -> None:
    st.session_state[_WALK_HEARD] = {token: count}


def units_page(run_id: str) -> int:
    """Which page of a run's units is looked at, for this visit."""
    seen, page = st.session_state.get(_WALK_PAGE, ("", 0))
    return page if seen == run_id else 0


def turn_units(run_id: str, page: int) -> None:
    st.session_state[_WALK_PAGE] = (run_id, page)
