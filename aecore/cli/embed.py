"""The command `embed`: maps of images as coordinates, quality figures and a picture."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aecore.cli.options import Number, command, complete_run, complete_run_or_file, out_option
from aecore.cli.output import open_session, plain, print_table, progress_bar, refuse_run_zip, write_file
from aecore.foundation.errors import BadInput

if TYPE_CHECKING:
    import numpy as np

    from aecore.maps.atlas import Atlas
    from aecore.maps.panel import Panel
    from aecore.maps.spec import AtlasSpec
    from aecore.pictures.uploads import Intake
    from aecore.session.session import Session

MAX_IMAGES = 70_000
"""As in `aecore.maps.spec`, which is not imported here: it would load numpy before `--help` is printed."""
PACKED = (".npz", ".zip")
QUALITIES = (
    "map", "stress_1", "trustworthiness", "continuity", "knn_accuracy", "explained_variance", "reconstruction_sse"
)  # fmt: skip
"""Columns of the file of quality figures, by their names in `aecore.maps`."""


@command(
    "embed",
    "aecore embed deep --method pca --method mds --method code -o map.csv",
    "aecore embed deep --method 'mds(distance=cosine)' --method code@variational -o map.csv",
    "aecore embed pictures --method pca --method code --run deep -o map.csv",
    "aecore embed deep --method units --n 2000 -o codes.npy",
)
@click.argument(
    "source",
    metavar="RUN|FOLDER|FILE",
    shell_complete=complete_run_or_file,
    help="a run, for its images; or pictures of your own: a folder, with classes from its subfolders' names, an npz "
    "file, with classes from its labels, or a zip file",
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    help="pca, mds, code, classical_mds, mds_nonmetric, tsne, umap, with settings as in 'mds(distance=cosine)', up to "
    "four times; code@RUN: another run's code, code~EPOCH: the code at an earlier epoch; or units: the whole code "
    "(default: code; for pictures without a run, pca)",
)
@click.option("--run", metavar="RUN", shell_complete=complete_run, help="the run that encodes your own pictures")
@click.option(
    "--n",
    type=Number(2, MAX_IMAGES),
    help="at most so many images: of a run, test images first, stratified by class (default: 1,000); of your own, the "
    "first ones (default: 70,000)",
)
@out_option(".csv", ".npy")
def embed(source: str, methods: tuple[str, ...], run: str | None, n: int | None, out: str) -> None:
    """Write maps of images as coordinates, with their quality and a picture. Any plotting program can draw or compare
    them. Beside FILE, the maps' quality is written with the suffix .quality.csv, and their picture with .png.
    """
    own = _is_own(Path(source))
    methods = tuple(dict.fromkeys(methods or ["code" if run or not own else "pca"]))
    if "units" in methods:
        if len(methods) > 1 or run or own:
            raise click.BadParameter(
                "units writes the whole code of a run's test images; give it alone", param_hint="--method"
            )
        return _write_units(source, n or 1000, out)
    if run and not own:
        raise click.BadParameter(
            f"{source!r} is neither a folder nor a file, so it names the run; leave --run out", param_hint="--run"
        )
    spec = _atlas_spec(methods, n)
    maps = _own_atlas(Path(source), spec, run) if own else _run_atlas(source, spec)
    _write_coordinates(out, maps, maps.origins if own else ())
    _write_quality(out, maps, Path(source).name)


def _is_own(source: Path) -> bool:
    """Whether the command's source is a folder or file of pictures, not a run. Raises `BadInput` for one that is
    neither: a file that does not exist, or the zip file of an exported run.
    """
    if source.suffix.lower() in PACKED and not source.exists():
        raise BadInput(f"there is no file {source}; give a folder or file that exists, or a run (aecore list)")
    # A run's id has no suffix, so that a file of that name in the working folder does not hide it.
    own = source.is_dir() or (source.is_file() and bool(source.suffix))
    if own and source.is_file():
        refuse_run_zip(str(source))
    return own


def _write_quality(out: str, maps: "Atlas", title: str) -> None:
    """Write the maps' quality and their picture beside the file `out`, and print the quality."""
    from aecore.maps.poster import poster
    from aecore.pictures.sheets import png
    from aecore.session.render import csv_text

    quality_file, picture_file = (str(Path(out).with_suffix(suffix)) for suffix in (".quality.csv", ".png"))
    rows = [_quality_row(panel) for panel in maps.panels]
    write_file(quality_file, csv_text(QUALITIES, rows).encode())
    colours = "class" if maps.labels is not None else "none"
    write_file(picture_file, png(poster(maps, colours, title, len(maps) <= 2000)))
    print_table(
        ("MAP", "STRESS-1", "TRUST", "CONTINUITY", "SAME-CLASS NEIGHBOURS", "VARIANCE", "SQUARED ERROR"),
        [[row[0], *(f"{float(value):.3f}" if value else "" for value in row[1:])] for row in rows],
    )
    print(f"\n{out}, {quality_file}, {picture_file}: {maps.note}")


def _quality_row(panel: "Panel") -> list[str]:
    """Return the figures of a map with nine digits; a figure that does not apply to it is empty."""
    values = [panel.quality.get(name) for name in QUALITIES[1:]]
    return [panel.spec.text, *("" if value is None else f"{value:.9g}" for value in values)]


def _run_atlas(wanted: str, spec: "AtlasSpec") -> "Atlas":
    """Compute the maps of a run's images, with a progress bar."""
    from aecore.maps.atlas import atlas

    with progress_bar() as on_progress:
        return atlas(open_session(wanted), spec, on_progress)


def _own_atlas(source: Path, spec: "AtlasSpec", run: str | None) -> "Atlas":
    """Compute the maps of the pictures in a folder or file, with a progress bar."""
    from aecore.maps.atlas import atlas_of

    session = open_session(run) if run else None
    pictures = _pictures(source, session, spec.n or MAX_IMAGES)
    images = pictures.images.astype("float32") / 255
    with progress_bar() as on_progress:
        return atlas_of(images, pictures.names, spec, session, on_progress, classes=pictures.classes)


def _atlas_spec(methods: Sequence[str], n: int | None) -> "AtlasSpec":
    from aecore.maps.spec import AtlasSpec, PanelSpec

    try:
        return AtlasSpec(tuple(PanelSpec.parse(text) for text in methods), n)
    except BadInput as error:
        raise click.BadParameter(f"{error}; and units for the whole code", param_hint="--method") from None


def _pictures(source: Path, session: "Session | None", limit: int) -> "Intake":
    """Read the first `limit` pictures of a folder or file, in the size of the run or else of the first picture; in
    grey where the run is grey or no picture has colours. Prints which were left out and why.

    Raises `BadInput` when fewer than two pictures can be read.
    """
    from aecore.pictures.uploads import read_own

    _, height, width = session.shape if session is not None else (0, 0, 0)
    channels = 3 if session is None else session.shape[0]
    if channels not in (1, 3):
        raise BadInput(f"this model's images have {channels} channels, which no picture file has; leave --run out")
    intake = read_own(source, None if session is None else (height, width), channels, limit)
    for name, reason in intake.refused:
        print(f"left out: {plain(name)}: {plain(reason)}")
    if len(intake.images) < 2:
        raise BadInput(f"{source} holds {len(intake.images)} pictures that can be read; a map needs at least two")
    if session is None and (intake.images == intake.images[:, :1]).all():
        return dataclasses.replace(intake, images=intake.images[:, :1])
    return intake


def _write_coordinates(out: str, maps: "Atlas", names: Sequence[str]) -> None:
    """Write the coordinates; `names` of pictures replace the index, and then class names the labels."""
    if Path(out).suffix.lower() == ".npy":
        return write_file(out, maps.npy())
    heads = maps.axes if len(maps.panels) > 1 else ["x", "y", "z"][: maps.coordinates.shape[1]]
    labels = maps.labels if maps.labels is None or not names else [maps.class_of(i) for i in range(len(maps))]
    write_file(out, _csv(maps.indices, labels, maps.coordinates, heads, names))


def _write_units(run: str, n: int, out: str) -> None:
    """Write the whole code of a run's test images, float32 (n, K). This is no map: it has no quality and no picture."""
    session = open_session(run)
    gallery = session.gallery(n)
    codes = session.encode(gallery.images)
    if Path(out).suffix.lower() == ".npy":
        from aecore.session.render import npy_bytes

        write_file(out, npy_bytes(codes))
    else:
        heads = [f"h{k}" for k in range(codes.shape[1])]
        write_file(out, _csv(gallery.indices, gallery.labels, codes, heads, []))
    print(f"{out}: {len(codes)} images × {codes.shape[1]} numbers (units); {gallery.note}")


def _csv(
    indices: "np.ndarray",
    labels: "Sequence[object] | np.ndarray | None",
    numbers: "np.ndarray",
    heads: Sequence[str],
    names: Sequence[str],
) -> bytes:
    """Return one line for each image: its index or its name, its class where there are classes, and its numbers."""
    from aecore.session.render import csv_text

    head = ["name" if names else "index", *(["label"] if labels is not None else []), *heads]
    rows = (
        [names[i] if names else int(indices[i]), *([] if labels is None else [labels[i]]), *(f"{n:.9g}" for n in row)]
        for i, row in enumerate(numbers)
    )
    return csv_text(head, rows).encode()
