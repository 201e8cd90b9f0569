"""Classical scaling from packed distances, and the stress of a map of them."""

from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from aecore.foundation import geometry, metrics
from aecore.parts.embeddings._pairs import GROUP, Packed

MAX_STRESS_POINTS = 2000
"""Points from whose pairs the stress is computed: all pairs of a large map would cost more than the map itself."""


def leading(
    packed: Packed, dimensions: int, tolerance: float = 1e-9
) -> tuple[Float64[np.ndarray, "d"], Float64[np.ndarray, "n d"]]:
    """The largest eigenvalues of −½ J δ² J, J = I − 11ᵀ/n, and eigenvectors whose largest entry is positive.

    More than 400 points are solved by Lanczos' method, which needs products with δ² only, never the matrix.
    """
    import scipy.linalg
    import scipy.sparse.linalg as sparse

    n, count = packed.n, min(dimensions, packed.n)
    if n <= 400:
        squared = packed.square().astype(np.float64) ** 2
        inner = -0.5 * (squared - squared.mean(0) - squared.mean(1, keepdims=True) + squared.mean())
        values, vectors = scipy.linalg.eigh(inner, subset_by_index=[n - count, n - 1])
    else:

        def times(v: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
            product = squared_times(packed, v - v.mean())
            return -0.5 * (product - product.mean())

        solve: Any = sparse.eigsh
        operator: Any = sparse.LinearOperator
        start = np.random.default_rng(0).standard_normal(n)
        values, vectors = solve(
            operator((n, n), matvec=times, dtype=np.float64), k=count, which="LA", v0=start, tol=tolerance
        )
    values, vectors = values[::-1], vectors[:, ::-1]
    largest = vectors[np.abs(vectors).argmax(0), np.arange(count)]
    full_values, full_vectors = np.zeros(dimensions), np.zeros((n, dimensions))
    full_values[:count], full_vectors[:, :count] = values, vectors * np.where(largest < 0, -1.0, 1.0)
    return full_values, full_vectors


def squared_times(packed: Packed, v: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
    """Σ_j δ_ij² v_j."""
    padded = np.zeros(GROUP * packed.groups)
    padded[: packed.n] = v
    product = np.zeros_like(padded)
    for q in range(packed.groups):
        rows = packed.group(q)
        squared = np.multiply(rows, rows, dtype=np.float64)
        group = slice(GROUP * q, GROUP * (q + 1))
        product[: squared.shape[1]] += padded[group] @ squared
        product[group] += squared @ padded[: squared.shape[1]]
    return product[: packed.n]


def kruskal_stress(packed: Packed, places: Float[np.ndarray, "n d"]) -> float:
    """Kruskal's stress-1 of at most `MAX_STRESS_POINTS` points, spread evenly, in double precision."""
    chosen = list(geometry.evenly(packed.n, MAX_STRESS_POINTS))
    return metrics.stress_1(packed.part(MAX_STRESS_POINTS), places[chosen])
