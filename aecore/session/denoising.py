"""Compare images before corruption, after it, and after reconstruction."""

import dataclasses
import functools

import numpy as np
from jaxtyping import Bool, Float

from aecore.foundation import metrics
from aecore.parts.data import Pictures
from aecore.pictures import sheets


@dataclasses.dataclass(frozen=True)
class Denoised:
    """The same images three times, with the squared error per image before and after."""

    original: Pictures
    corrupted: Pictures
    reconstruction: Pictures
    visible: Bool[np.ndarray, "n 1 h w"] | None = None

    @property
    def shown(self) -> sheets.Stack:
        """`corrupted`, with hidden pixels marked as such: a hidden one is not a black one."""
        return self.corrupted if self.visible is None else sheets.mark_hidden(self.corrupted, self.visible)

    @property
    def rows_given(self) -> int:
        """Rows from the top of which nothing is hidden in any image."""
        height = self.original.shape[2]
        return height if self.visible is None else int(self.visible.all((0, 1, 3)).cumprod().sum())

    @property
    def sse_before(self) -> Float[np.ndarray, "n"]:
        return metrics.sse(self.original, self.corrupted)

    @property
    def sse_after(self) -> Float[np.ndarray, "n"]:
        return metrics.sse(self.original, self.reconstruction)

    @property
    def removed(self) -> float | None:
        """Share of the squared error of all images that is gone, 1 − Σ after / Σ before; None where there was none."""
        before = float(self.sse_before.sum())
        return 1 - float(self.sse_after.sum()) / before if before > 0 else None

    @functools.cached_property
    def ssim(self) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]] | None:
        """Structural similarity per image, before and after; None where the pictures are smaller than its windows."""
        if min(self.original.shape[2:]) < 3:
            return None
        return metrics.ssim(self.original, self.corrupted), metrics.ssim(self.original, self.reconstruction)

    def figures(self) -> dict[str, tuple[float, float]]:
        """(before, after) of all images: mean `sse` per image, `psnr` of the mean error in dB, mean `ssim`.

        Without `ssim` where the pictures are smaller than its windows.
        """
        pairs = [(self.original, self.corrupted), (self.original, self.reconstruction)]
        found = {
            "sse": (float(self.sse_before.mean()), float(self.sse_after.mean())),
            "psnr": tuple(float(metrics.decibels(metrics.mse(x, r).mean())) for x, r in pairs),
        }
        if (similar := self.ssim) is not None:
            found["ssim"] = tuple(float(values.mean()) for values in similar)
        return {name: (values[0], values[1]) for name, values in found.items()}
