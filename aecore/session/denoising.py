"""Compare images before corruption, after it, and after reconstruction; continue images from their first rows."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from aecore.foundation import metrics
from aecore.foundation.errors import BadInput
from aecore.model.autoencoder import Autoencoder
from aecore.parts.data import Pictures
from aecore.pictures import sheets

MIN_SSIM_SIDE = 3
"""The side of the smallest window of structural similarity; smaller pictures have none."""


@dataclasses.dataclass(frozen=True)
class Denoised:
    """The same images three times, with the squared error per image before and after reconstruction."""

    original: Pictures
    corrupted: Pictures
    reconstruction: Pictures
    visible: Bool[np.ndarray, "n 1 h w"] | None = None

    @property
    def shown(self) -> sheets.Stack:
        """`corrupted`, with hidden pixels in a colour of their own, so that they are not mistaken for black ones."""
        return self.corrupted if self.visible is None else sheets.mark_hidden(self.corrupted, self.visible)

    @property
    def rows_given(self) -> int:
        """Number of rows, from the top, in which no pixel of any image is hidden."""
        height = self.original.shape[2]
        return height if self.visible is None else int(self.visible.all((0, 1, 3)).cumprod().sum())

    @property
    def sse_before(self) -> Float[np.ndarray, "n"]:
        """Squared error per image of the corrupted images."""
        return metrics.sse(self.original, self.corrupted)

    @property
    def sse_after(self) -> Float[np.ndarray, "n"]:
        """Squared error per image of the reconstructions."""
        return metrics.sse(self.original, self.reconstruction)

    @property
    def removed(self) -> float | None:
        """Share of the corruption's squared error that was removed, 1 − Σ after / Σ before; None if Σ before is 0."""
        before = float(self.sse_before.sum())
        return 1 - float(self.sse_after.sum()) / before if before > 0 else None

    @functools.cached_property
    def ssim(self) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]] | None:
        """Structural similarity per image, before and after; None for pictures smaller than its windows."""
        if min(self.original.shape[2:]) < MIN_SSIM_SIDE:
            return None
        return metrics.ssim(self.original, self.corrupted), metrics.ssim(self.original, self.reconstruction)

    def figures(self) -> dict[str, tuple[float, float]]:
        """Return (before, after) over all images: mean `sse`, `psnr` in dB of the mean error, and mean `ssim`.

        Without `ssim` for pictures smaller than its windows.
        """
        pairs = [(self.original, self.corrupted), (self.original, self.reconstruction)]
        found = {
            "sse": (float(self.sse_before.mean()), float(self.sse_after.mean())),
            "psnr": tuple(float(metrics.decibels(metrics.mse(x, r).mean())) for x, r in pairs),
        }
        if (similar := self.ssim) is not None:
            found["ssim"] = tuple(float(values.mean()) for values in similar)
        return {name: (values[0], values[1]) for name, values in found.items()}


def error_curve(
    denoise: Callable[[float], Denoised], levels: Float[np.ndarray, "m"]
) -> dict[str, Float[np.ndarray, "m"]]:
    """Measure the mean squared error per image at each level, `before` and `after` reconstruction."""
    results = [denoise(float(level)) for level in levels]
    before = np.array([float(result.sse_before.mean()) for result in results])
    after = np.array([float(result.sse_after.mean()) for result in results])
    return {"level": np.asarray(levels), "before": before, "after": after}


def continue_rows(model: Autoencoder, images: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """Reconstruct images of which only the first `rows` rows are visible: (the mask of these rows, reconstructions).

    Raises `BadInput` unless 0 ≤ `rows` ≤ H, and for a model that does not continue pictures.
    """
    n, _, height, width = images.shape
    if not model.decoder.takes_prefix:
        raise BadInput("this run draws whole images from their code; one that continues them has the backbone gru")
    if not 0 <= rows <= height:
        raise BadInput(f"these images have {height} rows, so 0 to {height} can be given, not {rows}")
    visible = (torch.arange(height) < rows)[:, None].expand(n, 1, height, width)
    return visible, model.reconstruct(images * visible, visible)
