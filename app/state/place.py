"""The place in code space: the Walk page's URL parameters, and its tray of kept places."""

import dataclasses
import re
import zlib
from collections.abc import Mapping, Sequence

import streamlit as st

from app.state import url
from app.state.keys import IMAGE
from app.state.url import Parameters

MODE = "mode"
OTHER = "to"
"""The image to morph into."""
HOW = "how"
ALONG = "at"
"""Position from the start (0) to the other image (1); absent unless the code lies between two images."""
SAMPLER = "sampler"
DRAW = "draw"
"""The seed of the random codes; absent unless the code is one of them."""
PICK = "pick"
"""Which of the random codes."""
STEPS = "steps"
"""Length of the chain; its seed is `SEED`."""
CORRUPT = "corrupt"
"""0 where the chain of a denoising run leaves out the noise."""
FILTERS = "filters"
"""Which filters are shown: the decoder's or the encoder's."""
PLANE_X = "x"
PLANE_Y = "y"
_UNIT = re.compile(r"u(\d{1,4})")
_DIRECTION = re.compile(r"[pa]\d{1,4}|n[0-9a-f]{8}")
"""Steps along a principal direction (p1), an attribute (a1) or a direction that the visitor named (n and its hash)."""
KEPT = "kept"
"""Places kept in the tray: `name*image=3~u2=0.5`, joined by "|"; see `Kept`."""
MAX_KEPT = 8
MAX_NAME = 24
MAX_PLACE = 1_000
"""Letters of one kept place; a code with very many moved units is too long for a link."""
_OF_A_PLACE = (IMAGE, OTHER, HOW, ALONG, SAMPLER, DRAW, PICK)
_LAST_PLACE = "_walk_last_place"
_LAST_NAMES = "_walk_last_names"
_UNITS_PAGE = "_walk_units_page"
WALK_WIDGET = "_walk_"
"""Prefix of the keys of the page's own widgets."""


# --- reading parameters


def unit_parameter(unit: int) -> str:
    """Return the parameter that moves a unit."""
    return f"u{unit}"


def moved_units(parameters: Parameters, code_dim: int) -> dict[int, float]:
    """Return {unit: value} of parameters such as `u3=0.51`, for the units that exist."""
    found: dict[int, float] = {}
    for name in parameters:
        match, at = _UNIT.fullmatch(name), url.number(parameters, name)
        if match and at is not None and int(match[1]) < code_dim:
            found[int(match[1])] = at
    return found


def added_directions(parameters: Parameters) -> dict[str, float]:
    """Return {direction: steps} of parameters such as `p1=0.4`."""
    found = {name: url.number(parameters, name) for name in parameters if _DIRECTION.fullmatch(name)}
    return {name: steps for name, steps in found.items() if steps is not None}


def _is_move(name: str) -> bool:
    return bool(_UNIT.fullmatch(name) or _DIRECTION.fullmatch(name))


@dataclasses.dataclass(frozen=True)
class Kept:
    """A place in the tray: the parameters that lead to it, and a name once the visitor gave it one."""

    name: str
    place: str

    @property
    def parameters(self) -> dict[str, str]:
        pairs = (pair.partition("=") for pair in self.place.split("~"))
        return {key: value for key, _, value in pairs if key in _OF_A_PLACE or _is_move(key)}

    @property
    def direction(self) -> str:
        """The parameter of the direction from the place's start to it."""
        return f"n{zlib.crc32(self.place.encode()):08x}"


def kept_places(parameters: Parameters) -> list[Kept]:
    """Read the tray."""
    texts = parameters.get(KEPT, "").split("|")[:MAX_KEPT]
    found = (text[:MAX_PLACE].partition("*") for text in texts if text)
    return [Kept(name[:MAX_NAME], place) for name, _, place in found]


def place_text(parameters: Parameters) -> str:
    """Write the place to which the parameters lead as text, as in `Kept.place`."""
    here = {name: text for name, text in parameters.items() if name in _OF_A_PLACE or _is_move(name)}
    return "~".join(f"{name}={text}" for name, text in here.items())


# --- changing parameters


def move_unit(unit: int, text: str | None) -> None:
    """Move one unit, or reset it (None)."""
    url.set_pending(unit_parameter(unit), text)


def move_to(values: Mapping[str, str]) -> None:
    """Move units (`u3`) and directions (`p1`) to these values, and reset all others."""
    for name in url.parameters():
        if _is_move(name) and name not in values:
            url.set_pending(name, None)
    for name, text in values.items():
        url.set_pending(name, text)


def _place(parameters: Parameters) -> dict[str, str]:
    """Return everything that takes the code away from the start image's own."""
    return {name: text for name, text in parameters.items() if _is_move(name) or name in (DRAW, PICK, ALONG)}


def leave_place() -> None:
    """Reset moved units, random code and interpolation: the code is the start image's own again."""
    for name in _place(url.parameters()):
        url.set_pending(name, None)


def keep(places: Sequence[Kept]) -> None:
    """Make these the tray."""
    text = "|".join(f"{_plain(place.name)}*{place.place}" for place in places[:MAX_KEPT])
    url.set_pending(KEPT, text or None)


def _plain(name: str) -> str:
    """Return the name without the letters that separate places and parameters."""
    return "".join(" " if letter in "*|~=" else letter for letter in name).strip()[:MAX_NAME]


def go_to(place: Kept) -> None:
    """Go to a kept place: set the parameters that led there, and remove all others of a place."""
    for name in url.parameters():
        if name in _OF_A_PLACE or _is_move(name):
            url.set_pending(name, None)
    for name, text in place.parameters.items():
        url.set_pending(name, text)


# --- what a visit remembers


def names_changed(names: Sequence[tuple[str, str]]) -> bool:
    """True if the names changed since the last call; False on the first. `names` are (name, direction) of each place,
    where those without a name do not count.
    """
    named = [name for name in names if name[0]]
    before = st.session_state.get(_LAST_NAMES)
    st.session_state[_LAST_NAMES] = named
    return before is not None and before != named


def forget_place_of_another(start: str) -> None:
    """Leave the place if the `start` (run and source) changed and the place did not; a link that brings its own place
    keeps that.
    """
    last = st.session_state.get(_LAST_PLACE)
    if last is not None and last[0] != start and last[1] == _place(url.parameters()):
        leave_place()


def remember_place(start: str) -> None:
    """Remember the place now, for `forget_place_of_another`."""
    st.session_state[_LAST_PLACE] = (start, _place(url.parameters()))


def units_page(run_id: str) -> int:
    """Return the page of a run's units that this visit shows."""
    seen, page = st.session_state.get(_UNITS_PAGE, ("", 0))
    return page if seen == run_id else 0


def turn_units(run_id: str, page: int) -> None:
    """Turn to a page of a run's units."""
    st.session_state[_UNITS_PAGE] = (run_id, page)
