"""The training codes in a form small enough for a page, for its dots and its meter of the nearest code."""

import dataclasses

import numpy as np
from jaxtyping import Float32, Int64

from aecore.foundation.errors import BadInput, DataUnavailable
from aecore.foundation.geometry import stratified
from aecore.parts.data import Data, Pictures
from aecore.pictures import sheets
from aecore.session.session import Session

MAX_NEIGHBOURS = 2000
MAX_CODE_BYTES = 400_000
"""Most bytes of codes for a page."""
MAX_THUMBNAIL_VALUES = 400_000
"""Most pixels, times channels, of all thumbnails for a page."""


@dataclasses.dataclass(frozen=True, eq=False)
class Neighbourhood:
    """Training codes for a page, see `neighbourhood`.

    Distance of z: min over i of √(mean over k of ((z_k − codes_ik) / scale_k)²). Its percentile is the share of
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


def neighbourhood(session: Session, n: int = MAX_NEIGHBOURS, seed: int = 0) -> Neighbourhood:
    """Choose at most `n` training codes, of at most `MAX_CODE_BYTES`, stratified by class; equal for equal seeds.

    Those with a thumbnail (`MAX_THUMBNAIL_VALUES`) come first. Thumbnails are the images, or decoded codes if the data
    is not available. Distances can only be larger than those of `Session.distance`, which uses all codes. Raises
    `BadInput` unless n is 1 to `MAX_NEIGHBOURS`.
    """
    if not 1 <= n <= MAX_NEIGHBOURS:
        raise BadInput(f"1 to {MAX_NEIGHBOURS} training codes can be neighbours, not {n}")
    n = min(n, max(1, MAX_CODE_BYTES // (4 * session.code_dim)))
    labels = session.code_labels
    chosen = stratified(labels, np.arange(len(session.codes)), n, seed)
    shown = stratified(labels, chosen, max(1, MAX_THUMBNAIL_VALUES // int(np.prod(session.shape))), seed)
    chosen = np.concatenate([shown, np.setdiff1d(chosen, shown)])
    images, kind = _thumbnails(session, shown)
    columns = int(np.ceil(np.sqrt(len(shown))))
    return Neighbourhood(
        session.codes[chosen], session.code_indices[chosen], None if labels is None else labels[chosen],
        session.code_scale, session.neighbour_distances.astype(np.float32), len(shown), columns,
        sheets.grid(images, columns, gap=0, background=sheets.WHITE),
        f"{len(chosen)} of {len(session.codes)} training codes, stratified, seed {seed}; {len(shown)} shown as {kind}",
    )  # fmt: skip


def _thumbnails(session: Session, chosen: Int64[np.ndarray, "n"]) -> tuple[Pictures, str]:
    """Return the images of these codes, and what they are."""
    data = available_data(session)
    if data is None:
        return session.decode(session.codes[chosen]), "decoded codes"
    return data.floats(session.code_indices[chosen]), "images"


def available_data(session: Session) -> Data | None:
    """Return the run's data; None if it is not available."""
    try:
        return session.data
    except DataUnavailable:
        return None
