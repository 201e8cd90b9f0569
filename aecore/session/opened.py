"""Open a run: its settings, weights, analysis and dataset, and its model as functions of arrays."""

import functools
import hashlib
import re
import weakref
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64

from aecore.foundation.errors import AecoreError, BadInput, DataUnavailable, RunUnavailable
from aecore.model.analysis import QUANTILES, analyse
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.parts.contracts import Corruption, Encoder
from aecore.parts.data import CodeArray, Data, Pictures, Shape
from aecore.parts.registry import make
from aecore.session.inputs import checked_codes, checked_images
from aecore.store.folder import RunFolder, RunInfo, Status
from aecore.store.run_data import load_run_data
from aecore.store.stages import Stage, stages
from aecore.store.store import RunStore
from aecore.store.weights import load_model

SNAPSHOT = re.compile(r"epoch-(\d{5})\.safetensors")


class OpenedRun:
    """The base of `Session`, never used on its own: what a run consists of, and how its model is applied."""

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
        self._data: weakref.ref[Data] | None = None
        self.code_indices: Int64[np.ndarray, "n"] = np.zeros(0, np.int64)
        try:
            self._model = load_model(self.config, self.shape, self.folder / "weights.safetensors")
            analysis = self._analysis()
        except RunUnavailable as error:
            raise RunUnavailable(f"run {run_id} cannot be opened: {error}") from None
        self._loaded_snapshot: tuple[int, Autoencoder] | None = None
        k = self.code_dim
        self.codes: CodeArray = analysis.get("codes", np.zeros((1, k), np.float32))
        self.code_indices = analysis.get("indices", np.arange(len(self.codes)))
        self.code_labels: Int64[np.ndarray, "n"] | None = analysis.get("labels")
        self.quantiles: Float32[np.ndarray, "q k"] = analysis.get(
            "quantiles", np.zeros((len(QUANTILES), k), np.float32)
        )
        self.effects: Float32[np.ndarray, "k"] = analysis.get("effects", np.zeros(k, np.float32))
        self.unit_figures = {name[5:]: value for name, value in analysis.items() if name.startswith("unit_")}
        self.code_mean: Float32[np.ndarray, "k"] = self.codes.mean(0)
        self.code_std: Float32[np.ndarray, "k"] = self.codes.std(0)
        for array in (self.codes, self.quantiles, self.effects, self.code_mean, self.code_std):
            array.setflags(write=False)

    def _analysis(self) -> dict[str, np.ndarray]:
        """Read the analysis. If training was killed, compute it now; needs the dataset, and is {} without, and for an
        imported run, whose settings may ask for minutes of work.
        """
        found = RunFolder(self.folder).analysis(self.code_dim)
        try:
            return found if found is not None else {} if self.status.imported else self.measure()[0]
        except AecoreError:
            return {}

    def measure(self) -> tuple[dict[str, np.ndarray], dict[str, float]]:
        """Measure anew what is measured when training ends; see `analyse`. Raises `DataUnavailable`."""
        return analyse(self._model, self.config, self.data)

    @property
    def data(self) -> Data:
        """The run's dataset. Raises `DataUnavailable` if it is not on this machine or has changed since training.

        Only the cache of datasets keeps it, which is bounded for all runs together.
        """
        data = self._data() if self._data is not None else None
        if data is None:
            data = load_run_data(self.folder, self.config, self.status)
            if self.code_indices.max(initial=-1) >= len(data):
                raise DataUnavailable("the stored codes of this run are not those of images of its dataset")
            self._data = weakref.ref(data)
        return data

    # --- the training

    def history(self) -> list[dict[str, object]]:
        """Read one row per epoch: epoch, stage, seconds, the training terms (nats per image), validation_loss and
        validation_sse.
        """
        return RunFolder(self.folder).history()

    def stages(self) -> list[Stage]:
        """Summarise each stage of the training: one for most, several where layers were trained one by one."""
        return stages(self.history())

    # --- the model

    @property
    def bounded(self) -> bool:
        """Whether the data are pictures in [0, 1], to which decoded pictures are clipped."""
        return self.config.dataset.value_range == (0.0, 1.0)

    def _picture(self, mean: torch.Tensor) -> Pictures:
        return (mean.clamp(0, 1) if self.bounded else mean).numpy()

    @property
    def code_dim(self) -> int:
        return self.config.code_dim

    @property
    def model(self) -> Autoencoder:
        """The trained model, shared: copy it before changing anything."""
        return self._model

    @property
    def encoder(self) -> Encoder:
        """The trained encoder, shared: copy it before changing anything."""
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
        """Epochs, in order, after which weights were kept; 0 is before training. Often empty."""
        found = (SNAPSHOT.fullmatch(path.name) for path in (self.folder / "snapshots").glob("*.safetensors"))
        return tuple(sorted(int(match[1]) for match in found if match is not None))

    def model_at(self, epoch: int | None) -> Autoencoder:
        """Load the model as it was after an epoch of `snapshots`; the last one stays in memory. None: the final model.

        Raises `BadInput` for other epochs.
        """
        if epoch is None:
            return self._model
        loaded = self._loaded_snapshot
        if loaded is None or loaded[0] != epoch:
            if epoch not in self.snapshots:
                raise BadInput(f"run {self.run_id} kept no weights after epoch {epoch}")
            path = self.folder / "snapshots" / f"epoch-{epoch:05d}.safetensors"
            loaded = self._loaded_snapshot = (epoch, load_model(self.config, self.shape, path))
        return loaded[1]

    @torch.inference_mode()
    def encode(self, images: Pictures, epoch: int | None = None) -> CodeArray:
        """Encode h = f(x), the mean where the encoder gives a distribution; (N, C, H, W) → (N, K).

        With `epoch`, by the encoder after that epoch of `snapshots`. Raises `BadInput`.
        """
        return self.model_at(epoch).encode(checked_images(images, self.shape)).mean.numpy()

    @torch.inference_mode()
    def decode(self, codes: CodeArray, epoch: int | None = None) -> Pictures:
        """Decode: the likelihood's mean of g(h), clipped to the data's range; (N, K) → (N, C, H, W).

        With `epoch`, by the decoder after that epoch of `snapshots`. Raises `BadInput`.
        """
        model = self.model_at(epoch)
        return self._picture(model.likelihood.mean(model.decode(checked_codes(codes, self.code_dim))))

    @torch.inference_mode()
    def reconstruct(self, images: Pictures) -> Pictures:
        """Reconstruct uncorrupted images, r = g(f(x)). Raises `BadInput`."""
        return self._picture(self._model.reconstruct(checked_images(images, self.shape)))

    # --- corruption

    def corruption(self, kind: str | Corruption | None = None, level: float | None = None) -> Corruption:
        """The run's corruption, or `kind`, at `level`. Raises `BadInput` for an unknown kind or an impossible level."""
        own = self.config.corruption
        try:
            part = own if kind in (None, own.kind) else make("corruptions", Corruption, kind)
            return part if level is None else make("corruptions", Corruption, {**part.model_dump(), "level": level})
        except ValueError as error:
            raise BadInput(f"corruption: {error}") from None
