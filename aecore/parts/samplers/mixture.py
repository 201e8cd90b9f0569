import warnings
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float, Float64
from pydantic import Field as Setting

from aecore.foundation import geometry
from aecore.parts.looking import Sampler

_DIRECTIONS = 32
_MOST_CODES = 2000


class Mixture(Sampler):
    """A mixture of normal distributions fitted to the data's codes: it follows clusters, which one Gaussian cannot.

    p(h) = Σ_c π_c N(μ_c, Σ_c), fitted by expectation-maximisation with full covariances in the codes' first 32
    principal directions; what lies outside these is added as one Gaussian with its own covariance. The fit uses at
    most 2,000 codes, spread evenly over those given, and never more components than a quarter of them.
    Source: Dempster, Laird & Rubin (1977); Ghosh et al., "From variational to deterministic autoencoders" (2020),
    section 4.
    """

    title: ClassVar[str] = "Gaussian mixture"
    kind: Literal["mixture"] = "mixture"
    components: int = Setting(
        10, ge=1, le=50, title="Components", description="Number of normal distributions that are added up."
    )

    def sample(self, codes: Float[np.ndarray, "n k"], n: int, seed: int) -> Float[np.ndarray, "m k"]:
        """Raises `BadInput` when the codes are empty or not finite."""
        known = geometry.checked(codes, "The codes")
        known = known[list(geometry.evenly(len(known), _MOST_CODES))]
        axes = geometry.principal_axes(known, min(_DIRECTIONS, known.shape[1]))
        inside = axes.project(known)
        residual = known - axes.mean - inside @ axes.components
        rng = np.random.default_rng(seed)
        drawn = self._draw(inside, n, rng) @ axes.components
        return (axes.mean + drawn + geometry.gaussian_like(residual, n, rng)).astype(np.float32)

    def _draw(
        self, inside: Float64[np.ndarray, "n d"], count: int, rng: np.random.Generator
    ) -> Float64[np.ndarray, "m d"]:
        # In units of the leading direction, so that the same regularisation suits codes of every scale.
        scale = float(inside[:, 0].std()) or 1.0
        distinct = len(np.unique(inside, axis=0))
        if distinct < 8 or count == 0:
            return geometry.gaussian_like(inside, count, rng)
        # Imported here: it takes seconds, and training does not need it.
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
            # Half-converged components still make good codes, and the time must stay bounded.
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(inside / scale)
        drawn, _ = mixture.sample(count)
        return rng.permutation(drawn) * scale
