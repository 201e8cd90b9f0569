"""Write what users take home of a run as the bytes of files: CSV, NPY, PNG and GIF."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Float32, Num

from aecore.parts.data import Pictures
from aecore.pictures import sheets
from aecore.session.session import Session

COLUMNS_ACROSS = 4
"""Images in a line of each column of `reconstructions_png`."""
RECONSTRUCTIONS = 24
MAX_CODES = 10_000
LOOPED_UNITS = 8
FRAMES = 24
MILLISECONDS = 60
STRIP_STEPS = 11
SIDE = 96
"""About the longer side of an enlarged picture, in pixels; pictures are enlarged by whole numbers."""


# --- any numbers


def csv_text(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table as CSV, with `\\n` at the end of each line. No text in it begins a spreadsheet's formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(_cell, head))
    writer.writerows(map(_cell, row) for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    """Put an apostrophe before a text that a spreadsheet would take for a formula; numbers stay as they are."""
    if not isinstance(value, str):
        return value
    value = value.replace("\r", " ")  # not quoted by `csv` where lines end with "\n"
    if not value.startswith(("=", "+", "-", "@", "\t")):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def npy_bytes(array: Num[np.ndarray, "..."]) -> bytes:
    """Write an array as a `.npy` file, without pickles."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


# --- codes of a run


def codes_csv(session: Session, n: int = MAX_CODES) -> bytes:
    """Write a line for each of at most `n` test images: its index in the dataset, its class, and its code, one column
    a unit.
    """
    gallery = session.gallery(n)
    names = gallery.label_names
    classes = [""] * len(gallery.images) if gallery.labels is None else [names[int(label)] for label in gallery.labels]
    rows = (
        [int(index), name, *(f"{number:.7g}" for number in code)]
        for index, name, code in zip(gallery.indices, classes, session.encode(gallery.images), strict=True)
    )
    return csv_text(["index", "class", *(f"h{k}" for k in range(session.code_dim))], rows).encode()


def codes_npy(session: Session, n: int = MAX_CODES) -> bytes:
    """Write the codes of at most `n` test images, float32 (N, K)."""
    return npy_bytes(session.encode(session.gallery(n).images))


# --- pictures of a run; all raise `BadInput` for images that have neither one nor three channels


def comparison_png(columns: Mapping[str, sheets.Stack], factor: int, across: int = 1) -> bytes:
    """Draw {label: images} as columns side by side, `across` images in a line, enlarged `factor` times."""
    return sheets.png(sheets.labelled_columns(list(columns.values()), list(columns), factor, across))


def reconstructions_png(session: Session, n: int = RECONSTRUCTIONS) -> bytes:
    """Draw `n` test images beside their reconstructions, with the corrupted input between if the run was trained with
    noise.
    """
    done = session.denoise(session.gallery(n).images)
    columns = {"original": done.original, "corrupted": done.shown, "reconstruction": done.reconstruction}
    if session.config.corruption.level == 0:
        del columns["corrupted"]
    return comparison_png(columns, enlargement(session) // 2 or 1, COLUMNS_ACROSS)


def strips_png(session: Session, code: Float32[np.ndarray, "k"], units: Sequence[int]) -> bytes:
    """Draw a filmstrip for each unit, one below the other: `code` with the unit moved over its range."""
    rows: list[Pictures] = [session.walk(code, unit, STRIP_STEPS)[1] for unit in units]
    return sheets.png(sheets.enlarge(sheets.sheet(rows, background=sheets.WHITE), enlargement(session)))


def loop_gif(session: Session, code: Float32[np.ndarray, "k"], units: Sequence[int]) -> bytes:
    """Animate each unit in a tile of its own, through its range and back, slowing down at both ends."""
    phase = (1 - np.cos(2 * np.pi * np.arange(FRAMES) / FRAMES)) / 2
    walks: list[Pictures] = []
    for unit in units:
        low, high = session.unit_range(unit)
        walks.append(session.walk(code, unit, values=low + (high - low) * phase)[1])
    tiles = np.stack(walks, 1)  # (frames, units, C, H, W)
    frames = [sheets.grid(frame, min(len(walks), 4), background=sheets.WHITE) for frame in tiles]
    return sheets.gif(frames, MILLISECONDS, enlargement(session))


def walk_gif(session: Session, position: int = 0, units: int = LOOPED_UNITS) -> bytes:
    """Animate the most effective units, from the test image at `position`; see `loop_gif`."""
    code = session.encode(session.gallery(position + 1).images[position : position + 1])[0]
    return loop_gif(session, code, [int(unit) for unit in session.units_by_effect()[:units]])


def enlargement(session: Session) -> int:
    """Return the whole number that enlarges the run's pictures to about `SIDE` pixels."""
    return max(1, SIDE // max(session.shape[1:]))
