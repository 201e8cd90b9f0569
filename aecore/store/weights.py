"""Load a run's weights into its model, and refuse those that do not belong there."""

from pathlib import Path

import torch
from torch import Tensor

from aecore.foundation.errors import RunUnavailable
from aecore.foundation.files import array_headers, read_arrays
from aecore.model.autoencoder import Autoencoder, build
from aecore.model.config import RunConfig
from aecore.parts.data import Shape


def check_headers(config: RunConfig, shape: Shape, path: Path) -> None:
    """Compare names, shapes and number formats with those of the model that `config` builds, without reading a number.

    Raises `RunUnavailable` where they differ, and for formats other than floats of 32 or 16 bits.
    """
    with torch.device("meta"):
        expected = {name: tuple(tensor.shape) for name, tensor in build(config, shape).state_dict().items()}
    headers = array_headers(path)
    found = {name: shape for name, (shape, _) in headers.items()}
    if found != expected:
        differing = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
        raise RunUnavailable(f"the weights do not belong to these settings (differing: {', '.join(differing[:3])})")
    formats = {number_format for _, number_format in headers.values()} - {"F32", "F16"}
    if formats:
        raise RunUnavailable(f"the weights are not floats of 32 or 16 bits, but {', '.join(sorted(formats))}")


def load_weights(config: RunConfig, shape: Shape, path: Path) -> dict[str, Tensor]:
    """Read the weights of one file as float32: of a run, of its snapshots, and of a run that is imported.

    Raises `RunUnavailable` as `check_headers` does, and for NaN or infinity.
    """
    check_headers(config, shape, path)
    weights = {name: torch.from_numpy(array).float() for name, array in read_arrays(path).items()}
    for name, values in weights.items():
        if not bool(values.isfinite().all()):
            raise RunUnavailable(f"{path.name}: '{name}' holds values that are not numbers (NaN or infinite)")
    return weights


def load_model(config: RunConfig, shape: Shape, path: Path) -> Autoencoder:
    """Build the model with these weights, for evaluation only: no dropout, no gradients. Raises as `load_weights`."""
    model = build(config, shape)
    model.load_state_dict(load_weights(config, shape, path))
    return model.eval().requires_grad_(False)
