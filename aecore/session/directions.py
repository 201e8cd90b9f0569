"""What a code can be moved along: its units, the principal directions of the codes, and the attributes of the data.

All arithmetic of a direction is here; a page only adds and multiplies: with the codes' mean m, a code z reads
t = v·(z − m)/|v|² + offset on the direction v, and stands at t' after z + (t' − t) v.
"""

import dataclasses
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, Float64

from aecore.foundation.errors import BadInput
from aecore.foundation.geometry import evenly, principal_axes
from aecore.model import analysis
from aecore.parts.data import Data
from aecore.session import describe
from aecore.session.neighbourhood import Neighbourhood as Neighbourhood
from aecore.session.neighbourhood import data_here
from aecore.session.neighbourhood import neighbourhood as neighbourhood
from aecore.session.session import Session

Kind = Literal["unit", "principal", "class", "factor", "own"]
PRINCIPAL = 8
"""Principal directions that are offered; the session keeps them."""
CLASSES = 24
"""At most so many classes become directions, those with the most codes."""
CLASS_CODES = 3
"""A class with fewer stored codes has no mean worth going to."""
FOLLOWS = 0.5
"""Correlation of a factor with the reading of its direction, from which the direction is offered."""
LOW, HIGH = 0.02, 0.98
"""The quantiles between which most codes lie, as in `Session.unit_range`."""
ROOM = 0.25
"""A slider goes past both quantiles by this share of the distance between them."""
DESCRIBED = 48
"""The most effective units that are described in words."""
BASES = 10
"""Training codes from which a direction is tried out to describe it."""
AT_ONCE = 8
"""Directions that are decoded together."""


@dataclasses.dataclass(frozen=True, eq=False)
class Direction:
    """A line through the code.

    A step of 1 adds `vector` to the code. `offset` is the reading of the codes' mean (a unit's own mean, so that the
    reading of a unit is its value). `low` and `high` are the 2 % and 98 % quantiles of the readings of the training
    codes, `least` and `most` the ends of a slider, a quarter of that range further out. `effect` is the mean absolute
    change of a pixel value per standard deviation of the readings (`analysis.effects`); `dead` directions have less
    than 2 % of the strongest unit's. `words` say what more of it does, see `describe.words`; "" where nothing is clear.
    """

    name: str
    kind: Kind
    vector: Float32[np.ndarray, "k"]
    offset: float
    low: float
    high: float
    least: float
    most: float
    effect: float
    dead: bool
    words: str

    def reading(self, codes: Float32[np.ndarray, "n k"], mean: Float32[np.ndarray, "k"]) -> Float64[np.ndarray, "n"]:
        """Where codes stand on this direction, given the codes' mean."""
        v = self.vector.astype(np.float64)
        return (codes - mean.astype(np.float64)) @ v / (v @ v) + self.offset

    def moved(
        self, code: Float32[np.ndarray, "k"], mean: Float32[np.ndarray, "k"], to: float
    ) -> Float32[np.ndarray, "k"]:
        """The code moved along this direction until it reads `to`."""
        return self.stepped(code, to - float(self.reading(code[None], mean)[0]))

    def stepped(self, code: Float32[np.ndarray, "k"], steps: float) -> Float32[np.ndarray, "k"]:
        """The code `steps` steps further along: z + steps · v."""
        return (code + steps * self.vector.astype(np.float64)).astype(np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class _Line:
    """A direction before it is measured."""

    name: str
    kind: Kind
    vector: Float32[np.ndarray, "k"]


# --- what there is ---------------------------------------------------------------------------------------------------


def units(session: Session) -> list[Direction]:
    """Every unit of the code, the most effective first."""
    return _kept(session, "units", _units)


def principal(session: Session, count: int = PRINCIPAL) -> list[Direction]:
    """The first `count` principal directions of the training codes, orthonormal, most variance first.

    Fewer where the code or the codes have fewer. Raises `BadInput` unless `count` is 1 to `PRINCIPAL`.
    """
    if not 1 <= count <= PRINCIPAL:
        raise BadInput(f"1 to {PRINCIPAL} principal directions are offered, not {count}")
    return _kept(session, "principal", _principal)[:count]


def attributes(session: Session) -> list[Direction]:
    """Directions of classes and generated factors, the most effective first.

    A class's: from the mean of all training codes to the mean of the class's, which reads 1. A factor's: from the
    mean code where the factor is below its median to the mean code where it is above; offered only where the readings
    follow the factor (|correlation| ≥ `FOLLOWS`). Classes come from the stored labels; factors need the data, and are
    left out where it is not here.
    """
    return _kept(session, "attributes", _attributes)


def towards(session: Session, name: str, a: Float32[np.ndarray, "k"], b: Float32[np.ndarray, "k"]) -> Direction | None:
    """The direction from code a to code b, called `name`; b reads one more than a. None where a and b are the same."""
    found = list(_line(session, name, "own", (b - a).astype(np.float32)))
    return _measured(session, found)[0] if found else None


# --- lines -----------------------------------------------------------------------------------------------------------


def _units(session: Session) -> list[Direction]:
    k = session.code_dim
    # Unit k's one-hot vector is a window on one row of zeros around a 1: thousands of units share 2 K numbers.
    row = np.zeros(2 * k - 1, np.float32)
    row[k - 1] = 1
    row.setflags(write=False)
    order = [int(unit) for unit in session.units_by_effect()]
    lines = [_Line(f"unit {unit}", "unit", row[k - 1 - unit : 2 * k - 1 - unit]) for unit in order]
    said = _words(session, [line for line, unit in zip(lines, order, strict=True) if not session.dead[unit]])
    return [
        Direction(
            line.name, "unit", line.vector, float(session.code_mean[unit]), *_ends(*session.unit_range(unit)),
            float(session.effects[unit]), bool(session.dead[unit]), said.get(line.name, ""),
        )
        for line, unit in zip(lines, order, strict=True)
    ]  # fmt: skip


def _principal(session: Session) -> list[Direction]:
    axes = principal_axes(session.codes.astype(np.float64), min(PRINCIPAL, session.code_dim))
    found = axes.components[axes.variances > 0].astype(np.float32)
    return _measured(session, [_Line(f"principal direction {i}", "principal", v) for i, v in enumerate(found, 1)])


def _attributes(session: Session) -> list[Direction]:
    lines = [*_classes(session), *_factors(session)]
    return sorted(_measured(session, lines), key=lambda direction: -direction.effect)


def _classes(session: Session) -> Iterator[_Line]:
    labels, data = session.code_labels, data_here(session)
    if labels is None:
        return
    classes, counts = np.unique(labels, return_counts=True)
    for i in np.sort(np.argsort(-counts, kind="stable")[:CLASSES]):
        if CLASS_CODES <= counts[i] < len(labels):
            vector = session.codes[labels == classes[i]].mean(0) - session.code_mean
            yield from _line(session, _class_name(data, int(classes[i])), "class", vector)


def _class_name(data: Data | None, label: int) -> str:
    """Digits are called classes; where the data is not here, so are all."""
    names = () if data is None else data.label_names
    name = names[label] if 0 <= label < len(names) else str(label)
    return f"class {name} − mean" if name.isdigit() else f"{name} − mean"


def _factors(session: Session) -> Iterator[_Line]:
    data = data_here(session)
    if data is None:
        return
    for name, every in data.factors.items():
        if data.labels is not None and np.array_equal(every, data.labels):
            continue  # the classes under another name
        values = every[session.code_indices].astype(np.float64)
        above = values > np.median(values)
        if np.isfinite(values).all() and above.any():
            vector = session.codes[above].mean(0) - session.codes[~above].mean(0)
            for line in _line(session, f"{name.replace('_', ' ')}: high − low", "factor", vector):
                along = session.codes.astype(np.float64) @ line.vector
                if abs(np.corrcoef(along, values)[0, 1]) >= FOLLOWS:
                    yield line


def _line(session: Session, name: str, kind: Kind, vector: Float32[np.ndarray, "k"]) -> Iterator[_Line]:
    """The direction, unless the means it joins are the same but for rounding."""
    if float(np.linalg.norm(vector)) > 1e-5 * float(np.linalg.norm(session.code_std)):
        yield _Line(name, kind, vector.astype(np.float32))


# --- measured --------------------------------------------------------------------------------------------------------


def _measured(session: Session, lines: list[_Line]) -> list[Direction]:
    def decode(codes: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(session.decode(codes.numpy()))

    readings = [_readings(session, line.vector) for line in lines]
    steps = [torch.from_numpy(line.vector) * float(t.std()) for line, t in zip(lines, readings, strict=True)]
    effects = analysis.effects(decode, torch.from_numpy(np.array(session.codes)), steps).tolist()
    alive = [effect > analysis.DEAD_SHARE * float(session.effects.max()) for effect in effects]
    said = _words(session, [line for line, lives in zip(lines, alive, strict=True) if lives])
    found: list[Direction] = []
    for line, t, effect, lives in zip(lines, readings, effects, alive, strict=True):
        low, high = (float(q) for q in np.quantile(t, (LOW, HIGH)))
        line.vector.setflags(write=False)
        found.append(
            Direction(line.name, line.kind, line.vector, 0.0, *_ends(low, high), effect, not lives,
                      said.get(line.name, ""))
        )  # fmt: skip
    return found


def _readings(session: Session, vector: Float32[np.ndarray, "k"]) -> Float64[np.ndarray, "n"]:
    v = vector.astype(np.float64)
    return (session.codes - session.code_mean.astype(np.float64)) @ v / (v @ v)


def _ends(low: float, high: float) -> tuple[float, float, float, float]:
    """`low`, `high`, and the ends of the slider."""
    room = ROOM * (high - low)
    return low, high, low - room, high + room


def _words(session: Session, lines: list[_Line]) -> dict[str, str]:
    """What the first `DESCRIBED` lines change, by name: several training codes one standard deviation less and more."""
    if session.config.dataset.value_range != (0.0, 1.0):
        return {}  # real-valued data has no brightness
    bases = session.codes[list(evenly(len(session.codes), BASES))]
    said: dict[str, str] = {}
    for start in range(0, min(len(lines), DESCRIBED), AT_ONCE):
        some = lines[start : start + AT_ONCE][: DESCRIBED - start]
        steps = np.stack([line.vector * _readings(session, line.vector).std().astype(np.float32) for line in some])
        codes = np.stack([bases - steps[:, None], bases + steps[:, None]])
        shown = session.decode(codes.reshape(-1, session.code_dim)).reshape(*codes.shape[:3], *session.shape)
        said |= {line.name: describe.words(*shown[:, i]) for i, line in enumerate(some)}
    return said


# --- kept ------------------------------------------------------------------------------------------------------------


class _Shelf:
    """What was measured of one session, under its lock, so that a class that opens a page at once measures once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.found: dict[str, list[Direction]] = {}


_SHELVES: "weakref.WeakKeyDictionary[Session, _Shelf]" = weakref.WeakKeyDictionary()
"""Goes with its session; three lists each."""
_SHELVES_LOCK = threading.Lock()


def _kept(session: Session, name: str, measure: Callable[[Session], list[Direction]]) -> list[Direction]:
    with _SHELVES_LOCK:
        shelf = _SHELVES.setdefault(session, _Shelf())
    with shelf.lock:
        if name not in shelf.found:
            shelf.found[name] = measure(session)
        return list(shelf.found[name])
