from typing import ClassVar, Literal

import numpy as np

from aecore.foundation import geometry
from aecore.foundation.geometry import Points
from aecore.foundation.progress import OnProgress, ShouldStop
from aecore.parts.embeddings._linear import FittedLinear, projected, restored
from aecore.parts.embeddings._watch import Watch
from aecore.parts.looking import Embedding


class Pca(Embedding):
    """Principal component analysis: projection onto the directions of largest variance.

    y = (x − x̄) Vᵀ, where the rows of V are the eigenvectors of the covariance with the largest eigenvalues, exact and
    signed so that their largest entry is positive. The linear map with the least squared reconstruction error; equal
    to classical MDS of Euclidean distances. `x` may be larger than memory (`numpy.memmap`): its rows are read in
    parts. Quality: `explained_variance`, the share of the variance on the map, 0 to 1.
    Source: Pearson (1901); Hotelling (1933).
    """

    title: ClassVar[str] = "PCA"
    kind: Literal["pca"] = "pca"

    def fit(self, x: Points, progress: OnProgress | None = None, should_stop: ShouldStop | None = None) -> FittedLinear:
        """Raises `BadInput` for an empty table, NaN or infinity; `Stopped`."""
        watch = Watch(progress, should_stop)
        watch(0.0)
        axes = geometry.principal_axes(geometry.finite(x), self.dimensions, watch)
        watch(1.0)
        return projected(x, axes)

    def restore(self, state: dict[str, np.ndarray], x: Points) -> FittedLinear:
        return restored(state)
