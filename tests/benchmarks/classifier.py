"""A pretrained encoder as a classifier: `AECORE_MNIST=…/mnist.npz python tests/benchmarks/classifier.py`.

784-1000-1000-1000, each layer first a denoising autoencoder of the layer below (masking 0.1, 0.2, 0.3), then a softmax
layer on top and back-propagation through all. Prints test error and bar; the epoch is chosen on validation images.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from gauge import need_mnist

import aecore
from aecore.session.classifier import fine_tune
from aecore.store.store import RunStore
from aecore.training.trainer import TrainingProgress

PRETRAINING: dict[str, Any] = {
    "dataset": "mnist", "backbone": {"kind": "mlp", "widths": [1000, 1000], "code_activation": "gelu"},
    "code_dim": 1000, "corruption": {"kind": "masking", "level": 0.3}, "weight_decay": 0.0,
    "procedure": {"kind": "greedy", "layer_epochs": 5, "levels": [0.1, 0.2, 0.3]}, "epochs": 1, "batch_size": 256,
    "learning_rate": 1e-3, "threads": 1,
}  # fmt: skip
FINE_TUNING: dict[str, Any] = {"epochs": 10, "batch_size": 256, "learning_rate": 1e-3, "noise": 0.1, "shift": 1}


def show(progress: TrainingProgress) -> None:
    if progress.step == 0:
        print(
            f"  {progress.stage}, epoch {progress.epoch}: loss {progress.loss:.2f}, {progress.seconds:.0f} s",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--home", type=Path, help="folder to keep the pretrained run in; one that lies there is used again"
    )
    options = parser.parse_args()
    need_mnist()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["AECORE_HOME"] = str(options.home or temporary)
        begun = time.monotonic()
        kept = [info.run_id for info in RunStore().runs() if info.state == "finished" and not info.builtin]
        session = aecore.open(kept[0]) if kept else aecore.train("stacked_denoising", on_step=show, **PRETRAINING)
        pretrained = time.monotonic()

        def said(epoch: int, error: float) -> None:
            print(
                f"  fine-tuned {epoch} epochs: validation error {error:.2%}, {time.monotonic() - pretrained:.0f} s",
                flush=True,
            )

        found = fine_tune(session, on_epoch=said, **FINE_TUNING)
        test = session.data.indices("test")
        assert session.data.labels is not None
        error = found.error(session.data.floats(test), session.data.labels[test])
        good = "ok  " if error <= 0.015 else "MISS"
        print(f"{good} test error, epoch {found.epoch} of fine-tuning: {error:.2%} (bar 1.5 %, aim 1.3 %)")
        print(f"     {pretrained - begun:.0f} s to pretrain, {time.monotonic() - pretrained:.0f} s to fine-tune")


if __name__ == "__main__":
    main()
