"""Make a classifier from a run's encoder: pretrained without labels, then fine-tuned with them.

`fine_tune(session, epochs=20).error(images, labels)` is the share of images whose class is predicted wrong.
"""

import copy
import dataclasses
import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from aecore.foundation.errors import BadInput
from aecore.model.device import device, native_bfloat16
from aecore.parts.contracts import Code, Corruption, Encoder, Images, Visible
from aecore.parts.data import Data, Pictures
from aecore.session.session import Session

OnEpoch = Callable[[int, float], None]
"""Called with the epochs done and the error on validation images."""
IMAGES_AT_ONCE = 1000


class Network(nn.Module):
    """p(class | x) = softmax(U h + d), with h the code's means; `forward` returns U h + d, (B, classes)."""

    def __init__(self, encoder: Encoder, code_dim: int, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.top = nn.Linear(code_dim, classes)
        nn.init.zeros_(self.top.weight)
        nn.init.zeros_(self.top.bias)

    def forward(self, x: Images, visible: Visible | None = None) -> Tensor:
        return self.top(Code(self.encoder(x, visible)).mean)


@dataclasses.dataclass(frozen=True, eq=False)
class Classifier:
    """A fitted classifier: class `names`, validation `errors` after each epoch, and the best `epoch` (from 1), whose
    weights were kept.
    """

    network: Network
    names: tuple[str, ...]
    errors: tuple[float, ...]
    epoch: int

    @torch.inference_mode()
    def probabilities(self, images: Pictures) -> Float32[np.ndarray, "n classes"]:
        """Compute p(class | x) of images in [0, 1], of the size that the run takes."""
        where = self.network.top.weight.device
        parts = [
            torch.from_numpy(images[i : i + IMAGES_AT_ONCE]).to(where) for i in range(0, len(images), IMAGES_AT_ONCE)
        ]
        return np.concatenate([self.network(part).softmax(1).cpu().numpy() for part in parts])

    def predict(self, images: Pictures) -> Int64[np.ndarray, "n"]:
        """Predict the most probable class of each image, as a position in `names`."""
        return self.probabilities(images).argmax(1)

    def error(self, images: Pictures, labels: Int64[np.ndarray, "n"]) -> float:
        """Measure the share of images whose class is predicted wrong, 0 to 1."""
        return float((self.predict(images) != labels).mean())


def fine_tune(
    session: Session, data: Data | None = None, *, epochs: int = 20, batch_size: int = 128, learning_rate: float = 1e-3,
    noise: float = 0.0, shift: int = 0, seed: int = 0, on_epoch: OnEpoch | None = None,
) -> Classifier:  # fmt: skip
    """Train a softmax layer on the run's code, together with a copy of the encoder, to minimise −log p(class | x).

    `data` defaults to the run's own. Training images are corrupted in the run's way at level `noise`, and moved by up
    to `shift` pixels. The epoch with the lowest error on clean validation images is kept. AdamW, with a learning rate
    that rises for a tenth of the training and then falls to 0. Equal seeds give equal classifiers. Raises `BadInput`
    for images without labels or of another size.
    Source: Hinton & Salakhutdinov, Science 313:504 (2006); Vincent et al., JMLR 11 (2010), section 5.
    """
    data = session.data if data is None else data
    if data.labels is None:
        raise BadInput(f"{data.name or 'this dataset'} has no labels, so no classifier can learn from it; bring some")
    if data.shape != session.shape:
        raise BadInput(f"this run takes images of {session.shape}, not {data.shape}")
    where = device()
    train, held_out = data.indices("train"), data.indices("validation")
    network = Network(copy.deepcopy(session.encoder), session.code_dim, int(data.labels.max()) + 1).to(where)
    network.requires_grad_(True)
    images, labels = torch.from_numpy(data.images[train]).to(where), torch.from_numpy(data.labels[train]).to(where)
    optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.0, fused=True)
    order, draws = torch.Generator().manual_seed(seed), torch.Generator(where).manual_seed(seed + 1)
    autocast = torch.autocast(where.type, torch.bfloat16, enabled=native_bfloat16(where))
    corruption = session.corruption(level=noise)
    errors, best = list[float](), dict[str, Tensor]()
    steps = -(-len(images) // batch_size)
    for epoch in range(epochs):
        network.train()
        for index, chosen in enumerate(torch.randperm(len(images), generator=order).to(where).split(batch_size)):
            optimiser.param_groups[0]["lr"] = learning_rate * _rate((epoch + index / steps) / epochs)
            x, visible = _varied(images[chosen], corruption, shift, draws)
            with autocast:
                loss = F.cross_entropy(network(x, visible).float(), labels[chosen])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        classifier = Classifier(network.eval(), data.label_names, (), 0)
        errors.append(classifier.error(data.floats(held_out), data.labels[held_out]))
        if errors[-1] <= min(errors):
            best = {name: value.detach().clone() for name, value in network.state_dict().items()}
        if on_epoch is not None:
            on_epoch(epoch + 1, errors[-1])
    network.load_state_dict(best)
    kept = len(errors) - int(np.argmin(errors[::-1]))
    return Classifier(network.requires_grad_(False), data.label_names, tuple(errors), kept)


def _varied(
    images: Tensor, corruption: Corruption, shift: int, generator: torch.Generator
) -> tuple[Images, Visible | None]:
    """Convert a batch to floats, move it by one random shift of up to `shift` pixels each way, then corrupt it."""
    x = images.float().div_(255) if images.dtype == torch.uint8 else images
    if shift:
        down, right = torch.randint(0, 2 * shift + 1, (2,), generator=generator, device=generator.device).tolist()
        height, width = x.shape[2:]
        x = F.pad(x, (shift, shift, shift, shift))[:, :, down : down + height, right : right + width]
    return corruption.corrupt(x, generator) if corruption.level else (x, None)


def _rate(fraction: float) -> float:
    """Return the factor of the learning rate after this fraction of the training."""
    return min(1.0, fraction / 0.1) if fraction < 0.1 else 0.5 * (1 + math.cos(math.pi * (fraction - 0.1) / 0.9))
