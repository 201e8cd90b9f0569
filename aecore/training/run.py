"""Train a configuration from start to end and record the run."""

import contextlib
import copy
import dataclasses
import errno
import platform
import time

import numpy as np
import psutil
import torch
from jaxtyping import UInt8

from aecore.foundation.errors import AecoreError
from aecore.foundation.progress import ShouldStop
from aecore.model.analysis import analyse
from aecore.model.autoencoder import build
from aecore.model.config import RunConfig
from aecore.model.device import device, threads
from aecore.parts.data import Data
from aecore.parts.loading import load_data
from aecore.pictures.sheets import to_bytes8
from aecore.store.folder import RunFolder
from aecore.store.store import RunStore
from aecore.training.trainer import (
    PREVIEW_IMAGES,
    VALIDATION_LIMIT,
    Diverged,
    OnStep,
    Stopped,
    Trainer,
    as_seen,
)


def train(
    config: RunConfig, store: RunStore | None = None, on_step: OnStep | None = None,
    should_stop: ShouldStop | None = None, *, run_id: str | None = None, name: str = "", fetch: bool = True,
) -> str:  # fmt: skip
    """Trains `config` to the end and returns the id of the run, which is then `finished`, `stopped` or `failed` in the
    store.

    `should_stop` is asked before every step; the best weights so far are kept. `run_id` names a queued run to carry on
    with. Whatever happens is recorded in the run's status; errors other than divergence and a full disk are raised
    again.
    """
    store = store or RunStore()
    run_id = run_id or store.create(config, name)
    folder = RunFolder(store.root / "staging" / run_id)
    me = psutil.Process()
    folder.update(
        state="running", reason="", started=time.time(), pid=me.pid, pid_started=me.create_time(), versions=_versions()
    )
    trainer: Trainer | None = None
    try:
        data = load_data(config.dataset.resolved(folder.path), fetch=fetch)
        trainer = Trainer(config, data, folder, on_step, should_stop)
        with threads(trainer.threads):
            count = sum(p.numel() for p in trainer.model.parameters())
            folder.update(shape=data.shape, data_hash=data.hash, parameters=count)
            state, reason = "finished", ""
            try:
                trainer.run()
            except Stopped:
                state, reason = "stopped", f"stopped by hand after {trainer.epoch} of {trainer.total_epochs} epochs"
            except Diverged as error:
                state, reason = "failed", str(error)
            metrics = _keep(trainer, data, folder)
        seconds = time.monotonic() - trainer.started
        if state == "finished":
            folder.forget_stages()
        store.finish(run_id, state, reason, epoch=trainer.epoch, seconds=seconds, metrics=metrics)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            _fail(store, run_id, f"{type(error).__name__}: {error}")
            raise
        # What was drawn for the page alone makes room for the last words.
        (folder.path / "preview.safetensors").unlink(missing_ok=True)
        _fail(
            store, run_id, f"the disk is full after {trainer.epoch if trainer else 0} epochs; make room and train again"
        )
    except BaseException as error:
        _fail(store, run_id, str(error) if isinstance(error, AecoreError) else f"{type(error).__name__}: {error}")
        raise
    return run_id


@dataclasses.dataclass(frozen=True, eq=False)
class Outlook:
    """What a training would work on: the preview's images as bytes, clean (N, C, H, W) and corrupted, where hidden
    pixels are marked in colour, and two sizes.
    """

    clean: UInt8[np.ndarray, "n c h w"]
    corrupted: UInt8[np.ndarray, "n d h w"]
    images: int
    parameters: int


def outlook(config: RunConfig, data: Data) -> Outlook:
    """What `train` would show and learn, before anything starts: the same held-out images under the same noise.

    Raises `BadSettings` when these settings cannot be built for this data.
    """
    held_out = data.indices("validation")[:VALIDATION_LIMIT]
    clean = torch.from_numpy(data.floats(held_out))
    noise = torch.Generator().manual_seed(config.training.seed + 2)
    corrupted, visible = config.corruption.corrupt(clean, noise)
    with torch.device("meta"):
        parameters = sum(p.numel() for p in build(config, data.shape).parameters())
    seen = as_seen(corrupted[:PREVIEW_IMAGES], None if visible is None else visible[:PREVIEW_IMAGES])
    return Outlook(to_bytes8(clean[:PREVIEW_IMAGES].numpy()), seen, len(data.indices("train")), parameters)


def _keep(trainer: Trainer, data: Data, folder: RunFolder) -> dict[str, float]:
    """Writes the best weights and what is measured on them; nothing when no epoch was good."""
    if not trainer.best:
        return {}
    folder.write_weights(trainer.best)
    model = copy.deepcopy(trainer.model).to("cpu").eval()
    arrays, metrics = analyse(model, trainer.config, data)
    folder.write_arrays("analysis.safetensors", arrays)
    return metrics


def _fail(store: RunStore, run_id: str, reason: str) -> None:
    # The disk may be full: then the status stays "running" and `settle` puts the run away once this process is gone.
    with contextlib.suppress(OSError):
        store.finish(run_id, "failed", reason)


def _versions() -> dict[str, str]:
    found = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "processor": torch.backends.cpu.get_cpu_capability(),
    }
    return {**found, "card": torch.cuda.get_device_name()} if device().type == "cuda" else found
