from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float

from aecore.foundation import geometry
from aecore.parts.looking import Sampler


class Empirical(Sampler):
    """Each unit takes one of its values in the data, independently of the other units.

    The inverse empirical distribution function of each unit, h_k = F_k⁻¹(u_k), u_k ~ U(0, 1): the unit of a random
    image's code, with another image for each unit. Each unit has the right distribution; their dependence is lost.
    """

    title: ClassVar[str] = "Per unit, as in the data"
    kind: Literal["empirical"] = "empirical"

    def sample(self, codes: Float[np.ndarray, "n k"], n: int, seed: int) -> Float[np.ndarray, "m k"]:
        """Raises `BadInput` if the codes are empty or not finite."""
        known = geometry.checked(codes, "The codes")
        rows = np.random.default_rng(seed).integers(len(known), size=(n, known.shape[1]))
        return np.take_along_axis(known, rows, 0).astype(np.float32)
