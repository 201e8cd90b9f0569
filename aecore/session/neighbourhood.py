"""The training codes around a code, in a form small enough for a page to carry: its dots and its nearest-code meter."""

import dataclasses

import numpy as np
from jaxtyping import Float32, Int64

from aecore.foundation.errors import BadInput, DataUnavailable
from aecore.foundation.geometry import stratified
from aecore.parts.data import Data, Pictures
from aecore.pictures import sheets
from aecore.session.session import Session

NEIGHBOURS = 2000
NEIGHBOUR_BYTES = 400_000
"""At most so many bytes of codes go to a page for its meter."""
THUMBNAIL_VALUES = 400_000
"""At most so many pixels, times channels, are in the thumbnails beside them."""


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
    sprite: sheets.Sheet
    note: str


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
        sheets.grid(images, columns, gap=0, background=sheets.WHITE),
        f"{len(chosen)} of {len(session.codes)} training codes, stratified, seed {seed}; {len(shown)} shown as {what}",
    )  # fmt: skip


def _thumbnails(session: Session, chosen: Int64[np.ndarray, "n"]) -> tuple[Pictures, str]:
    data = data_here(session)
    if data is None:
        return session.decode(session.codes[chosen]), "decoded codes"
    return data.floats(session.code_indices[chosen]), "images"


def data_here(session: Session) -> Data | None:
    """The run's data, where it is here and the stored indices are places in it (a run from elsewhere says them)."""
    try:
        data = session.data
    except DataUnavailable:
        return None
    return data if int(session.code_indices.max()) < len(data) else None
