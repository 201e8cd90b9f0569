"""Directions in which a code can be moved: its units, the principal directions of the codes, attributes of the data.

With m the mean of the codes, a code z has the reading t = v·(z − m) / |v|² + offset on the direction v, and the reading
t' after the move z + (t' − t) v.
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
from aecore.session.neighbourhood import available_data
from aecore.session.neighbourhood import neighbourhood as neighbourhood
from aecore.session.session import Session

Kind = Literal["unit", "principal", "class", "factor", "own"]
MAX_PRINCIPAL = 8
MAX_CLASSES = 24
"""Most classes that become directions, those with the most codes first."""
MIN_CLASS_CODES = 3
"""Stored codes of a class from which its mean is used."""
MIN_CORRELATION = 0.5
"""Correlation of a factor with the reading of its direction, from which the direction is offered."""
LOW_QUANTILE, HIGH_QUANTILE = 0.02, 0.98
"""As in `Session.unit_range`."""
SLIDER_MARGIN = 0.25
"""A slider extends beyond both quantiles by this share of the distance between them."""
MAX_DESCRIBED = 48
"""Most directions of a sort that are described in words, the most effective first."""
EXAMPLE_CODES = 10
"""Training codes that are moved along a direction to describe it."""
DIRECTIONS_AT_ONCE = 8
"""Directions that are decoded together."""


@dataclasses.dataclass(frozen=True, eq=False)
class Direction:
    """A line through the code.

    A step of 1 adds `vector` to the code. `offset` is the reading of the mean code: for a unit its mean, so that its
    reading is its value. `low` and `high` are the 2 % and 98 % quantiles of the readings of the training codes, `least`
    and `most` the ends of a slider, a quarter of that range further out. `effect` is the mean absolute change of a
    pixel value per standard deviation of the readings (`analysis.effects`); a direction is `dead` if that is at most
    2 % of the strongest unit's. `words` describe the change when the reading rises, see `describe.words`.
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
        """Compute the readings of codes, given the mean of the training codes."""
        v = self.vector.astype(np.float64)
        return (codes - mean.astype(np.float64)) @ v / (v @ v) + self.offset

    def moved(
        self, code: Float32[np.ndarray, "k"], mean: Float32[np.ndarray, "k"], to: float
    ) -> Float32[np.ndarray, "k"]:
        """Move the code along this direction to the reading `to`."""
        return self.stepped(code, to - float(self.reading(code[None], mean)[0]))

    def stepped(self, code: Float32[np.ndarray, "k"], steps: float) -> Float32[np.ndarray, "k"]:
        """Move the code by `steps` steps: z + steps · v."""
        return (code + steps * self.vector.astype(np.float64)).astype(np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class _Line:
    """A direction that has not been measured yet."""

    name: str
    kind: Kind
    vector: Float32[np.ndarray, "k"]


# --- the directions of a run -----------------------------------------------------------------------------------------


def units(session: Session) -> list[Direction]:
    """List every unit of the code, the most effective first."""
    return _cached(session, "units", _units)


def principal(session: Session, count: int = MAX_PRINCIPAL) -> list[Direction]:
    """List the first `count` principal directions of the training codes, orthonormal, most variance first.

    Fewer if the codes span fewer dimensions. Raises `BadInput` unless `count` is 1 to `MAX_PRINCIPAL`.
    """
    if not 1 <= count <= MAX_PRINCIPAL:
        raise BadInput(f"1 to {MAX_PRINCIPAL} principal directions are offered, not {count}")
    return _cached(session, "principal", _principal)[:count]


def attributes(session: Session) -> list[Direction]:
    """List directions of classes and of generated factors, the most effective first.

    Of a class: from the mean of all training codes to the mean of the class, whose reading is 1. Of a factor: from the
    mean code where the factor is at most its median to the mean code where it is above, only if the readings correlate
    with the factor (at least `MIN_CORRELATION`). Classes come from the stored labels; factors need the dataset.
    """
    return _cached(session, "attributes", _attributes)


def towards(session: Session, name: str, a: Float32[np.ndarray, "k"], b: Float32[np.ndarray, "k"]) -> Direction | None:
    """Make the direction `name` from code a to code b, whose reading is 1 more; None if a and b are equal."""
    found = list(_line(session, name, "own", (b - a).astype(np.float32)))
    return _measured(session, found)[0] if found else None


# --- vectors ---------------------------------------------------------------------------------------------------------


def _units(session: Session) -> list[Direction]:
    k = session.code_dim
    # The one-hot vector of each unit is a view of one row of zeros around a 1: thousands of units share 2 K numbers.
    row = np.zeros(2 * k - 1, np.float32)
    row[k - 1] = 1
    row.setflags(write=False)
    order = [int(unit) for unit in session.units_by_effect()]
    lines = [_Line(f"unit {unit}", "unit", row[k - 1 - unit : 2 * k - 1 - unit]) for unit in order]
    words = _words(session, [line for line, unit in zip(lines, order, strict=True) if not session.dead[unit]])
    return [
        Direction(
            line.name, "unit", line.vector, float(session.code_mean[unit]), *_ends(*session.unit_range(unit)),
            float(session.effects[unit]), bool(session.dead[unit]), words.get(line.name, ""),
        )
        for line, unit in zip(lines, order, strict=True)
    ]  # fmt: skip


def _principal(session: Session) -> list[Direction]:
    axes = principal_axes(session.codes.astype(np.float64), min(MAX_PRINCIPAL, session.code_dim))
    found = axes.components[axes.variances > 0].astype(np.float32)
    return _measured(session, [_Line(f"principal direction {i}", "principal", v) for i, v in enumerate(found, 1)])


def _attributes(session: Session) -> list[Direction]:
    lines = [*_classes(session), *_factors(session)]
    return sorted(_measured(session, lines), key=lambda direction: -direction.effect)


def _classes(session: Session) -> Iterator[_Line]:
    labels, data = session.code_labels, available_data(session)
    if labels is None:
        return
    classes, counts = np.unique(labels, return_counts=True)
    for i in np.sort(np.argsort(-counts, kind="stable")[:MAX_CLASSES]):
        if MIN_CLASS_CODES <= counts[i] < len(labels):
            vector = session.codes[labels == classes[i]].mean(0) - session.code_mean
            yield from _line(session, _class_name(data, int(classes[i])), "class", vector)


def _class_name(data: Data | None, label: int) -> str:
    """Name the direction of a class; numbers get the word "class" before them, as do all without the data."""
    names = () if data is None else data.label_names
    name = names[label] if 0 <= label < len(names) else str(label)
    return f"class {name} − mean" if name.isdigit() else f"{name} − mean"


def _factors(session: Session) -> Iterator[_Line]:
    data = available_data(session)
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
                if abs(np.corrcoef(along, values)[0, 1]) >= MIN_CORRELATION:
                    yield line


def _line(session: Session, name: str, kind: Kind, vector: Float32[np.ndarray, "k"]) -> Iterator[_Line]:
    """Yield the direction, unless `vector` is 0 but for rounding."""
    if float(np.linalg.norm(vector)) > 1e-5 * float(np.linalg.norm(session.code_std)):
        yield _Line(name, kind, vector.astype(np.float32))


# --- measured --------------------------------------------------------------------------------------------------------


def _measured(session: Session, lines: list[_Line]) -> list[Direction]:
    """Measure range, effect and words of each line."""

    def decode(codes: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(session.decode(codes.numpy()))

    readings = [_readings(session, line.vector) for line in lines]
    steps = [torch.from_numpy(line.vector) * float(t.std()) for line, t in zip(lines, readings, strict=True)]
    effects = analysis.effects(decode, torch.from_numpy(np.array(session.codes)), steps).tolist()
    alive = [effect > analysis.DEAD_SHARE * float(session.effects.max()) for effect in effects]
    words = _words(session, [line for line, lives in zip(lines, alive, strict=True) if lives])
    found: list[Direction] = []
    for line, t, effect, lives in zip(lines, readings, effects, alive, strict=True):
        low, high = (float(q) for q in np.quantile(t, (LOW_QUANTILE, HIGH_QUANTILE)))
        line.vector.setflags(write=False)
        found.append(
            Direction(line.name, line.kind, line.vector, 0.0, *_ends(low, high), effect, not lives,
                      words.get(line.name, ""))
        )  # fmt: skip
    return found


def _readings(session: Session, vector: Float32[np.ndarray, "k"]) -> Float64[np.ndarray, "n"]:
    v = vector.astype(np.float64)
    return (session.codes - session.code_mean.astype(np.float64)) @ v / (v @ v)


def _ends(low: float, high: float) -> tuple[float, float, float, float]:
    """Return `low`, `high`, and the ends of the slider."""
    margin = SLIDER_MARGIN * (high - low)
    return low, high, low - margin, high + margin


def _words(session: Session, lines: list[_Line]) -> dict[str, str]:
    """Describe the first `MAX_DESCRIBED` lines, by name: training codes moved one standard deviation back and forth."""
    if session.config.dataset.value_range != (0.0, 1.0):
        return {}  # real-valued data has no brightness
    bases = session.codes[list(evenly(len(session.codes), EXAMPLE_CODES))]
    words: dict[str, str] = {}
    for start in range(0, min(len(lines), MAX_DESCRIBED), DIRECTIONS_AT_ONCE):
        some = lines[start : start + DIRECTIONS_AT_ONCE][: MAX_DESCRIBED - start]
        steps = np.stack([line.vector * _readings(session, line.vector).std().astype(np.float32) for line in some])
        codes = np.stack([bases - steps[:, None], bases + steps[:, None]])
        shown = session.decode(codes.reshape(-1, session.code_dim)).reshape(*codes.shape[:3], *session.shape)
        words |= {line.name: describe.words(*shown[:, i]) for i, line in enumerate(some)}
    return words


# --- caching ---------------------------------------------------------------------------------------------------------


class _Cache:
    """The directions of one session, measured under its lock: visitors who ask at the same time share one result."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.found: dict[str, list[Direction]] = {}


_CACHES: "weakref.WeakKeyDictionary[Session, _Cache]" = weakref.WeakKeyDictionary()
"""Three lists for each session; deleted with it."""
_CACHES_LOCK = threading.Lock()


def _cached(session: Session, name: str, measure: Callable[[Session], list[Direction]]) -> list[Direction]:
    with _CACHES_LOCK:
        cache = _CACHES.setdefault(session, _Cache())
    with cache.lock:
        if name not in cache.found:
            cache.found[name] = measure(session)
        return list(cache.found[name])
