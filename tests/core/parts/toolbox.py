"""What the tests of single parts share."""

import torch

from aecore.model.config import PACKAGES
from aecore.parts.data import Part
from aecore.parts.looking import Embedding, Sampler
from aecore.parts.registry import make, members

REGISTRIES = {**dict(PACKAGES.values()), "embeddings": Embedding, "samplers": Sampler}
CORRUPTIONS, BACKBONES, LIKELIHOODS, OBJECTIVES = (
    list(members(package, REGISTRIES[package])) for package in ("corruptions", "backbones", "likelihoods", "objectives")
)
SHAPES = [(1, 8, 8), (3, 32, 32), (2, 7, 5)]


def part(package: str, kind: str, **settings: object) -> Part:
    return make(package, REGISTRIES[package], {"kind": kind, **settings})


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 4, shape: tuple[int, int, int] = (1, 8, 8), seed: int = 0) -> torch.Tensor:
    return torch.rand((n, *shape), generator=generator(seed))
