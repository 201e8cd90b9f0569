"""Classical scaling by eigenvectors, and the stress of any map of packed distances."""

from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from aecore.foundation import geometry, metrics
from aecore.parts.embeddings._pairs import GROUP, Packed

MEASURED = 2000
"""Points on which a stress is measured where taking all pairs would cost more than the map itself."""


def leading(
    packed: Packed, dimensions: int, tolerance: float = 1e-9
) -> tuple[Float64[np.ndarray, "d"], Float64[np.ndarray, "n d"]]:
    """The largest eigenvalues and their eigenvectors of −½ J δ² J, J = I − 11ᵀ/n, signed by the largest entry.

    Beyond a few hundred points by Lanczos' method, which only multiplies: neither δ² nor its centred form is made.
    """
    import scipy.linalg
    import scipy.sparse.linalg as sparse

    n, kept = packed.n, min(dimensions, packed.n)
    if n <= 400:
        squared = packed.square().astype(np.float64) ** 2
        inner = -0.5 * (squared - squared.mean(0) - squared.mean(1, keepdims=True) + squared.mean())
        values, vectors = scipy.linalg.eigh(inner, subset_by_index=[n - kept, n - 1])
    else:

        def times(v: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
            found = squared_times(packed, v - v.mean())
            return -0.5 * (found - found.mean())

        solve: Any = sparse.eigsh
        operator: Any = sparse.LinearOperator
        start = np.random.default_rng(0).standard_normal(n)
        values, vectors = solve(
            operator((n, n), matvec=times, dtype=np.float64), k=kept, which="LA", v0=start, tol=tolerance
        )
    values, vectors = values[::-1], vectors[:, ::-1]
    largest = vectors[np.abs(vectors).argmax(0), np.arange(kept)]
    full_values, full_vectors = np.zeros(dimensions), np.zeros((n, dimensions))
    full_values[:kept], full_vectors[:, :kept] = values, vectors * np.where(largest < 0, -1.0, 1.0)
    return full_values, full_vectors


def squared_times(packed: Packed, v: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
    """Σ_j δ_ij² v_j."""
    given = np.zeros(GROUP * packed.groups)
    given[: packed.n] = v
    found = np.zeros_like(given)
    for q in range(packed.groups):
        rows = packed.group(q)
        squared = np.multiply(rows, rows, dtype=np.float64)
        mine = slice(GROUP * q, GROUP * (q + 1))
        found[: squared.shape[1]] += given[mine] @ squared
        found[mine] += squared @ given[: squared.shape[1]]
    return found[: packed.n]


def measured(packed: Packed, places: Float[np.ndarray, "n d"]) -> float:
    """Stress-1 on at most `MEASURED` points spread evenly, from differences in double precision."""
    return metrics.stress_1(packed.part(MEASURED), places[list(geometry.evenly(packed.n, MEASURED))])
