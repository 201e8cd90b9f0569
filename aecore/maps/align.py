"""Align maps by Procrustes analysis: rotate, reflect, scale and shift one onto another."""

import dataclasses
from typing import cast

import numpy as np
from jaxtyping import Float, Float64

from aecore.parts.looking import Coordinates


@dataclasses.dataclass(frozen=True, eq=False)
class Alignment:
    """The similarity y ↦ scale · (y − source) Q + target with Q a rotation or reflection; applies to new points too."""

    rotation: Float[np.ndarray, "d d"]
    scale: float
    source: Float[np.ndarray, "d"]
    target: Float[np.ndarray, "d"]

    def apply(self, coordinates: Coordinates) -> Coordinates:
        """Map coordinates (n, d) into the reference's frame."""
        return (self.scale * (coordinates - self.source) @ self.rotation + self.target).astype(np.float32)

    def undo(self, aligned: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
        """Invert `apply`."""
        return (aligned - self.target) @ self.rotation.T / self.scale + self.source


def alignment(reference: Coordinates, coordinates: Coordinates) -> Alignment:
    """Find the similarity that brings `coordinates` (n, d) closest to `reference` (n, d) in squared distance.

    Source: Schönemann, Psychometrika 31 (1966); Gower, Psychometrika 40 (1975).
    Raises ValueError when the maps differ in shape.
    """
    if reference.shape != coordinates.shape:
        raise ValueError(f"a map of shape {coordinates.shape} cannot be aligned with one of shape {reference.shape}")
    import scipy.linalg  # here, because loading it is slow and not every page needs it

    target, source = reference.mean(0, dtype=np.float64), coordinates.mean(0, dtype=np.float64)
    centred = coordinates - source
    rotation, trace = cast(tuple[np.ndarray, float], scipy.linalg.orthogonal_procrustes(centred, reference - target))
    size = float((centred**2).sum())
    return Alignment(rotation, float(trace) / size if size > 0 and trace > 0 else 1.0, source, target)
