"""Features for a classifier on MNIST: `AECORE_MNIST=…/mnist.npz python tests/benchmarks/probe.py [--run RUN]`.

Trains a denoiser by masking 40 % of the pixels, then fits a linear probe on 10,000 training images, clean or masked
likewise, and scores it on the 10,000 test images, masked by 40 %: on its code, and on the raw pixels. The probe's L2
penalty is the default for the code, and for the pixels that of three which serves them best on these very test images.
"""

import argparse
import os
import tempfile
import time
from typing import Literal

from gauge import need_mnist

import aecore
from aecore.model.probe import STRENGTH
from aecore.training.trainer import TrainingProgress

SETTINGS = {
    "corruption": {"kind": "masking", "level": 0.4},
    "backbone": {"kind": "mlp", "widths": [1000], "activation": "relu", "code_activation": "relu"},
    "code_dim": 1000, "epochs": 12, "batch_size": 256, "weight_decay": 0.01, "threads": 2,
}  # fmt: skip
IMAGES = 10_000
STRENGTHS = (0.01, STRENGTH, 1.0)
BAR, AIM = 0.05, 0.08


def show(progress: TrainingProgress) -> None:
    if progress.step == 0:
        words = f"epoch {progress.epoch}: validation SSE {progress.validation_sse:.2f}, {progress.seconds:.0f} s"
        print(f"  {words}", flush=True)


def compare(session: aecore.Session, learn: Literal["clean", "corrupted"]) -> bool:
    found = {c: session.probe("masking", 0.4, learn, images=IMAGES, strength=c) for c in STRENGTHS}
    code, pixels = found[STRENGTH].code, max(one.pixels for one in found.values())
    gain = code - pixels
    verdict = "ok  " if gain >= BAR else "MISS"
    print(f"{verdict} fitted on {learn}: code {code:.4f}, pixels {pixels:.4f}, {100 * gain:+.1f} points "
          f"(bar {100 * BAR:.0f}, aim {100 * AIM:.0f})", flush=True)  # fmt: skip
    for c, one in found.items():
        print(f"       C = {c:g}: code {one.code:.4f}, pixels {one.pixels:.4f}")
    print(f"       {found[STRENGTH].note}")
    return gain >= BAR


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", help="a trained run instead of a new one")
    options = parser.parse_args()
    need_mnist()
    with tempfile.TemporaryDirectory() as home:
        if options.run:
            session = aecore.open(options.run)
        else:
            os.environ["AECORE_HOME"] = home
            begun = time.perf_counter()
            session = aecore.train("denoising", dataset="mnist", on_step=show, **SETTINGS)
            print(f"trained in {time.perf_counter() - begun:.0f} s: {session.status.metrics}")
        good = [compare(session, learn) for learn in ("clean", "corrupted")]
    raise SystemExit(not all(good))


if __name__ == "__main__":
    main()
