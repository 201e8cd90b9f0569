"""Makes the ready-made runs: `python -m aecore.cli.ready_made [NAME …] [--measure] [--into assets]`. Repeatable: same
machine, same bits. With `--measure` what is there is only measured anew, so that old runs get new figures.

The two MNIST runs need MNIST at hand (`AECORE_MNIST=…/mnist.npz`); only weights, codes and figures are kept of them.
"""

import argparse
import dataclasses
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

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


@dataclasses.dataclass(frozen=True)
class ReadyMade:
    """One run that comes with the program: its id, the name people see, a recipe and what differs from it."""

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


def make(entry: ReadyMade, into: Path) -> None:
    """Trains one entry in a home of its own and moves the finished run, without times and process ids, to
    `into`/runs.
    """
    config = with_settings(recipe(entry.recipe).config, {"threads": 1, **entry.settings})

    def say(progress: TrainingProgress) -> None:
        if progress.step == 0:
            print(
                f"\r{entry.run_id}: epoch {progress.epoch}/{progress.epochs}, {progress.validation_sse:.3f}",
                end="",
                file=sys.stderr,
            )

    with tempfile.TemporaryDirectory() as home:
        store = RunStore(Path(home), into / "none")
        run_id = train(config, store, say, name=entry.name)
        folder = RunFolder(store.folder(run_id))
        if folder.status().state != "finished":
            raise SystemExit(f"{entry.run_id}: {folder.status().reason}")
        (folder.path / "preview.safetensors").unlink()
        if (folder.path / "weights.safetensors").stat().st_size > 400_000:
            # All runs together stay under 20 MB. Half precision changes a pixel by less than one grey level in 256.
            shutil.rmtree(folder.path / "snapshots", ignore_errors=True)
            half = {name: array.astype("float16") for name, array in folder.arrays("weights.safetensors").items()}
            folder.write_arrays("weights.safetensors", half)
        folder.update(created=float(READY_MADE.index(entry)), started=None, ended=None)
        target = into / "runs" / entry.run_id
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder.path, target)
    session = Session(RunStore(Path("none"), into / "runs"), entry.run_id)
    print(f"\r{entry.run_id}: {session.status.seconds:.0f} s, {session.status.metrics}", file=sys.stderr)


def measure(entry: ReadyMade, into: Path) -> None:
    """Brings the figures of a run that is there up to date, and its place in the list; says so where it cannot.

    Weights, codes and what was measured of these stay, because the maps that ship with the program are known by them.
    """
    session = Session(RunStore(into / "none", into / "runs"), entry.run_id)
    folder = RunFolder(session.folder)
    try:
        arrays, figures = session.measure()
    except DataUnavailable as error:
        print(f"{entry.run_id}: left as it is, {error}", file=sys.stderr)
        return
    kept = folder.arrays("analysis.safetensors")
    if not np.array_equal(kept["indices"], arrays["indices"]):
        raise SystemExit(f"{entry.run_id}: codes of other images would be kept now; make this run again")
    folder.write_arrays("analysis.safetensors", {**arrays, **kept})
    place = float(READY_MADE.index(entry))
    folder.update(metrics={**session.status.metrics, **figures}, created=place, config_hash=session.config.hash)
    print(f"{entry.run_id}: {figures}", file=sys.stderr)


def make_maps(entries: list[ReadyMade], into: Path) -> None:
    """The maps that the entries lack; where they are all runs, with their data, maps that none asks for go."""
    from aecore.maps.atlas import precompute

    asked: set[str] = set()
    complete = len(entries) == len(READY_MADE)
    for entry in entries:
        session = Session(RunStore(into / "none", into / "runs"), entry.run_id)
        asked |= precompute(session, into / "maps")
        complete &= session.config.dataset.available()
    for file in (into / "maps").iterdir() if complete else ():
        if file.name not in asked:
            file.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="run ids; all by default")
    parser.add_argument("--into", type=Path, default=Path(__file__).parents[2] / "assets")
    parser.add_argument("--measure", action="store_true", help="measure runs that are there anew, without training")
    options = parser.parse_args()
    wanted = [entry for entry in READY_MADE if not options.names or entry.run_id in options.names]
    unknown = set(options.names) - {entry.run_id for entry in READY_MADE}
    if unknown:
        parser.error(
            f"no ready-made run {', '.join(sorted(unknown))}; there are: {', '.join(e.run_id for e in READY_MADE)}"
        )
    os.environ["OMP_NUM_THREADS"] = "1"
    for entry in wanted:
        (measure if options.measure else make)(entry, options.into.absolute())
    make_maps(wanted, options.into.absolute())


if __name__ == "__main__":
    main()
