"""Published figures on MNIST: `AECORE_MNIST=…/mnist.npz python tests/benchmarks/mnist.py [pca linear course]`.

Prints figure and bar. Errors are squared error summed over the 784 pixels, mean over the 10,000 test images.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from gauge import need_mnist
from scipy.linalg import subspace_angles
from scipy.ndimage import median_filter
from sklearn.decomposition import PCA

import aecore
from aecore.foundation import metrics
from aecore.parts.datasets import Mnist
from aecore.parts.loading import load_data
from aecore.pictures import sheets
from aecore.training.trainer import TrainingProgress


def show(progress: TrainingProgress) -> None:
    if progress.step == 0:
        print(
            f"  epoch {progress.epoch}: validation SSE {progress.validation_sse:.2f}, {progress.seconds:.0f} s",
            flush=True,
        )


def say(what: str, figure: float, bar: str, good: bool) -> None:
    print(f"{'ok  ' if good else 'MISS'} {what}: {figure:.3f} (bar {bar})", flush=True)


def fitted_pca() -> tuple[PCA, np.ndarray]:
    """PCA-30 on the 60,000 images that are not test images, and the test images, flat."""
    data = load_data(Mnist())
    rest = np.concatenate([data.indices("train"), data.indices("validation")])
    model = PCA(30, svd_solver="covariance_eigh").fit(data.floats(rest).reshape(len(rest), -1))
    return model, data.floats(data.indices("test")).reshape(-1, 784)


def pca() -> float:
    model, test = fitted_pca()
    error = float(metrics.sse(test, model.inverse_transform(model.transform(test)).astype(np.float32)).mean())
    say("PCA, 30 components, test SSE", error, "13.87 ± 0.01", abs(error - 13.87) <= 0.01)
    return error


def linear() -> None:
    error = pca()
    model, _ = fitted_pca()
    for tied in (False, True):
        words = "tied" if tied else "untied"
        begun = time.perf_counter()
        session = aecore.train("linear", dataset="mnist", code_dim=30, backbone__tied=tied, on_step=show, **LINEAR)
        seconds = time.perf_counter() - begun
        over = session.status.metrics["test_sse"] / error
        say(f"linear autoencoder, 30 units, {words}, test SSE over PCA's", over, "within 0.5 %", abs(over - 1) <= 0.005)
        # Decoding is clipped to [0, 1] for display, so the decoder's directions are read from its weights.
        weights = dict(session._model.named_parameters())
        directions = weights["encoder.layers.0.weight"].T if tied else weights["decoder.layers.0.weight"]
        angle = float(np.rad2deg(subspace_angles(directions.numpy(), model.components_.T).max()))
        say("largest principal angle to PCA, degrees", angle, "< 5", angle < 5)
        print(f"     {seconds:.0f} s to train")


LINEAR = {"epochs": 30, "batch_size": 512, "learning_rate": 5e-3, "threads": 1}


def course(picture: Path | None) -> None:
    begun = time.perf_counter()
    session = aecore.train("course_denoising", threads=1, on_step=show)
    seconds = time.perf_counter() - begun
    data = session.data
    test = data.floats(data.indices("test"))
    parts = [session.denoise(test[i : i + 2000], seed=i) for i in range(0, len(test), 2000)]
    before = np.concatenate([part.sse_before for part in parts]).mean()
    after = np.concatenate([part.sse_after for part in parts]).mean()
    say("course denoiser, test SSE after", float(after), "≤ 13.5", after <= 13.5)
    gain = 10 * np.log10(before / after)
    say(f"PSNR of the mean error, from SSE {before:.1f}, dB gained", float(gain), "≥ 10", gain >= 10)
    corrupted = np.concatenate([part.corrupted for part in parts])
    medians = {size: metrics.sse(test, median_filter(corrupted, (1, 1, size, size))).mean() for size in (3, 5)}
    best = min(medians.values())
    over = 10 * np.log10(best / after)
    say(f"dB over the best median filter (3×3 {medians[3]:.1f}, 5×5 {medians[5]:.1f})", float(over), "≥ 4", over >= 4)
    print(f"     {seconds:.0f} s to train {session.status.epoch} epochs")
    if picture is not None:
        shown = session.denoise(session.gallery(10, seed=1).images, seed=1)
        columns = [shown.original, shown.corrupted, shown.reconstruction]
        sheet = sheets.labelled_columns(columns, ["original", "corrupted", "reconstruction"])
        picture.write_bytes(sheets.png(sheet))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=["pca", "linear", "course", []], help="default: linear course")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    need_mnist()
    with tempfile.TemporaryDirectory() as home:
        os.environ["AECORE_HOME"] = home
        for name in options.what or ("linear", "course"):
            {"pca": pca, "linear": linear, "course": lambda: course(options.picture)}[name]()


if __name__ == "__main__":
    main()
