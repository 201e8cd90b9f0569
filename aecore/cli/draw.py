"""Commands that draw: reconstruct, walk, likelihood."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aecore.foundation.errors import AecoreError, BadInput

if TYPE_CHECKING:
    import numpy as np

    from aecore.session.session import Session
from aecore.cli.output import STRIPS, UsageError, open_session, out, say_json, write


def reconstruct(options: argparse.Namespace) -> None:
    from aecore.foundation import metrics
    from aecore.session import render

    out(options.out, ".png")
    session = open_session(options.run)
    images = _images(session, options.images, options.n)
    if options.level or options.noise:
        denoised = session.denoise(images, options.noise, options.level, options.seed)
        columns = {"original": images, "corrupted": denoised.shown, "reconstruction": denoised.reconstruction}
    else:
        columns = {"original": images, "reconstruction": session.reconstruct(images)}
    write(options.out, render.comparison_png(columns, render.enlargement(session)))
    error = metrics.sse(images, columns["reconstruction"]).mean()
    print(f"{options.out}: {len(images)} images, squared error per image {error:.4g}")


def walk(options: argparse.Namespace) -> None:
    from aecore.session import render

    suffix = out(options.out, ".png", ".gif")
    session = open_session(options.run)
    code = session.encode(_one_image(session, options))[0]
    ranked = [int(unit) for unit in session.units_by_effect()]
    if options.unit is not None and options.unit not in ranked:
        raise UsageError(f"argument --unit: this code has units 0 to {session.code_dim - 1}, not {options.unit}")
    units = ranked[:STRIPS] if options.unit is None else [options.unit]
    write(options.out, (render.strips_png if suffix == ".png" else render.loop_gif)(session, code, units))
    print(f"{options.out}: unit{'s' if len(units) > 1 else ''} {', '.join(map(str, units))}, most effective first")


def likelihood(options: argparse.Namespace) -> None:
    """The mean over test images; the bound grows with K, so figures compare only at equal K and on equal images."""
    from aecore.model.generative import binarised

    session = open_session(options.run)
    gallery = session.gallery(options.n)
    if gallery.decoded:
        raise AecoreError(f"log p(x) is a statement about real images, and they are not here: {gallery.note}")
    images = binarised(gallery.images, options.seed) if options.binarise else gallery.images
    found = session.log_likelihood(images, options.samples, options.seed)
    mean, error = float(found.mean()), float(found.std() / len(found) ** 0.5)
    if options.json:
        return say_json(
            {"run_id": session.run_id, "log_likelihood": mean, "standard_error": error, "unit": "nats per image",
             "samples": options.samples, "images": len(images), "seed": options.seed, "binarised": options.binarise}
        )  # fmt: skip
    print(f"log p(x) ≥ {mean:.2f} ± {error:.2f} nats per image (K = {options.samples}; {gallery.note})")


def _images(session: "Session", files: Sequence[str], n: int) -> "np.ndarray":
    """The named picture files in the model's size, or `n` test images; what is left out is said."""
    from aecore.pictures.uploads import read_files

    if not files:
        return session.gallery(n).images
    channels, height, width = session.shape
    if channels not in (1, 3):
        raise BadInput(f"this model sees {channels} channels, which no picture file has")
    taken = read_files([(name, Path(name).read_bytes()) for name in files], (height, width), channels)
    if not len(taken.images):
        raise BadInput("; ".join(f"{name}: {reason}" for name, reason in taken.refused[:3]) or "there is no picture")
    for name, reason in taken.refused:
        print(f"left out: {name}: {reason}")
    return taken.images.astype("float32") / 255


def _one_image(session: "Session", options: argparse.Namespace) -> "np.ndarray":
    """The image where a walk starts: a file, an image of the dataset by its index, or the first test image shown."""
    import numpy as np

    if options.image is not None or options.index is None:
        return _images(session, [options.image] if options.image else [], 1)[:1]
    if not 0 <= options.index < len(session.data):
        raise UsageError(f"argument --index: the dataset has images 0 to {len(session.data) - 1}, not {options.index}")
    return session.data.floats(np.array([options.index]))
