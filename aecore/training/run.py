"""Train a configuration from start to end and store the result as a run."""

import contextlib
import copy
import dataclasses
import errno
import platform
import time
from typing import Literal

import numpy as np
import torch
from jaxtyping import UInt8

from aecore.foundation.children import identity
from aecore.foundation.errors import AecoreError, Stopped, words_of
from aecore.foundation.progress import ShouldStop
from aecore.model.analysis import analyse
from aecore.model.autoencoder import build
from aecore.model.config import RunConfig
from aecore.model.device import device, threads
from aecore.parts.data import Data
from aecore.pictures.sheets import to_bytes8
from aecore.store.folder import RunFolder
from aecore.store.run_data import load_training_data
from aecore.store.store import RunStore
from aecore.training.held_out import MAX_HELD_OUT, PREVIEW_IMAGES, as_seen, noise_seed
from aecore.training.threads import ThreadTuner, thread_counts, usable_cores
from aecore.training.trainer import Diverged, OnStep, Trainer

EndState = Literal["finished", "stopped", "failed"]


def train(
    config: RunConfig, store: RunStore | None = None, on_step: OnStep | None = None,
    should_stop: ShouldStop | None = None, *, run_id: str | None = None, name: str = "", fetch: bool = True,
) -> str:  # fmt: skip
    """Trains `config` and returns the id of the run, which is then `finished`, `stopped` or `failed` in the store.

    `should_stop` is asked before every step; the best weights so far are kept, as they are when the run's status gives
    it `max_seconds`, and they are over. `run_id` names a queued run to train instead of a new one. `fetch` allows a
    download of the dataset. Divergence and a full disk end as the run's status; any other error is written there too
    and raised again.
    """
    store = store or RunStore()
    run_id = run_id or store.create(config, name)
    folder = RunFolder(store.root / "staging" / run_id)
    status = folder.update(state="running", reason="", started=time.time(), versions=_versions(), **identity())
    trainer: Trainer | None = None
    try:
        data = load_training_data(folder.path, config, status, fetch)
        trainer = Trainer(config, data, folder, on_step, should_stop)
        trainer.should_stop = _until(trainer, should_stop, status.max_seconds)
        folder.update(shape=data.shape, data_hash=data.hash, parameters=trainer.parameters)
        state, reason, metrics = _run(trainer, data, folder, status.max_seconds)
        seconds = trainer.journal.seconds
        store.finish(run_id, state, reason, epoch=trainer.epoch, seconds=seconds, metrics=metrics)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            _fail(store, run_id, f"the training could not go on: {words_of(error)}")
            raise
        # Removing the preview makes room for the last status.
        (folder.path / "preview.safetensors").unlink(missing_ok=True)
        epochs = trainer.epoch if trainer else 0
        _fail(store, run_id, f"the disk is full after {epochs} epochs; make room and train again")
    except BaseException as error:
        _fail(store, run_id, str(error) if isinstance(error, AecoreError) else f"{type(error).__name__}: {error}")
        raise
    return run_id


def _until(trainer: Trainer, should_stop: ShouldStop | None, max_seconds: float | None) -> ShouldStop | None:
    """Stops also when the training's time is over, that of earlier processes included."""
    if max_seconds is None:
        return should_stop
    return lambda: trainer.journal.seconds > max_seconds or (should_stop is not None and should_stop())


def _run(
    trainer: Trainer, data: Data, folder: RunFolder, max_seconds: float | None
) -> tuple[EndState, str, dict[str, float]]:
    """Trains and measures what was learned: the run's final state, the reason for it, and the metrics."""
    trainer.tuner = ThreadTuner(_thread_counts(trainer))
    state: EndState = "finished"
    reason = ""
    with threads(trainer.tuner.count):
        try:
            trainer.run()
        except Stopped:
            why = "by hand"
            if max_seconds is not None and trainer.journal.seconds > max_seconds:
                why = f"because the {max_seconds / 60:g} minutes that a training may take here were over,"
            state, reason = "stopped", f"stopped {why} after {trainer.epoch} of {trainer.total_epochs} epochs"
        except Diverged as error:
            state, reason = "failed", str(error)
    with threads(trainer.tuner.count):
        return state, reason, _keep(trainer, data, folder)


def _thread_counts(trainer: Trainer) -> list[int]:
    """The thread counts that the training chooses from: the one that the settings give, else one for small networks."""
    fixed = trainer.config.training.threads
    if fixed is not None:
        return [fixed]
    if not trainer.large:
        return [1]
    # On a graphics card the threads only serve the analysis at the end.
    return thread_counts(usable_cores()) if trainer.device.type == "cpu" else [usable_cores()]


@dataclasses.dataclass(frozen=True, eq=False)
class Outlook:
    """A training before it starts: the preview's images as bytes, clean (N, C, H, W) and corrupted with hidden pixels
    marked in colour; the number of training images and of the model's parameters.
    """

    clean: UInt8[np.ndarray, "n c h w"]
    corrupted: UInt8[np.ndarray, "n d h w"]
    images: int
    parameters: int


def outlook(config: RunConfig, data: Data) -> Outlook:
    """The preview that `train` would show, the same held-out images under the same noise, without training anything.

    Raises `BadSettings` when these settings cannot be built for this data.
    """
    held_out = data.indices("validation")[:MAX_HELD_OUT]
    clean = torch.from_numpy(data.floats(held_out))
    noise = torch.Generator().manual_seed(noise_seed(config))
    corrupted, visible = config.corruption.corrupt(clean, noise)
    with torch.device("meta"):
        parameters = sum(p.numel() for p in build(config, data.shape).parameters())
    seen = as_seen(corrupted[:PREVIEW_IMAGES], None if visible is None else visible[:PREVIEW_IMAGES])
    return Outlook(to_bytes8(clean[:PREVIEW_IMAGES].numpy()), seen, len(data.indices("train")), parameters)


def _keep(trainer: Trainer, data: Data, folder: RunFolder) -> dict[str, float]:
    """Writes the best weights and their analysis and returns the metrics; does nothing when no epoch was good."""
    if not trainer.best:
        return {}
    folder.write_weights(trainer.best)
    model = copy.deepcopy(trainer.model).to("cpu").eval()
    arrays, metrics = analyse(model, trainer.config, data)
    folder.write_arrays("analysis.safetensors", arrays)
    return metrics


def _fail(store: RunStore, run_id: str, reason: str) -> None:
    # On a full disk the status stays "running"; `RunStore.settle` ends the run once this process is gone.
    with contextlib.suppress(OSError):
        store.finish(run_id, "failed", reason)


def _versions() -> dict[str, str]:
    found = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "processor": torch.backends.cpu.get_cpu_capability(),
    }
    return {**found, "card": torch.cuda.get_device_name()} if device().type == "cuda" else found
