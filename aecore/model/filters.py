"""Filters of single units in encoder and decoder, and the encoder's codes compared with optimised ones."""

import dataclasses

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, UInt8

from aecore.foundation import metrics
from aecore.model.autoencoder import Autoencoder
from aecore.parts.contracts import Code, Images
from aecore.parts.data import Shape
from aecore.pictures import sheets

UNITS_AT_ONCE = 256


@dataclasses.dataclass(frozen=True, eq=False)
class Filters:
    """One signed picture per unit, for decoder and encoder; units are numbered as in the code.

    `decoder`: ∂picture/∂h_k about the mean code, see `decoder_filters`. `encoder`: the weights of an encoder of one
    layer, None for others. `rate`: the share of training images for which each unit is active, None where the objective
    defines no activity. `order`: the units, the most active first, or else the most effective.
    """

    decoder: Float32[np.ndarray, "k c h w"]
    encoder: Float32[np.ndarray, "k c h w"] | None
    rate: Float32[np.ndarray, "k"] | None
    dead: Bool[np.ndarray, "k"]
    order: Int64[np.ndarray, "k"]

    def drawn(self, filters: Float32[np.ndarray, "k c h w"], limit: int) -> UInt8[np.ndarray, "n 3 h w"]:
        """Colour the first `limit` of `filters` in `order`, each scaled by its own largest value: orange above 0, blue
        below, white at 0; filters of dead units in grey.
        """
        shown = self.order[:limit]
        signed = filters[shown].mean(1, keepdims=True)
        largest = np.abs(signed).max((1, 2, 3), keepdims=True)
        signed /= np.where(largest > 0, largest, 1)
        colours = sheets.difference(np.zeros_like(signed), signed)
        grey = 255 - np.rint(90 * np.abs(signed)).astype(np.uint8)
        return np.where(self.dead[shown, None, None, None], grey, colours)

    @property
    def words(self) -> str:
        """Describe in a sentence how many units are used."""
        units, dead = len(self.order), int(self.dead.sum())
        if self.rate is None and dead == 0:
            return f"All {units} units change the picture." if units > 1 else "The one unit changes the picture."
        if self.rate is None:
            return f"{dead} of {units} units hardly change{'' if dead > 1 else 's'} the picture."
        silent = f"{dead or 'none'} {'is' if dead < 2 else 'are'} always silent"
        return f"{self.rate.sum():.1f} of {units} units are active for an image, on average; {silent}."


@torch.inference_mode()
def decoder_filters(
    model: Autoencoder, base: Float32[np.ndarray, "k"], step: Float32[np.ndarray, "k"]
) -> Float32[np.ndarray, "k c h w"]:
    """Estimate the derivative of the picture by each unit: (ĝ(z + ½ s_k e_k) − ĝ(z − ½ s_k e_k)) / s_k.

    ĝ is the likelihood's mean, z the `base`, s the `step` of each unit. For a linear decoder and a Gaussian likelihood
    these are the decoder's columns.
    """
    z, sizes = torch.from_numpy(base.copy()), torch.from_numpy(step.copy())
    parts: list[np.ndarray] = []
    for start in range(0, len(z), UNITS_AT_ONCE):
        moves = torch.diag(sizes)[start : start + UNITS_AT_ONCE] / 2
        pictures = model.likelihood.mean(model.decode(torch.cat([z + moves, z - moves])))
        change = pictures[: len(moves)] - pictures[len(moves) :]
        parts.append((change / sizes[start : start + UNITS_AT_ONCE, None, None, None]).numpy())
    return np.concatenate(parts)


@torch.inference_mode()
def encoder_filters(model: Autoencoder, shape: Shape) -> Float32[np.ndarray, "k c h w"] | None:
    """Return the encoder's weights as one picture per unit; None unless the encoder is one layer."""
    weights = model.encoder.templates()
    return None if weights is None else weights.reshape(-1, *shape).numpy().copy()


@dataclasses.dataclass(frozen=True, eq=False)
class Inference:
    """The same images coded by the encoder (`encoder`) and by optimisation (`optimised`), with figures per image.

    `sse`: squared error; `nats`: −log p(x, h) = −log p(x | h) − log p(h), which the optimisation minimises; `units`:
    number of active units.
    """

    pictures: dict[str, Float32[np.ndarray, "n c h w"]]
    codes: dict[str, Float32[np.ndarray, "n k"]]
    sse: dict[str, Float[np.ndarray, "n"]]
    nats: dict[str, Float[np.ndarray, "n"]]
    units: dict[str, Int64[np.ndarray, "n"]]

    def figures(self, name: str) -> tuple[float, float, float]:
        """Return means per image of `encoder` or `optimised`: squared error, active units, −log p(x, h) in nats."""
        return float(self.sse[name].mean()), float(self.units[name].mean()), float(self.nats[name].mean())


@torch.inference_mode()
def compare(model: Autoencoder, x: Images) -> Inference | None:
    """Compare the encoder's codes with optimised ones; None if the objective optimises no codes or has no prior."""
    objective = model.objective
    best = objective.optimise(model, x)
    if best is None:
        return None
    found = Inference({}, {}, {}, {}, {})
    for name, code in (("encoder", model.encode(x)), ("optimised", Code(best[..., None]))):
        prior, active = objective.prior(code), objective.active(code)
        if prior is None or active is None:
            return None
        out = model.decode(code.mean)
        found.codes[name] = code.mean.numpy()
        found.pictures[name] = model.likelihood.mean(out).numpy()
        found.sse[name] = metrics.sse(x.numpy(), found.pictures[name])
        found.nats[name] = (model.likelihood.nll(out, x).flatten(1).sum(1) + prior).numpy()
        found.units[name] = active.sum(1).numpy()
    return found
