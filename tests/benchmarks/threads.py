"""The command line's choice of threads against one and two, on an idle and on a busy machine.

`AECORE_MNIST=…/mnist.npz python tests/benchmarks/threads.py [digits mnist] [--rounds N] [--busy N]`: trains the same
network with 1, with 2 and with the number of threads that a training chooses for itself, in turn, first as the machine
is and then beside busy processes that this command starts and ends. Prints the seconds (medians) and the ratio of the
default to the better of 1 and 2; the bar is 1.3 for both. A training with 2 threads is stopped after twice the time
that it took with 1, because only the better counts. Takes some ten minutes on two cores. The first part of a row means
something only if nothing else runs.
"""

import argparse
import contextlib
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gauge import need_mnist

from aecore.model.config import RunConfig, with_settings
from aecore.model.recipes import recipe
from aecore.parts.loading import load_data
from aecore.store.store import RunStore
from aecore.training.run import train

BAR = 1.3
ROWS = {"digits": ("denoising", 30), "mnist": ("course_denoising", 1)}
"""{row: recipe and epochs}; both networks are large enough for a choice."""
CHOICES: tuple[int | None, ...] = (1, 2, None)


@contextlib.contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """So many processes that only count, until the block is left."""
    children = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


def seconds(config: RunConfig, limit: float = math.inf) -> float:
    """The time of a training, which is stopped soon after `limit`."""
    with tempfile.TemporaryDirectory() as home:
        store = RunStore(Path(home), Path(home) / "none")
        begun = time.perf_counter()
        run_id = train(config, store, should_stop=lambda: time.perf_counter() - begun > limit)
        took = time.perf_counter() - begun
        assert store.info(run_id).state == "finished" or took > limit
    return took


def ratio(config: RunConfig, rounds: int, words: str) -> float:
    """The median time of the default over the better of the medians of 1 and 2 threads."""
    times: dict[int | None, list[float]] = {threads: [] for threads in CHOICES}
    for _ in range(rounds):
        for threads in CHOICES:
            limit = 2 * times[1][-1] if threads == 2 else math.inf
            times[threads].append(seconds(with_settings(config, {"training.threads": threads}), limit))
    one, two, chosen = (statistics.median(times[threads]) for threads in CHOICES)
    found = chosen / min(one, two)
    verdict = "ok  " if found <= BAR else "MISS"
    print(f"{verdict} {words}: {found:.2f} × the better of 1 and 2 threads (bar {BAR}); "
          f"1: {one:.1f} s, 2: {two:.1f} s, default: {chosen:.1f} s", flush=True)  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help=f"some of: {', '.join(ROWS)}; default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", type=int, default=6, help="busy processes of the second part; 0 leaves it out")
    parser.add_argument("--epochs", type=int, help="instead of 30 for digits and 1 for MNIST")
    options = parser.parse_args()
    for row in options.rows or ROWS:
        name, epochs = ROWS[row]
        if row == "mnist":
            need_mnist()
        config = with_settings(recipe(name).config, {"epochs": options.epochs or epochs})
        load_data(config.dataset)
        seconds(with_settings(config, {"epochs": 1, "dataset": "digits"}))  # whatever is done once in a process
        ratio(config, options.rounds, f"{row}, as the machine is")
        if options.busy:
            with busy_processes(options.busy):
                ratio(config, options.rounds, f"{row}, beside {options.busy} busy processes")


if __name__ == "__main__":
    main()
