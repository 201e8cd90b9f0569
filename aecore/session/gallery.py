"""Images to choose from: the dataset's, decoded codes, or the user's own."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
from jaxtyping import Int64

from aecore.foundation.geometry import stratified
from aecore.parts.data import CodeArray, Data, Pictures, SplitName
from aecore.pictures import sheets
from aecore.pictures.uploads import Intake

THUMBNAILS = 64
"""Images of a gallery that can be chosen one by one."""
THUMBNAIL_SIDE = 32


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Images to choose from, of `total`; `indices` are their positions in the dataset or among the stored codes.

    `decoded`: the dataset is not available, so these are stored codes, decoded. `own`: the user's own images.
    """

    images: Pictures
    indices: Int64[np.ndarray, "n"]
    labels: Int64[np.ndarray, "n"] | None
    label_names: tuple[str, ...]
    total: int
    decoded: bool
    note: str
    own: bool = False
    names: tuple[str, ...] = ()
    """File names of own images."""

    @functools.cached_property
    def sprite(self) -> str:
        """All images in one picture, as a data URI (`sheets.sprite`); made once for all visitors."""
        return sheets.sprite(self.images)

    @functools.cached_property
    def thumbnails(self) -> tuple[str, ...]:
        """Each of the first `THUMBNAILS` images by itself, as a data URI, enlarged to about `THUMBNAIL_SIDE` pixels."""
        factor = max(1, THUMBNAIL_SIDE // max(self.images.shape[2:]))
        pictures = (sheets.filmstrip(self.images[i : i + 1]) for i in range(min(len(self.images), THUMBNAILS)))
        return tuple(sheets.data_uri(sheets.png(sheets.enlarge(picture, factor))) for picture in pictures)


def dataset_gallery(data: Data, n: int, split: SplitName, seed: int) -> Gallery:
    """Choose at most `n` images of a split, stratified by class."""
    candidates = data.indices(split)
    chosen = stratified(data.labels, candidates, n, seed)
    labels = None if data.labels is None else data.labels[chosen]
    note = f"{len(chosen)} of {len(candidates)} {split} images, stratified, seed {seed}"
    return Gallery(data.floats(chosen), chosen, labels, data.label_names, len(candidates), False, note)


def decoded_gallery(
    decode: Callable[[CodeArray], Pictures], codes: CodeArray, labels: Int64[np.ndarray, "n"] | None, n: int, seed: int,
    why: str,
) -> Gallery:  # fmt: skip
    """Choose and decode at most `n` stored codes, stratified by class; `why` says why the dataset is not used."""
    chosen = stratified(labels, np.arange(len(codes)), n, seed)
    own = None if labels is None else labels[chosen]
    note = f"{len(chosen)} of {len(codes)} stored codes, decoded: {why}"
    classes = 0 if own is None else int(own.max()) + 1
    names = tuple(str(i) for i in range(classes)) if classes <= len(codes) else ()
    return Gallery(decode(codes[chosen]), chosen, own, names, len(codes), True, note)


def own_gallery(intake: Intake, invert: bool = False) -> Gallery:
    """Show the user's own images; with `invert`, as negatives 1 − x."""
    images = intake.images.astype(np.float32) / np.float32(255)
    n = len(images)
    return Gallery(
        1 - images if invert else images, np.arange(n), None, (), n, False, f"{n} images of your own", own=True,
        names=intake.names,
    )  # fmt: skip
