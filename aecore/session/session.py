"""A run opened for looking: everything that pages show of it comes from one read-only `Session` per run.

Pictures are float32 (N, C, H, W) in [0, 1]; codes float32 (N, K). Everything random takes a seed. A session is safe to
share between threads.
"""

import functools
from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, UInt8

from aecore.foundation import metrics
from aecore.foundation.errors import BadInput, DataUnavailable
from aecore.model import activity, generative
from aecore.model.analysis import COLLAPSED_NATS, DEAD_SHARE, QUANTILES
from aecore.model.filters import Filters, Inference, compare, decoder_filters, encoder_filters
from aecore.model.probe import MAX_IMAGES as PROBE_IMAGES
from aecore.model.probe import STRENGTH, Probe
from aecore.model.probe import probe as linear_probe
from aecore.parts.contracts import Corruption
from aecore.parts.data import CodeArray, Pictures, SplitName
from aecore.parts.looking import Sampler
from aecore.parts.registry import make
from aecore.parts.samplers import Gaussian as GaussianSampler
from aecore.session import denoising, paths
from aecore.session.denoising import Denoised
from aecore.session.distance import Distance, TrainingCodes
from aecore.session.gallery import Gallery, dataset_gallery, decoded_gallery
from aecore.session.inputs import check_count, checked_codes, checked_images
from aecore.session.opened import OpenedRun
from aecore.session.paths import Interpolation
from aecore.session.scale import Scale

MAX_LIKELIHOOD_SAMPLES = 1_000_000


class Session(OpenedRun):
    """A trained run, opened for looking. Raises `RunUnavailable` if it has no usable weights."""

    # --- images

    def gallery(self, n: int = 64, split: SplitName = "test", seed: int = 0) -> Gallery:
        """Choose at most `n` images of a split, stratified by class; without the data, stored codes, decoded."""
        try:
            return dataset_gallery(self.data, n, split, seed)
        except DataUnavailable as error:
            return decoded_gallery(self.decode, self.codes, self.code_labels, n, seed, str(error))

    def squared_error(self, x: Pictures, r: Pictures) -> Float[np.ndarray, "n"]:
        """Compute the squared error per image; see `metrics.sse`."""
        return metrics.sse(x, r)

    def looks_negative(self, images: UInt8[np.ndarray, "n c h w"]) -> bool:
        """Whether images (bytes) are mostly light and the run's pictures mostly dark, or the other way round."""
        return self.mostly_dark != bool(images.mean() < 127.5)

    @functools.cached_property
    def mostly_dark(self) -> bool:
        """Whether the run's pictures are mostly dark, as white strokes on black are."""
        return bool(self.decode(self.code_mean[None]).mean() < 0.5)

    # --- corrupted images

    @torch.inference_mode()
    def denoise(
        self, images: Pictures, kind: str | Corruption | None = None, level: float | None = None, seed: int = 0
    ) -> Denoised:
        """Corrupt images, at `level` (default: that of training), and reconstruct them. Raises `BadInput`.

        Equal seeds give equal noise; with another run's `corruption` as `kind`, for both runs.
        """
        clean = checked_images(images, self.shape)
        corrupted, visible = self.corruption(kind, level).corrupt(clean, torch.Generator().manual_seed(seed))
        reconstruction = self._picture(self._model.reconstruct(corrupted, visible))
        return Denoised(clean.numpy(), corrupted.numpy(), reconstruction, None if visible is None else visible.numpy())

    @property
    def continues(self) -> bool:
        """Whether the decoder can continue a picture from its first rows."""
        return self._model.decoder.takes_prefix

    @torch.inference_mode()
    def continue_rows(self, images: Pictures, rows: int) -> Pictures:
        """Keep the first `rows` rows of each image, and replace those below by what the model predicts from them alone.

        Raises `BadInput`, also for a run that does not continue pictures.
        """
        given = checked_images(images, self.shape)
        visible, below = denoising.continue_rows(self._model, given, rows)
        return np.where(visible.numpy(), given.numpy(), self._picture(below))

    def error_curve(
        self, images: Pictures, kind: str | None = None, levels: Float[np.ndarray, "m"] | None = None, seed: int = 0
    ) -> dict[str, Float[np.ndarray, "m"]]:
        """Measure the mean squared error per image at each `level`, `before` and `after` reconstruction."""
        levels = np.linspace(0, 1, 11) if levels is None else levels
        levels = np.zeros(1) if self.corruption(kind).kind == "none" else levels
        return denoising.error_curve(lambda level: self.denoise(images, kind, level, seed), levels)

    def probe(
        self, kind: str | None = "none", level: float | None = None, learn: Literal["clean", "corrupted"] = "clean",
        images: int = PROBE_IMAGES, strength: float = STRENGTH, seed: int = 0,
    ) -> Probe:  # fmt: skip
        """Score a linear classifier on codes of test images, corrupted by `kind` at `level`; see `model.probe.probe`.

        It is fitted on training images that are clean, or corrupted alike (`learn`). Raises `DataUnavailable`, and
        `BadInput` for data without classes and for an impossible corruption.
        """
        test = self.corruption(kind, level)
        fitted = test if learn == "corrupted" else self.corruption(kind, 0.0)
        return linear_probe(self._model, self.data, fitted, test, images=images, strength=strength, seed=seed)

    # --- units of the code

    def units_by_effect(self) -> Int64[np.ndarray, "k"]:
        """Order the units by their `effects`: the largest change of the picture per standard deviation first."""
        return np.argsort(-self.effects, kind="stable").astype(np.int64)

    @functools.cached_property
    def code_limit(self) -> float:
        """The largest absolute value in any `unit_range`, to draw codes on one scale."""
        return max(abs(end) for unit in range(self.code_dim) for end in self.unit_range(unit))

    def unit_range(self, unit: int, low: float = 0.02, high: float = 0.98) -> tuple[float, float]:
        """Two quantiles of the unit over the training codes; ±0.5 around them where they coincide (a dead unit)."""
        a, b = (float(np.interp(q, QUANTILES, self.quantiles[:, unit])) for q in (low, high))
        return (a, b) if b - a > 1e-4 else (a - 0.5, b + 0.5)

    @functools.cached_property
    def dead(self) -> Bool[np.ndarray, "k"]:
        """Units that hardly change the picture: their effect is at most 2 % of the strongest unit's."""
        return self.effects <= DEAD_SHARE * self.effects.max()

    @functools.cached_property
    def collapsed(self) -> Bool[np.ndarray, "k"]:
        """Units with a mean KL below `analysis.COLLAPSED_NATS`, which carry nothing; none without a KL."""
        return self.unit_figures.get("kl", np.full(self.code_dim, np.inf)) < COLLAPSED_NATS

    def scale(self, unit: int, value: float) -> Scale:
        """`unit_range` as a slider's scale of 50 to 125 steps, widened to include `value`. Raises `BadInput`."""
        low, high = self.unit_range(self.checked_unit(unit))
        return Scale.over(min(low, value), max(high, value))

    def moved(self, code: Float32[np.ndarray, "k"], values: Mapping[int, float]) -> Float32[np.ndarray, "k"]:
        """Set units of `code` to other values, {unit: value}. Raises `BadInput` for a unit that does not exist."""
        out = code.copy()
        for unit, value in values.items():
            out[self.checked_unit(unit)] = value
        return out

    def checked_unit(self, unit: int) -> int:
        """Return the unit. Raises `BadInput` if the code has none of that number."""
        if not 0 <= unit < self.code_dim:
            raise BadInput(f"unit {unit} does not exist; this code has units 0 to {self.code_dim - 1}")
        return unit

    # --- paths through the code

    def walk(
        self, code: Float32[np.ndarray, "k"], unit: int, steps: int = 9, values: Float[np.ndarray, "m"] | None = None
    ) -> tuple[Float32[np.ndarray, "m"], Pictures]:
        """Decode `code` with one unit moved over its `unit_range`, or over `values`: (values, pictures).

        Raises `BadInput`.
        """
        self.checked_unit(unit)
        checked_codes(code[None], self.code_dim)
        along = np.linspace(*self.unit_range(unit), steps) if values is None else values
        return along.astype(np.float32), self.decode(paths.along_unit(code, unit, along))

    def plane(
        self, code: Float32[np.ndarray, "k"], unit_x: int, unit_y: int, steps: int = 9
    ) -> tuple[np.ndarray, np.ndarray, Pictures]:
        """Decode `code` with two units moved over their ranges: (x values, y values from high to low, pictures by row).

        Raises `BadInput`.
        """
        x, y = self.checked_unit(unit_x), self.checked_unit(unit_y)
        checked_codes(code[None], self.code_dim)
        xs, ys = np.linspace(*self.unit_range(x), steps), np.linspace(*self.unit_range(y), steps)[::-1]
        return xs, ys, self.decode(paths.over_plane(code, x, y, xs, ys))

    def interpolate(
        self, a: Float32[np.ndarray, "k"], b: Float32[np.ndarray, "k"], steps: int = 9, how: Interpolation = "linear"
    ) -> tuple[CodeArray, Pictures]:
        """Interpolate from a to b in even steps, both included: (codes, pictures). See `paths.between`."""
        codes = self.between(a, b, np.linspace(0, 1, steps), how)
        return codes, self.decode(codes)

    def between(
        self, a: Float32[np.ndarray, "k"], b: Float32[np.ndarray, "k"], along: Float[np.ndarray, "m"],
        how: Interpolation = "linear",
    ) -> CodeArray:  # fmt: skip
        """Interpolate between a and b at the shares `along`; see `paths.between`. Raises `BadInput`."""
        checked_codes(a[None], self.code_dim)
        checked_codes(b[None], self.code_dim)
        return paths.between(a, b, along, how)

    def sample(self, n: int = 16, sampler: Sampler | str | None = None, seed: int = 0) -> tuple[CodeArray, Pictures]:
        """Draw random codes and decode them, by a `Sampler` or its kind (default: gaussian). Raises `BadInput`."""
        try:
            chosen = make("samplers", Sampler, sampler) if sampler is not None else GaussianSampler()
        except ValueError as error:
            raise BadInput(f"sampler: {error}") from None
        codes = chosen.sample(self.codes, n, seed).astype(np.float32)
        return codes, self.decode(codes)

    # --- distance from the training codes

    @functools.cached_property
    def _training_codes(self) -> TrainingCodes:
        return TrainingCodes(self.codes, self.code_mean, self.code_std)

    @property
    def code_scale(self) -> Float32[np.ndarray, "k"]:
        """The standard deviation of each unit as `distance` uses it; see `TrainingCodes.scale`."""
        return self._training_codes.scale

    @property
    def neighbour_distances(self) -> Float[np.ndarray, "n"]:
        """The distances of training codes to their nearest others, sorted; `Distance.percentile` is a rank in them."""
        return self._training_codes.neighbour_distances

    def distance(self, code: Float32[np.ndarray, "k"], nearest: int = 8) -> Distance:
        """Measure how far `code` is from the training codes; see `Distance`. Raises `BadInput`."""
        checked_codes(code[None], self.code_dim)
        return self._training_codes.distance(code, nearest)

    # --- encoder and decoder as distributions

    @property
    def stochastic_encoder(self) -> bool:
        """Whether the encoder gives a distribution p(h | x); otherwise every draw of it is the point f(x)."""
        return self.config.objective.params_per_code > 1

    def draw_codes(self, images: Pictures, n: int = 16, seed: int = 0) -> Float32[np.ndarray, "n m k"]:
        """Draw h ~ p(h | x), `n` times for each image, see `stochastic_encoder`; (N, n, K). Raises `BadInput`."""
        x = checked_images(images, self.shape)
        check_count(len(x) * n)
        return generative.draw_codes(self._model, x, n, torch.Generator().manual_seed(seed)).numpy()

    def draw_images(self, codes: CodeArray, n: int = 16, seed: int = 0) -> Float32[np.ndarray, "n m c h w"]:
        """Draw x ~ p(x | h), `n` times for each code; (N, n, C, H, W). Not clipped: Gaussian draws may leave [0, 1].

        Raises `BadInput`.
        """
        h = checked_codes(codes, self.code_dim)
        check_count(len(h) * n)
        return generative.draw_images(self._model, h, n, torch.Generator().manual_seed(seed)).numpy()

    def chain(
        self, images: Pictures, steps: int = 20, seed: int = 0, kind: str | None = None, level: float | None = None
    ) -> generative.Chain:
        """Run the chain x → h → x → … from each image, corrupted at each step as in `denoise`; see `generative.chain`.

        Raises `BadInput`.
        """
        x = checked_images(images, self.shape)
        check_count(len(x) * steps)
        return generative.chain(self._model, self.corruption(kind, level), x, steps, seed, self._reference)

    @functools.cached_property
    def _reference(self) -> generative.Reference:
        """Training images, or their stored codes, decoded, where the data is not available."""
        chosen = np.linspace(0, len(self.codes) - 1, min(len(self.codes), generative.REFERENCE_IMAGES)).astype(np.int64)
        try:
            return generative.Reference(self.data.floats(self.code_indices[chosen]))
        except DataUnavailable:
            return generative.Reference(self.decode(self.codes[chosen]))

    def log_likelihood(self, images: Pictures, samples: int = 100, seed: int = 0) -> Float[np.ndarray, "n"]:
        """Estimate log p(x) of each image in nats, from below, by `samples` draws; see `generative.log_likelihood`.

        A Bernoulli output needs images of 0 and 1 (`generative.binarised`): for grey ones it gives a cross-entropy, not
        a probability. Raises `BadInput`, also for runs that are not variational.
        """
        check_count(samples, MAX_LIKELIHOOD_SAMPLES)
        x, objective = checked_images(images, self.shape), self.config.objective
        found = generative.log_likelihood(self._model, objective, x, samples, seed)
        if found is None:
            raise BadInput(
                f"log p(x) needs a model p(h) p(x | h) with an encoder q(h | x), which a {objective.kind} objective "
                "does not make; take a variational run"
            )
        return found

    # --- filters, and codes with a prior

    def filters(self) -> Filters:
        """Collect the decoder's filter of each unit and, where the encoder is one layer, the encoder's."""
        step = np.maximum(self.code_std, 1e-3 * float(self.code_std.max()) or 1.0).astype(np.float32)
        rate = self.unit_figures.get("rate")
        return Filters(
            decoder_filters(self._model, self.code_mean, step),
            encoder_filters(self._model, self.shape),
            rate,
            self.dead if rate is None else rate == 0,
            np.lexsort((-self.effects, -(self.effects if rate is None else rate))),
        )

    @functools.cached_property
    def nats(self) -> dict[str, float]:
        """`reconstruction_nats` and `prior_nats` per test image, see `activity.nats`; {} for objectives without a prior
        and, unless they are stored, without the data.
        """
        stored = {name: value for name, value in self.status.metrics.items() if name.endswith("_nats")}
        try:
            return stored or activity.figures(self._model, self.config, self.data)
        except DataUnavailable:
            return {}

    def inference(self, images: Pictures) -> Inference | None:
        """Compare the encoder's codes with optimised ones; None if the objective optimises none. Raises `BadInput`."""
        return compare(self._model, checked_images(images, self.shape))
