"""Measure how faithful a map is, and explain each figure in words."""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float32, Float64, Num

from aecore.foundation import geometry, metrics
from aecore.foundation.geometry import Points
from aecore.parts.looking import FittedEmbedding

MAX_MEASURED = 2000
"""Points, evenly spaced, on which figures that compare all pairs are measured."""
MAX_CURVE_POINTS = 500
"""Points, evenly spaced, on which `curves` are measured."""
CURVE_NEIGHBOURS = (1, 2, 3, 4, 5, 7, 10, 14, 20, 28, 40, 57, 80, 100)
"""Numbers of neighbours at which `curves` are measured, each about √2 times the one before."""
Decode = Callable[[Float32[np.ndarray, "n k"]], Float32[np.ndarray, "n f"]]
"""A decoder: codes (n, k) to pixels (n, f), one row per image."""


def quality_of(fitted: FittedEmbedding, x: Points, labels: Num[np.ndarray, "n"] | None = None) -> dict[str, float]:
    """Measure a map against the Euclidean distances of the pixels `x`, whatever it was fitted to, so that maps compare.

    `stress_1`: in the map's best scale (`aecore.foundation.metrics.stress_1`), because codes have another unit than
    pixels; `trustworthiness` and `continuity`: at `trustworthiness_k` neighbours (5, fewer if there are few points);
    `knn_accuracy`: at `knn_k` neighbours (15), with labels only; `own_stress_1`: against the distances that the method
    was given; `explained_variance` and `iterations`: from methods that have them.
    Figures that are undefined for so few points are left out. All but `knn_accuracy` use at most `MAX_MEASURED`
    points.
    """
    quality = {"own_stress_1" if name == "stress_1" else name: value for name, value in fitted.quality.items()}
    chosen = list(geometry.evenly(len(x), MAX_MEASURED))
    delta, places = geometry.distances(geometry.checked(x[chosen])), fitted.coordinates[chosen]
    quality["stress_1"] = metrics.stress_1(delta, places)
    k = min(metrics.NEIGHBOURS_TRUST, (len(chosen) - 1) // 2)
    if k >= 1:
        quality["trustworthiness"] = metrics.trustworthiness(delta, places, k)
        quality["continuity"] = metrics.continuity(delta, places, k)
        quality["trustworthiness_k"] = float(k)
    if labels is not None and len(x) >= 2:
        quality["knn_accuracy"] = metrics.knn_accuracy(fitted.coordinates, labels)
        quality["knn_k"] = float(min(metrics.NEIGHBOURS_KNN, len(x) - 1))
    return quality


@dataclasses.dataclass(frozen=True, eq=False)
class Curves:
    """A map's `metrics.trustworthiness`, `metrics.continuity` and, with labels, `metrics.knn_accuracy` at `ks`
    neighbours, all on the same `n` points.
    """

    ks: tuple[int, ...]
    n: int
    trustworthiness: Float64[np.ndarray, "m"]
    continuity: Float64[np.ndarray, "m"]
    knn_accuracy: Float64[np.ndarray, "m"] | None


def curves(
    x: Points,
    coordinates: Float[np.ndarray, "n d"],
    labels: Num[np.ndarray, "n"] | None = None,
    max_points: int = MAX_CURVE_POINTS,
) -> Curves:
    """Measure a map of the rows `x` at growing numbers of neighbours (`CURVE_NEIGHBOURS`), on at most `max_points`
    evenly spaced points. The curves are empty if there are too few points for one neighbour.
    """
    chosen = list(geometry.evenly(len(x), max_points))
    n = len(chosen)
    ks = tuple(k for k in CURVE_NEIGHBOURS if k < n / 2)
    if not ks:
        empty = np.zeros(0)
        return Curves(ks, n, empty, empty, None)
    delta, places = geometry.distances(geometry.checked(x[chosen])), coordinates[chosen]
    return Curves(
        ks, n, metrics.trustworthiness_curve(delta, places, ks), metrics.continuity_curve(delta, places, ks),
        None if labels is None else metrics.knn_curve(places, labels[chosen], ks),
    )  # fmt: skip


def identity(pixels: Float32[np.ndarray, "n f"]) -> Float32[np.ndarray, "n f"]:
    """Return `pixels`: the `Decode` of maps that are fitted to pixels."""
    return pixels


def inverse_error(fitted: FittedEmbedding, x: Points, decode: Decode | None) -> dict[str, float]:
    """Measure `reconstruction_sse`: the mean squared error per image of images reconstructed from their places on the
    map. Empty if the embedding has no inverse or no decoder is given.
    """
    chosen = list(geometry.evenly(len(x), MAX_MEASURED))
    rows = fitted.inverse(fitted.coordinates[chosen])
    if rows is None or decode is None:
        return {}
    reconstructed = decode(rows.astype(np.float32))
    return {"reconstruction_sse": float(metrics.sse(x[chosen][:, None, None], reconstructed[:, None, None]).mean())}


def readings(quality: dict[str, float]) -> dict[str, str]:
    """Explain each figure of `quality_of` that a student should read in one sentence: {figure: sentence}."""
    return {name: explain(quality) for name, explain in _SENTENCES.items() if name in quality}


def _stress(quality: dict[str, float]) -> str:
    value = quality["stress_1"]
    return (
        f"Stress-1 {value:.3f}, {metrics.kruskal_words(value)} in Kruskal's words: distances on the map differ from "
        f"those between the pictures by about {value:.0%}; 0 would be a perfect map."
    )


def _trustworthiness(quality: dict[str, float]) -> str:
    value, k = quality["trustworthiness"], int(quality["trustworthiness_k"])
    return (
        f"Trustworthiness {value:.3f}, {metrics.trustworthiness_words(value)}: how far the {k} nearest images on the "
        "map are also similar as pictures; 1: always, about 0.5: by chance."
    )


def _continuity(quality: dict[str, float]) -> str:
    value, k = quality["continuity"], int(quality["trustworthiness_k"])
    return (
        f"Continuity {value:.3f}, {metrics.trustworthiness_words(value)}: how far the {k} most similar pictures are "
        "also near on the map; it falls where the map tears similar pictures apart."
    )


def _knn_accuracy(quality: dict[str, float]) -> str:
    value, k = quality["knn_accuracy"], int(quality["knn_k"])
    return (
        f"Same-class neighbours {value:.0%}: for so many images the {k} nearest on the map, by majority vote, have the "
        "same class; the map was made without the classes."
    )


def _explained_variance(quality: dict[str, float]) -> str:
    value = quality["explained_variance"]
    return f"Explained variance {value:.0%}: the share of the variance that the map's plane shows; the rest is hidden."


def _reconstruction(quality: dict[str, float]) -> str:
    value = quality["reconstruction_sse"]
    return (
        f"Reconstruction error from the map {value:.2f}: the squared error per image between a picture and its "
        "reconstruction from its place on the map alone."
    )


_SENTENCES: dict[str, Callable[[dict[str, float]], str]] = {
    "stress_1": _stress,
    "trustworthiness": _trustworthiness,
    "continuity": _continuity,
    "knn_accuracy": _knn_accuracy,
    "explained_variance": _explained_variance,
    "reconstruction_sse": _reconstruction,
}

DEFINITIONS = {
    "stress_1": (
        "Stress-1 = √(Σ (u δ − d)² / Σ d²) over all pairs of images: δ is their distance as pictures, d their distance "
        "on the map, and u = Σ δd / Σ δ² the scale that fits the map best, so that maps in any units compare. 0: all "
        "distances are right; 1: all images in one place. Source: Kruskal, Psychometrika 29 (1964)."
    ),
    "trustworthiness": (
        "Trustworthiness = 1 − 2 / (n k (2n − 3k − 1)) Σ max(0, r − k), summed over each image's k nearest on the map; "
        "r is a neighbour's rank by similarity as pictures. 1: all neighbours on the map are similar pictures; about "
        "0.5: chance. Source: Venna & Kaski, ICANN (2001)."
    ),
    "continuity": (
        "Continuity = 1 − 2 / (n k (2n − 3k − 1)) Σ max(0, r − k), summed over the k pictures most similar to each "
        "image; r is their rank among its neighbours on the map. 1: similar pictures stay together; about 0.5: chance. "
        "Source: Venna & Kaski, ICANN (2001)."
    ),
    "knn_accuracy": (
        "Same-class neighbours = share of the images whose class wins the vote of the k nearest others on the map. 1: "
        "all; one over the number of classes: chance. Source: Cover & Hart, IEEE Trans. Inf. Theory 13 (1967)."
    ),
    "explained_variance": (
        "Explained variance = (λ₁ + λ₂) / Σ λ, where λ are the variances of the map's pixels or codes along their "
        "principal directions. 1: nothing lies outside the map's plane; 0: everything does. Source: Jolliffe, "
        "Principal Component Analysis (2002)."
    ),
    "reconstruction_sse": (
        "Reconstruction error from the map = Σ (x − r)² over an image's pixels, averaged over the images: x is the "
        "image, r its reconstruction from its place on the map, by the plane of PCA or by the decoder. Unit: squared "
        "error per image. 0: nothing is lost; it has no upper end. Source: Hinton & Salakhutdinov, Science 313 (2006)."
    ),
    "distortion": (
        "Distortion of an image i = √(Σ (u δ − d)² / Σ d²) over its pairs with other images j, with δ, d and u as in "
        "stress-1. Stress-1² is the mean of the images' distortions², weighted by Σ d². 0: the image's distances are "
        "right; 1: it lies on top of all others. Source: the terms of Kruskal's stress-1, Psychometrika 29 (1964)."
    ),
}
"""Formula, meaning of the extremes and source of each figure in `readings`, and of an image's distortion."""
