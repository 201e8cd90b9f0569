"""New points on a map that stays as it is: each goes where its own stress against the fitted points is least."""

import math

import numpy as np
from jaxtyping import Float, Float32

from aecore.embeddings._compile import Run, compiled

NEAREST = 10
"""Fitted points whose weighted mean is where the search starts."""
MOST_STEPS = 100


def _least_stress(
    wanted: np.ndarray, fitted: np.ndarray, out: np.ndarray, near: np.ndarray, who: np.ndarray, steps: int, low: int,
    high: int,
) -> None:  # fmt: skip
    """out[i] ← argmin_y f(y) = Σ_j (‖y − y_j‖ − δ_ij)² for low ≤ i < high, by safeguarded Newton steps.

    With r_j = δ_ij / ‖y − y_j‖ and u_j the direction to y_j: ½∇f = Σ (1 − r_j) (y − y_j), and
    ½∇²f = Σ (1 − r_j) I + r_j u_j u_jᵀ. Where that matrix is not positive definite, or the step raised f, SMACOF's
    own step −½∇f / n is taken instead, which never raises it. `fitted` is (3, n), a plane's third row 0; `near` and
    `who` have room for the nearest fitted points. Written without calls that take long to compile.
    """
    n = fitted.shape[1]
    tiny = np.float32(1e-30)
    f0, f1, f2 = fitted[0], fitted[1], fitted[2]
    count = len(near)
    for i in range(low, high):
        row = wanted[i]
        # Start: the mean of the nearest fitted points, weighted by 1/δ.
        for k in range(count):
            near[k] = 3e38
        largest = np.float32(0)
        for j in range(n):
            if row[j] > largest:
                largest = row[j]
            if row[j] < near[count - 1]:
                k = count - 1
                while k > 0 and near[k - 1] > row[j]:
                    near[k] = near[k - 1]
                    who[k] = who[k - 1]
                    k -= 1
                near[k] = row[j]
                who[k] = j
        x = y = z = weights = 0.0
        for k in range(count):
            weight = 1.0 / (near[k] + 1e-9 * largest + 1e-30)
            weights += weight
            x += weight * f0[who[k]]
            y += weight * f1[who[k]]
            z += weight * f2[who[k]]
        x, y, z = x / weights, y / weights, z / weights
        best = 1e300
        bx, by, bz, px, py, pz = x, y, z, 0.0, 0.0, 0.0
        for _ in range(steps):
            a, b, c = np.float32(x), np.float32(y), np.float32(z)
            s = gx = gy = gz = rr = xx = xy = xz = yy = yz = zz = np.float32(0)
            for j in range(n):
                u, v, w = a - f0[j], b - f1[j], c - f2[j]
                square = u * u + v * v + w * w + tiny
                shown = math.sqrt(square)
                ratio = row[j] / shown
                off = shown - row[j]
                s += off * off
                rest = np.float32(1) - ratio
                gx += rest * u
                gy += rest * v
                gz += rest * w
                rr += rest
                bend = ratio / square
                xx += bend * u * u
                xy += bend * u * v
                xz += bend * u * w
                yy += bend * v * v
                yz += bend * v * w
                zz += bend * w * w
            if s >= best:
                # Either the last digits are reached, or Newton went too far and SMACOF's step follows.
                if best - s > -1e-6 * best or (px == 0.0 and py == 0.0 and pz == 0.0):
                    break
                x, y, z = bx + px, by + py, bz + pz
                px = py = pz = 0.0
                continue
            gain = best - s
            best, bx, by, bz = s, x, y, z
            px, py, pz = -gx / n, -gy / n, -gz / n
            if gain <= 1e-7 * best:
                break
            # A plane has no bend along its third axis; one of its own keeps the matrix regular and that step 0.
            m0, m1, m2 = rr + xx, rr + yy, (rr + zz if gz != 0.0 or zz != 0.0 else 1.0 * n)
            minor = m0 * m1 - xy * xy
            det = minor * m2 - m0 * yz * yz - m1 * xz * xz + 2.0 * xy * xz * yz
            # In a flat place Newton's step is long and may end in another valley than that of the nearest points.
            if m0 > 0.1 * n and minor > 0.01 * n * n and det > 0.001 * n * n * n:
                x -= (gx * (m1 * m2 - yz * yz) + gy * (xz * yz - xy * m2) + gz * (xy * yz - xz * m1)) / det
                y -= (gx * (xz * yz - xy * m2) + gy * (m0 * m2 - xz * xz) + gz * (xy * xz - m0 * yz)) / det
                z -= (gx * (xy * yz - xz * m1) + gy * (xy * xz - m0 * yz) + gz * minor) / det
            else:
                x, y, z = bx + px, by + py, bz + pz
                px = py = pz = 0.0
        out[i, 0] = bx
        out[i, 1] = by
        out[i, 2] = bz


_least_stress_fast = compiled(_least_stress)


def place(
    wanted: Float32[np.ndarray, "m n"], fitted: Float[np.ndarray, "n d"], run: Run, steps: int = MOST_STEPS
) -> Float32[np.ndarray, "m d"]:
    """Where m new points, `wanted` away from the n fitted ones, have the least stress."""
    wanted = np.ascontiguousarray(wanted)  # one layout, one compilation
    m, d = len(wanted), fitted.shape[1]
    planes, out = np.zeros((3, len(fitted)), np.float32), np.zeros((m, 3), np.float32)
    planes[:d] = fitted.T
    size = max(1, -(-m // 32))
    count = min(NEAREST, len(fitted))
    jobs = [
        (wanted, planes, out, np.empty(count, np.float32), np.empty(count, np.int64), steps, low, min(low + size, m))
        for low in range(0, m, size)
    ]
    run(_least_stress_fast(), jobs)
    return out[:, :d]
