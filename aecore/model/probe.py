"""The linear probe: how well a linear classifier names the class from the code, and from the raw pixels.

scikit-learn is imported where it is used: it takes a second, and training needs it only at its end.
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

IMAGES = 2000
"""Most images that the classifier is fitted on, and most that it is scored on."""
NUMBERS = 4_000_000
"""Images times features: with more, measuring a run would take longer than a few seconds."""
STRENGTH = 0.1
"""The classifier's C; from 0.01 to 1 the accuracies of well-trained codes differ by a few hundredths."""

Features = Float64[np.ndarray, "n f"]
TestFeatures = Float64[np.ndarray, "m f"]
Labels = Int64[np.ndarray, "n"]
TestLabels = Int64[np.ndarray, "m"]


@dataclasses.dataclass(frozen=True)
class Probe:
    """Share of test images whose class is named, 0 to 1, no unit: from the `code`, and from the raw `pixels` likewise.
    `note` says how many images of how many, and how they were chosen.
    """

    code: float
    pixels: float
    note: str


def probe(
    model: Autoencoder, data: Data, learn: Corruption, test: Corruption,
    *, images: int = IMAGES, strength: float = STRENGTH, seed: int = 0,
) -> Probe:  # fmt: skip
    """Logistic regression on the code means of training images given through `learn`, scored on test images given
    through `test`: min over W, b of Σ −log p(y | z) + ‖W‖² / (2 · strength), to convergence.

    The features z are centred and divided by one number, the root of their mean variance: each unit by its own would
    blow up those that hardly vary. At most `images` of each split are used, stratified by class; choice and noise
    follow from `seed`. Raises `BadInput` where there are no two classes or no test images.
    Source: Alain & Bengio, "Understanding intermediate layers using linear classifier probes", ICLR workshop (2017).
    """
    if data.labels is None:
        raise BadInput("a linear probe needs classes, and these images have none; choose a dataset with labels")
    every = data.indices("train"), data.indices("test")
    fitted, scored = (stratified(data.labels, split, images, seed) for split in every)
    names, wanted = data.labels[fitted], data.labels[scored]
    if len(np.unique(names)) < 2 or not len(wanted):
        raise BadInput("a linear probe needs training images of two classes and test images; choose another dataset")
    seen, given = _features(model, data, fitted, learn, seed), _features(model, data, scored, test, seed + 1)
    code, pixels = (_accuracy(x, names, z, wanted, strength) for x, z in zip(seen, given, strict=True))
    note = (
        f"fitted on {len(fitted):,} of {len(every[0]):,} training images, scored on {len(scored):,} of "
        f"{len(every[1]):,} test images, stratified, seed {seed}"
    )
    return Probe(code, pixels, note)


def figures(model: Autoencoder, config: RunConfig, data: Data) -> dict[str, float]:
    """What is kept with a run: the probe on clean images and, where the run corrupts, on images that are corrupted like
    this both to fit and to score; each beside the pixels' own. Empty where the data has no classes to tell apart.
    """
    own = config.corruption
    wanted = {"probe_accuracy": own.model_copy(update={"level": 0.0})}
    wanted |= {"probe_accuracy_corrupted": own} if own.level else {}
    images = max(100, min(IMAGES, NUMBERS // max(config.code_dim, math.prod(data.shape))))
    found: dict[str, float] = {}
    try:
        for name, corruption in wanted.items():
            result = probe(model, data, corruption, corruption, images=images)
            found |= {name: result.code, f"pixels_{name}": result.pixels}
    except BadInput:
        return {}
    return found


@torch.inference_mode()
def _features(
    model: Autoencoder, data: Data, chosen: Labels, corruption: Corruption, seed: int
) -> tuple[Float64[np.ndarray, "n k"], Features]:
    """Code means and pixels of the chosen images, corrupted with the seed's noise."""
    noise = torch.Generator().manual_seed(seed)
    codes, pixels = list[np.ndarray](), list[np.ndarray]()
    for start in range(0, len(chosen), 500):
        clean = torch.from_numpy(data.floats(chosen[start : start + 500]))
        given, visible = corruption.corrupt(clean, noise)
        codes.append(model.encode(given, visible).mean.numpy())
        pixels.append(given.flatten(1).numpy())
    return np.concatenate(codes).astype(np.float64), np.concatenate(pixels).astype(np.float64)


def _accuracy(x: Features, names: Labels, test: TestFeatures, wanted: TestLabels, strength: float) -> float:
    from sklearn.linear_model import LogisticRegression

    centre, scale = x.mean(0), math.sqrt(x.var(0).mean()) or 1.0
    # At this tolerance accuracies are within half a hundredth of those at 1e-4, in a third of the steps.
    classifier: Any = LogisticRegression(C=strength, tol=1e-3, max_iter=5000).fit((x - centre) / scale, names)
    return float(classifier.score((test - centre) / scale, wanted))
