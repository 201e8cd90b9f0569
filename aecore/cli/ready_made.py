"""Make the runs that ship with the program: `python -m aecore.cli.ready_made [RUN_ID …] [--measure] [--into assets]`.

The result is repeatable: the same machine makes the same bits. `--measure` only computes the figures of existing runs
again, so that old runs get figures that were added later.

The two MNIST runs need a copy of MNIST (`AECORE_MNIST=…/mnist.npz`); they keep only weights, codes and figures of it.
"""

import dataclasses
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np

from aecore.foundation.errors import DataUnavailable
from aecore.model.config import with_settings
from aecore.model.recipes import recipe
from aecore.session.session import Session
from aecore.store.folder import RunFolder
from aecore.store.store import RunStore
from aecore.training.run import train
from aecore.training.trainer import TrainingProgress

CONV: dict[str, Any] = {"kind": "conv", "widths": [32, 64, 128]}
MAX_WEIGHTS_BYTES = 400_000
"""Larger weights are stored in half precision and without snapshots, so that all runs together stay under 20 MB."""


@dataclasses.dataclass(frozen=True)
class ReadyMade:
    """One run that ships with the program: its id and name, its recipe, and the settings that differ from it."""

    run_id: str
    name: str
    recipe: str
    settings: dict[str, Any]


READY_MADE = [
    ReadyMade("patterns-variational", "Patterns, variational", "variational", {
        "dataset": "patterns", "backbone": CONV, "likelihood": {"kind": "gaussian", "sigma": 0.15},
        "objective.beta": 0.5,
        "code_dim": 16, "epochs": 90, "batch_size": 64,
    }),
    ReadyMade("mnist-course-denoising", "MNIST, the course's denoiser", "course_denoising", {}),
    ReadyMade("mnist-variational", "MNIST, variational", "variational", {
        "dataset": "mnist", "backbone": {"kind": "mlp", "widths": [512, 256]}, "code_dim": 16, "epochs": 25,
    }),
    ReadyMade("digits-deep", "Digits, deep", "deep", {}),
    ReadyMade("digits-variational", "Digits, variational", "variational", {}),
    ReadyMade("digits-denoising", "Digits, denoising (masking)", "denoising", {}),
    ReadyMade("digits-denoising-salt-and-pepper", "Digits, denoising (salt and pepper)", "denoising", {
        "corruption": "salt_and_pepper",
    }),
    ReadyMade("digits-denoising-gaussian", "Digits, denoising (Gaussian)", "denoising", {"corruption": "gaussian"}),
    ReadyMade("digits-undercomplete", "Digits, undercomplete", "undercomplete", {}),
    ReadyMade("digits-linear", "Digits, linear", "linear", {}),
    ReadyMade("digits-overcomplete", "Digits, overcomplete", "overcomplete", {}),
    ReadyMade("digits-sparse", "Digits, sparse", "sparse", {}),
    ReadyMade("digits-sparse-kl", "Digits, sparse by rate", "sparse_kl", {}),
    ReadyMade("digits-top-k", "Digits, the five largest", "top_k", {}),
    ReadyMade("digits-predictive-sparse", "Digits, predictive sparse decomposition", "predictive_sparse", {}),
    ReadyMade("digits-contractive", "Digits, contractive", "contractive", {}),
    ReadyMade("digits-stacked-denoising", "Digits, stacked denoising", "stacked_denoising", {}),
    ReadyMade("digits-recirculation", "Digits, recirculation", "recirculation", {}),
    ReadyMade("digits-recirculation-backprop", "Digits, the same net by back-propagation", "recirculation", {
        "procedure": "joint",
    }),
    ReadyMade("shapes-variational", "Shapes, variational", "variational", {
        "dataset": "shapes", "backbone": CONV, "code_dim": 10, "epochs": 40, "batch_size": 64,
    }),
    ReadyMade("shapes-denoising", "Shapes, denoising (missing patches)", "denoising", {
        "dataset": "shapes", "corruption": {"kind": "patches", "level": 0.3}, "backbone": CONV, "code_dim": 32,
        "epochs": 30, "batch_size": 64,
    }),
    ReadyMade("digits-learned-variance", "Digits, variational with learned σ", "learned_variance", {}),
    ReadyMade("digits-grey-levels", "Digits, softmax over 17 greys", "grey_levels", {}),
    ReadyMade("digits-sequence", "Digits, sequence to sequence", "sequence", {}),
    ReadyMade("digits-masked-autoencoder", "Digits, masked autoencoder", "masked_autoencoder", {}),
]  # fmt: skip


def make(entry: ReadyMade, assets: Path) -> None:
    """Train one entry in a temporary home and move the run, without its times and process id, to `assets`/runs."""
    config = with_settings(recipe(entry.recipe).config, {"threads": 1, **entry.settings})

    def print_epoch(progress: TrainingProgress) -> None:
        if progress.step == 0:
            epoch = f"epoch {progress.epoch}/{progress.epochs}, {progress.validation_sse:.3f}"
            print(f"\r{entry.run_id}: {epoch}", end="", file=sys.stderr)

    with tempfile.TemporaryDirectory() as home:
        store = RunStore(Path(home), assets / "none")
        run_id = train(config, store, print_epoch, name=entry.name)
        folder = RunFolder(store.folder(run_id))
        if folder.status().state != "finished":
            raise click.ClickException(f"{entry.run_id}: {folder.status().reason}")
        (folder.path / "preview.safetensors").unlink()
        if (folder.path / "weights.safetensors").stat().st_size > MAX_WEIGHTS_BYTES:
            # Half precision changes a pixel by less than one grey level in 256.
            shutil.rmtree(folder.path / "snapshots", ignore_errors=True)
            half = {name: array.astype("float16") for name, array in folder.arrays("weights.safetensors").items()}
            folder.write_arrays("weights.safetensors", half)
        folder.update(created=_place(entry), started=None, ended=None)
        target = assets / "runs" / entry.run_id
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder.path, target)
    status = _open(entry, assets).status
    print(f"\r{entry.run_id}: {status.seconds:.0f} s, {status.metrics}", file=sys.stderr)


def measure(entry: ReadyMade, assets: Path) -> None:
    """Compute the figures of an existing run again, and set its place in the list. Without its data, change nothing.

    Weights, codes and the arrays measured before are kept: the shipped maps are found by their hashes.
    """
    session = _open(entry, assets)
    folder = RunFolder(session.folder)
    try:
        arrays, figures = session.measure()
    except DataUnavailable as error:
        print(f"{entry.run_id}: left unchanged, {error}", file=sys.stderr)
        return
    kept = folder.arrays("analysis.safetensors")
    if not np.array_equal(kept["indices"], arrays["indices"]):
        raise click.ClickException(f"{entry.run_id}: the stored codes are those of other images; make this run again")
    folder.write_arrays("analysis.safetensors", {**arrays, **kept})
    metrics = {**session.status.metrics, **figures}
    folder.update(metrics=metrics, created=_place(entry), config_hash=session.config.hash)
    print(f"{entry.run_id}: {figures}", file=sys.stderr)


def make_maps(entries: list[ReadyMade], assets: Path) -> None:
    """Compute the entries' missing maps; where the entries are all runs and have their data, delete unused maps."""
    from aecore.maps.atlas import precompute

    used: set[str] = set()
    complete = len(entries) == len(READY_MADE)
    for entry in entries:
        session = _open(entry, assets)
        used |= precompute(session, assets / "maps")
        complete &= session.config.dataset.available()
    for file in (assets / "maps").iterdir() if complete else ():
        if file.name not in used:
            file.unlink()


def _open(entry: ReadyMade, assets: Path) -> Session:
    return Session(RunStore(assets / "none", assets / "runs"), entry.run_id)


def _place(entry: ReadyMade) -> float:
    """Return the run's `created` time, by which ready-made runs are listed: its place in `READY_MADE`."""
    return float(READY_MADE.index(entry))


@click.command(help=f"\b\n{__doc__}")
@click.argument("names", metavar="[RUN_ID]...", nargs=-1, type=click.Choice([entry.run_id for entry in READY_MADE]))
@click.option("--into", type=click.Path(path_type=Path), default=Path(__file__).parents[2] / "assets")
@click.option("--measure", "only_measure", is_flag=True, help="compute the figures of existing runs again; train none")
def main(names: tuple[str, ...], into: Path, only_measure: bool) -> None:
    entries = [entry for entry in READY_MADE if not names or entry.run_id in names]
    os.environ["OMP_NUM_THREADS"] = "1"
    for entry in entries:
        (measure if only_measure else make)(entry, into.absolute())
    make_maps(entries, into.absolute())


if __name__ == "__main__":
    main()
