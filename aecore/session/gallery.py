"""Images to choose from: the dataset's, decoded codes, or a visitor's own."""

import dataclasses
import functools

import numpy as np
from jaxtyping import Int64

from aecore.parts.data import Pictures
from aecore.pictures import sheets
from aecore.pictures.uploads import Intake


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Images to choose from. `decoded` says that they are the model's own pictures of stored codes, the data not being
    here.
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
        """All images in one picture (`pictures.sprite`), made once for everybody who chooses from them."""
        return sheets.sprite(self.images)


def own_gallery(intake: Intake, invert: bool = False) -> Gallery:
    """Images that somebody brought, to choose from; with `invert`, as negatives 1 − x."""
    images = intake.images.astype(np.float32) / np.float32(255)
    n = len(images)
    return Gallery(
        1 - images if invert else images, np.arange(n), None, (), n, False, f"{n} images of your own", own=True,
        names=intake.names,
    )  # fmt: skip
