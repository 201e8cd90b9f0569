"""Turn training images into minibatches: random shifts, pixels drawn as 0 or 1, corruption with fresh noise."""

import numpy as np
import torch
from jaxtyping import Int64, Num
from torch import Tensor

from aecore.foundation.errors import BadInput
from aecore.model.config import RunConfig
from aecore.parts.contracts import Batch
from aecore.parts.data import Data

Stored = Num[Tensor, "n c h w"]


class Batches:
    """The training images on the device, stored as they came (as bytes mostly); `noise` draws all that is random."""

    def __init__(self, config: RunConfig, data: Data, where: torch.device, noise: torch.Generator) -> None:
        self.config, self.noise = config, noise
        self.images: Stored = torch.from_numpy(np.ascontiguousarray(data.images[data.indices("train")])).to(where)
        reach = config.training.shift
        self.windows = _windows(self.images, reach) if reach else None
        self.size = min(config.training.batch_size, len(self.images))
        self.per_epoch = -(-len(self.images) // self.size)

    def draw(self, chosen: Int64[Tensor, "b"]) -> Batch:
        """The batch of the chosen images, (B, C, H, W) in float32."""
        return self.corrupted(self.shifted(chosen))

    def shifted(self, chosen: Int64[Tensor, "b"]) -> Num[Tensor, "b c h w"]:
        """The chosen images as stored, each shifted at random where the settings say so."""
        if self.windows is None:
            return self.images.index_select(0, chosen)
        reach = self.config.training.shift
        by = torch.randint(2 * reach + 1, (2, len(chosen)), generator=self.noise, device=self.images.device)
        return self.windows[chosen, :, by[0], by[1]]

    def corrupted(self, stored: Num[Tensor, "b c h w"]) -> Batch:
        """Bytes to floats, drawn as 0 or 1 where the settings say so, then the corruption with fresh noise."""
        clean = stored.float().div_(255) if stored.dtype == torch.uint8 else stored
        if self.config.training.binarise:
            clean = torch.bernoulli(clean, generator=self.noise)
        return Batch(clean, *self.config.corruption.corrupt(clean, self.noise))


def _windows(images: Stored, reach: int) -> Num[Tensor, "n c v u h w"]:
    """Every image seen through windows shifted by up to `reach` pixels each way, the edge pixels repeated outwards: a
    view on the padded images, so (v, u) chooses a shift without another copy.
    """
    h, w = images.shape[2:]
    rows = torch.arange(-reach, h + reach, device=images.device).clamp_(0, h - 1)
    columns = torch.arange(-reach, w + reach, device=images.device).clamp_(0, w - 1)
    return images[:, :, rows][:, :, :, columns].unfold(2, h, 1).unfold(3, w, 1)


def check_data(data: Data) -> None:
    """Raises `BadInput` for images that nothing can be learned from."""
    name, train = data.name or "this dataset", data.indices("train")
    if len(train) < 2 or len(data.indices("validation")) < 1:
        raise BadInput(f"{name} has too few images to train on: it takes 2 for training and 1 for validation at least")
    if data.images.dtype != np.uint8 and not np.isfinite(data.images).all():
        raise BadInput(f"{name} holds values that are not numbers (NaN or infinite); mend the file and train again")
    images = data.images[train]
    if (images == images[:1]).all():
        raise BadInput(
            f"all training images of {name} are the same, so there is nothing to learn; bring different ones"
        )
