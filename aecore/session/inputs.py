"""Refuse images, codes and counts that a run cannot take."""

import numpy as np
import torch
from torch import Tensor

from aecore.foundation.errors import BadInput
from aecore.parts.data import CodeArray, Pictures, Shape

MAX_IMAGES = 10_000


def checked_images(images: Pictures, shape: Shape) -> Tensor:
    """Copy images to a float32 tensor. Raises `BadInput` unless they are finite, 1 to `MAX_IMAGES`, each of `shape`."""
    if images.ndim != 4 or images.shape[1:] != shape or not 0 < len(images) <= MAX_IMAGES:
        c, h, w = shape
        raise BadInput(
            f"this model takes up to {MAX_IMAGES} images of {c} × {h} × {w} (channels, height, width), "
            f"not {images.shape}"
        )
    if not np.isfinite(images).all():
        raise BadInput("the images hold values that are not numbers (NaN or infinite)")
    return torch.from_numpy(np.array(images, np.float32))


def checked_codes(codes: CodeArray, code_dim: int) -> Tensor:
    """Copy codes to a float32 tensor. Raises `BadInput` unless they are finite, with `code_dim` numbers each."""
    if codes.ndim != 2 or codes.shape[1] != code_dim or not np.isfinite(codes).all():
        raise BadInput(f"a code of this run has {code_dim} finite numbers; got an array of shape {codes.shape}")
    return torch.from_numpy(np.array(codes, np.float32))


def check_count(count: int, most: int = MAX_IMAGES) -> None:
    """Raise `BadInput` unless 1 ≤ `count` ≤ `most` draws are asked for."""
    if not 1 <= count <= most:
        raise BadInput(f"1 to {most} draws can be made at once, not {count}")
