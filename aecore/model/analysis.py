"""What is measured once, when a training ends, so that every page can show it without the data at hand."""

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

CODES_LIMIT = 2000
CODES_BYTES = 1_500_000
QUANTILES = np.linspace(0.01, 0.99, 41)
BASES = 24
DEAD = 0.02
"""Share of the strongest unit's effect up to which a unit, or another direction, counts as dead."""
COLLAPSED = 0.01
"""KL per unit in nats below which a unit has collapsed: q(h_k | x) is p(h_k) whatever x is, so it carries nothing."""


def effects(decode: Callable[[Tensor], Tensor], codes: Tensor, steps: Iterable[Tensor]) -> Tensor:
    """Mean absolute change of the picture over each of the D `steps` (K,) through the code, (D,), pixels in [0, 1].

    e_d = mean over base codes z and pixels of |ĝ(z + ½ s_d) − ĝ(z − ½ s_d)|, ĝ = `decode`; the bases are codes of the
    data themselves. A unit's step is its standard deviation over the data along itself.
    """
    bases = codes[:: max(1, len(codes) // BASES)][:BASES]
    result: list[Tensor] = []
    for step in steps:
        pictures = decode(torch.cat([bases + step / 2, bases - step / 2]))
        result.append((pictures[: len(bases)] - pictures[len(bases) :]).abs().mean())
    return torch.stack(result) if result else torch.zeros(0)


@torch.inference_mode()
def analyse(model: Autoencoder, config: RunConfig, data: Data) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Arrays (codes of a stratified subset of the training images, per-unit quantiles and effects) and figures on test
    images.
    """
    n = max(100, min(CODES_LIMIT, CODES_BYTES // (4 * config.code_dim)))
    chosen = stratified(data.labels, data.indices("train"), n)
    code = model.encode(torch.from_numpy(data.floats(chosen)))
    codes = code.mean
    std = codes.std(0, correction=0)
    arrays = {
        "codes": codes.numpy(),
        "indices": chosen,
        "quantiles": np.quantile(codes.numpy(), QUANTILES, axis=0).astype(np.float32),
        "effects": effects(
            lambda z: model.likelihood.mean(model.decode(z)),
            codes,
            (std * (torch.arange(len(std)) == k) for k in range(len(std))),
        ).numpy(),
    }
    if data.labels is not None:
        arrays["labels"] = data.labels[chosen]
    for name, values in config.objective.unit_report(code).items():
        arrays[f"unit_{name}"] = values.numpy()
    figures = {**test_figures(model, config, data), **copying(model, data), **probe.figures(model, config, data)}
    if "unit_kl" in arrays:
        figures["collapsed_units"] = float((arrays["unit_kl"] < COLLAPSED).sum())
    figures |= activity.figures(model, config, data)
    if (rate := activity.rates(model, config, data)) is not None:
        arrays["unit_rate"] = rate
        figures |= activity.rate_figures(rate)
    return arrays, figures


def belongs(arrays: Mapping[str, np.ndarray], code_dim: int) -> bool:
    """Whether `arrays`, read from a file, are such as `analyse` gives for a code of `code_dim` units."""
    n = arrays["codes"].shape[0] if "codes" in arrays and arrays["codes"].ndim else 0
    expected = {
        "codes": ((n, code_dim), np.float32),
        "indices": ((n,), np.int64),
        "quantiles": ((len(QUANTILES), code_dim), np.float32),
        "effects": ((code_dim,), np.float32),
    }
    expected |= {name: ((n,), np.int64) for name in arrays if name == "labels"}
    expected |= {name: ((code_dim,), np.float32) for name in arrays if name.startswith("unit_")}
    return n > 0 and all(
        name in arrays
        and arrays[name].shape == shape
        and arrays[name].dtype == dtype
        and bool(np.isfinite(arrays[name]).all())
        for name, (shape, dtype) in expected.items()
    )


@torch.inference_mode()
def test_figures(model: Autoencoder, config: RunConfig, data: Data) -> dict[str, float]:
    """Squared error per test image, clean and (where the run corrupts) from corrupted input, with the corrupted input's
    own.
    """
    chosen = data.indices("test")
    generator = torch.Generator().manual_seed(config.training.seed + 3)
    sums = {"test_sse": 0.0, "corrupted_sse": 0.0, "denoised_sse": 0.0}
    for start in range(0, len(chosen), 500):
        clean = torch.from_numpy(data.floats(chosen[start : start + 500]))
        corrupted, visible = config.corruption.corrupt(clean, generator)
        pairs = {
            "test_sse": model.reconstruct(clean),
            "corrupted_sse": corrupted,
            "denoised_sse": model.reconstruct(corrupted, visible),
        }
        for name, pictures in pairs.items():
            sums[name] += float(metrics.sse(clean.numpy(), pictures.numpy()).sum())
    if config.corruption.level == 0:
        sums = {"test_sse": sums["test_sse"]}
    return {name: total / len(chosen) for name, total in sums.items()} if len(chosen) else {}


@torch.inference_mode()
def copying(model: Autoencoder, data: Data) -> dict[str, float]:
    """`noise_r2` (see `metrics`); left out for data without a range, where no noise is like any other."""
    if data.value_range is None:
        return {}
    noise = metrics.noise_images(data.shape, data.value_range)
    return {"noise_r2": metrics.noise_r2(noise, model.reconstruct(torch.from_numpy(noise)).numpy())}
