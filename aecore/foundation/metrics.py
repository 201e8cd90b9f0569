"""The figures that the program shows, each defined once, with formula, unit and source.

Pictures are float arrays (N, C, H, W) with data range [0, 1]; `x` is the original, `r` its reconstruction.
scikit-learn and scipy are imported where they are used: loading them takes seconds, and training needs only `sse`.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32, Float64, Num

from aecore.foundation import geometry
from aecore.foundation.errors import BadInput

NEIGHBOURS_TRUST = 5
"""Neighbours in `trustworthiness` and `continuity`, as in scikit-learn and in published figures."""
NEIGHBOURS_KNN = 15
"""Neighbours that vote in `knn_accuracy`."""

SSIM_CONSTANTS = (0.01**2, 0.03**2)
"""c₁ and c₂ of `ssim`, for the data range 1."""


# --- pictures --------------------------------------------------------------------------------------------------------


def sse(x: Float[np.ndarray, "n c h w"], r: Float[np.ndarray, "n c h w"]) -> Float64[np.ndarray, "n"]:
    """Compute the squared error Σ (x − r)² over the pixels and channels of each image; unit: squared error per image.

    Raises ValueError when the shapes differ. Source: Hinton & Salakhutdinov, Science 313 (2006).
    """
    if x.shape != r.shape:
        raise ValueError(f"pictures of shape {x.shape} cannot be compared with pictures of shape {r.shape}")
    difference = np.subtract(x, r, dtype=np.float64).reshape(len(x), -1)
    return np.einsum("nf,nf->n", difference, difference)


def mse(x: Float[np.ndarray, "n c h w"], r: Float[np.ndarray, "n c h w"]) -> Float64[np.ndarray, "n"]:
    """Compute the mean squared error Σ (x − r)² / (C·H·W) of each image; unit: squared error per pixel value.

    Raises ValueError when the shapes differ.
    """
    return sse(x, r) / max(1, int(np.prod(x.shape[1:])))


def decibels(error: Float[np.ndarray, "..."] | float) -> Float64[np.ndarray, "..."]:
    """Convert mean squared errors per pixel value to −10 log₁₀(error), data range 1; unit: dB; error 0 gives infinity.

    Of `mse(x, r)` this is one PSNR per image; of `mse(x, r).mean()` it is *the PSNR of the mean error*, the figure to
    quote for a set of images. The mean of the PSNRs is larger (Jensen), and infinite if a single image is identical.
    """
    with np.errstate(divide="ignore"):
        return np.asarray(-10.0 * np.log10(np.asarray(error, dtype=np.float64)))


def psnr(x: Float[np.ndarray, "n c h w"], r: Float[np.ndarray, "n c h w"]) -> Float64[np.ndarray, "n"]:
    """Compute the peak signal-to-noise ratio 10 log₁₀(1 / MSE) of each image; unit: dB; infinite if identical.

    The data range is 1. For a set of images see `decibels`. Raises ValueError when the shapes differ.
    Source: Huynh-Thu & Ghanbari, Electronics Letters 44 (2008).
    """
    return decibels(mse(x, r))


def ssim(x: Float[np.ndarray, "n c h w"], r: Float[np.ndarray, "n c h w"]) -> Float64[np.ndarray, "n"]:
    """Compute the structural similarity of each image, −1 to 1 (identical), no unit: the mean over all windows of
    (2 μ_x μ_r + c₁)(2 σ_xr + c₂) / ((μ_x² + μ_r² + c₁)(σ_x² + σ_r² + c₂)), c₁ = 0.01², c₂ = 0.03², data range 1,
    averaged over the channels.

    Windows are uniform squares of 7 × 7 pixels, scikit-image's default, or of the largest odd side that fits into
    smaller pictures; only windows entirely inside the picture count; variances are sample variances. Equal to
    `skimage.metrics.structural_similarity`, but vectorised over the images.
    Raises ValueError when the shapes differ, `BadInput` for pictures with a side below 3 pixels.
    Source: Wang et al., IEEE Transactions on Image Processing 13 (2004).
    """
    if x.shape != r.shape:
        raise ValueError(f"pictures of shape {x.shape} cannot be compared with pictures of shape {r.shape}")
    side = ssim_window(x.shape[2], x.shape[3])
    if side < 3:
        raise BadInput(
            "SSIM compares windows of at least 3 × 3 pixels and these pictures are smaller; use the squared error."
        )
    a, b = x.astype(np.float64), r.astype(np.float64)
    mean_a, mean_b = _window_mean(a, side), _window_mean(b, side)
    sample = side**2 / (side**2 - 1)
    variances = sample * (_window_mean(a * a + b * b, side) - mean_a**2 - mean_b**2)
    covariance = sample * (_window_mean(a * b, side) - mean_a * mean_b)
    c1, c2 = SSIM_CONSTANTS
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    similarity /= (mean_a**2 + mean_b**2 + c1) * (variances + c2)
    return similarity.mean((1, 2, 3))


def ssim_window(height: int, width: int) -> int:
    """Return the side of `ssim`'s windows for pictures of this size; SSIM is undefined below 3."""
    smallest = min(height, width)
    return min(7, smallest - 1 + smallest % 2)


NOISE_IMAGES = 256
"""Images on which `noise_r2` is measured."""


def noise_images(
    shape: tuple[int, int, int], value_range: tuple[float, float] = (0.0, 1.0), n: int = NOISE_IMAGES, seed: int = 0
) -> Float32[np.ndarray, "n c h w"]:
    """Draw `n` images of pure noise with `seed`: all values independent and uniform over `value_range`."""
    low, high = value_range
    return (low + (high - low) * np.random.default_rng(seed).random((n, *shape))).astype(np.float32)


def noise_r2(noise: Float[np.ndarray, "n c h w"], r: Float[np.ndarray, "n c h w"]) -> float:
    """Measure how well a model copies pure noise: R² = 1 − Σ (x − r)² / Σ (x − x̄)² over all pixels of `noise_images` x
    and their reconstructions r, with x̄ the mean of all pixels; no unit.

    1: the model copies any picture, so it learned nothing about the data; 0: no better than a uniform grey picture;
    far below 0: it reconstructs noise as something similar to the data. Raises ValueError if the shapes differ.
    """
    return r_squared(noise.ravel(), r.ravel())


def _window_mean(x: Float64[np.ndarray, "n c h w"], side: int) -> Float64[np.ndarray, "n c a b"]:
    """Average over all windows of `side` × `side` pixels that lie entirely inside the picture."""
    import scipy.ndimage

    inside = slice(side // 2, -(side // 2))
    return scipy.ndimage.uniform_filter(x, size=side, axes=(2, 3))[:, :, inside, inside]


# --- maps ------------------------------------------------------------------------------------------------------------


def stress_1(distances: Float[np.ndarray, "n n"], coordinates: Float[np.ndarray, "n d"]) -> float:
    """Compute Kruskal's stress-1, √(Σ (d̂ − d)² / Σ d²) over all pairs; 0 (perfect) to 1, no unit.

    d are the map's distances, d̂ = u δ the original `distances` δ in the best scale u = Σ δd / Σ δ² (ratio scaling).
    The figure is therefore independent of the map's units, so maps of pixels, components and codes compare. A map
    collapsed to one point has stress 1, or 0 if the originals coincide too. Some programs omit u; at the optimum of a
    fit they report s / √(1 − s²) for this s.
    Source: Kruskal, Psychometrika 29 (1964); Borg & Groenen, "Modern multidimensional scaling" (2005), section 3.2.
    """
    delta, d = distances.astype(np.float64), geometry.distances(coordinates)
    delta_delta, d_d = np.vdot(delta, delta), np.vdot(d, d)
    if delta_delta == 0 or d_d == 0:
        return float(delta_delta != d_d)
    residual = np.vdot(delta, d) / delta_delta * delta - d
    return float(np.sqrt(np.vdot(residual, residual) / d_d))


def kruskal_words(stress: float) -> str:
    """Return Kruskal's word for a stress-1 value: 0 perfect, up to 0.025 excellent, 0.05 good, 0.1 fair, else poor.

    Kruskal calls 0.2 poor. His words are meant for a few dozen objects; two-dimensional maps of hundreds of pictures
    usually have more stress. Source: Kruskal, Psychometrika 29 (1964), p. 3.
    """
    if stress < 1e-6:
        return "perfect"
    bars = ((0.025, "excellent"), (0.05, "good"), (0.1, "fair"))
    return next((word for bar, word in bars if stress <= bar), "poor")


def trustworthiness(
    distances: Float[np.ndarray, "n n"], coordinates: Float[np.ndarray, "n d"], k: int = NEIGHBOURS_TRUST
) -> float:
    """Measure how far the `k` nearest neighbours on the map are near originally, 0 to 1 (all are), no unit:
    1 − 2 / (n k (2n − 3k − 1)) Σ_i Σ_{j ∈ map neighbours of i} max(0, rank_i(j) − k), ranks by the original
    `distances`.

    Chance is about 0.5. Raises `BadInput` unless k < n / 2. Source: Venna & Kaski, ICANN (2001), as in scikit-learn.
    """
    return float(trustworthiness_curve(distances, coordinates, [k])[0])


def continuity(
    distances: Float[np.ndarray, "n n"], coordinates: Float[np.ndarray, "n d"], k: int = NEIGHBOURS_TRUST
) -> float:
    """Measure how far the `k` originally nearest neighbours are near on the map, 0 to 1 (all are), no unit:
    1 − 2 / (n k (2n − 3k − 1)) Σ_i Σ_{j ∈ true neighbours of i} max(0, rank_i(j) − k), ranks by the map's distances.

    This is trustworthiness with the two sets of distances exchanged: trustworthiness falls if the map shows false
    neighbours, continuity if it tears true ones apart. Raises `BadInput` unless k < n / 2.
    Source: Venna & Kaski, ICANN (2001).
    """
    return float(continuity_curve(distances, coordinates, [k])[0])


def trustworthiness_curve(
    distances: Float[np.ndarray, "n n"], coordinates: Float[np.ndarray, "n d"], ks: Sequence[int]
) -> Float64[np.ndarray, "m"]:
    """Compute `trustworthiness` at each of the `ks`, ranking the neighbours only once."""
    return _rank_preservation(geometry.distances(coordinates), distances, ks, "Trustworthiness")


def continuity_curve(
    distances: Float[np.ndarray, "n n"], coordinates: Float[np.ndarray, "n d"], ks: Sequence[int]
) -> Float64[np.ndarray, "m"]:
    """Compute `continuity` at each of the `ks`, ranking the neighbours only once."""
    return _rank_preservation(distances, geometry.distances(coordinates), ks, "Continuity")


def _rank_preservation(
    near: Float[np.ndarray, "n n"], far: Float[np.ndarray, "n n"], ks: Sequence[int], name: str
) -> Float64[np.ndarray, "m"]:
    """Compute 1 − 2 / (n k (2n − 3k − 1)) Σ max(0, rank − k) for each of the `ks`, over the k nearest neighbours by the
    distances `near`, ranked by the distances `far`. A rank is one more than the number of nearer points, which is
    counted instead of sorting all distances.
    """
    n, largest = len(near), max(ks)
    if not 1 <= min(ks) <= largest < n / 2:
        raise BadInput(f"{name} at {largest} neighbours needs more than {2 * largest} points, not {n}; add points.")
    near, far = near.copy(), far.copy()
    np.fill_diagonal(near, np.inf)
    np.fill_diagonal(far, np.inf)
    # Partitioning at each k puts the k nearest first, whichever k.
    nearest = np.argpartition(near, [k - 1 for k in ks], axis=1)[:, :largest]
    chosen = np.take_along_axis(far, nearest, 1)
    ranks = np.stack([np.count_nonzero(far < column[:, None], axis=1) for column in chosen.T], 1) + 1
    lost = [int(np.maximum(0, ranks[:, :k] - k).sum()) for k in ks]
    return np.array([1 - 2 * lost / (n * k * (2 * n - 3 * k - 1)) for k, lost in zip(ks, lost, strict=True)])


def trustworthiness_words(value: float) -> str:
    """Return a word for a trustworthiness: from 0.95 very high, from 0.85 high, from 0.7 moderate, else low."""
    bars = ((0.95, "very high"), (0.85, "high"), (0.7, "moderate"))
    return next((word for bar, word in bars if value >= bar), "low")


def knn_accuracy(coordinates: Float[np.ndarray, "n d"], labels: Num[np.ndarray, "n"], k: int = NEIGHBOURS_KNN) -> float:
    """Compute the share of points whose label wins the vote of their `k` nearest other points; 0 to 1, no unit.

    Leave-one-out: a point never votes for itself. With fewer than k + 1 points all others vote; ties go to the
    smaller label. Raises `BadInput` below two points. Source: Fix & Hodges (1951); Cover & Hart (1967).
    """
    return float(knn_curve(coordinates, labels, [k])[0])


def knn_curve(
    coordinates: Float[np.ndarray, "n d"], labels: Num[np.ndarray, "n"], ks: Sequence[int]
) -> Float64[np.ndarray, "m"]:
    """Compute `knn_accuracy` at each of the `ks`, searching the neighbours only once."""
    n = len(coordinates)
    if n < 2:
        raise BadInput("Neighbours need at least two points, and there are fewer; choose more images.")
    import sklearn.neighbors

    found = sklearn.neighbors.NearestNeighbors(n_neighbors=min(max(ks), n - 1)).fit(coordinates)
    classes, own = np.unique(labels, return_inverse=True)
    cells = np.arange(n)[:, None] * len(classes) + own[found.kneighbors(return_distance=False)]
    votes = [np.bincount(cells[:, :k].ravel(), minlength=n * len(classes)).reshape(n, len(classes)) for k in ks]
    return np.array([(each.argmax(1) == own).mean() for each in votes])


def r_squared(target: Num[np.ndarray, "n"], prediction: Num[np.ndarray, "n"]) -> float:
    """Compute the coefficient of determination 1 − Σ (y − ŷ)² / Σ (y − ȳ)²; at most 1, no unit.

    A constant target gives 1 if predicted exactly and 0 otherwise. Raises ValueError when the shapes differ.
    """
    if target.shape != prediction.shape:
        raise ValueError(
            f"targets of shape {target.shape} cannot be compared with predictions of shape {prediction.shape}"
        )
    y, predicted = target.astype(np.float64), prediction.astype(np.float64)
    residual, total = float(((y - predicted) ** 2).sum()), float(((y - y.mean()) ** 2).sum())
    return 1 - residual / total if total > 0 else float(residual == 0)
