"""The caches that pages share: keyed by run id and plain values, each one bounded."""

import contextlib
import functools
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import cachetools
import numpy as np
import streamlit as st

from aecore.foundation.errors import AecoreError, DataUnavailable, RunUnavailable, words_of
from aecore.maps.atlas import Atlas
from aecore.maps.atlas import atlas as make_atlas
from aecore.maps.queue import MapJobs
from aecore.maps.spec import AtlasSpec
from aecore.model.config import parse
from aecore.model.filters import Filters, Inference
from aecore.parts.contracts import Corruption
from aecore.parts.data import Data
from aecore.parts.datasets.npz import as_data
from aecore.parts.download import Download
from aecore.pictures import sheets
from aecore.pictures.uploads import Intake, read_files
from aecore.session.denoising import Denoised
from aecore.session.directions import Direction, towards
from aecore.session.gallery import Gallery
from aecore.session.open_runs import OpenRuns
from aecore.session.session import Session
from aecore.store.folder import RunFolder, RunInfo
from aecore.store.run_data import load_offered_data, load_run_data
from aecore.store.store import RunStore
from aecore.training.run import Outlook
from aecore.training.run import outlook as make_outlook
from app import visitor

T = TypeVar("T")
P = ParamSpec("P")
MAX_GALLERIES = MAX_DENOISED = 32 * 2**20
MAX_STRIPS = MAX_TEXTS = 8 * 2**20
VALUES_BYTES = 2**13
"""What an entry of `of_run` other than a text takes, roughly."""
MAX_LISTINGS = 32
"""Lists of runs for which `of_listing` remembers a value."""
_tables: list[cachetools.Cache[Any, Any]] = []


# --- caches of our own: `st.cache_resource` needs 0.2 ms to find a value, a hundred times as long, and counts entries


def bounded(max_bytes: int, size: Callable[[T], int]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Cache a function's results by its arguments as long as they take `max_bytes` together; a larger one is the only
    one. Two threads that ask for the same result at once share one call; an exception is not kept.
    """

    def decorate(make: Callable[P, T]) -> Callable[P, T]:
        table: cachetools.LRUCache[Any, T] = cachetools.LRUCache(max_bytes, lambda found: min(size(found), max_bytes))
        _tables.append(table)
        return cachetools.cached(table, condition=threading.Condition())(make)

    return decorate


def of_run(make: Callable[[RunInfo], T]) -> Callable[[RunInfo], T]:
    """Cache the text or the few values that a function makes of a run, until the run changes."""
    table: cachetools.LRUCache[Path, tuple[RunInfo, T]] = cachetools.LRUCache(
        MAX_TEXTS, lambda entry: len(entry[1]) if isinstance(entry[1], str) else VALUES_BYTES
    )
    _tables.append(table)
    lock = threading.Lock()

    @functools.wraps(make)
    def found(info: RunInfo) -> T:
        with lock:
            entry = table.get(info.folder)
        if entry is None or (entry[0] is not info and entry[0] != info):
            entry = info, make(info)
            with lock, contextlib.suppress(ValueError):  # a text longer than all others may be is not kept
                table[info.folder] = entry
        return entry[1]

    return found


def of_listing(make: Callable[[Sequence[RunInfo]], T]) -> Callable[[Sequence[RunInfo]], T]:
    """Cache what a function makes of a listing of runs, as long as the store returns the very same listing."""
    table: cachetools.LRUCache[int, tuple[Sequence[RunInfo], T]] = cachetools.LRUCache(MAX_LISTINGS)
    _tables.append(table)
    lock = threading.Lock()

    @functools.wraps(make)
    def found(infos: Sequence[RunInfo]) -> T:
        with lock:
            entry = table.get(id(infos))
        if entry is None or entry[0] is not infos:
            entry = infos, make(infos)  # holds the listing, so that no other one gets its id
            with lock:
                table[id(infos)] = entry
        return entry[1]

    return found


def forget() -> None:
    """Empty all caches, as a test does that changes the home or the data."""
    st.cache_resource.clear()
    for one in (all_runs, _open_runs, map_jobs, downloads):
        one.cache_clear()
    for table in _tables:
        table.clear()


# --- what there is one of: not in `st.cache_resource`, which any visitor's browser may ask Streamlit to empty


@functools.cache
def all_runs() -> RunStore:
    """The store of the server itself: all runs of this process's home, of a read-only server those that are shared."""
    return RunStore(who=visitor.house())


def store() -> RunStore:
    """The runs of this process's home that the visitor of the present page or request may see."""
    return all_runs().seen_by(visitor.current())


def runs() -> tuple[RunInfo, ...]:
    """The runs of `store` as they are on disk now; cheap, because they are read only when one changed."""
    return store().runs()


@functools.cache
def _open_runs() -> OpenRuns:
    return OpenRuns()


def session(run_id: str) -> Session:
    """The session of a run, which all who may see it share. Raises `RunUnavailable` for others, too."""
    store().folder(run_id)  # raises for those who may not see it
    try:
        return _open_runs().open(all_runs(), run_id)
    except OSError as error:
        raise RunUnavailable(f"run {run_id} cannot be opened: {words_of(error)}") from None


def _gallery_bytes(found: Gallery) -> int:
    return 2 * found.images.nbytes  # with its sprite and thumbnails


@bounded(MAX_GALLERIES, _gallery_bytes)
def gallery(token: str, run_id: str, n: int) -> Gallery:
    """Images of a run to choose from; read-only."""
    found = session(run_id).gallery(n)
    found.images.setflags(write=False)
    return found


def _denoised_bytes(found: Denoised) -> int:
    return 4 * found.original.nbytes


@bounded(MAX_DENOISED, _denoised_bytes)
def _denoised(
    token: str,
    run_id: str,
    by: str,
    weights: str,
    chosen: tuple[int, ...],
    n: int,
    part: Corruption,
    level: float | None,
    seed: int,
) -> Denoised:
    return session(by).denoise(gallery(token, run_id, n).images[list(chosen)], part, level, seed)


def denoised(
    source: Session, by: Session, chosen: tuple[int, ...], n: int, part: Corruption, level: float | None = None,
    seed: int = 0,
) -> Denoised:  # fmt: skip
    """Images at the `chosen` positions of the gallery of `n` of one run, corrupted and reconstructed by another."""
    return _denoised(source.info.token, source.run_id, by.run_id, by.weights_hash, chosen, n, part, level, seed)


@st.cache_resource(max_entries=4, show_spinner=False, scope="session")
def own_images(version: str, size: tuple[int, int], channels: Literal[1, 3], _files: list[tuple[str, bytes]]) -> Intake:
    """A visitor's files as images of a run's size; `version` stands for the files in the key."""
    intake = read_files(_files, size, channels)
    intake.images.setflags(write=False)
    return intake


@st.cache_resource(max_entries=2, show_spinner=False, scope="session")
def own_data(version: str, side: int, channels: Literal[1, 3], _files: list[tuple[str, bytes]]) -> Data:
    """A visitor's files as a dataset to train on. Raises `BadInput` if they are too few."""
    return as_data(own_images(version, (side, side), channels, _files).images)


@st.cache_resource(max_entries=64, show_spinner=False)
def random_codes(token: str, run_id: str, sampler: str, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random codes and their pictures, for Walk; fitting a mixture takes too long for every redraw."""
    codes, images = session(run_id).sample(n, sampler, seed)
    for array in (codes, images):
        array.setflags(write=False)
    return codes, images


@st.cache_resource(max_entries=64, show_spinner=False)
def own_direction(token: str, run_id: str, name: str, _a: np.ndarray, _b: np.ndarray, codes: str) -> Direction | None:
    """The direction from one code to another, with its measured effect; `codes` stands for the two in the key."""
    return towards(session(run_id), name, _a, _b)


@st.cache_resource(max_entries=8, show_spinner=False)
def filters(token: str, run_id: str) -> Filters:
    """The decoder's and encoder's filters of a run; they need two decoded pictures for each unit."""
    return session(run_id).filters()


@st.cache_resource(max_entries=16, show_spinner=False)
def inference(token: str, run_id: str) -> Inference | None:
    """The encoder's codes of a run's gallery compared with optimised ones; None if the run optimises no codes."""
    return session(run_id).inference(gallery(token, run_id, 64).images)


@st.cache_resource(max_entries=16, show_spinner=False, scope="session")
def error_curve(
    token: str, run_id: str, source: str, chosen: tuple[int, ...], kind: str, seed: int, _images: np.ndarray
) -> dict[str, np.ndarray]:
    """`Session.error_curve` of the images at the `chosen` positions of `source`, for one visit."""
    return dict(session(run_id).error_curve(_images, kind, seed=seed))


@st.cache_resource(max_entries=16, show_spinner=False)
def outlook(config_json: str, folder: str = "") -> Outlook:
    """The preview of a training; `folder` is the run's, if it exists. Raises what loading its data raises."""
    config = parse(json.loads(config_json))
    if not folder:
        return make_outlook(config, load_offered_data(config))
    return make_outlook(config, load_run_data(Path(folder), config, RunFolder(Path(folder)).status()))


@functools.cache
def downloads(kind: str) -> list[Download]:
    """The last download of a dataset, for all visitors: a list of one, or empty."""
    return []


@st.cache_resource(max_entries=12, show_spinner=False)
def _atlas(token: str, run_id: str, here: bool, name: str, _spec: AtlasSpec) -> Atlas:
    return make_atlas(session(run_id), _spec)


def atlas(run_id: str, spec: AtlasSpec) -> Atlas:
    """Maps of a run, computed once for all visitors, and again once its dataset is on this machine."""
    found = session(run_id)
    try:
        here = len(found.data) > 0
    except DataUnavailable:
        here = False
    return _atlas(found.info.token, run_id, here, repr(spec), spec)


@functools.cache
def map_jobs() -> MapJobs:
    """The queue of maps to compute, for all visitors."""
    return MapJobs(all_runs())


@bounded(MAX_STRIPS, lambda found: len(repr(found)))
def strip(token: str, run_id: str, _make: Callable[[Session, Gallery], T]) -> T:
    """The picture of a run's card, as `_make` draws it."""
    return _make(session(run_id), gallery(token, run_id, 64))


def thumbnail(info: RunInfo) -> np.ndarray | None:
    """Four reconstructions of a run, or None."""
    try:
        if (info.folder / "preview.safetensors").is_file():
            return sheets.filmstrip(RunFolder(info.folder).arrays("preview.safetensors")["reconstruction"][:4])
        found = session(info.run_id)
        return sheets.filmstrip(found.reconstruct(gallery(info.token, info.run_id, 64).images[:4]))
    except (AecoreError, KeyError, OSError):
        return None


def warm() -> None:
    """Load the galleries of the ready-made runs, for which the first visitor would otherwise wait."""
    for info in all_runs().runs():
        if info.builtin and info.explorable:
            gallery(info.token, info.run_id, 64)
