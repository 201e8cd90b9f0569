"""Estimate what a model costs to hold and to look at, from its settings alone: it is built and run without memory.

On torch's meta device a tensor has a shape but no numbers, so that absurd settings can be examined too.
"""

import dataclasses
import math
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from aecore.foundation.errors import BadSettings
from aecore.model.autoencoder import Autoencoder, build
from aecore.model.config import RunConfig
from aecore.parts.contracts import Objective
from aecore.parts.data import Shape
from aecore.parts.objectives.predictive_sparse import OPTIMAL_STEPS

LOOKED_AT = 1000
"""Number of images that a page encodes and decodes at once, to draw a map or to measure the directions of a code."""
OPTIMISED = 64
"""Images whose codes a page optimises, where the objective defines codes by that."""
MAX_OPERATIONS = 7000
"""Operations of one encoding and decoding. A recurrent network has some fifty for each row of a picture: it may have
128 rows.
"""


@dataclasses.dataclass(frozen=True)
class Cost:
    """`parameters`: learned numbers. `activations`: numbers of the largest intermediate result for one image.
    `filters`: numbers of the pictures that show every unit. `work`: floating-point operations of a page that shows
    `LOOKED_AT` images and the filters of every unit.
    """

    parameters: int
    activations: int
    filters: int
    work: float


def cost(config: RunConfig, shape: Shape) -> Cost:
    """Estimate the cost of a model for images of `shape`.

    Raises `BadSettings` when the backbone cannot take the shape, or has more than `MAX_OPERATIONS`.
    """
    with torch.device("meta"):
        model = build(config, shape)
        two, three = (_Operations.of(model, config.code_dim, shape, images) for images in (2, 3))
    work = (LOOKED_AT * two.encoding + (LOOKED_AT + 2 * config.code_dim) * two.decoding) / 2
    if type(config.objective).optimise is not Objective.optimise:
        work += OPTIMISED * OPTIMAL_STEPS * 2.0 * config.code_dim**2
    return Cost(
        sum(tensor.numel() for tensor in model.state_dict().values()),
        # What grows with the number of images; weights and their transposes do not.
        max(b - a for a, b in zip(two.sizes, three.sizes, strict=True)),
        config.code_dim * math.prod(shape),
        work,
    )


class _Operations(TorchDispatchMode):
    """Count the operations of a model: the sizes of their results, and floating-point operations."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.encoding = self.decoding = self._counted = 0.0

    @classmethod
    def of(cls, model: Autoencoder, code_dim: int, shape: Shape, images: int) -> "_Operations":
        """Encode and decode so many images."""
        with torch.no_grad(), cls() as found:  # inference mode would hide the products in whole layers
            model.encode(torch.zeros(images, *shape))
            found.encoding = found._counted
            model.likelihood.mean(model.decode(torch.zeros(images, code_dim)))
            found.decoding = found._counted - found.encoding
        return found

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.sizes += [leaf.numel() for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
        if len(self.sizes) > MAX_OPERATIONS:
            raise BadSettings("backbone: its network computes far too many steps for pictures of this size")
        counted = flop_registry.get(func._overloadpacket)
        if counted is not None:
            self._counted += float(counted(*args, **(kwargs or {}), out_val=out))
        return out
