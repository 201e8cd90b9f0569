"""Align maps: rotate, mirror, scale and shift one onto another."""

import dataclasses
from typing import cast

import numpy as np
from jaxtyping import Float, Float64

from aecore.parts.looking import Coordinates


@dataclasses.dataclass(frozen=True, eq=False)
class Alignment:
    """y ↦ scale · (y − source) Q + target, Q a rotation or reflection. Works for new points of the same map as well."""

    rotation: Float[np.ndarray, "d d"]
    scale: float
    source: Float[np.ndarray, "d"]
    target: Float[np.ndarray, "d"]

    def apply(self, coordinates: Coordinates) -> Coordinates:
        return (self.scale * (coordinates - self.source) @ self.rotation + self.target).astype(np.float32)

    def undo(self, aligned: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
        """The coordinates that `apply` brings to these places."""
        return (aligned - self.target) @ self.rotation.T / self.scale + self.source


def alignment(reference: Coordinates, coordinates: Coordinates) -> Alignment:
    """The turn, mirror, scale and shift that bring `coordinates` closest to `reference` in squared distance.

    Source: Schönemann, Psychometrika 31 (1966); Gower, Psychometrika 40 (1975).
    Raises ValueError when the maps differ in shape.
    """
    if reference.shape != coordinates.shape:
        raise ValueError(f"a map of shape {coordinates.shape} cannot be aligned with one of shape {reference.shape}")
    import scipy.linalg  # here: it takes a while, and not every page needs it

    target, source = reference.mean(0, dtype=np.float64), coordinates.mean(0, dtype=np.float64)
    wanted, given = reference - target, coordinates - source
    rotation, agreement = cast(tuple[np.ndarray, float], scipy.linalg.orthogonal_procrustes(given, wanted))
    size = float((given**2).sum())
    return Alignment(rotation, float(agreement) / size if size > 0 and agreement > 0 else 1.0, source, target)
