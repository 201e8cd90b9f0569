"""Check weights before they are loaded: names, shapes, formats, finite values."""

from pathlib import Path

import torch

from aecore.foundation.errors import RunUnavailable
from aecore.foundation.files import array_headers
from aecore.model.autoencoder import build
from aecore.model.config import RunConfig
from aecore.parts.data import Shape


def check_weights(config: RunConfig, shape: Shape, path: Path) -> None:
    """Raises `RunUnavailable` unless the file's names and shapes are those of the model that `config` builds."""
    with torch.device("meta"):
        expected = {name: tuple(tensor.shape) for name, tensor in build(config, shape).state_dict().items()}
    headers = array_headers(path)
    found = {name: shape for name, (shape, _) in headers.items()}
    if found != expected:
        odd = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
        raise RunUnavailable(f"the weights do not belong to these settings (differing: {', '.join(odd[:3])})")
    formats = {number_format for _, number_format in headers.values()} - {"F32", "F16"}
    if formats:
        raise RunUnavailable(f"the weights are not floats of 32 or 16 bits, but {', '.join(sorted(formats))}")
