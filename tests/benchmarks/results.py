"""What training reaches on MNIST: `AECORE_MNIST=…/mnist.npz python tests/benchmarks/results.py [ROW …]`.

Prints figure, bar and seconds for each row. The settings were chosen on the validation images; the 10,000 test images
are only reported. SSE is squared error summed over the 784 pixels, mean over the test images.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gauge import need_mnist
from sklearn.neighbors import KNeighborsClassifier

import aecore
from aecore.foundation.files import read_arrays
from aecore.model.autoencoder import build
from aecore.parts.contracts import Batch
from aecore.parts.data import SplitName
from aecore.session.inputs import MAX_IMAGES
from aecore.training.trainer import TrainingProgress

DEEP: dict[str, Any] = {
    "backbone": {"kind": "mlp", "widths": [1000, 500, 250]}, "code_dim": 30, "epochs": 40, "batch_size": 256,
    "learning_rate": 2e-3, "shift": 1, "weight_decay": 0.0,
}  # fmt: skip
# In short trainings the map was as good for training as for validation images: it wants longer training and less noise,
# not more images. Thread and precision are fixed, since a difference in rounding ends in another map.
MAP: dict[str, Any] = {
    "backbone": {"kind": "mlp", "widths": [500, 250, 100]}, "epochs": 60, "batch_size": 128, "learning_rate": 2e-3,
    "corruption": {"kind": "masking", "level": 0.1}, "precision": "float32", "threads": 1,
}  # fmt: skip
TUTORIAL: dict[str, Any] = {
    "backbone": {"kind": "mlp", "widths": [400], "activation": "relu"}, "code_dim": 20, "epochs": 10, "batch_size": 128,
    "learning_rate": 3e-3,
}  # fmt: skip
BEST: dict[str, Any] = {
    "backbone": {"kind": "mlp", "widths": [500, 500]}, "code_dim": 50, "epochs": 100, "batch_size": 256,
    "learning_rate": 2e-3, "binarise": True,
}  # fmt: skip
CHANGES: dict[str, Any] = {}
IMAGES, AT_ONCE = [10_000], 50
"""Test images of the likelihood, drawn with seed 1; it takes about 0.2 s an image."""


def show(progress: TrainingProgress) -> None:
    if progress.step == 0 and (progress.epoch % 5 == 0 or progress.epoch < 3):
        print(
            f"  epoch {progress.epoch}: validation SSE {progress.validation_sse:.2f}, {progress.seconds:.0f} s",
            flush=True,
        )


def train(recipe: str, settings: dict[str, Any]) -> aecore.Session:
    return aecore.train(recipe, dataset="mnist", on_step=show, **{**settings, **CHANGES})


def say(what: str, figure: float, bar: float, begun: float, above: bool = False) -> None:
    good = figure >= bar if above else figure <= bar
    sign = "≥" if above else "≤"
    seconds = time.perf_counter() - begun
    print(f"{'ok  ' if good else 'MISS'} {what}: {figure:.3f} (bar {sign} {bar:g}), {seconds:.0f} s", flush=True)


def codes(session: aecore.Session, split: SplitName) -> tuple[np.ndarray, np.ndarray]:
    """Codes and labels of a whole split."""
    chosen = session.data.indices(split)
    parts = np.split(chosen, range(MAX_IMAGES, len(chosen), MAX_IMAGES))
    assert session.data.labels is not None
    return np.concatenate([session.encode(session.data.floats(part)) for part in parts]), session.data.labels[chosen]


def validation_loss(session: aecore.Session) -> float:
    return min(float(str(row["validation_loss"])) for row in session.history()[1:])


@torch.inference_mode()
def bound(session: aecore.Session, split: SplitName) -> float:
    """−ELBO in nats per image, one draw of the code for each, seed 0."""
    model, generator = build(session.config, session.shape).eval(), torch.Generator().manual_seed(0)
    weights = read_arrays(session.folder / "weights.safetensors")
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    x = torch.from_numpy(session.data.floats(session.data.indices(split)))
    terms = [session.config.objective.terms(model, Batch(part, part), generator) for part in x.split(500)]
    return float(torch.cat([sum(t.values(), torch.zeros(())) for t in terms]).mean())


def deep() -> None:
    begun = time.perf_counter()
    session = train("deep", DEEP)
    print(f"  validation {validation_loss(session):.3f} nats")
    say("deep 784-1000-500-250-30, test SSE", session.status.metrics["test_sse"], 2.70, begun)


def map_of_two() -> None:
    begun, found = time.perf_counter(), list[float]()
    for seed in range(2):
        session = train("deep", {**MAP, "seed": seed})
        nearest = KNeighborsClassifier(15).fit(*codes(session, "train"))
        validation = nearest.score(*codes(session, "validation"))
        found.append(nearest.score(*codes(session, "test")))
        loss = validation_loss(session)
        print(
            f"  seed {seed}: {validation:.3f} on validation ({loss:.3f} nats), {found[-1]:.3f} on test",
            flush=True,
        )
    what = "two units, 15-nearest-neighbour accuracy on test, mean of 2 seeds"
    say(what, float(np.mean(found)), 0.88, begun, above=True)


def variational() -> None:
    begun, found = time.perf_counter(), list[float]()
    for seed in range(3):
        session = train("variational", {**TUTORIAL, "seed": seed})
        found.append(bound(session, "test"))
        print(
            f"  seed {seed}: −ELBO {bound(session, 'validation'):.2f} on validation, {found[-1]:.2f} on test",
            flush=True,
        )
    say("variational 784-400-20, 10 epochs, test −ELBO in nats, mean of 3 seeds", float(np.mean(found)), 105.5, begun)


def likelihood() -> None:
    """−log p(x) of test images, each binarised once (a pixel is 1 with its grey value as probability)."""
    begun = time.perf_counter()
    session = train("variational", BEST)
    print(f"  validation {validation_loss(session):.3f} nats", flush=True)
    grey = session.data.floats(session.data.indices("test"))
    binary = (np.random.default_rng(0).random(grey.shape) < grey).astype(np.float32)
    chosen, found = np.random.default_rng(1).permutation(len(binary))[: IMAGES[0]], list[float]()
    for start in range(0, len(chosen), AT_ONCE):
        part = binary[chosen[start : start + AT_ONCE]]
        found.extend(session.log_likelihood(part, samples=5000, seed=start))
        if start % 1000 == 0:
            print(f"  {len(found)} images: {-np.mean(found):.2f}", flush=True)
    error = np.std(found) / len(found) ** 0.5
    what = "variational, test −log p(x) in nats, 5,000 importance samples, binarised with seed 0"
    say(f"{what}, {len(found)} images, standard error {error:.2f}", -float(np.mean(found)), 90, begun)


ROWS: dict[str, Callable[[], None]] = {
    "variational": variational, "map": map_of_two, "deep": deep, "likelihood": likelihood,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help=f"some of: {', '.join(ROWS)}")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="a setting to try")
    parser.add_argument("--images", type=int, default=IMAGES[0], help="of the likelihood")
    options = parser.parse_args()
    need_mnist()
    IMAGES[0] = options.images
    for field, _, value in (text.partition("=") for text in options.set):
        CHANGES[field] = json.loads(value)
    with tempfile.TemporaryDirectory() as home:
        os.environ["AECORE_HOME"] = home
        for name in options.rows or ROWS:
            ROWS[name]()


if __name__ == "__main__":
    main()
