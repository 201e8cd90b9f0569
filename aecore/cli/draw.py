"""Commands that look into a run: reconstruct, walk, likelihood."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aecore.cli.options import FILE, Number, command, json_option, out_option, run_argument
from aecore.cli.output import open_session, plain, print_json, write_file
from aecore.foundation.errors import AecoreError, BadInput

if TYPE_CHECKING:
    import numpy as np

    from aecore.session.session import Session

MAX_UNITS = 8
"""Units that `walk` draws unless one is named: the most effective ones."""


@command(
    "reconstruct",
    "aecore reconstruct denoising cat.png -o out.png",
    "aecore reconstruct denoising --level 0.4 -o out.png",
)
@run_argument
@click.argument(
    "files", metavar="[IMAGE]...", nargs=-1, type=FILE, help="picture files, zip or npz (default: test images)"
)
@click.option("--n", type=Number(1, 10_000), default=8, show_default=True, help="how many test images")
@click.option("--level", type=Number(0.0, 10.0, "level"), help="corrupt them first, this much")
@click.option("--noise", metavar="KIND", help="corrupt them first, in this way (default: as in training)")
@click.option("--seed", type=int, default=0, show_default=True, help="seed of the noise; equal seeds repeat it")
@out_option(".png")
def reconstruct(
    run: str, files: tuple[str, ...], n: int, level: float | None, noise: str | None, seed: int, out: str
) -> None:
    """Draw images beside their reconstructions. What is lost is not in the code."""
    from aecore.foundation import metrics
    from aecore.session import render

    session = open_session(run)
    images = _images(session, files, n)
    if level or noise:
        denoised = session.denoise(images, noise, level, seed)
        columns = {"original": images, "corrupted": denoised.shown, "reconstruction": denoised.reconstruction}
    else:
        columns = {"original": images, "reconstruction": session.reconstruct(images)}
    write_file(out, render.comparison_png(columns, render.enlargement(session)))
    error = metrics.sse(images, columns["reconstruction"]).mean()
    print(f"{out}: {len(images)} images, squared error per image {error:.4g}")


@command(
    "walk", "aecore walk variational -o walk.gif", "aecore walk variational --image seven.png --unit 3 -o unit3.png"
)
@run_argument
@click.option("--image", metavar="FILE", type=FILE, help="start from this picture (default: a test image)")
@click.option("--index", metavar="N", type=int, help="start from the dataset's image N")
@click.option("--unit", metavar="K", type=int, help="only this unit (default: the eight most effective)")
@out_option(".png", ".gif")
def walk(run: str, image: str | None, index: int | None, unit: int | None, out: str) -> None:
    """Move one unit of the code at a time and draw what changes. This shows what the unit means."""
    if image is not None and index is not None:
        raise click.UsageError("--image and --index both say where to start; give one of them")
    from aecore.session import render

    session = open_session(run)
    code = session.encode(_start_image(session, image, index))[0]
    ranked = [int(number) for number in session.units_by_effect()]
    if unit is not None and unit not in ranked:
        raise click.BadParameter(f"this code has units 0 to {session.code_dim - 1}, not {unit}", param_hint="--unit")
    units = ranked[:MAX_UNITS] if unit is None else [unit]
    draw = render.strips_png if Path(out).suffix.lower() == ".png" else render.loop_gif
    write_file(out, draw(session, code, units))
    print(f"{out}: unit{'s' if len(units) > 1 else ''} {', '.join(map(str, units))}, most effective first")


@command(
    "likelihood",
    "aecore likelihood variational --samples 100",
    "aecore likelihood variational --samples 5000 --binarise --json",
)
@run_argument
@click.option(
    "--samples",
    metavar="K",
    type=Number(1, 10_000),
    default=100,
    show_default=True,
    help="importance samples per image; the bound rises with K, so compare figures of equal K",
)
@click.option(
    "--n",
    type=Number(1, 10_000),
    default=1000,
    show_default=True,
    help="at most so many images, stratified by class; compare figures of equal images",
)
@click.option("--seed", type=int, default=0, show_default=True, help="seed of the samples, and of --binarise")
@click.option(
    "--binarise",
    is_flag=True,
    help="set each pixel to 1 with its grey level as probability: a Bernoulli likelihood is a distribution over such "
    "images",
)
@json_option
def likelihood(run: str, samples: int, n: int, seed: int, binarise: bool, as_json: bool) -> None:
    """Estimate log p(x) of test images. It says how well a variational model has learned the data, in nats."""
    from aecore.model.generative import binarised

    session = open_session(run)
    gallery = session.gallery(n)
    if gallery.decoded:
        raise AecoreError(f"log p(x) needs real images, and they are not on this machine: {gallery.note}")
    images = binarised(gallery.images, seed) if binarise else gallery.images
    values = session.log_likelihood(images, samples, seed)
    mean, error = float(values.mean()), float(values.std() / len(values) ** 0.5)
    if as_json:
        return print_json(
            {"run_id": session.run_id, "log_likelihood": mean, "standard_error": error, "unit": "nats per image",
             "samples": samples, "images": len(images), "seed": seed, "binarised": binarise}
        )  # fmt: skip
    print(f"log p(x) ≥ {mean:.2f} ± {error:.2f} nats per image (K = {samples}; {gallery.note})")


def _images(session: "Session", files: Sequence[str], n: int) -> "np.ndarray":
    """Return the pictures in `files`, fitted to the model's size, or `n` test images: float32 (n, C, H, W) in [0, 1].

    Prints which files were left out and why. Raises `BadInput` when no picture is left.
    """
    from aecore.pictures.uploads import read_files

    if not files:
        return session.gallery(n).images
    channels, height, width = session.shape
    if channels not in (1, 3):
        raise BadInput(f"this model's images have {channels} channels, which no picture file has; leave IMAGE out")
    intake = read_files([(name, Path(name).read_bytes()) for name in files], (height, width), channels)
    if not len(intake.images):
        raise BadInput("; ".join(f"{name}: {reason}" for name, reason in intake.refused[:3]) or "there is no picture")
    for name, reason in intake.refused:
        print(f"left out: {plain(name)}: {plain(reason)}")
    return intake.images.astype("float32") / 255


def _start_image(session: "Session", file: str | None, index: int | None) -> "np.ndarray":
    """Return the image from which a walk starts, (1, C, H, W): a file's, the dataset's at `index`, or a test image."""
    import numpy as np

    if index is None:
        return _images(session, [file] if file else [], 1)[:1]
    if not 0 <= index < len(session.data):
        raise click.BadParameter(
            f"the dataset has images 0 to {len(session.data) - 1}, not {index}", param_hint="--index"
        )
    return session.data.floats(np.array([index]))
