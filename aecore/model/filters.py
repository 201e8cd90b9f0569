"""What single units look for and draw, and how the encoder alone compares with the best codes there are."""

import dataclasses

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, UInt8

from aecore.foundation import metrics
from aecore.model.autoencoder import Autoencoder
from aecore.parts.contracts import Code, Images
from aecore.parts.data import Shape
from aecore.pictures import sheets

CHUNK = 256


@dataclasses.dataclass(frozen=True, eq=False)
class Filters:
    """One signed picture per unit, the units in their own order.

    `draws`: the change of the picture per unit of h_k about the mean code; for a linear decoder and squared error that
    is the decoder's column. `looks_for`: the encoder's weights, where it is one layer. `rate`: the share of training
    images for which the unit is active, where that means something. `order`: most active (or most effective) first.
    """

    draws: Float32[np.ndarray, "k c h w"]
    looks_for: Float32[np.ndarray, "k c h w"] | None
    rate: Float32[np.ndarray, "k"] | None
    dead: Bool[np.ndarray, "k"]
    order: Int64[np.ndarray, "k"]

    def drawn(self, filters: Float32[np.ndarray, "k c h w"], limit: int) -> UInt8[np.ndarray, "n 3 h w"]:
        """At most `limit` of `filters` in `order`, each by its own largest value: orange above 0, blue below, white
        at 0; those of dead units in grey.
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
        """How the units are used, in a sentence."""
        units, dead = len(self.order), int(self.dead.sum())
        if self.rate is None:
            return f"{dead or 'None'} of {units} units hardly change{'' if dead > 1 else 's'} the picture."
        silent = f"{dead or 'none'} {'is' if dead < 2 else 'are'} always silent"
        return f"{self.rate.sum():.1f} of {units} units are active for an image, on average; {silent}."


@torch.inference_mode()
def draws(
    model: Autoencoder, base: Float32[np.ndarray, "k"], step: Float32[np.ndarray, "k"]
) -> Float32[np.ndarray, "k c h w"]:
    """(ĝ(z + ½ s_k e_k) − ĝ(z − ½ s_k e_k)) / s_k per unit: ĝ the likelihood's mean, z the `base`, s the `step`."""
    z, sizes = torch.from_numpy(base.copy()), torch.from_numpy(step.copy())
    parts: list[np.ndarray] = []
    for start in range(0, len(z), CHUNK):
        moves = torch.diag(sizes)[start : start + CHUNK] / 2
        pictures = model.likelihood.mean(model.decode(torch.cat([z + moves, z - moves])))
        change = pictures[: len(moves)] - pictures[len(moves) :]
        parts.append((change / sizes[start : start + CHUNK, None, None, None]).numpy())
    return np.concatenate(parts)


@torch.inference_mode()
def looks_for(model: Autoencoder, shape: Shape) -> Float32[np.ndarray, "k c h w"] | None:
    weights = model.encoder.templates()
    return None if weights is None else weights.reshape(-1, *shape).numpy().copy()


@dataclasses.dataclass(frozen=True, eq=False)
class Inference:
    """The same images coded by the encoder alone and by optimisation (`encoder`, `optimised`), a figure for each image.

    `sse` squared error; `nats` −log p(x, h) = −log p(x | h) − log p(h), what the optimised codes make least; `units`
    active ones.
    """

    pictures: dict[str, Float32[np.ndarray, "n c h w"]]
    codes: dict[str, Float32[np.ndarray, "n k"]]
    sse: dict[str, Float[np.ndarray, "n"]]
    nats: dict[str, Float[np.ndarray, "n"]]
    units: dict[str, Int64[np.ndarray, "n"]]

    def figures(self, name: str) -> tuple[float, float, float]:
        """Means per image of one way to codes: squared error, active units, −log p(x, h) in nats."""
        return float(self.sse[name].mean()), float(self.units[name].mean()), float(self.nats[name].mean())


@torch.inference_mode()
def compare(model: Autoencoder, x: Images) -> Inference | None:
    """Both ways to codes, compared; None where the objective defines no best codes or no prior."""
    objective = model.objective
    best, guess = objective.optimise(model, x), model.encode(x)
    if best is None:
        return None
    found = Inference({}, {}, {}, {}, {})
    for name, code in (("encoder", guess), ("optimised", Code(best[..., None]))):
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
