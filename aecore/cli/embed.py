"""The command `embed`: maps of images as numbers, figures and a picture."""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aecore.foundation.errors import BadInput

if TYPE_CHECKING:
    import numpy as np

    from aecore.maps.atlas import Atlas
    from aecore.maps.panel import Panel
    from aecore.pictures.uploads import Intake
    from aecore.session.session import Session
from aecore.cli.output import UsageError, open_session, out, plain, say_table, write


def embed(options: argparse.Namespace) -> None:
    """Beside the coordinates in OUT: how good each map is in OUT's .quality.csv, and all of them drawn in its .png."""
    out(options.out, ".csv", ".npy")
    methods = list(dict.fromkeys(options.method or ["code" if options.run or not _is_path(options.source) else "pca"]))
    if "units" in methods:
        return _embed_units(options, methods)
    from aecore.maps.poster import poster
    from aecore.pictures.sheets import png
    from aecore.session.render import csv_text

    made = _atlas(options, methods)
    _write_coordinates(options.out, made, made.origins if _is_path(options.source) else ())
    rows = [_quality_row(panel) for panel in made.panels]
    write(_beside(options.out, ".quality.csv"), csv_text(QUALITIES, rows).encode())
    colours = "class" if made.labels is not None else "none"
    write(_beside(options.out, ".png"), png(poster(made, colours, Path(options.source).name, len(made) <= 2000)))
    say_table(
        ("MAP", "STRESS-1", "TRUST", "CONTINUITY", "NEIGHBOURS AGREE", "VARIANCE", "SQUARED ERROR"),
        [[row[0], *(f"{float(value):.3f}" if value else "" for value in row[1:])] for row in rows],
    )
    print(f"\n{options.out}, {_beside(options.out, '.quality.csv')}, {_beside(options.out, '.png')}: {made.note}")


QUALITIES = (
    "map", "stress_1", "trustworthiness", "continuity", "knn_accuracy", "explained_variance", "reconstruction_sse"
)  # fmt: skip


def _quality_row(panel: "Panel") -> list[str]:
    """The figures in full; empty where the method or the images have none."""
    values = [panel.quality.get(name) for name in QUALITIES[1:]]
    return [panel.spec.text, *("" if value is None else f"{value:.9g}" for value in values)]


def _beside(path: str, suffix: str) -> str:
    return str(Path(path).with_suffix(suffix))


def _is_path(source: str) -> bool:
    return source.lower().endswith(".npz") or Path(source).is_dir()


def _atlas(options: argparse.Namespace, methods: Sequence[str]) -> "Atlas":
    """The maps of a run's images, or of the pictures in a folder or npz file, with a bar while they are made."""
    from tqdm import tqdm

    from aecore.maps.atlas import atlas, atlas_of
    from aecore.maps.spec import MOST_IMAGES, AtlasSpec, PanelSpec

    try:
        spec = AtlasSpec(tuple(PanelSpec.parse(text) for text in methods), options.n)
    except BadInput as error:
        raise UsageError(f"argument --method: {error}; and units for the whole code") from None
    if options.run and not _is_path(options.source):
        raise UsageError(
            f"argument --run: {options.source!r} is neither a folder nor an .npz file, so it names the run"
        )
    with tqdm(total=1.0, bar_format="{desc} {percentage:3.0f}%|{bar}|", leave=False, disable=None) as bar:

        def told(share: float, words: str) -> None:
            bar.set_description_str(words, refresh=False)
            bar.update(share - bar.n)

        if not _is_path(options.source):
            return atlas(open_session(options.source), spec, told)
        session = open_session(options.run) if options.run else None
        taken = _pictures(Path(options.source), session, options.n or MOST_IMAGES)
        images = taken.images.astype("float32") / 255
        return atlas_of(images, taken.names, spec, session, told, classes=taken.classes)


def _pictures(source: Path, session: "Session | None", most: int) -> "Intake":
    """The first pictures of a folder or of an npz file, in the size of a run or of the first of them; what is left out
    is said. In grey where none has colours.
    """
    from aecore.pictures.uploads import read_own

    _, height, width = session.shape if session is not None else (0, 0, 0)
    channels = 3 if session is None else session.shape[0]
    if channels not in (1, 3):
        raise BadInput(f"this model sees {channels} channels, which no picture file has")
    size = None if session is None else (height, width)
    taken = read_own(source, size, channels, most)
    for name, reason in taken.refused:
        print(f"left out: {plain(name)}: {plain(reason)}")
    if len(taken.images) < 2:
        raise BadInput(f"{source} holds {len(taken.images)} pictures that can be read; a map needs at least two")
    if session is None and (taken.images == taken.images[:, :1]).all():
        taken = dataclasses.replace(taken, images=taken.images[:, :1])
    return taken


def _write_coordinates(out: str, made: "Atlas", names: Sequence[str]) -> None:
    if Path(out).suffix.lower() == ".npy":
        return write(out, made.npy())
    heads = made.axes if len(made.panels) > 1 else ["x", "y", "z"][: made.coordinates.shape[1]]
    labels = made.labels if made.labels is None or not names else [made.class_of(i) for i in range(len(made))]
    write(out, _csv(made.indices, labels, made.coordinates, heads, names))


def _embed_units(options: argparse.Namespace, methods: Sequence[str]) -> None:
    """The whole code, which is no map: only its numbers are written."""
    if len(methods) > 1 or options.run or _is_path(options.source):
        raise UsageError("argument --method: units writes the whole code of a run's test images; give it alone")
    session = open_session(options.source)
    gallery = session.gallery(options.n or 1000)
    codes = session.encode(gallery.images)
    if Path(options.out).suffix.lower() == ".npy":
        from aecore.session.render import npy_bytes

        write(options.out, npy_bytes(codes))
    else:
        write(options.out, _csv(gallery.indices, gallery.labels, codes, [f"h{k}" for k in range(codes.shape[1])], []))
    print(f"{options.out}: {len(codes)} images × {codes.shape[1]} numbers (units); {gallery.note}")


def _csv(
    indices: "np.ndarray",
    labels: "Sequence[object] | np.ndarray | None",
    numbers: "np.ndarray",
    heads: Sequence[str],
    names: Sequence[str],
) -> bytes:
    """A line for each image: its place in the dataset, or its name, its class where there is one, and its numbers."""
    from aecore.session.render import csv_text

    head = ["name" if names else "index", *(["label"] if labels is not None else []), *heads]
    rows = (
        [names[i] if names else int(indices[i]), *([] if labels is None else [labels[i]]), *(f"{n:.9g}" for n in row)]
        for i, row in enumerate(numbers)
    )
    return csv_text(head, rows).encode()
