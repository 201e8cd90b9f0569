"""Use encoder and decoder as distributions: draw h ~ p(h | x) and x ~ p(x | h), run the chain x → h → x → …, and
estimate log p(x).

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
"""Training images to which the distance of a chain is measured."""
FORGOTTEN_SHARE = 0.8
"""A chain has forgotten its start at this share of the distance between unrelated images; not at all of it, because
means are smoother than images and so stay somewhat nearer.
"""
DRIFT_RATIO = 2.0
"""Pictures drift from the data if they are this many times as far from it as neighbouring images are apart."""
OUTPUTS_AT_ONCE = 4_000_000
"""Decoder outputs, as single numbers, held at a time by `log_likelihood`: 16 MB."""


@torch.inference_mode()
def draw_codes(model: Autoencoder, images: Images, n: int, generator: torch.Generator) -> Float[Tensor, "b n k"]:
    """Draw h ~ p(h | x), `n` times for each image; copies of the point f(x) if the encoder gives no distribution."""
    params = model.encode(images).params
    return Code(params.repeat_interleave(n, 0)).sample(generator).reshape(len(params), n, -1)


@torch.inference_mode()
def draw_images(model: Autoencoder, codes: Codes, n: int, generator: torch.Generator) -> Float[Tensor, "b n c h w"]:
    """Draw x ~ p(x | h), `n` times for each code. Pixels are independent, so draws are noisier than means."""
    out = model.decode(codes)
    return torch.stack([model.likelihood.sample(out, generator) for _ in range(n)], 1)


def binarised(images: Float32[np.ndarray, "n c h w"], seed: int) -> Float32[np.ndarray, "n c h w"]:
    """Draw every pixel once, as 1 with its grey value as probability, else 0.

    Of such data a Bernoulli output is a distribution, so that its log p(x) is one of a probability.
    Source: Salakhutdinov & Murray, ICML 2008.
    """
    return (np.random.default_rng(seed).random(images.shape) < images).astype(np.float32)


# --- the chain


@dataclasses.dataclass(frozen=True, eq=False)
class Reference:
    """Images of the data, to which the distance of a chain is measured."""

    images: Float32[np.ndarray, "m c h w"]

    @functools.cached_property
    def usual(self) -> float:
        """The median over the images of the squared error to the nearest other one."""
        apart = _squared_distances(self.images, self.images)
        np.fill_diagonal(apart, np.inf)
        return float(np.median(apart.min(1))) if len(apart) > 1 else 0.0


@dataclasses.dataclass(frozen=True, eq=False)
class Chain:
    """T steps of x → (x̃ →) h → x from N images: the encoder's inputs, the codes drawn, means and draws of p(x | h).

    `from_start` and `from_data`: squared error per image of the means, to the start and to the nearest reference image.
    `unrelated`: mean squared error between the start and all reference images, which a chain reaches that has
    forgotten its start. `usual`: see `Reference.usual`.
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
        """`from_start` and `from_data` at each step, means over the chains."""
        return self.from_start.mean(1), self.from_data.mean(1)

    @property
    def levels(self) -> tuple[float, float]:
        """The levels to compare the curves with: `unrelated`, mean over the starts, and `usual`."""
        return float(self.unrelated.mean()), self.usual

    @property
    def forgotten_after(self) -> int | None:
        """The first step (from 1) at which the chains are on average as good as unrelated to their starts."""
        far = self.curves[0] >= FORGOTTEN_SHARE * self.levels[0]
        return int(np.argmax(far)) + 1 if far.any() else None

    @property
    def words(self) -> str:
        """Describe how the chain mixes, in a sentence."""
        (from_start, from_data), (unrelated, usual), steps = self.curves, self.levels, len(self.means)
        share, away = float(from_start[-1] / max(unrelated, 1e-12)), float(from_data[-1] / max(usual, 1e-12))
        after = self.forgotten_after
        if after is not None:
            mixing = f"After {after} step{'s' if after > 1 else ''} the start is forgotten"
        else:
            mixing = f"Slow mixing: after {steps} steps it has gone {share:.0%} of the way to unrelated pictures"
        if away < DRIFT_RATIO:
            return f"{mixing}; the pictures stay realistic."
        return (
            f"{mixing}; but the pictures drift away from the data, to {away:.1f} times the distance between "
            "neighbouring images."
        )


@torch.inference_mode()
def chain(
    model: Autoencoder, corruption: Corruption, start: Images, steps: int, seed: int, reference: Reference
) -> Chain:
    """Run a chain from each image of `start`: at each step draw x̃ ~ C(x̃ | x), h ~ p(h | x̃) and x ~ p(x | h).

    With a corruption of level 0, x̃ = x. If the model was trained to undo C, the draws tend to the distribution of the
    data, whatever the start, because encoder and decoder then belong to one joint distribution.
    Source: Bengio, Yao, Alain & Vincent, "Generalized denoising auto-encoders as generative models", NIPS 2013,
    section 2 and theorem 1.
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
    """Compute the squared error of every image of `a` to every image of `b`."""
    first, second = (torch.from_numpy(images).flatten(1).double() for images in (a, b))
    return torch.cdist(first, second).square().numpy()


# --- log p(x)


@torch.inference_mode()
def log_likelihood(
    model: Autoencoder, objective: Objective, images: Images, samples: int, seed: int
) -> Float64[np.ndarray, "b"] | None:
    """Estimate log p(x) in nats per image, from below, by k = `samples` draws h_i ~ q(h | x):

    log 1/k Σ_i p(x | h_i) p(h_i) / q(h_i | x). In expectation this is the evidence lower bound for k = 1, grows with k,
    and tends to log p(x). None if the objective has no p(h). At most `OUTPUTS_AT_ONCE` outputs are held at a time.
    Source: Burda, Grosse & Salakhutdinov, "Importance weighted autoencoders", ICLR 2016, equation 8 and theorem 1.
    """
    generator = torch.Generator().manual_seed(seed)
    room = max(1, OUTPUTS_AT_ONCE // (images[0].numel() * model.likelihood.params_per_output))
    draws = min(samples, room)
    # Filled in place: small results kept between large arrays that come and go would fragment the memory.
    found, filled = np.empty(len(images)), 0
    parts = (values.split(room // draws) for values in (model.encode(images).params, images))
    for params, targets in zip(*parts, strict=True):
        total = torch.full((len(params),), -torch.inf, dtype=torch.float64)
        for first in range(0, samples, draws):
            count = min(draws, samples - first)
            weights = _log_weights(model, objective, params, targets, count, generator)
            if weights is None:
                return None
            total = torch.logaddexp(total, weights.logsumexp(1))
        found[filled : filled + len(params)] = (total - math.log(samples)).numpy()
        filled += len(params)
    return found


def _log_weights(
    model: Autoencoder, objective: Objective, params: Float[Tensor, "b k p"], targets: Images, count: int,
    generator: torch.Generator,
) -> Float64[Tensor, "b m"] | None:  # fmt: skip
    """Draw `count` codes h ~ q(h | x) per image, and return log p(x | h) + log p(h) − log q(h | x) of each."""
    code = Code(params.repeat_interleave(count, 0))
    h = code.sample(generator)
    log_prior = objective.log_prior(h)
    if log_prior is None:
        return None
    squares = (h - code.mean).square() / code.log_variance.exp()
    log_q = -0.5 * (squares + code.log_variance + math.log(2 * math.pi)).sum(1)
    log_p = -model.likelihood.nll(model.decode(h), targets.repeat_interleave(count, 0)).flatten(1).sum(1)
    return (log_p + log_prior - log_q).double().reshape(-1, count)
