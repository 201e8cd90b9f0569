"""What a page hands out of a run: pictures of its work and its codes, as the bytes of files."""

import csv
import io

import numpy as np

from aecore.pictures import sheets
from aecore.session.session import Session

COLUMNS_ACROSS = 4
SHOWN = 24
CODES = 10_000
UNITS = 8
FRAMES = 24
MILLISECONDS = 60
SIDE = 96
"""Pixels of a picture's longer side, about; enlargement is by whole numbers."""


def reconstructions_png(session: Session, n: int = SHOWN) -> bytes:
    """`n` test images beside what the run makes of them, and the corrupted input between where it was trained
    with noise.

    Raises `BadInput` when the run's images have neither one nor three channels.
    """
    done = session.denoise(session.gallery(n).images)
    columns = {"original": done.original, "corrupted": done.shown, "reconstruction": done.reconstruction}
    if session.config.corruption.level == 0:
        del columns["corrupted"]
    return sheets.png(
        sheets.labelled_columns(list(columns.values()), list(columns), _factor(session) // 2 or 1, COLUMNS_ACROSS)
    )


def walk_gif(session: Session, position: int = 0, units: int = UNITS) -> bytes:
    """A loop: from one test image, each of the most effective units goes through its range and back in a tile
    of its own.

    Raises `BadInput` when the run's images have neither one nor three channels.
    """
    code = session.encode(session.gallery(position + 1).images[position : position + 1])[0]
    phase = (1 - np.cos(2 * np.pi * np.arange(FRAMES) / FRAMES)) / 2
    walks: list[np.ndarray] = []
    for unit in session.units_by_effect()[:units]:
        low, high = session.unit_range(int(unit))
        walks.append(session.walk(code, int(unit), values=low + (high - low) * phase)[1])
    tiles = np.stack(walks, 1)  # (frames, units, C, H, W)
    frames = [sheets.grid(frame, min(len(walks), 4), background=sheets.WHITE) for frame in tiles]
    return sheets.gif(frames, MILLISECONDS, _factor(session))


def codes_csv(session: Session, n: int = CODES) -> bytes:
    """A line for each of at most `n` test images: its index in the dataset, its class and its code, one column
    a unit.
    """
    gallery = session.gallery(n)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["index", "class", *(f"h{k}" for k in range(session.code_dim))])
    for i, code in enumerate(session.encode(gallery.images)):
        label = "" if gallery.labels is None else gallery.label_names[int(gallery.labels[i])]
        writer.writerow([int(gallery.indices[i]), label, *(f"{number:.7g}" for number in code)])
    return out.getvalue().encode()


def codes_npy(session: Session, n: int = CODES) -> bytes:
    """The codes of at most `n` test images, float32 (N, K), as a plain `.npy` file."""
    out = io.BytesIO()
    np.save(out, session.encode(session.gallery(n).images), allow_pickle=False)
    return out.getvalue()


def _factor(session: Session) -> int:
    return max(1, SIDE // max(session.shape[1:]))
