"""Metric MDS against its bars: `AECORE_MNIST=…/mnist.npz python tests/benchmarks/maps.py [PART …]`.

Parts: small (2,000 test images against scikit-learn), medium (4,000), large (10,000), landmarks (70,000), place (one
new image), compile (the first call of a process), growth. Each prints figure and bar: wall seconds, medians of
`--repeat` fits; in brackets processor seconds, which other programs on the machine disturb less. Every fit of `large`,
`landmarks` and `growth` runs in a process of its own, whose peak memory is printed with it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from gauge import need_mnist

from aecore.foundation import geometry, metrics
from aecore.parts.embeddings import Mds

FIXED = 5000
"""Images among whose pairs the stress of the map of all is compared with that of a map of their own."""


def say(what: str, figure: float, unit: str, bar: float, aim: float | None, more: bool = False) -> None:
    good = figure >= bar if more else figure <= bar
    goal = "" if aim is None else f", aim {aim:g}"
    print(
        f"{'ok  ' if good else 'MISS'} {what}: {figure:.4g} {unit} (bar {'≥' if more else '≤'} {bar:g}{goal})",
        flush=True,
    )


def pixels(n: int) -> np.ndarray:
    """The first `n` test images, or with more than there are all 70,000 images, as rows of 0 to 1."""
    with np.load(os.environ["AECORE_MNIST"], allow_pickle=False) as file:
        images = file["x_test"] if n <= 10_000 else np.concatenate([file["x_test"], file["x_train"]])
    return (images[:n].reshape(min(n, len(images)), -1) / np.float32(255)).astype(np.float32)


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What `work` gives, wall seconds and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    found = work()
    return found, time.perf_counter() - wall, time.process_time() - processor


def against_sklearn(n: int, repeat: int, aim: float) -> None:
    """Ours once before and once after each of theirs, so that a busy machine disturbs both alike."""
    import sklearn.manifold

    x = pixels(n)
    Mds().fit(x[:50])
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    for _ in range(repeat):
        found, *seconds = timed(lambda: Mds().fit(x))
        ours.append((seconds[0], seconds[1]))
        model = sklearn.manifold.MDS(n_init=1, init="classical_mds", normalized_stress=False)
        given = x.astype(np.float64)
        places, *seconds = timed(lambda model=model, given=given: model.fit_transform(given))
        theirs.append((seconds[0], seconds[1]))
        found, *seconds = timed(lambda: Mds().fit(x))
        ours.append((seconds[0], seconds[1]))
    wanted = geometry.distances(x.astype(np.float64))
    mine, other = metrics.stress_1(wanted, found.coordinates), metrics.stress_1(wanted, places)
    (a, a_processor), (b, b_processor) = medians(ours), medians(theirs)
    print(f"  {n:,}: {a:.3f} s [{a_processor:.3f}] after {found.quality['iterations']:.0f} passes, scikit-learn "
          f"{b:.2f} s [{b_processor:.2f}]: {b_processor / a_processor:.0f} × in processor time")  # fmt: skip
    say(f"{n:,} images, times faster", b / a, "×", 30, aim, more=True)
    say(f"{n:,} images, stress-1 {mine:.5f} over theirs {other:.5f}", mine / other, "×", 1.0, None)


def medians(seconds: list[tuple[float, float]]) -> tuple[float, float]:
    return statistics.median(s[0] for s in seconds), statistics.median(s[1] for s in seconds)


# --- in a process of its own

CHILD = """
import json, resource, sys, time
sys.path.insert(0, {here!r})
import numpy as np
from maps import FIXED, pixels, timed
from aecore.parts.embeddings import Mds
x = pixels({n})
Mds().fit(x[:50])
Mds().fit(x[:50]).transform(x[:2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
fitted, wall, processor = timed(lambda: Mds().fit(x))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
if {save!r}:
    np.save({save!r}, fitted.coordinates)
print(json.dumps({{"wall": wall, "processor": processor, "peak": peak, "before": before, **fitted.quality}}))
"""


def fitted_apart(n: int, save: str = "") -> dict[str, float]:
    code = CHILD.format(here=os.path.dirname(os.path.abspath(__file__)), n=n, save=save)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def repeated(n: int, repeat: int) -> dict[str, float]:
    """Medians, but for the memory, of which the most."""
    runs = [fitted_apart(n) for _ in range(repeat)]
    found = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    return found | {"peak": max(run["peak"] for run in runs)}


def large(repeat: int) -> None:
    found = repeated(10_000, repeat)
    print(f"  10,000: [{found['processor']:.2f} s], {found['iterations']:.0f} passes")
    say("10,000 images", found["wall"], "s", 15, 4)
    say("10,000 images, stress-1", found["stress_1"], "", 0.3555, None)
    say("10,000 images, peak memory of the process", found["peak"] / 1e9, "GB", 1.5, None)


def landmarks(repeat: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "all.npy")
        runs = [fitted_apart(70_000, path) for _ in range(repeat)]
        places = np.load(path, allow_pickle=False)
    found = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    x = pixels(70_000)
    chosen = np.sort(np.random.default_rng(123).permutation(len(x))[:FIXED])
    wanted = geometry.distances(x[chosen].astype(np.float64))
    alone = metrics.stress_1(wanted, Mds().fit(x[chosen]).coordinates)
    among = metrics.stress_1(wanted, places[chosen])
    print(f"  70,000: [{found['processor']:.1f} s], peak {found['peak'] / 1e9:.2f} GB; among {FIXED:,} fixed images "
          f"stress-1 {among:.5f}, in a map of their own {alone:.5f}")  # fmt: skip
    say("70,000 images with 4,000 landmarks", found["wall"], "s", 40, 15)
    say("70,000 images, stress-1 above that of a map of their own", 100 * (among / alone - 1), "%", 5, 3)


def one_new_image() -> None:
    x = pixels(10_000)
    new = (x[:40] + x[100:140]) / 2
    fitted = Mds(max_iterations=5).fit(x)
    fitted.transform(new[:1])
    seconds = [timed(lambda i=i: fitted.transform(new[i : i + 1]))[1:] for i in range(len(new))]
    wall, processor = medians(seconds)
    print(f"  one image: [{1000 * processor:.2f} ms]")
    say("one new image into a map of 10,000", 1000 * wall, "ms", 10, 2)


FIRST = """
import time
import numpy as np
import aecore, scipy.spatial.distance, scipy.linalg
from aecore.parts.embeddings import Mds
x = np.random.default_rng(0).normal(size=(60, 20)).astype(np.float32)
wall, processor = time.perf_counter(), time.process_time()
Mds().fit(x).transform(x[:1])
once = time.perf_counter() - wall, time.process_time() - processor
wall, processor = time.perf_counter(), time.process_time()
Mds().fit(x).transform(x[:1])
print(once[0] - (time.perf_counter() - wall), once[1] - (time.process_time() - processor))
"""


def compilation(repeat: int) -> None:
    """What the first fit and transform of a process take above the second, numba's own loading included."""
    fresh: list[tuple[float, float]] = []
    cached: list[tuple[float, float]] = []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as folder:
            for seconds in (fresh, cached):
                env = {**os.environ, "NUMBA_CACHE_DIR": folder}
                done = subprocess.run(
                    [sys.executable, "-P", "-c", FIRST], env=env, capture_output=True, text=True, check=True
                )
                wall, processor = map(float, done.stdout.split())
                seconds.append((wall, processor))
    for what, seconds, bar in (("once", fresh, 2.0), ("found on disk", cached, 0.6)):
        wall, processor = medians(seconds)
        print(f"  first call, {what}: [{processor:.2f} s]")
        say(f"first call, compiled code {what}", wall, "s", bar, None)


def growth(repeat: int) -> None:
    small, big = repeated(1000, max(3, repeat)), repeated(10_000, repeat)
    say("10,000 images over 1,000, processor seconds", big["processor"] / small["processor"], "×", 100, None)
    half, whole = fitted_apart(35_000), fitted_apart(70_000)
    used = [run["peak"] - run["before"] for run in (half, whole)]
    print(f"  with landmarks, memory above the process with its data: {used[0] / 1e6:.0f} and {used[1] / 1e6:.0f} MB")
    say("70,000 images over 35,000, peak memory", whole["peak"] / half["peak"], "×", 2.0, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts: dict[str, Callable[[int], None]] = {
        "place": lambda repeat: one_new_image(), "compile": compilation, "large": large, "landmarks": landmarks,
        "growth": growth, "small": lambda repeat: against_sklearn(2000, repeat, 80),
        "medium": lambda repeat: against_sklearn(4000, repeat, 100),
    }  # fmt: skip
    parser.add_argument("parts", nargs="*", help=", ".join(parts))
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    if unknown := set(options.parts) - set(parts):
        parser.error(f"no part {', '.join(sorted(unknown))}")
    if set(options.parts or parts) != {"compile"}:
        need_mnist()
    for name in options.parts or parts:
        parts[name](options.repeat)


if __name__ == "__main__":
    main()
