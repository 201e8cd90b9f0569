"""Encoder and decoder as distributions: draws h ~ p(h | x) and x ~ p(x | h), the chain x → h → x → …, and log p(x).

Source: Goodfellow, Bengio & Courville, "Deep Learning" (2016), section 14.4.
"""

import dataclasses
import functools
import math

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from aecore.model.autoencoder import Autoencoder
from aecore.parts.contracts import Code, Codes, Corruption, Images, Objective

REFERENCE_IMAGES = 500
"""Training images that a chain's distance from the data is measured to."""
FORGOTTEN = 0.8
"""Share of the distance between unrelated images from which a chain counts as having forgotten its start: means are
smoother than images, so they stay somewhat nearer.
"""
OFF_THE_DATA = 2.0
"""Times the usual distance between neighbouring images from which pictures count as drifting from the data."""
NUMBERS_AT_ONCE = 4_000_000
"""Decoder outputs held at a time by `log_likelihood`: 16 MB."""


@torch.inference_mode()
def draw_codes(model: Autoencoder, images: Images, n: int, generator: torch.Generator) -> Float[Tensor, "b n k"]:
    """`n` draws h ~ p(h | x) for each image; copies of the point f(x) where the encoder gives no distribution."""
    params = model.encode(images).params
    return Code(params.repeat_interleave(n, 0)).sample(generator).reshape(len(params), n, -1)


@torch.inference_mode()
def draw_images(model: Autoencoder, codes: Codes, n: int, generator: torch.Generator) -> Float[Tensor, "b n c h w"]:
    """`n` draws x ~ p(x | h) for each code: every pixel for itself, so that a noisy draw has a smooth mean."""
    out = model.decode(codes)
    return torch.stack([model.likelihood.sample(out, generator) for _ in range(n)], 1)


def binarised(images: Float32[np.ndarray, "n c h w"], seed: int) -> Float32[np.ndarray, "n c h w"]:
    """Every pixel drawn once, 1 with its grey as probability, else 0: the data on which log p(x) of a Bernoulli output
    is that of a distribution. Source: Salakhutdinov & Murray, ICML 2008.
    """
    return (np.random.default_rng(seed).random(images.shape) < images).astype(np.float32)


# --- the chain


@dataclasses.dataclass(frozen=True, eq=False)
class Reference:
    """Images of the data, and the `usual` distance between neighbours: the median over them of the squared error to
    the nearest other one.
    """

    images: Float32[np.ndarray, "m c h w"]

    @functools.cached_property
    def usual(self) -> float:
        apart = _squared_distances(self.images, self.images)
        np.fill_diagonal(apart, np.inf)
        return float(np.median(apart.min(1))) if len(apart) > 1 else 0.0


@dataclasses.dataclass(frozen=True, eq=False)
class Chain:
    """x → (x̃ →) h → x → …, T steps from N images: what the encoder saw, the codes drawn, means and draws of p(x | h).

    `from_start` and `from_data` are squared errors per image of the means, to the start and to the nearest of the
    reference's images. `unrelated` is that between the start and the reference's images on average: where a chain that
    has forgotten its start ends up. `usual` is that between neighbours in the data.
    """

    start: Float32[np.ndarray, "n c h w"]
    inputs: Float32[np.ndarray, "t n c h w"]
    codes: Float32[np.ndarray, "t n k"]
    means: Float32[np.ndarray, "t n c h w"]
    samples: Float32[np.ndarray, "t n c h w"]
    from_start: Float64[np.ndarray, "t n"]
    from_data: Float64[np.ndarray, "t n"]
    unrelated: Float64[np.ndarray, "n"]
    usual: float

    @property
    def curves(self) -> tuple[Float64[np.ndarray, "t"], Float64[np.ndarray, "t"]]:
        """`from_start` and `from_data` at each step, mean over the chains."""
        return self.from_start.mean(1), self.from_data.mean(1)

    @property
    def levels(self) -> tuple[float, float]:
        """What the curves are read against: `unrelated`, mean over the starts, and `usual`."""
        return float(self.unrelated.mean()), self.usual

    @property
    def forgotten_after(self) -> int | None:
        """The first step (from 1) at which the chains are on average as good as unrelated to their starts."""
        far = self.curves[0] >= FORGOTTEN * self.levels[0]
        return int(np.argmax(far)) + 1 if far.any() else None

    @property
    def words(self) -> str:
        """How the chain mixes, in plain words."""
        (from_start, from_data), (unrelated, usual), steps = self.curves, self.levels, len(self.means)
        share, away = float(from_start[-1] / max(unrelated, 1e-12)), float(from_data[-1] / max(usual, 1e-12))
        after = self.forgotten_after
        if after is not None:
            mixing = f"After {after} step{'s' if after > 1 else ''} the start is forgotten"
        else:
            mixing = f"After {steps} steps it has come {share:.0%} of the way to unrelated pictures, so it mixes slowly"
        if away < OFF_THE_DATA:
            return f"{mixing}; the pictures stay with the data."
        return f"{mixing}; but the pictures drift from the data, {away:.1f} times as far as its images are apart."


@torch.inference_mode()
def chain(
    model: Autoencoder, corruption: Corruption, start: Images, steps: int, seed: int, reference: Reference
) -> Chain:
    """At each step x̃ ~ C(x̃ | x) where the corruption's level is not 0, h ~ p(h | x̃) and x ~ p(x | h), from `start`.

    Trained to undo C, its draws tend to those of the data, whatever the start: then encoder and decoder belong to one
    joint distribution. Source: Bengio, Yao, Alain & Vincent, "Generalized denoising auto-encoders as generative
    models", NIPS 2013, section 2 and theorem 1.
    """
    generator = torch.Generator().manual_seed(seed)
    x, rows = start, list[tuple[Tensor, ...]]()
    for _ in range(steps):
        seen, visible = corruption.corrupt(x, generator)
        h = model.encode(seen, visible).sample(generator)
        out = model.decode(h)
        x = model.likelihood.sample(out, generator)
        rows.append((seen, h, model.likelihood.mean(out), x))
    inputs, codes, means, samples = (torch.stack(column).numpy() for column in zip(*rows, strict=True))
    images = start.numpy()
    to_data = _squared_distances(means.reshape(-1, *means.shape[2:]), reference.images)
    return Chain(
        images, inputs, codes, means, samples,
        from_start=np.square(means - images, dtype=np.float64).reshape(steps, len(images), -1).sum(2),
        from_data=to_data.min(1).reshape(steps, len(images)),
        unrelated=_squared_distances(images, reference.images).mean(1),
        usual=reference.usual,
    )  # fmt: skip


def _squared_distances(
    a: Float32[np.ndarray, "n c h w"], b: Float32[np.ndarray, "m c h w"]
) -> Float64[np.ndarray, "n m"]:
    """Squared error of every image of `a` to every one of `b`."""
    one, other = (torch.from_numpy(images).flatten(1).double() for images in (a, b))
    return torch.cdist(one, other).square().numpy()


# --- log p(x)


@torch.inference_mode()
def log_likelihood(
    model: Autoencoder, objective: Objective, images: Images, samples: int, seed: int
) -> Float64[np.ndarray, "b"] | None:
    """log p(x) in nats per image, estimated from below by k = `samples` draws h_i ~ q(h | x):

    log 1/k Σ_i p(x | h_i) p(h_i) / q(h_i | x). In expectation this is the evidence lower bound for k = 1, grows with k,
    and tends to log p(x). None where the objective has no p(h). At most `NUMBERS_AT_ONCE` outputs are held at a time.
    Source: Burda, Grosse & Salakhutdinov, "Importance weighted autoencoders", ICLR 2016, equation 8 and theorem 1.
    """
    generator = torch.Generator().manual_seed(seed)
    room = max(1, NUMBERS_AT_ONCE // (images[0].numel() * model.likelihood.params_per_output))
    n = min(samples, room)
    # Filled in place: a small result kept for each part among large ones that come and go would tear memory to pieces.
    found, filled = np.empty(len(images)), 0
    for params, targets in zip(*(x.split(room // n) for x in (model.encode(images).params, images)), strict=True):
        total = torch.full((len(params),), -torch.inf, dtype=torch.float64)
        for first in range(0, samples, n):
            m = min(n, samples - first)
            code = Code(params.repeat_interleave(m, 0))
            h = code.sample(generator)
            log_prior = objective.log_prior(h)
            if log_prior is None:
                return None
            spread = (h - code.mean).square() / code.log_variance.exp()
            log_q = -0.5 * (spread + code.log_variance + math.log(2 * math.pi)).sum(1)
            log_p = -model.likelihood.nll(model.decode(h), targets.repeat_interleave(m, 0)).flatten(1).sum(1)
            weights = (log_p + log_prior - log_q).double().reshape(-1, m)
            total = torch.logaddexp(total, weights.logsumexp(1))
        found[filled : filled + len(params)] = (total - math.log(samples)).numpy()
        filled += len(params)
    return found
