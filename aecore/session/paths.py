"""Paths through the code: along one unit, over the plane of two units, from one code to another."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Float32

from aecore.parts.data import CodeArray

Interpolation = Literal["linear", "spherical"]


def along_unit(code: Float32[np.ndarray, "k"], unit: int, values: Float[np.ndarray, "m"]) -> CodeArray:
    """Return copies of `code` (K,) with one unit at each of M `values`; (M, K)."""
    codes = np.repeat(code[None].astype(np.float32), len(values), 0)
    codes[:, unit] = values
    return codes


def over_plane(
    code: Float32[np.ndarray, "k"], unit_x: int, unit_y: int, xs: Float[np.ndarray, "x"], ys: Float[np.ndarray, "y"]
) -> CodeArray:
    """Return copies of `code` (K,) with two units at all pairs of values, row by row: (Y · X, K), x fastest."""
    codes = np.repeat(code[None].astype(np.float32), len(xs) * len(ys), 0)
    codes[:, unit_y], codes[:, unit_x] = np.repeat(ys, len(xs)), np.tile(xs, len(ys))
    return codes


def between(
    a: Float32[np.ndarray, "k"], b: Float32[np.ndarray, "k"], along: Float[np.ndarray, "m"], how: Interpolation
) -> CodeArray:
    """Interpolate from a (share 0) to b (share 1) at the shares t = `along`; (M, K).

    Linear: (1 − t) a + t b. Spherical: sin((1 − t) ω) / sin ω · a + sin(t ω) / sin ω · b, with ω the angle between a
    and b; linear where ω is 0 or π, or one of them is 0. Source: Shoemake, SIGGRAPH 1985.
    """
    t = along.astype(np.float32)[:, None]
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    omega = float(np.arccos(np.clip(a @ b / norms, -1, 1))) if norms > 0 else 0.0
    if how == "spherical" and 1e-3 < omega < np.pi - 1e-3:
        codes = (np.sin((1 - t) * omega) * a + np.sin(t * omega) * b) / np.sin(omega)
    else:
        codes = (1 - t) * a + t * b
    return codes.astype(np.float32)
