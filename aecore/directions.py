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
from jaxtyping import Float32, Float64, Int64

from aecore import analysis, describe, pictures
from aecore.errors import BadInput, DataUnavailable
from aecore.points import evenly, principal_axes, stratified
from aecore.session import Pictures, Session

Kind = Literal["unit", "principal", "class", "factor"]
PRINCIPAL = 8
"""Principal directions that are offered; the session keeps them."""
CLASSES = 24
"""At most so many classes become directions, those with the most codes."""
CLASS_CODES = 3
"""A class with fewer stored codes has no mean worth going to."""
FOLLOWS = 0.3
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
NEIGHBOURS = 2000
NEIGHBOUR_BYTES = 400_000
"""At most so many bytes of codes go to a page for its meter."""
THUMBNAIL_VALUES = 400_000
"""At most so many pixels, times channels, are in the thumbnails beside them."""


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
class Neighbourhood:
    """Training codes for a page's dots and its meter, see `neighbourhood`.

    `distance(z) = min over i of √(mean over k of ((z_k − codes_ik) / scale_k)²)`; its percentile is the share of
    `typical` (sorted) that is not larger, times 100. `sprite` shows the first `pictured` codes line by line, `columns`
    in each, without gaps.
    """

    codes: Float32[np.ndarray, "n k"]
    indices: Int64[np.ndarray, "n"]
    labels: Int64[np.ndarray, "n"] | None
    scale: Float32[np.ndarray, "k"]
    typical: Float32[np.ndarray, "m"]
    pictured: int
    columns: int
    sprite: pictures.Sheet
    note: str


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


def neighbourhood(session: Session, n: int = NEIGHBOURS, seed: int = 0) -> Neighbourhood:
    """At most `n` training codes (`NEIGHBOUR_BYTES` at most), the classes in their proportions, equal for equal seeds.

    Those with a thumbnail (`THUMBNAIL_VALUES`) come first. Thumbnails are the images themselves, or decoded codes where
    the data is not here. `Session.distance` asks all codes; over a part of them distances can only be larger. Raises
    `BadInput` unless n is 1 to `NEIGHBOURS`.
    """
    if not 1 <= n <= NEIGHBOURS:
        raise BadInput(f"1 to {NEIGHBOURS} training codes can be neighbours, not {n}")
    n = min(n, max(1, NEIGHBOUR_BYTES // (4 * session.code_dim)))
    labels = session.code_labels
    chosen = stratified(labels, np.arange(len(session.codes)), n, seed)
    shown = stratified(labels, chosen, max(1, THUMBNAIL_VALUES // int(np.prod(session.shape))), seed)
    chosen = np.concatenate([shown, np.setdiff1d(chosen, shown)])
    images, what = _thumbnails(session, shown)
    columns = int(np.ceil(np.sqrt(len(shown))))
    return Neighbourhood(
        session.codes[chosen], session.code_indices[chosen], None if labels is None else labels[chosen],
        session.code_scale, session.neighbour_distances.astype(np.float32), len(shown), columns,
        pictures.grid(images, columns, gap=0, background=pictures.WHITE),
        f"{len(chosen)} of {len(session.codes)} training codes, stratified, seed {seed}; {what} of {len(shown)}",
    )  # fmt: skip


def _thumbnails(session: Session, chosen: Int64[np.ndarray, "n"]) -> tuple[Pictures, str]:
    try:
        return session.data.floats(session.code_indices[chosen]), "images"
    except DataUnavailable:
        return session.decode(session.codes[chosen]), "decoded codes"


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
    labels = session.code_labels
    if labels is None:
        return
    classes, counts = np.unique(labels, return_counts=True)
    largest = np.sort(np.argsort(-counts, kind="stable")[:CLASSES])
    names = _class_names(session)
    for label, count in zip(classes[largest].tolist(), counts[largest].tolist(), strict=True):
        if CLASS_CODES <= count < len(labels):
            name = names[label] if 0 <= label < len(names) else str(label)
            shown = f"class {name} − mean" if name.isdigit() else f"{name} − mean"
            vector = session.codes[labels == label].mean(0) - session.code_mean
            yield from _line(session, shown, "class", vector)


def _class_names(session: Session) -> tuple[str, ...]:
    try:
        return session.data.label_names
    except DataUnavailable:
        return ()


def _factors(session: Session) -> Iterator[_Line]:
    try:
        factors, labels = session.data.factors, session.data.labels
    except DataUnavailable:
        return
    for name, every in factors.items():
        if labels is not None and np.array_equal(every, labels):
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
    alive = [effect > 0.02 * float(session.effects.max()) for effect in effects]
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
