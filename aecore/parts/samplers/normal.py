from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float

from aecore.parts.looking import Sampler


class Normal(Sampler):
    """The standard normal distribution: independent units with mean 0 and standard deviation 1.

    The prior of variational autoencoders. The codes of other kinds may lie elsewhere, and then the pictures show it.
    Source: Kingma & Welling, "Auto-encoding variational Bayes" (2014).
    """

    title: ClassVar[str] = "Standard normal"
    kind: Literal["normal"] = "normal"

    def sample(self, codes: Float[np.ndarray, "n k"], n: int, seed: int) -> Float[np.ndarray, "m k"]:
        return np.random.default_rng(seed).standard_normal((n, codes.shape[1])).astype(np.float32)
