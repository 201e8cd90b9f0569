"""The images of an atlas: which they are, where they come from, and their codes and errors, piece by piece.

However many there are, no more than a piece of them is held as floats.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float32, Int64, Num

from aecore.foundation import metrics
from aecore.foundation.errors import BadInput, DataUnavailable, RunUnavailable
from aecore.foundation.geometry import Rows, stratified
from aecore.foundation.progress import OnProgress
from aecore.maps import cache
from aecore.parts.data import SPLITS, CodeArray, Data, Pictures, Shape
from aecore.session.session import Session
from aecore.store.store import RunStore

SMALL = 2000
"""With more images than these, codes, errors and distortions are computed once and kept on the disk."""
PIECE = 1000


@dataclasses.dataclass(frozen=True, eq=False)
class Coder:
    """Whose codes a map shows: those of a run, or of one of its snapshots."""

    session: Session
    epoch: int | None = None

    @property
    def key(self) -> str:
        """Stands for encoder and decoder: settings and weights."""
        key = f"{self.session.config.hash}-{self.session.weights_hash[:32]}"
        return key if self.epoch is None else f"{key}-{self.epoch}"

    def encode(self, images: Pictures) -> CodeArray:
        return self.session.encode(images, self.epoch)

    def decode(self, codes: CodeArray) -> Float32[np.ndarray, "n f"]:
        """Codes to pixels, both as rows."""
        pictures = self.session.decode(codes, self.epoch)
        return pictures.reshape(len(pictures), -1)


@dataclasses.dataclass(frozen=True, eq=False)
class Subset:
    """The images of an atlas, those of a run or one's own. `decoded` says that they are the model's own pictures of
    stored codes.

    `key` names what the pictures are; `_read` makes them, and `_stored` are the codes from which they were decoded.
    """

    session: Session | None
    shape: Shape
    indices: Int64[np.ndarray, "n"]
    labels: Int64[np.ndarray, "n"] | None
    label_names: tuple[str, ...]
    factors: Mapping[str, Float32[np.ndarray, "n"]]
    origins: tuple[str, ...]
    decoded: bool
    note: str
    key: tuple[str, ...]
    _read: Callable[[Int64[np.ndarray, "m"]], Pictures]
    _stored: CodeArray | None = None
    _made: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def own(self) -> Coder | None:
        """The run whose images these are, or which is given with them."""
        return None if self.session is None else Coder(self.session)

    @property
    def small(self) -> bool:
        return len(self) <= SMALL

    def pictures(self, positions: Int64[np.ndarray, "m"]) -> Pictures:
        """The images at these positions of the subset."""
        return self._read(positions)

    @functools.cached_property
    def rows(self) -> Rows:
        """The pixels of all images."""
        return Rows(lambda at: self.pictures(at).reshape(len(at), -1), len(self), int(np.prod(self.shape)))

    # --- what a run makes of them

    def coded(self, coder: Coder) -> Rows:
        """The codes of all images, not before they are read."""
        return Rows(lambda at: np.asarray(self.codes(coder)[at]), len(self), coder.session.code_dim)

    def codes(self, coder: Coder, on_progress: OnProgress | None = None) -> CodeArray:
        """The codes of all images; of many from the disk, where they are kept."""
        if self._stored is not None and coder.session is self.session and coder.epoch is None:
            return self._stored
        return self._kept("codes", (*self.key, coder.key), coder.encode, on_progress)

    def errors(self, on_progress: OnProgress | None = None) -> Float32[np.ndarray, "n"]:
        """The squared error per image of the run's reconstruction, see `metrics.sse`; kept as the codes are."""

        session = self.session
        if session is None:
            raise BadInput("these images have no run that reconstructs them; choose one")

        def of(images: Pictures) -> Float32[np.ndarray, "m"]:
            return metrics.sse(images, session.reconstruct(images)).astype(np.float32)

        return self._kept("errors", (*self.key, Coder(session).key), of, on_progress)

    def _kept(
        self, what: str, key: tuple[str, ...], make: Callable[[Pictures], np.ndarray], on_progress: OnProgress | None
    ) -> np.ndarray:
        name = "\n".join((what, *key))
        if name not in self._made:
            found = None if self.small else cache.kept_array(what, key, len(self))
            self._made[name] = self._computed(make, on_progress) if found is None else found
            if found is None and not self.small:
                cache.keep_array(what, key, self._made[name])
        return self._made[name]

    def _computed(self, make: Callable[[Pictures], np.ndarray], on_progress: OnProgress | None) -> np.ndarray:
        parts: list[np.ndarray] = []
        for low in range(0, len(self), PIECE):
            if on_progress is not None:
                on_progress(low / len(self), "Computing for all images")
            parts.append(make(self.pictures(np.arange(low, min(low + PIECE, len(self))))))
        made = np.concatenate(parts)
        made.setflags(write=False)
        return made

    def has(self, what: str, key: tuple[str, ...]) -> bool:
        """Whether something of all images need not be computed."""
        return self.small or cache.kept_array(what, (*self.key, *key), len(self)) is not None


def subset(session: Session, n: int, seed: int) -> Subset:
    """At most `n` images of a run's data: test images first, then validation and training images, each stratified by
    class. Where the data are not on this machine, the images are decoded from the run's stored codes.
    """
    try:
        data = session.data
    except DataUnavailable as error:
        return from_codes(session, n, seed, str(error))
    return _from_data(session, data, n, seed)


def most(session: Session) -> int:
    """How many images there are to show."""
    try:
        return len(session.data)
    except DataUnavailable:
        return len(session.codes)


def _from_data(session: Session, data: Data, n: int, seed: int) -> Subset:
    parts: list[np.ndarray] = []
    origins: list[str] = []
    for split in reversed(SPLITS):
        part = stratified(data.labels, data.indices(split), n - len(origins), seed)
        parts.append(part)
        origins += [f"{'training' if split == 'train' else split} image"] * len(part)
    chosen = np.concatenate(parts)
    named = zip(("test", "validation", "training"), parts, strict=True)
    said = ", ".join(f"{len(part):,} {name}" for name, part in named if len(part))
    how = f", {'at random' if data.labels is None else 'stratified by class'}, seed {seed}"
    how = "" if len(chosen) == len(data) else how
    return Subset(
        session, session.shape, chosen, None if data.labels is None else data.labels[chosen], data.label_names,
        {name: values[chosen].astype(np.float32) for name, values in data.factors.items()}, tuple(origins), False,
        f"{len(chosen):,} of {len(data):,} images ({said}){how}", ("data", data.hash, _hash(chosen)),
        lambda at: data.floats(chosen[at]),
    )  # fmt: skip


def from_codes(session: Session, n: int, seed: int, why: str) -> Subset:
    """The model's own pictures of at most `n` of a run's stored codes, stratified by class."""
    labels = session.code_labels
    chosen = stratified(labels, np.arange(len(session.codes)), n, seed).astype(np.int64)
    codes = session.codes[chosen]
    codes.setflags(write=False)
    names = () if labels is None else tuple(str(i) for i in range(int(labels.max()) + 1))
    own = None if labels is None else labels[chosen]
    return Subset(
        session, session.shape, session.code_indices[chosen], own, names, {},
        ("decoded training image",) * len(chosen), True,
        f"{len(chosen):,} of {len(session.codes):,} stored codes, decoded by the model" + (f": {why}" if why else ""),
        ("decoded", Coder(session).key, _hash(codes)), lambda at: session.decode(codes[at]), codes,
    )  # fmt: skip


def own_images(
    images: Pictures, names: tuple[str, ...], session: Session | None, classes: tuple[str, ...] = ()
) -> Subset:
    """Somebody's own images, with a name each, and where all have one and they differ, their classes."""
    _, c, h, w = images.shape
    label_names = tuple(sorted(set(classes), key=lambda name: (len(name), name) if name.isdecimal() else (0, name)))
    known = len(label_names) > 1 and "" not in classes
    return Subset(
        session, (c, h, w), np.arange(len(images)),
        np.array([label_names.index(name) for name in classes], np.int64) if known else None,
        label_names if known else (), {}, names, False, f"{len(images):,} pictures of your own",
        ("own", _hash(images)), lambda at: images[at],
    )  # fmt: skip


def coder(session: Session | None, run: str | None, epoch: int | None) -> Coder:
    """Whose codes a panel of `session`'s atlas shows. Raises `BadInput` where those are not codes of the same images,
    and where no weights of that epoch are kept.
    """
    if session is None:
        raise BadInput("a map of codes needs a run whose encoder makes them; choose one")
    owner = session
    if run is not None and run != session.run_id:
        try:
            changed = (session.store.folder(run) / "status.json").stat().st_mtime_ns
            owner = _other(session.store, run, changed)
        except (RunUnavailable, OSError) as error:
            raise BadInput(str(error)) from None
        if owner.shape != session.shape or owner.status.data_hash != session.status.data_hash:
            raise BadInput(
                f"run {run} was trained on other images than run {session.run_id}, so their codes cannot be compared; "
                "choose a run on the same dataset"
            )
    if epoch is not None and epoch not in owner.snapshots:
        there = ", ".join(map(str, owner.snapshots)) or "none"
        raise BadInput(f"run {owner.run_id} kept no weights after epoch {epoch}; it kept those after: {there}")
    return Coder(owner, epoch)


@functools.lru_cache(maxsize=4)
def _other(store: RunStore, run: str, _: int) -> Session:
    """Another run, opened once for all questions about maps that show its codes; the number is its last change."""
    return Session(store, run)


def _hash(array: Num[np.ndarray, "..."]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()[:32]
