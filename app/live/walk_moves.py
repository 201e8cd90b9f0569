"""What buttons and sliders of a walk do: they set URL parameters, and the next run of the page reads the new place.

A callback runs before the page does, and several may run at once, so each reads the parameters as they are then.
"""

from collections.abc import Mapping

from aecore.session.scale import Scale
from app.live import walk_place
from app.live.walk_place import DEFAULT_SAMPLER, RANDOM_CODES, Place, direction_of, scale_of
from app.state import keys, url
from app.state.place import ALONG, DRAW, HOW, OTHER, PICK, SAMPLER, leave_place, move_to, move_unit, unit_parameter
from app.state.url import set_pending

FINER = 2
"""More decimals than a slider's step has, for values between its steps; the browser rounds the same."""


def choose_image(image: int) -> None:
    """Start from another image."""
    leave_place()
    set_pending(keys.IMAGE, str(image) if image else None)


def draw_random(seed: int, pick: int = 0) -> None:
    """Go to one of the random codes of a seed."""
    leave_place()
    set_pending(DRAW, str(seed))
    set_pending(PICK, str(pick) if pick else None)


def go_between(position: float) -> None:
    """Go to a position between the start and the other image."""
    leave_place()
    set_pending(ALONG, f"{position:.2f}" if position > 0 else None)


def go_live(place: Place, moved: Mapping[str, float], added: Mapping[str, float], position: float) -> None:
    """Go where the browser went by itself: values of units and steps along directions by name, and the position
    between the start and the other image.

    Everything else is reset; names of units and directions that do not exist are ignored.
    """
    session, gallery = place.session, place.gallery
    set_pending(ALONG, f"{min(position, 1.0):.2f}" if position > 0 else None)
    parameters = url.parameters()
    base = walk_place.base_of(parameters, session, gallery, place.origin)
    texts: dict[str, str] = {}
    for name, value in moved.items():
        if name.isdecimal() and len(name) < 5 and int(name) < session.code_dim:
            scale = scale_of(walk_place.unit_direction(session, int(name))).including(float(base[int(name)]))
            texts[unit_parameter(int(name))] = _text(scale.clipped(value), scale)
    for name, steps in added.items():
        direction = direction_of(parameters, session, gallery, name)
        if direction is not None:
            texts[name] = _text(steps, scale_of(direction))
    move_to(texts)


def _text(value: float, scale: Scale) -> str:
    """The value, as short as the browser writes it; a unit with directions added to it lies between two steps."""
    exact, short = f"{value:.{scale.decimals + FINER}f}", scale.text(value)
    return short if float(exact) == float(short) else exact.rstrip("0")


def choose_other(other: int) -> None:
    """Interpolate to another image, at the same position; moved units are reset."""
    position = walk_place.along(url.parameters())
    set_pending(OTHER, str(other))
    go_between(position)


def choose_how(how: str) -> None:
    """Interpolate along another path, at the same position; moved units are reset."""
    position = walk_place.along(url.parameters())
    set_pending(HOW, how if how == "spherical" else None)
    go_between(position)


def choose_sampler(kind: str) -> None:
    """Change the sampler; if a random code was drawn, draw the same one of the same seed from the new sampler."""
    parameters = url.parameters()
    set_pending(SAMPLER, kind if kind != DEFAULT_SAMPLER else None)
    if url.number(parameters, DRAW) is not None:
        draw_random(walk_place.seed(parameters), url.whole(parameters, PICK, RANDOM_CODES))


def move(place: Place, unit: int, value: float) -> None:
    """Move a unit to `value`; at its value of the base it counts as not moved."""
    scale = place.scale(unit)
    reset = scale.same(value, float(place.base[unit]))
    move_unit(unit, None if reset else scale.text(scale.clipped(value)))
