"""Measure how faithful a map is, and explain each figure in words."""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float32, Float64, Num

from aecore.foundation import geometry, metrics
from aecore.foundation.geometry import Points
from aecore.parts.looking import FittedEmbedding

MOST_MEASURED = 2000
"""Figures that compare all pairs are taken on at most this many points, spread evenly."""
MOST_CURVED = 500
"""Curves over the number of neighbours are taken on at most this many points, spread evenly."""
CURVED_AT = (1, 2, 3, 4, 5, 7, 10, 14, 20, 28, 40, 57, 80, 100)
"""Numbers of neighbours of these curves, each about √2 times the one before."""
Decode = Callable[[Float32[np.ndarray, "n k"]], Float32[np.ndarray, "n f"]]
"""Codes to pixels, both as rows."""


def quality_of(fitted: FittedEmbedding, x: Points, labels: Num[np.ndarray, "n"] | None = None) -> dict[str, float]:
    """The figures of a map, always against the Euclidean distances of the pixels `x`, so that maps compare.

    `stress_1` in the map's best scale, which alone makes sense for codes (`aecore.foundation.metrics.stress_1`);
    `trustworthiness` and `continuity` at `trustworthiness_k` neighbours (5, fewer when there are few points);
    `knn_accuracy` at `knn_k` neighbours (15) where there are labels; `own_stress_1`, against the distances that the
    method was given; `explained_variance` and `iterations` where the method has them.
    Figures without a meaning for so few points are left out. More than `MOST_MEASURED` points are measured on a part
    of them, except `knn_accuracy`.
    """
    quality = {"own_stress_1" if name == "stress_1" else name: value for name, value in fitted.quality.items()}
    chosen = list(geometry.evenly(len(x), MOST_MEASURED))
    distances, shown = geometry.distances(geometry.checked(x[chosen])), fitted.coordinates[chosen]
    quality["stress_1"] = metrics.stress_1(distances, shown)
    k = min(metrics.NEIGHBOURS_TRUST, (len(chosen) - 1) // 2)
    if k >= 1:
        quality["trustworthiness"] = metrics.trustworthiness(distances, shown, k)
        quality["continuity"] = metrics.continuity(distances, shown, k)
        quality["trustworthiness_k"] = float(k)
    if labels is not None and len(x) >= 2:
        quality["knn_accuracy"] = metrics.knn_accuracy(fitted.coordinates, labels)
        quality["knn_k"] = float(min(metrics.NEIGHBOURS_KNN, len(x) - 1))
    return quality


@dataclasses.dataclass(frozen=True, eq=False)
class Curves:
    """A map's `metrics.trustworthiness`, `metrics.continuity` and, where there are labels, `metrics.knn_accuracy` at
    `ks` neighbours, all on the same `n` points.
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
    most: int = MOST_CURVED,
) -> Curves:
    """How a map of the rows `x` does from the nearest neighbours to wide neighbourhoods (`CURVED_AT`), on at most
    `most` points, spread evenly. Too few points for a single neighbour have empty curves.
    """
    chosen = list(geometry.evenly(len(x), most))
    n = len(chosen)
    ks = tuple(k for k in CURVED_AT if k < n / 2)
    if not ks:
        nothing = np.zeros(0)
        return Curves(ks, n, nothing, nothing, None)
    distances, shown = geometry.distances(geometry.checked(x[chosen])), coordinates[chosen]
    return Curves(
        ks, n, metrics.trustworthiness_curve(distances, shown, ks), metrics.continuity_curve(distances, shown, ks),
        None if labels is None else metrics.knn_curve(shown, labels[chosen], ks),
    )  # fmt: skip


def same_pixels(pixels: Float32[np.ndarray, "n f"]) -> Float32[np.ndarray, "n f"]:
    return pixels


def inverse_error(fitted: FittedEmbedding, x: Points, decode: Decode | None) -> dict[str, float]:
    """`reconstruction_sse`: the mean squared error per image of what the places on the map lead back to."""
    chosen = list(geometry.evenly(len(x), MOST_MEASURED))
    back = fitted.inverse(fitted.coordinates[chosen])
    if back is None or decode is None:
        return {}
    drawn = decode(back.astype(np.float32))
    return {"reconstruction_sse": float(metrics.sse(x[chosen][:, None, None], drawn[:, None, None]).mean())}


def readings(quality: dict[str, float]) -> dict[str, str]:
    """One sentence in plain words for each figure of `quality_of` that a student should read."""
    said: dict[str, str] = {}
    if "stress_1" in quality:
        value = quality["stress_1"]
        said["stress_1"] = (
            f"Stress-1 {value:.3f}, {metrics.kruskal_words(value)} in Kruskal's words: distances on the map "
            f"differ from those between the pictures by about {value:.0%}; 0 would be a perfect map."
        )
    if "trustworthiness" in quality:
        value, k = quality["trustworthiness"], int(quality["trustworthiness_k"])
        said["trustworthiness"] = (
            f"Trustworthiness {value:.3f}, {metrics.trustworthiness_words(value)}: how far the {k} nearest on the map "
            "are also near as pictures; 1 is always, about 0.5 is chance."
        )
    if "continuity" in quality:
        value, k = quality["continuity"], int(quality["trustworthiness_k"])
        said["continuity"] = (
            f"Continuity {value:.3f}, {metrics.trustworthiness_words(value)}: how far the {k} most alike pictures are "
            "also near on the map; it falls where the map tears them apart."
        )
    if "knn_accuracy" in quality:
        value, k = quality["knn_accuracy"], int(quality["knn_k"])
        said["knn_accuracy"] = (
            f"Neighbours agree {value:.0%}: the {k} nearest on the map, by vote, name the right class that often; "
            "the map never saw the classes."
        )
    if "explained_variance" in quality:
        value = quality["explained_variance"]
        said["explained_variance"] = (
            f"Explained variance {value:.0%}: the part of all variation seen in the map's plane; the rest is hidden."
        )
    if "reconstruction_sse" in quality:
        said["reconstruction_sse"] = (
            f"Squared error {quality['reconstruction_sse']:.2f} per image between the pictures and what their places "
            "on the map alone lead back to."
        )
    return said


DEFINITIONS = {
    "stress_1": (
        "Stress-1 = √(Σ (u δ − d)² / Σ d²) over all pairs of images: δ is their distance as pictures, d that on the "
        "map, and u = Σ δd / Σ δ² the scale that suits the map best, so that maps in any units compare. 0: all "
        "distances are right; 1: all images in one place. Source: Kruskal, Psychometrika 29 (1964)."
    ),
    "trustworthiness": (
        "Trustworthiness = 1 − 2 / (n k (2n − 3k − 1)) Σ max(0, r − k), summed over each image's k nearest on the "
        "map; r is a neighbour's rank among the images most alike as pictures. 1: all neighbours on the map are "
        "alike; about 0.5: chance. Source: Venna & Kaski, ICANN (2001)."
    ),
    "continuity": (
        "Continuity = 1 − 2 / (n k (2n − 3k − 1)) Σ max(0, r − k), summed over the k pictures most alike to each "
        "image; r is their rank among its neighbours on the map. 1: what is alike stays together; about 0.5: chance. "
        "Source: Venna & Kaski, ICANN (2001)."
    ),
    "knn_accuracy": (
        "Neighbours agree = share of the images whose class wins the vote of the k nearest others on the map. 1: "
        "always; one over the number of classes: chance. Source: Cover & Hart, IEEE Trans. Inf. Theory 13 (1967)."
    ),
    "explained_variance": (
        "Explained variance = (λ₁ + λ₂) / Σ λ, λ the variances along the principal directions of what the map shows. "
        "1: nothing lies outside its plane; 0: everything does. Source: Jolliffe, Principal Component Analysis "
        "(2002)."
    ),
    "reconstruction_sse": (
        "Squared error = Σ (x − r)² over an image's pixels, averaged over the images: x is the image, r what its "
        "place on the map leads back to, by the plane of PCA or by the decoder. 0: nothing is lost; it has no upper "
        "end. Source: Hinton & Salakhutdinov, Science 313 (2006)."
    ),
    "distortion": (
        "Distortion of an image i = √(Σ (u δ − d)² / Σ d²) over its pairs with other images j, with δ, d and u as in "
        "stress-1, which is the weighted mean of all images' distortions (of their squares). 0: the image lies right "
        "to all others; 1: on top of them. Source: the terms of Kruskal's stress-1, Psychometrika 29 (1964)."
    ),
}
"""What each figure of `readings` is: its formula, what its ends mean, its source; and the distortion of an image."""
