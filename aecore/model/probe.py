"""The linear probe: how well a linear classifier predicts the class from the code, and from the raw pixels.

scikit-learn is imported where it is used: importing takes a second, and training needs it only at its end.
"""

import dataclasses
import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64

from aecore.foundation.errors import BadInput
from aecore.foundation.geometry import stratified
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.parts.contracts import Corruption
from aecore.parts.data import Data

MAX_IMAGES = 2000
"""Most images to fit the classifier, and most to score it."""
MAX_NUMBERS = 4_000_000
"""Most images times features in the probe of a finished training: more would take longer than a few seconds."""
IMAGES_AT_ONCE = 500
STRENGTH = 0.1
"""The classifier's C. From 0.01 to 1, the accuracies of well-trained codes differ by a few hundredths."""

Features = Float64[np.ndarray, "n f"]
TestFeatures = Float64[np.ndarray, "m f"]
Labels = Int64[np.ndarray, "n"]
TestLabels = Int64[np.ndarray, "m"]


@dataclasses.dataclass(frozen=True)
class Probe:
    """The share of test images, 0 to 1, whose class is predicted right: from the `code`, and from the raw `pixels`.

    `note` says how many images were used, of how many, and how they were chosen.
    """

    code: float
    pixels: float
    note: str


def probe(
    model: Autoencoder, data: Data, learn: Corruption, test: Corruption,
    *, images: int = MAX_IMAGES, strength: float = STRENGTH, seed: int = 0,
) -> Probe:  # fmt: skip
    """Fit logistic regression on the code means of training images, and score it on those of test images.

    min over W, b of Σ −log p(y | z) + ‖W‖² / (2 · strength), to convergence. Training images are corrupted by `learn`
    first, test images by `test`. The features z are centred and divided by one number, the root of their mean variance:
    to divide each unit by its own deviation would magnify units that hardly vary. At most `images` of each split are
    used, stratified by class; `seed` decides choice and noise. Raises `BadInput` for fewer than two classes, or no test
    images.
    Source: Alain & Bengio, "Understanding intermediate layers using linear classifier probes", ICLR workshop (2017).
    """
    if data.labels is None:
        raise BadInput("a linear probe needs classes, and these images have none; choose a dataset with labels")
    every = data.indices("train"), data.indices("test")
    fitted, scored = (stratified(data.labels, split, images, seed) for split in every)
    fitted_labels, scored_labels = data.labels[fitted], data.labels[scored]
    if len(np.unique(fitted_labels)) < 2 or not len(scored_labels):
        raise BadInput("a linear probe needs training images of two classes and test images; choose another dataset")
    train, held_out = _features(model, data, fitted, learn, seed), _features(model, data, scored, test, seed + 1)
    code, pixels = (
        _accuracy(x, fitted_labels, z, scored_labels, strength) for x, z in zip(train, held_out, strict=True)
    )
    note = (
        f"fitted on {len(fitted):,} of {len(every[0]):,} training images, scored on {len(scored):,} of "
        f"{len(every[1]):,} test images, stratified, seed {seed}"
    )
    return Probe(code, pixels, note)


def figures(model: Autoencoder, config: RunConfig, data: Data) -> dict[str, float]:
    """Probe clean images and, if the run corrupts, images corrupted in its way both to fit and to score.

    `probe_accuracy` and `probe_accuracy_corrupted`, with the accuracies from pixels under `pixels_…`. Empty for data
    without classes.
    """
    own = config.corruption
    corruptions = {"probe_accuracy": own.model_copy(update={"level": 0.0})}
    corruptions |= {"probe_accuracy_corrupted": own} if own.level else {}
    images = max(100, min(MAX_IMAGES, MAX_NUMBERS // max(config.code_dim, math.prod(data.shape))))
    found: dict[str, float] = {}
    try:
        for name, corruption in corruptions.items():
            result = probe(model, data, corruption, corruption, images=images)
            found |= {name: result.code, f"pixels_{name}": result.pixels}
    except BadInput:
        return {}
    return found


@torch.inference_mode()
def _features(
    model: Autoencoder, data: Data, chosen: Labels, corruption: Corruption, seed: int
) -> tuple[Float64[np.ndarray, "n k"], Features]:
    """Return code means and pixels of the chosen images, corrupted with the seed's noise."""
    noise = torch.Generator().manual_seed(seed)
    codes, pixels = list[np.ndarray](), list[np.ndarray]()
    for start in range(0, len(chosen), IMAGES_AT_ONCE):
        clean = torch.from_numpy(data.floats(chosen[start : start + IMAGES_AT_ONCE]))
        given, visible = corruption.corrupt(clean, noise)
        codes.append(model.encode(given, visible).mean.numpy())
        pixels.append(given.flatten(1).numpy())
    return np.concatenate(codes).astype(np.float64), np.concatenate(pixels).astype(np.float64)


def _accuracy(x: Features, labels: Labels, test: TestFeatures, test_labels: TestLabels, strength: float) -> float:
    """Fit the classifier to `x`, and return the share of `test` that it predicts right."""
    from sklearn.linear_model import LogisticRegression

    centre, scale = x.mean(0), math.sqrt(x.var(0).mean()) or 1.0
    # At this tolerance accuracies are within half a hundredth of those at 1e-4, in a third of the steps.
    classifier: Any = LogisticRegression(C=strength, tol=1e-3, max_iter=5000).fit((x - centre) / scale, labels)
    return float(classifier.score((test - centre) / scale, test_labels))
