"""Measure a model once, when its training ends, so that every page can show the results without the dataset."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from aecore.foundation import metrics
from aecore.foundation.geometry import stratified
from aecore.model import activity, probe
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.parts.data import Data
from aecore.pictures.arrays import printable

MAX_CODES = 2000
"""Training images whose codes are stored with a run."""
MAX_CODE_BYTES = 1_500_000
"""Bytes of stored codes, from which wide codes are stored for fewer images (at least 100)."""
MAX_VALUE = 1e12
"""Largest number that is believed: sums, squares and distances of such numbers stay finite in float32."""
MAX_UNIT_FIGURES = 16
MAX_LABEL = 1_000_000
"""Largest class number that is believed: arrays with one entry per class are made from it."""
QUANTILES = np.linspace(0.01, 0.99, 41)
EFFECT_CODES = 24
"""Stored codes about which the effect of a unit is measured."""
DEAD_SHARE = 0.02
"""A unit or direction is dead if its effect is at most this share of the strongest unit's."""
COLLAPSED_NATS = 0.01
"""A unit has collapsed if its KL is below this: q(h_k | x) is p(h_k) for every x, so it carries no information."""
IMAGES_AT_ONCE = 500


def effects(decode: Callable[[Tensor], Tensor], codes: Tensor, steps: Iterable[Tensor]) -> Tensor:
    """Measure the mean absolute change of the picture over each of D `steps` (K,) through the code; (D,), pixels in
    [0, 1].

    e_d = mean over base codes z and pixels of |ĝ(z + ½ s_d) − ĝ(z − ½ s_d)|, with ĝ = `decode`. The base codes are
    evenly chosen from `codes`. The step of a unit is its standard deviation over the data, along itself.
    """
    bases = codes[:: max(1, len(codes) // EFFECT_CODES)][:EFFECT_CODES]
    result: list[Tensor] = []
    for step in steps:
        pictures = decode(torch.cat([bases + step / 2, bases - step / 2]))
        result.append((pictures[: len(bases)] - pictures[len(bases) :]).abs().mean())
    return torch.stack(result) if result else torch.zeros(0)


def most_codes(code_dim: int) -> int:
    """Return how many codes of K = `code_dim` units are stored with a run at most."""
    return max(100, min(MAX_CODES, MAX_CODE_BYTES // (4 * code_dim)))


@torch.inference_mode()
def analyse(model: Autoencoder, config: RunConfig, data: Data) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Return the arrays that `refusal` describes, and figures of the test images.

    The codes are those of training images, stratified by class.
    """
    chosen = stratified(data.labels, data.indices("train"), most_codes(config.code_dim))
    code = model.encode(torch.from_numpy(data.floats(chosen)))
    arrays = _code_arrays(model, code.mean) | {"indices": chosen}
    if data.labels is not None:
        arrays["labels"] = data.labels[chosen]
    for name, values in config.objective.unit_report(code).items():
        arrays[f"unit_{name}"] = values.numpy()
    figures = {**test_figures(model, config, data), **noise_figures(model, data), **probe.figures(model, config, data)}
    if "unit_kl" in arrays:
        figures["collapsed_units"] = float((arrays["unit_kl"] < COLLAPSED_NATS).sum())
    figures |= activity.figures(model, config, data)
    if (rate := activity.rates(model, config, data)) is not None:
        arrays["unit_rate"] = rate
        figures |= activity.rate_figures(rate)
    return arrays, figures


def _code_arrays(model: Autoencoder, codes: Tensor) -> dict[str, np.ndarray]:
    deviations = codes.std(0, correction=0)
    unit_steps = (deviations * (torch.arange(len(deviations)) == k) for k in range(len(deviations)))
    return {
        "codes": codes.numpy(),
        "quantiles": np.quantile(codes.numpy(), QUANTILES, axis=0).astype(np.float32),
        "effects": effects(lambda z: model.likelihood.mean(model.decode(z)), codes, unit_steps).numpy(),
    }


def refusal(arrays: Mapping[str, np.ndarray], code_dim: int) -> str | None:
    """Say why `arrays`, read from a file, cannot be the analysis of a code of K = `code_dim` units; None if they can.

    `codes` (N, K), 1 ≤ N ≤ `MAX_CODES`; `quantiles` (Q, K) of each unit, at `QUANTILES`, ascending; `effects` (K,) of
    at least 0; `indices` (N,) of the images in the dataset and, where it has classes, `labels` (N,); up to
    `MAX_UNIT_FIGURES` of `unit_…` (K,). Floats are float32 of at most `MAX_VALUE`, integers int64.
    """
    n = len(arrays["codes"]) if "codes" in arrays and arrays["codes"].ndim else 0
    expected: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
        "codes": ((n, code_dim), np.float32), "quantiles": ((len(QUANTILES), code_dim), np.float32),
        "effects": ((code_dim,), np.float32), "indices": ((n,), np.int64), "labels": ((n,), np.int64),
    }  # fmt: skip
    figures = [name for name in arrays if name.startswith("unit_")]
    missing = expected.keys() - {"labels"} - arrays.keys()
    if missing or not 1 <= n <= MAX_CODES or len(figures) > MAX_UNIT_FIGURES:
        return f"{', '.join(sorted(missing)) or 'codes'} missing or of the wrong size"
    expected |= dict.fromkeys(figures, ((code_dim,), np.float32))
    for name, array in arrays.items():
        if name not in expected or (array.shape, array.dtype) != expected[name] or not np.isfinite(array).all():
            return f"'{printable(name)}' is not what these settings need, or not finite"
        if array.dtype == np.int64 and (array.min() < 0 or (name == "labels" and array.max() > MAX_LABEL)):
            return f"'{name}' holds impossible numbers"
        if array.dtype == np.float32 and np.abs(array).max() > MAX_VALUE:
            return f"'{printable(name)}' holds numbers beyond {MAX_VALUE:g}, with which no distance can be computed"
    if (arrays["effects"] < 0).any() or (np.diff(arrays["quantiles"], axis=0) < 0).any():
        return "the effects or quantiles of its units are impossible"
    return None


@torch.inference_mode()
def test_figures(model: Autoencoder, config: RunConfig, data: Data) -> dict[str, float]:
    """Measure the mean squared error per test image.

    `test_sse` of clean images and, where the run corrupts, `denoised_sse` of reconstructions from corrupted input and
    `corrupted_sse` of that input itself. Empty without test images.
    """
    chosen = data.indices("test")
    generator = torch.Generator().manual_seed(config.training.seed + 3)
    sums = {"test_sse": 0.0, "corrupted_sse": 0.0, "denoised_sse": 0.0}
    for start in range(0, len(chosen), IMAGES_AT_ONCE):
        clean = torch.from_numpy(data.floats(chosen[start : start + IMAGES_AT_ONCE]))
        corrupted, visible = config.corruption.corrupt(clean, generator)
        compared = {
            "test_sse": model.reconstruct(clean),
            "corrupted_sse": corrupted,
            "denoised_sse": model.reconstruct(corrupted, visible),
        }
        for name, pictures in compared.items():
            sums[name] += float(metrics.sse(clean.numpy(), pictures.numpy()).sum())
    if config.corruption.level == 0:
        sums = {"test_sse": sums["test_sse"]}
    return {name: total / len(chosen) for name, total in sums.items()} if len(chosen) else {}


@torch.inference_mode()
def noise_figures(model: Autoencoder, data: Data) -> dict[str, float]:
    """Measure `noise_r2` (see `metrics`): how well pure noise is copied. Empty for data without a value range."""
    if data.value_range is None:
        return {}
    noise = metrics.noise_images(data.shape, data.value_range)
    return {"noise_r2": metrics.noise_r2(noise, model.reconstruct(torch.from_numpy(noise)).numpy())}
