import warnings
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float, Float64
from pydantic import Field as Setting

from aecore.foundation import geometry
from aecore.parts.looking import Sampler

_MAX_DIRECTIONS = 32
_MAX_CODES = 2000


class Mixture(Sampler):
    """A mixture of normal distributions fitted to the data's codes; unlike a single Gaussian it can follow clusters.

    p(h) = Σ_c π_c N(μ_c, Σ_c), fitted by expectation-maximisation with full covariances in the first 32 principal
    directions of the codes; the remaining directions are one Gaussian with their covariance. The fit uses at most
    2,000 codes, spread evenly, and at most a quarter as many components as there are different codes.
    Source: Dempster, Laird & Rubin (1977); Ghosh et al., "From variational to deterministic autoencoders" (2020),
    section 4.
    """

    title: ClassVar[str] = "Gaussian mixture"
    kind: Literal["mixture"] = "mixture"
    components: int = Setting(
        10, ge=1, le=50, title="Components", description="Number of normal distributions in the mixture."
    )

    def sample(self, codes: Float[np.ndarray, "n k"], n: int, seed: int) -> Float[np.ndarray, "m k"]:
        """Raises `BadInput` if the codes are empty or not finite."""
        known = geometry.checked(codes, "The codes")
        known = known[list(geometry.evenly(len(known), _MAX_CODES))]
        axes = geometry.principal_axes(known, min(_MAX_DIRECTIONS, known.shape[1]))
        inside = axes.project(known)
        residual = known - axes.mean - inside @ axes.components
        rng = np.random.default_rng(seed)
        drawn = self._draw(inside, n, rng) @ axes.components
        return (axes.mean + drawn + geometry.gaussian_like(residual, n, rng)).astype(np.float32)

    def _draw(
        self, inside: Float64[np.ndarray, "n d"], count: int, rng: np.random.Generator
    ) -> Float64[np.ndarray, "m d"]:
        # In units of the first direction, so that one regularisation suits codes of any scale.
        scale = float(inside[:, 0].std()) or 1.0
        distinct = len(np.unique(inside, axis=0))
        if distinct < 8 or count == 0:
            return geometry.gaussian_like(inside, count, rng)
        # Imported here, because it takes seconds and training does not need it.
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        mixture = GaussianMixture(
            min(self.components, distinct // 4),
            reg_covar=1e-5,
            tol=1e-2,
            max_iter=50,
            init_params="k-means++",
            random_state=int(rng.integers(2**31)),
        )
        with warnings.catch_warnings():
            # The time must stay bounded, and components that have not quite converged still give good codes.
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(inside / scale)
        drawn, _ = mixture.sample(count)
        return rng.permutation(drawn) * scale
