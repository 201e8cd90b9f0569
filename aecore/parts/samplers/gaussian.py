from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float

from aecore.foundation import geometry
from aecore.parts.looking import Sampler


class Gaussian(Sampler):
    """A normal distribution with the mean and the full covariance of the data's codes.

    h = h̄ + ε (H − h̄) / √(N − 1), ε ~ N(0, 1) per image: exactly the codes' mean and covariance, even with more units
    than images.
    Source: Ghosh et al., "From variational to deterministic autoencoders" (2020), section 4.
    """

    title: ClassVar[str] = "Gaussian with the codes' covariance"
    kind: Literal["gaussian"] = "gaussian"

    def sample(self, codes: Float[np.ndarray, "n k"], n: int, seed: int) -> Float[np.ndarray, "m k"]:
        """Raises `BadInput` if the codes are empty or not finite."""
        known = geometry.checked(codes, "The codes")
        return (known.mean(0) + geometry.gaussian_like(known, n, np.random.default_rng(seed))).astype(np.float32)
