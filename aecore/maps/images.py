"""The images of an atlas: which they are, where they come from, and their codes and errors, computed in chunks.

However many there are, only one chunk of them is held as floats at a time.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float32, Int64, Num

from aecore.foundation import metrics
from aecore.foundation.errors import BadInput, DataUnavailable, RunUnavailable
from aecore.foundation.geometry import LazyRows, stratified
from aecore.foundation.progress import OnProgress
from aecore.maps import cache
from aecore.parts.data import SPLITS, CodeArray, Data, Pictures, Shape
from aecore.session.session import Session
from aecore.store.store import RunStore

MAX_IN_MEMORY = 2000
"""Codes, errors and distortions of more images are cached on disk."""
CHUNK = 1000
"""Images that are encoded or reconstructed together."""


@dataclasses.dataclass(frozen=True, eq=False)
class Coder:
    """Encoder and decoder of a run, with its final weights or those after an `epoch`."""

    session: Session
    epoch: int | None = None

    @property
    def key(self) -> str:
        """Identifies settings and weights."""
        key = f"{self.session.config.hash}-{self.session.weights_hash[:32]}"
        return key if self.epoch is None else f"{key}-{self.epoch}"

    def encode(self, images: Pictures) -> CodeArray:
        return self.session.encode(images, self.epoch)

    def decode(self, codes: CodeArray) -> Float32[np.ndarray, "n f"]:
        """Decode codes to pixels, one row per image."""
        pictures = self.session.decode(codes, self.epoch)
        return pictures.reshape(len(pictures), -1)


@dataclasses.dataclass(frozen=True, eq=False)
class ImageSet:
    """The images of an atlas: images of a run's dataset, decoded codes (`decoded`), or a user's own images.

    `key` identifies the pixels; `_read` returns the images at some positions; `_stored_codes` are the codes of decoded
    images.
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
    _stored_codes: CodeArray | None = None
    _arrays: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def coder(self) -> Coder | None:
        """The coder of the run that the atlas belongs to."""
        return None if self.session is None else Coder(self.session)

    @property
    def in_memory(self) -> bool:
        """True if codes, errors and distortions are computed anew and held in memory; False if cached on disk."""
        return len(self) <= MAX_IN_MEMORY

    def pictures(self, positions: Int64[np.ndarray, "m"]) -> Pictures:
        """Return the images at these positions of the set."""
        return self._read(positions)

    @functools.cached_property
    def rows(self) -> LazyRows:
        """The pixels of all images, one row per image, read on demand."""
        return LazyRows(lambda at: self.pictures(at).reshape(len(at), -1), len(self), int(np.prod(self.shape)))

    # --- codes and errors

    def code_rows(self, coder: Coder) -> LazyRows:
        """Return the codes of all images as rows that are computed on demand."""
        return LazyRows(lambda at: np.asarray(self.codes(coder)[at]), len(self), coder.session.code_dim)

    def codes(self, coder: Coder, on_progress: OnProgress | None = None) -> CodeArray:
        """Encode all images, or take their codes from the cache."""
        if self._stored_codes is not None and coder.session is self.session and coder.epoch is None:
            return self._stored_codes
        return self._cached("codes", (*self.key, coder.key), coder.encode, on_progress)

    def errors(self, on_progress: OnProgress | None = None) -> Float32[np.ndarray, "n"]:
        """Compute the squared error per image (`metrics.sse`) of the run's reconstructions, or take it from the cache.

        Raises `BadInput` without a run.
        """
        session = self.session
        if session is None:
            raise BadInput("these images have no run that reconstructs them; choose one")

        def errors_of(images: Pictures) -> Float32[np.ndarray, "m"]:
            return metrics.sse(images, session.reconstruct(images)).astype(np.float32)

        return self._cached("errors", (*self.key, Coder(session).key), errors_of, on_progress)

    def _cached(
        self, name: str, key: tuple[str, ...], compute: Callable[[Pictures], np.ndarray], on_progress: OnProgress | None
    ) -> np.ndarray:
        held = "\n".join((name, *key))
        if held not in self._arrays:
            found = None if self.in_memory else cache.find_array(name, key, len(self))
            self._arrays[held] = self._in_chunks(compute, on_progress) if found is None else found
            if found is None and not self.in_memory:
                cache.store_array(name, key, self._arrays[held])
        return self._arrays[held]

    def _in_chunks(self, compute: Callable[[Pictures], np.ndarray], on_progress: OnProgress | None) -> np.ndarray:
        chunks: list[np.ndarray] = []
        for low in range(0, len(self), CHUNK):
            if on_progress is not None:
                on_progress(low / len(self), "Computing for all images")
            chunks.append(compute(self.pictures(np.arange(low, min(low + CHUNK, len(self))))))
        whole = np.concatenate(chunks)
        whole.setflags(write=False)
        return whole

    def is_cached(self, name: str, key: tuple[str, ...]) -> bool:
        """True if an array (`codes`, `errors`, `distortion`) is on disk, or is not to be stored there at all."""
        return self.in_memory or cache.find_array(name, (*self.key, *key), len(self)) is not None


def run_images(session: Session, n: int, seed: int) -> ImageSet:
    """Choose at most `n` images of a run's dataset: test images first, then validation and training images, each
    stratified by class. Without the dataset on this machine: decoded codes, see `decoded_images`.
    """
    try:
        data = session.data
    except DataUnavailable as error:
        return decoded_images(session, n, seed, str(error))
    return _dataset_images(session, data, n, seed)


def count_images(session: Session) -> int:
    """Count the images of a run's dataset; without the dataset, its stored codes."""
    try:
        return len(session.data)
    except DataUnavailable:
        return len(session.codes)


def _dataset_images(session: Session, data: Data, n: int, seed: int) -> ImageSet:
    parts: list[np.ndarray] = []
    origins: list[str] = []
    for split in reversed(SPLITS):
        part = stratified(data.labels, data.indices(split), n - len(origins), seed)
        parts.append(part)
        origins += [f"{'training' if split == 'train' else split} image"] * len(part)
    chosen = np.concatenate(parts)
    named = zip(("test", "validation", "training"), parts, strict=True)
    counts = ", ".join(f"{len(part):,} {name}" for name, part in named if len(part))
    how = f", {'at random' if data.labels is None else 'stratified by class'}, seed {seed}"
    how = "" if len(chosen) == len(data) else how
    return ImageSet(
        session, session.shape, chosen, None if data.labels is None else data.labels[chosen], data.label_names,
        {name: values[chosen].astype(np.float32) for name, values in data.factors.items()}, tuple(origins), False,
        f"{len(chosen):,} of {len(data):,} images ({counts}){how}", ("data", data.hash, _hash(chosen)),
        lambda at: data.floats(chosen[at]),
    )  # fmt: skip


def decoded_images(session: Session, n: int, seed: int, why: str) -> ImageSet:
    """Decode at most `n` of a run's stored codes, stratified by class; `why` joins the note."""
    labels = session.code_labels
    chosen = stratified(labels, np.arange(len(session.codes)), n, seed).astype(np.int64)
    codes = session.codes[chosen]
    codes.setflags(write=False)
    label_names = () if labels is None else tuple(str(i) for i in range(int(labels.max()) + 1))
    return ImageSet(
        session, session.shape, session.code_indices[chosen], None if labels is None else labels[chosen], label_names,
        {}, ("decoded training image",) * len(chosen), True,
        f"{len(chosen):,} of {len(session.codes):,} stored codes, decoded by the model" + (f": {why}" if why else ""),
        ("decoded", Coder(session).key, _hash(codes)), lambda at: session.decode(codes[at]), codes,
    )  # fmt: skip


def own_images(
    images: Pictures, names: tuple[str, ...], session: Session | None, classes: tuple[str, ...] = ()
) -> ImageSet:
    """Make a set of a user's own images with their names. Classes count if each image has one and they differ."""
    _, c, h, w = images.shape
    label_names = tuple(sorted(set(classes), key=lambda name: (len(name), name) if name.isdecimal() else (0, name)))
    has_classes = len(label_names) > 1 and "" not in classes
    return ImageSet(
        session, (c, h, w), np.arange(len(images)),
        np.array([label_names.index(name) for name in classes], np.int64) if has_classes else None,
        label_names if has_classes else (), {}, names, False, f"{len(images):,} pictures of your own",
        ("own", _hash(images)), lambda at: images[at],
    )  # fmt: skip


def find_coder(session: Session | None, run: str | None, epoch: int | None) -> Coder:
    """Return the coder that a panel of `session`'s atlas names: of that run, or of another `run`, after an `epoch`.

    Raises `BadInput` if the other run is missing or was trained on other images, or has no weights of that epoch.
    """
    if session is None:
        raise BadInput("a map of codes needs a run whose encoder makes them; choose one")
    owner = session
    if run is not None and run != session.run_id:
        try:
            changed = (session.store.folder(run) / "status.json").stat().st_mtime_ns
            owner = _open_run(session.store, run, changed)
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
def _open_run(store: RunStore, run: str, _changed: int) -> Session:
    """Open another run once; it is opened anew when its status file has changed."""
    return Session(store, run)


def _hash(array: Num[np.ndarray, "..."]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()[:32]
