"""Measure the units of a code when training ends: how often each is active, and the cost of the code under its prior.

A sparsity penalty Ω(h) can be read as −log p(h) up to a constant; then −log p(x, h) = −log p(x | h) − log p(h), both in
nats, and training is approximate maximum likelihood of a model with latent variables.
Source: Goodfellow, Bengio & Courville, "Deep Learning" (2016), section 14.2.1.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.parts.contracts import Code
from aecore.parts.data import Data, SplitName

IMAGES_AT_ONCE = 500


def _codes(model: Autoencoder, data: Data, split: SplitName) -> Iterator[tuple[Tensor, Code]]:
    """Encode a split piece by piece: images and their codes."""
    chosen = data.indices(split)
    for start in range(0, len(chosen), IMAGES_AT_ONCE):
        x = torch.from_numpy(data.floats(chosen[start : start + IMAGES_AT_ONCE]))
        yield x, model.encode(x)


@torch.inference_mode()
def rates(model: Autoencoder, config: RunConfig, data: Data) -> Float32[np.ndarray, "k"] | None:
    """Measure the share of training images for which each unit is active; None if the objective defines no activity."""
    counts: list[Tensor] = []
    images = 0
    for x, code in _codes(model, data, "train"):
        active = config.objective.active(code)
        if active is None:
            return None
        counts.append(active.sum(0))
        images += len(x)
    return (torch.stack(counts).sum(0) / images).numpy() if counts else None


def rate_figures(rate: Float32[np.ndarray, "k"]) -> dict[str, float]:
    """Summarise rates: `active_rate`, the mean share of active units, and `dead_units`, the number that are never
    active.
    """
    return {"active_rate": float(rate.mean()), "dead_units": float((rate == 0).sum())}


@torch.inference_mode()
def nats(model: Autoencoder, config: RunConfig, data: Data, split: SplitName) -> dict[str, float]:
    """Measure `reconstruction_nats` −log p(x | h) and `prior_nats` −log p(h) at h = f(x), means per image of a split.

    Both are of densities, so they may be negative. Empty where the objective has no prior.
    """
    sums, images = {"reconstruction_nats": 0.0, "prior_nats": 0.0}, 0
    for x, code in _codes(model, data, split):
        prior = config.objective.prior(code)
        if prior is None:
            return {}
        nll = model.likelihood.nll(model.decode(code.mean), x)
        sums["reconstruction_nats"] += float(nll.sum())
        sums["prior_nats"] += float(prior.sum())
        images += len(x)
    return {name: total / images for name, total in sums.items()} if images else {}


def figures(model: Autoencoder, config: RunConfig, data: Data) -> dict[str, float]:
    """Measure `nats` of the test images and, with names that begin with `validation_`, of the validation images."""
    held_out = nats(model, config, data, "validation")
    return nats(model, config, data, "test") | {f"validation_{name}": value for name, value in held_out.items()}
