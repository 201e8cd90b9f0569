"""Measure a model on held-out images, with the same noise after every epoch."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from aecore.model.config import RunConfig
from aecore.parts.contracts import Batch, Images, LossFunction, Redraw, Visible
from aecore.parts.data import Data
from aecore.pictures.sheets import mark_hidden, to_bytes8
from aecore.training.replay import replayed

MAX_HELD_OUT = 2000
"""Held-out images that are measured; a larger validation set is cut."""
PREVIEW_IMAGES = 8
IMAGES_AT_ONCE = 500


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """An epoch's figures on held-out images: `loss` in nats per image, `sse` the squared error per image; and the first
    `PREVIEW_IMAGES` of them, corrupted and reconstructed.
    """

    loss: float
    sse: float
    corrupted: Images
    visible: Visible | None
    reconstruction: Images

    @property
    def finite(self) -> bool:
        return math.isfinite(self.loss) and math.isfinite(self.sse)


def held_out_images(config: RunConfig, data: Data, where: torch.device) -> Images:
    """Validation images, at most `MAX_HELD_OUT`; drawn once as 0 or 1 where the settings say so."""
    images = torch.from_numpy(data.floats(data.indices("validation")[:MAX_HELD_OUT])).to(where)
    if config.training.binarise:
        images = torch.bernoulli(images, generator=torch.Generator(where).manual_seed(config.training.seed + 1))
    return images


def measurement(config: RunConfig, images: Images, loss: LossFunction, redraw: Redraw) -> Callable[[], HeldOut]:
    """A function that measures `loss` and the squared error of `redraw` on `images` for the weights of the moment.

    Its noise follows from the seed alone, so that epochs can be compared. The tensors that it returns are overwritten
    by the next call.
    """
    noise = torch.Generator(images.device)
    figures = torch.zeros(2, device=images.device)
    preview = dict[str, Tensor]()

    @torch.no_grad()
    def measure() -> None:
        corrupted, visible = config.corruption.corrupt(images, noise)
        losses, errors, first = list[Tensor](), list[Tensor](), corrupted[:0]
        for start in range(0, len(images), IMAGES_AT_ONCE):
            part = slice(start, start + IMAGES_AT_ONCE)
            seen = None if visible is None else visible[part]
            losses.append(torch.stack(list(loss(Batch(images[part], corrupted[part], seen), noise).values())).sum(0))
            redrawn = redraw(corrupted[part], seen)
            errors.append((redrawn - images[part]).square().flatten(1).sum(1))
            first = first if len(first) else redrawn[:PREVIEW_IMAGES]
        figures.copy_(torch.stack([torch.cat(losses).mean(), torch.cat(errors).mean()]))
        for name, shown in (("corrupted", corrupted), ("reconstruction", first), ("visible", visible)):
            if shown is not None:
                shown = shown[:PREVIEW_IMAGES]
                # Into the same tensor each time, because a replayed graph writes where its capture wrote.
                preview[name] = preview[name].copy_(shown) if name in preview else shown.clone()

    replayed_measure = replayed(measure, images.device, [noise])

    def measured() -> HeldOut:
        noise.manual_seed(noise_seed(config))
        replayed_measure()
        loss, sse = figures.tolist()
        return HeldOut(loss, sse, preview["corrupted"], preview.get("visible"), preview["reconstruction"])

    return measured


def noise_seed(config: RunConfig) -> int:
    """The seed of the noise on held-out images."""
    return config.training.seed + 2


def as_seen(corrupted: Images, visible: Visible | None) -> UInt8[np.ndarray, "b d h w"]:
    """Corrupted images as bytes; where pixels are hidden, in colour with these marked."""
    images = to_bytes8(corrupted.cpu().numpy())
    if visible is None or images.shape[1] not in (1, 3):
        return images
    return mark_hidden(images, visible.cpu().numpy())
