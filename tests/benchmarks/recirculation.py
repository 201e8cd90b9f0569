"""Recirculation against back-propagation of the same net on digits: `python tests/benchmarks/recirculation.py`.

64-32-64 logistic units, tied as in the recipe (or not: `--untied`); equal epochs, seeds and optimiser. Each trains at
every learning rate of the sweep; the best on validation images is compared on test images.
"""

import argparse
import os
import statistics
import tempfile

import aecore

RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
SEEDS = (0, 1, 2)


def best(procedure: str, seed: int, tied: bool) -> tuple[float, float]:
    """(test error, learning rate) of the run that is best on validation images."""
    found = []
    for rate in RATES:
        session = aecore.train(
            "recirculation", procedure=procedure, backbone__tied=tied, learning_rate=rate, seed=seed, threads=1
        )
        kept = min(row["validation_loss"] for row in session.history())
        found.append((kept, session.status.metrics["test_sse"], rate))
    return min(found)[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--untied", action="store_true")
    tied = not parser.parse_args().untied
    ratios = []
    with tempfile.TemporaryDirectory() as home:
        os.environ["AECORE_HOME"] = home
        for seed in SEEDS:
            (ours, rate), (peer, peer_rate) = best("recirculation", seed, tied), best("joint", seed, tied)
            ratios.append(ours / peer)
            print(
                f"  seed {seed}: recirculation {ours:.3f} (rate {rate:g}), back-propagation {peer:.3f} "
                f"(rate {peer_rate:g}), ratio {ratios[-1]:.3f}",
                flush=True,
            )
    ratio = statistics.median(ratios)
    good = "ok  " if ratio <= 1.3 else "MISS"
    print(f"{good} squared error per test image, recirculation over back-propagation: {ratio:.3f} (bar 1.3, aim 1.1)")


if __name__ == "__main__":
    main()
