"""Everything a page shows of a run: one read-only `Session` per run, numpy in, numpy out, safe to share between
threads.

Pictures are float32 (N, C, H, W) in [0, 1]; codes float32 (N, K). Everything random takes a seed.
"""

import functools
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from torch import Tensor

from aecore.foundation import metrics
from aecore.foundation.errors import AecoreError, BadInput, DataUnavailable, RunUnavailable
from aecore.foundation.files import read_arrays
from aecore.foundation.geometry import stratified
from aecore.model import activity, generative
from aecore.model.analysis import COLLAPSED, DEAD, QUANTILES, analyse, belongs
from aecore.model.autoencoder import Autoencoder, build
from aecore.model.config import RunConfig
from aecore.model.filters import Filters, Inference, compare, draws, looks_for
from aecore.model.probe import IMAGES, STRENGTH, Probe
from aecore.model.probe import probe as linear_probe
from aecore.parts.contracts import Corruption, Encoder
from aecore.parts.data import CodeArray, Data, Pictures, Shape, SplitName
from aecore.parts.loading import load_data
from aecore.parts.looking import Sampler
from aecore.parts.registry import make, members
from aecore.parts.samplers import Gaussian as GaussianSampler
from aecore.session.denoising import Denoised
from aecore.session.distance import Distance
from aecore.session.gallery import Gallery
from aecore.session.scale import Scale
from aecore.store.folder import RunFolder, RunInfo, Status
from aecore.store.stages import Stage, stages
from aecore.store.store import RunStore
from aecore.store.weights import check_weights

MAX_IMAGES = 10_000
SNAPSHOT = re.compile(r"epoch-(\d{5})\.safetensors")


class Session:
    """A trained run, opened for looking. Raises `RunUnavailable` when it has no usable weights."""

    def __init__(self, store: RunStore, run_id: str) -> None:
        self.info: RunInfo = store.info(run_id)
        if not self.info.explorable or self.info.config is None or self.info.status.shape is None:
            why = self.info.reason or f"it is {self.info.state}"
            raise RunUnavailable(f"run {run_id} cannot be opened: {why}")
        self.store, self.run_id = store, run_id
        self.folder: Path = self.info.folder
        self.config: RunConfig = self.info.config
        self.status: Status = self.info.status
        self.shape: Shape = self.info.status.shape
        self._model = build(self.config, self.shape)
        path = self.folder / "weights.safetensors"
        check_weights(self.config, self.shape, path)
        weights = read_arrays(path)
        if not all(np.isfinite(array).all() for array in weights.values()):
            raise RunUnavailable(f"run {run_id} cannot be opened: its weights hold values that are not numbers")
        self._model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
        self._model.eval().requires_grad_(False)
        self._earlier: tuple[int, Autoencoder] | None = None
        analysis = self._analysis()
        self.codes: CodeArray = analysis.get("codes", np.zeros((1, self.config.code_dim), np.float32))
        self.code_indices: Int64[np.ndarray, "n"] = analysis.get("indices", np.arange(len(self.codes)))
        self.code_labels: Int64[np.ndarray, "n"] | None = analysis.get("labels")
        self.quantiles: Float32[np.ndarray, "q k"] = analysis.get(
            "quantiles", np.zeros((len(QUANTILES), self.config.code_dim), np.float32)
        )
        self.effects: Float32[np.ndarray, "k"] = analysis.get("effects", np.zeros(self.config.code_dim, np.float32))
        self.unit_figures = {name[5:]: value for name, value in analysis.items() if name.startswith("unit_")}
        self.code_mean: Float32[np.ndarray, "k"] = self.codes.mean(0)
        self.code_std: Float32[np.ndarray, "k"] = self.codes.std(0)
        for array in (self.codes, self.quantiles, self.effects, self.code_mean, self.code_std):
            array.setflags(write=False)

    def _analysis(self) -> dict[str, np.ndarray]:
        """What was measured when training ended. A killed one could not: then now, if its data is here."""
        path = self.folder / "analysis.safetensors"
        if path.is_file():
            found = read_arrays(path)
            if not belongs(found, self.config.code_dim):
                raise RunUnavailable(
                    f"run {self.run_id} cannot be opened: analysis.safetensors does not belong to these settings"
                )
            return found
        try:
            return self.measure()[0]
        except AecoreError:
            return {}

    def measure(self) -> tuple[dict[str, np.ndarray], dict[str, float]]:
        """What `analyse` measures at the end of a training, anew. Raises `DataUnavailable`."""
        return analyse(self._model, self.config, self.data)

    # --- data

    @functools.cached_property
    def data(self) -> Data:
        """The run's dataset. Raises `DataUnavailable` when it is not on this machine or has changed since training."""
        dataset = self.config.dataset.resolved(self.folder)
        if (
            self.status.imported
            and dataset.local_path
            and self.folder not in Path(str(getattr(dataset, "path", ""))).parents
        ):
            raise DataUnavailable(
                "this run was trained on files of another machine, which did not travel with it; use images of your own"
            )
        try:
            data = load_data(dataset)
        except BadInput as error:  # a file that could be read when the run was trained
            raise DataUnavailable(str(error)) from None
        if data.hash != self.status.data_hash:
            raise DataUnavailable(
                "the dataset is not the one this run was trained on (its pictures have changed since)"
            )
        return data

    def gallery(self, n: int = 64, split: SplitName = "test", seed: int = 0) -> Gallery:
        """At most `n` images of a split, stratified by class; decoded training codes where the data is not here."""
        try:
            data = self.data
        except DataUnavailable as error:
            return self._decoded_gallery(n, seed, str(error))
        candidates = data.indices(split)
        chosen = stratified(data.labels, candidates, n, seed)
        labels = None if data.labels is None else data.labels[chosen]
        note = f"{len(chosen)} of {len(candidates)} {split} images, stratified, seed {seed}"
        return Gallery(data.floats(chosen), chosen, labels, data.label_names, len(candidates), False, note)

    def _decoded_gallery(self, n: int, seed: int, why: str) -> Gallery:
        chosen = stratified(self.code_labels, np.arange(len(self.codes)), n, seed)
        labels = None if self.code_labels is None else self.code_labels[chosen]
        note = f"{len(chosen)} of {len(self.codes)} stored codes, decoded: {why}"
        classes = 0 if labels is None else int(labels.max()) + 1
        names = tuple(str(i) for i in range(classes)) if classes <= len(self.codes) else ()
        return Gallery(self.decode(self.codes[chosen]), chosen, labels, names, len(self.codes), True, note)

    # --- the model

    def _checked(self, images: Pictures) -> Tensor:
        if images.ndim != 4 or images.shape[1:] != self.shape or not 0 < len(images) <= MAX_IMAGES:
            c, h, w = self.shape
            raise BadInput(
                f"this model takes up to {MAX_IMAGES} images of {c} × {h} × {w} (channels, height, width), "
                f"not {images.shape}"
            )
        if not np.isfinite(images).all():
            raise BadInput("the images hold values that are not numbers (NaN or infinite)")
        return torch.from_numpy(np.array(images, np.float32))

    def squared_error(self, x: Pictures, r: Pictures) -> Float[np.ndarray, "n"]:
        """Squared error per image; see `metrics.sse`."""
        return metrics.sse(x, r)

    def looks_negative(self, images: UInt8[np.ndarray, "n c h w"]) -> bool:
        """Whether images (bytes) are mostly light where what this run decodes is mostly dark, or the other way
        round.
        """
        return self.mostly_dark != bool(images.mean() < 127.5)

    @functools.cached_property
    def mostly_dark(self) -> bool:
        """Whether what this run decodes is mostly dark, as white strokes on black are."""
        return bool(self.decode(self.code_mean[None]).mean() < 0.5)

    def _checked_codes(self, codes: CodeArray) -> Tensor:
        if codes.ndim != 2 or codes.shape[1] != self.code_dim or not np.isfinite(codes).all():
            raise BadInput(
                f"a code of this run has {self.code_dim} finite numbers; got an array of shape {codes.shape}"
            )
        return torch.from_numpy(np.array(codes, np.float32))

    def _picture(self, mean: Tensor) -> Pictures:
        return (mean.clamp(0, 1) if self.bounded else mean).numpy()

    @property
    def bounded(self) -> bool:
        """Whether the data are pictures in [0, 1], to which what is decoded is clipped."""
        return self.config.dataset.value_range == (0.0, 1.0)

    @property
    def code_dim(self) -> int:
        return self.config.code_dim

    @property
    def model(self) -> Autoencoder:
        """The trained model itself, to be copied before anything is changed in it."""
        return self._model

    @property
    def encoder(self) -> Encoder:
        """The trained network f itself, to be copied before anything is changed in it."""
        return self._model.encoder

    @functools.cached_property
    def weights_hash(self) -> str:
        """SHA-256 of the weights' file, in hex digits."""
        return hashlib.sha256((self.folder / "weights.safetensors").read_bytes()).hexdigest()

    @property
    def parameters(self) -> int:
        """Number of learned numbers."""
        return sum(p.numel() for p in self._model.parameters())

    @property
    def snapshots(self) -> tuple[int, ...]:
        """Epochs after which the training kept weights, first to last; 0 is before it began. Often none."""
        found = (SNAPSHOT.fullmatch(path.name) for path in (self.folder / "snapshots").glob("*.safetensors"))
        return tuple(sorted(int(match[1]) for match in found if match is not None))

    def model_at(self, epoch: int | None) -> Autoencoder:
        """`model` as it was after an epoch, see `snapshots`; the last one asked for stays in memory. Raises `BadInput`
        where none was kept.
        """
        if epoch is None:
            return self._model
        held = self._earlier
        if held is None or held[0] != epoch:
            if epoch not in self.snapshots:
                raise BadInput(f"run {self.run_id} kept no weights after epoch {epoch}")
            path = self.folder / "snapshots" / f"epoch-{epoch:05d}.safetensors"
            check_weights(self.config, self.shape, path)
            model = build(self.config, self.shape)
            weights = {name: torch.from_numpy(array.astype(np.float32)) for name, array in read_arrays(path).items()}
            if not all(bool(array.isfinite().all()) for array in weights.values()):
                raise RunUnavailable(f"{path.name} of run {self.run_id} holds values that are not numbers")
            model.load_state_dict(weights)
            held = self._earlier = (epoch, model.eval().requires_grad_(False))
        return held[1]

    @torch.inference_mode()
    def encode(self, images: Pictures, epoch: int | None = None) -> CodeArray:
        """h = f(x), the means where the encoder gives distributions; (N, C, H, W) → (N, K). With an `epoch` as the
        encoder was then, see `snapshots`. Raises `BadInput`.
        """
        return self.model_at(epoch).encode(self._checked(images)).mean.numpy()

    @torch.inference_mode()
    def decode(self, codes: CodeArray, epoch: int | None = None) -> Pictures:
        """The likelihood's mean of g(h), clipped to the data's range; (N, K) → (N, C, H, W). With an `epoch` as the
        decoder was then, see `snapshots`. Raises `BadInput`.
        """
        model = self.model_at(epoch)
        return self._picture(model.likelihood.mean(model.decode(self._checked_codes(codes))))

    @torch.inference_mode()
    def reconstruct(self, images: Pictures) -> Pictures:
        """r = g(f(x)) of uncorrupted images. Raises `BadInput`."""
        return self._picture(self._model.reconstruct(self._checked(images)))

    def corruption(self, kind: str | Corruption | None = None, level: float | None = None) -> Corruption:
        """The run's own corruption, or another kind, or that very one; at `level`. Raises `BadInput` for an unknown
        kind or an impossible level.
        """
        own = self.config.corruption
        try:
            part = own if kind in (None, own.kind) else make("corruptions", Corruption, kind)
            return part if level is None else make("corruptions", Corruption, {**part.model_dump(), "level": level})
        except ValueError as error:
            raise BadInput(f"corruption: {error}") from None

    @torch.inference_mode()
    def denoise(
        self, images: Pictures, kind: str | Corruption | None = None, level: float | None = None, seed: int = 0
    ) -> Denoised:
        """Corrupts with the seed's noise at `level` (default: the training level) and reconstructs. Equal seeds replay
        equal noise; another run's `corruption` as `kind` gives both runs the same.
        """
        clean = self._checked(images)
        corruption = self.corruption(kind, level)
        corrupted, visible = corruption.corrupt(clean, torch.Generator().manual_seed(seed))
        reconstruction = self._picture(self._model.reconstruct(corrupted, visible))
        seen = None if visible is None else visible.numpy()
        return Denoised(clean.numpy(), corrupted.numpy(), reconstruction, seen)

    @property
    def continues(self) -> bool:
        """Whether this run's decoder can go on from given rows."""
        return self._model.decoder.takes_prefix

    @torch.inference_mode()
    def continue_rows(self, images: Pictures, rows: int) -> Pictures:
        """The first `rows` rows of each image as they are, and below them what the model makes of those alone.

        Raises `BadInput`, also for a run that does not continue.
        """
        given, height = self._checked(images), self.shape[1]
        if not self.continues:
            raise BadInput("this run draws whole images from their code; one that continues them has the backbone gru")
        if not 0 <= rows <= height:
            raise BadInput(f"these images have {height} rows, so 0 to {height} can be given, not {rows}")
        visible = (torch.arange(height) < rows)[:, None].expand(len(given), 1, height, self.shape[2])
        below = self._picture(self._model.reconstruct(given * visible, visible))
        return np.where(visible.numpy(), given.numpy(), below)

    def error_curve(
        self, images: Pictures, kind: str | None = None, levels: Float[np.ndarray, "m"] | None = None, seed: int = 0
    ) -> dict[str, Float[np.ndarray, "m"]]:
        """Mean squared error per image at each level, of the corrupted images (`before`) and of the reconstructions
        (`after`).
        """
        levels = np.linspace(0, 1, 11) if levels is None else levels
        if self.corruption(kind).kind == "none":
            levels = np.zeros(1)
        results = [self.denoise(images, kind, float(level), seed) for level in levels]
        before, after = (
            [float(x.mean()) for x in column]
            for column in ([r.sse_before for r in results], [r.sse_after for r in results])
        )
        return {"level": np.asarray(levels), "before": np.array(before), "after": np.array(after)}

    def probe(
        self, kind: str | None = "none", level: float | None = None, learn: Literal["clean", "corrupted"] = "clean",
        images: int = IMAGES, strength: float = STRENGTH, seed: int = 0,
    ) -> Probe:  # fmt: skip
        """Accuracy of a linear classifier on this run's codes of test images, clean or given through a corruption as in
        `denoise`; it is fitted on training images that are clean, or corrupted likewise. See `model.probe.probe`.

        Raises `DataUnavailable`, and `BadInput` where the data has no classes or the corruption is impossible.
        """
        test = self.corruption(kind, level)
        given = test if learn == "corrupted" else self.corruption(kind, 0.0)
        return linear_probe(self._model, self.data, given, test, images=images, strength=strength, seed=seed)

    # --- the code

    def units_by_effect(self) -> Int64[np.ndarray, "k"]:
        """Units, the most effective first: mean absolute change of the picture per standard deviation of the unit."""
        return np.argsort(-self.effects, kind="stable").astype(np.int64)

    @functools.cached_property
    def code_limit(self) -> float:
        """The largest distance from 0 that any unit usually has (2nd to 98th percentile), to draw codes on one
        scale.
        """
        usual = [abs(end) for unit in range(self.code_dim) for end in self.unit_range(unit)]
        return max(usual)

    def unit_range(self, unit: int, low: float = 0.02, high: float = 0.98) -> tuple[float, float]:
        """The unit's empirical quantiles over the training codes; widened a little where they coincide (a dead
        unit).
        """
        a, b = (float(np.interp(q, QUANTILES, self.quantiles[:, unit])) for q in (low, high))
        return (a, b) if b - a > 1e-4 else (a - 0.5, b + 0.5)

    @functools.cached_property
    def dead(self) -> Bool[np.ndarray, "k"]:
        """Units that hardly change the picture: an effect below 2 % of the strongest unit's (or none at all)."""
        return self.effects <= DEAD * self.effects.max()

    @functools.cached_property
    def collapsed(self) -> Bool[np.ndarray, "k"]:
        """Units with a mean KL below `analysis.COLLAPSED` nats, which carry nothing; none where there is no KL."""
        return self.unit_figures.get("kl", np.full(self.code_dim, np.inf)) < COLLAPSED

    def scale(self, unit: int, value: float) -> Scale:
        """`unit_range` as a slider's scale of 50 to 125 steps, widened where `value` is outside. Raises `BadInput`."""
        low, high = self.unit_range(self.checked_unit(unit))
        return Scale.over(min(low, value), max(high, value))

    def moved(self, code: Float32[np.ndarray, "k"], values: Mapping[int, float]) -> Float32[np.ndarray, "k"]:
        """`code` with some units at other values. Raises `BadInput` for a unit that does not exist."""
        out = code.copy()
        for unit, value in values.items():
            out[self.checked_unit(unit)] = value
        return out

    def checked_unit(self, unit: int) -> int:
        """The unit. Raises `BadInput` where this code has none of that number."""
        if not 0 <= unit < self.code_dim:
            raise BadInput(f"unit {unit} does not exist; this code has units 0 to {self.code_dim - 1}")
        return unit

    def walk(
        self, code: Float32[np.ndarray, "k"], unit: int, steps: int = 9, values: Float[np.ndarray, "m"] | None = None
    ) -> tuple[Float32[np.ndarray, "m"], Pictures]:
        """The pictures when one unit moves over its quantiles and the others stay: (values, images). Raises
        `BadInput`.
        """
        self.checked_unit(unit)
        self._checked_codes(code[None])
        along = np.linspace(*self.unit_range(unit), steps) if values is None else values
        codes = np.repeat(code[None].astype(np.float32), len(along), 0)
        codes[:, unit] = along
        return along.astype(np.float32), self.decode(codes)

    def plane(
        self, code: Float32[np.ndarray, "k"], unit_x: int, unit_y: int, steps: int = 9
    ) -> tuple[np.ndarray, np.ndarray, Pictures]:
        """The pictures over the plane of two units: (x values, y values from high to low, images row by row). Raises
        `BadInput`.
        """
        self.checked_unit(unit_x)
        self.checked_unit(unit_y)
        self._checked_codes(code[None])
        xs, ys = np.linspace(*self.unit_range(unit_x), steps), np.linspace(*self.unit_range(unit_y), steps)[::-1]
        codes = np.repeat(code[None].astype(np.float32), steps * steps, 0)
        codes[:, unit_y], codes[:, unit_x] = np.repeat(ys, steps), np.tile(xs, steps)
        return xs, ys, self.decode(codes)

    def interpolate(
        self,
        a: Float32[np.ndarray, "k"],
        b: Float32[np.ndarray, "k"],
        steps: int = 9,
        how: Literal["linear", "spherical"] = "linear",
    ) -> tuple[CodeArray, Pictures]:
        """Codes from a to b and their pictures. Linear: (1 − t) a + t b. Spherical: sin((1 − t)ω)/sin ω a + sin(tω)/sin
        ω b, ω the angle between them (Shoemake, SIGGRAPH 1985), falling back to linear where ω is 0 or π."""
        codes = self.between(a, b, np.linspace(0, 1, steps), how)
        return codes, self.decode(codes)

    def between(
        self,
        a: Float32[np.ndarray, "k"],
        b: Float32[np.ndarray, "k"],
        along: Float[np.ndarray, "m"],
        how: Literal["linear", "spherical"] = "linear",
    ) -> CodeArray:
        """The codes at the shares `along` of the way from a (0) to b (1); see `interpolate`. Raises `BadInput`."""
        self._checked_codes(a[None])
        self._checked_codes(b[None])
        t = along.astype(np.float32)[:, None]
        norms = float(np.linalg.norm(a) * np.linalg.norm(b))
        omega = float(np.arccos(np.clip(a @ b / norms, -1, 1))) if norms > 0 else 0.0
        if how == "spherical" and 1e-3 < omega < np.pi - 1e-3:
            codes = (np.sin((1 - t) * omega) * a + np.sin(t * omega) * b) / np.sin(omega)
        else:
            codes = (1 - t) * a + t * b
        return codes.astype(np.float32)

    def sample(self, n: int = 16, sampler: Sampler | str | None = None, seed: int = 0) -> tuple[CodeArray, Pictures]:
        """Random codes and their pictures. `sampler`: normal, empirical, gaussian (default) or mixture. Raises
        `BadInput`.
        """
        try:
            chosen = make("samplers", Sampler, sampler) if sampler is not None else GaussianSampler()
        except ValueError as error:
            raise BadInput(f"sampler: {error}") from None
        codes = chosen.sample(self.codes, n, seed).astype(np.float32)
        return codes, self.decode(codes)

    # --- encoder and decoder as distributions

    @property
    def stochastic_encoder(self) -> bool:
        """Whether the encoder gives a distribution p(h | x); else every draw of it is the point f(x)."""
        return self.config.objective.params_per_code > 1

    def draw_codes(self, images: Pictures, n: int = 16, seed: int = 0) -> Float32[np.ndarray, "n m k"]:
        """`n` draws h ~ p(h | x) for each image, see `stochastic_encoder`; (N, n, K). Raises `BadInput`."""
        x = self._checked(images)
        self._checked_count(len(x) * n)
        return generative.draw_codes(self._model, x, n, torch.Generator().manual_seed(seed)).numpy()

    def draw_images(self, codes: CodeArray, n: int = 16, seed: int = 0) -> Float32[np.ndarray, "n m c h w"]:
        """`n` draws x ~ p(x | h) for each code; (N, n, C, H, W). Not clipped: Gaussian draws may leave [0, 1].
        Raises `BadInput`.
        """
        h = self._checked_codes(codes)
        self._checked_count(len(h) * n)
        return generative.draw_images(self._model, h, n, torch.Generator().manual_seed(seed)).numpy()

    def chain(
        self, images: Pictures, steps: int = 20, seed: int = 0, kind: str | None = None, level: float | None = None
    ) -> generative.Chain:
        """The chain x → h → x → … from each image, see `stochastic.chain`; corrupted at each step as in training, or
        by another `kind` or `level` (0: not at all). Draws are not clipped. Raises `BadInput`.
        """
        x = self._checked(images)
        self._checked_count(len(x) * steps)
        return generative.chain(self._model, self.corruption(kind, level), x, steps, seed, self._reference)

    @functools.cached_property
    def _reference(self) -> generative.Reference:
        """Training images, or the model's own pictures of their codes where the data is not here."""
        chosen = np.linspace(0, len(self.codes) - 1, min(len(self.codes), generative.REFERENCE_IMAGES)).astype(np.int64)
        try:
            return generative.Reference(self.data.floats(self.code_indices[chosen]))
        except DataUnavailable:
            return generative.Reference(self.decode(self.codes[chosen]))

    def log_likelihood(self, images: Pictures, samples: int = 100, seed: int = 0) -> Float[np.ndarray, "n"]:
        """log p(x) of each image in nats by `samples` importance samples, a bound from below; see
        `stochastic.log_likelihood`. Grey pixels under a Bernoulli output give a cross-entropy, no probability: draw
        them first (`stochastic.binarised`). Raises `BadInput`, also for runs that are not variational.
        """
        self._checked_count(samples, 1_000_000)
        found = generative.log_likelihood(self._model, self.config.objective, self._checked(images), samples, seed)
        if found is None:
            raise BadInput(
                f"log p(x) needs a model p(h) p(x | h) with an encoder q(h | x), which a {self.config.objective.kind} "
                "objective does not make; take a variational run"
            )
        return found

    def _checked_count(self, count: int, most: int = MAX_IMAGES) -> None:
        if not 1 <= count <= most:
            raise BadInput(f"1 to {most} draws can be made at once, not {count}")

    @functools.cached_property
    def _neighbours(self) -> tuple[Float32[np.ndarray, "n k"], Float[np.ndarray, "n"]]:
        """Codes in standard deviations per unit, and each one's distance to its nearest other, sorted."""
        scaled = self._scaled(self.codes)
        if len(scaled) < 2:
            return scaled, np.zeros(1)
        points = torch.from_numpy(scaled)
        apart = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)
        return scaled, np.sort(apart.amin(1).numpy() / np.sqrt(self.code_dim))

    @property
    def code_scale(self) -> Float32[np.ndarray, "k"]:
        """What counts as one standard deviation of each unit in `distance`: units that hardly move get a little more
        than their own, so that they do not decide.
        """
        return np.maximum(self.code_std, 1e-6 + 1e-3 * self.code_std.max()).astype(np.float32)

    @property
    def neighbour_distances(self) -> Float[np.ndarray, "n"]:
        """Every training code's distance to its nearest other, sorted: what `Distance.percentile` counts in."""
        return self._neighbours[1]

    def _scaled(self, codes: CodeArray) -> CodeArray:
        return ((codes - self.code_mean) / self.code_scale).astype(np.float32)

    def distance(self, code: Float32[np.ndarray, "k"], nearest: int = 8) -> Distance:
        """How far `code` is from the training codes; see `Distance`. Raises `BadInput`."""
        self._checked_codes(code[None])
        scaled, typical = self._neighbours
        apart = np.sqrt(np.square(scaled - self._scaled(code[None])).mean(1))
        order = np.argsort(apart, kind="stable")[:nearest]
        percentile = 100 * float(np.searchsorted(typical, apart[order[0]], side="right")) / len(typical)
        return Distance(float(apart[order[0]]), percentile, order.astype(np.int64))

    # --- units, and codes as a model with latent variables

    def filters(self) -> Filters:
        """What each unit draws and, where the encoder is one layer, looks for; see `Filters`."""
        step = np.maximum(self.code_std, 1e-3 * float(self.code_std.max()) or 1.0)
        rate = self.unit_figures.get("rate")
        return Filters(
            draws(self._model, self.code_mean, step.astype(np.float32)),
            looks_for(self._model, self.shape),
            rate,
            self.dead if rate is None else rate == 0,
            np.lexsort((-self.effects, -(self.effects if rate is None else rate))),
        )

    @functools.cached_property
    def nats(self) -> dict[str, float]:
        """`reconstruction_nats` and `prior_nats` per test image; empty where the code's price is that of no prior."""
        kept = {name: value for name, value in self.status.metrics.items() if name.endswith("_nats")}
        try:
            return kept or activity.figures(self._model, self.config, self.data)
        except DataUnavailable:
            return {}

    def inference(self, images: Pictures) -> Inference | None:
        """The encoder's codes held against the best ones; None where a kind optimises none. Raises `BadInput`."""
        return compare(self._model, self._checked(images))

    def optimised_codes(self, images: Pictures) -> CodeArray:
        """The best codes for these images, found by optimisation instead of by the encoder. Raises `BadInput`."""
        found = self.inference(images)
        if found is None:
            raise BadInput(
                "this run's codes come from its encoder alone; only kinds that optimise codes (predictive_sparse) "
                "have optimised ones"
            )
        return found.codes["optimised"]

    # --- the training

    def history(self) -> list[dict[str, object]]:
        """One row per epoch: epoch, stage, seconds, the training terms (nats per image), validation_loss and
        validation_sse.
        """
        return RunFolder(self.folder).history()

    def stages(self) -> list[Stage]:
        """What each stage of the training reached; one for most, several where layers were trained one by one."""
        return stages(self.history())


def samplers() -> list[str]:
    """Kinds of samplers, as `Session.sample` takes them."""
    return list(members("samplers", Sampler))
