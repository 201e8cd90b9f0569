"""Write a training's history, snapshots, preview and best weights into its run's folder, and read them to resume."""

import time
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from aecore.parts.contracts import Images
from aecore.pictures.sheets import to_bytes8
from aecore.store.folder import RunFolder, stage_file
from aecore.training.held_out import HeldOut, as_seen

MAX_SNAPSHOT_BYTES = 4_000_000
"""Larger models have no snapshots of their weights in between."""
SNAPSHOT_SHARES = (0.0, 0.05, 0.15, 0.4, 0.7)
"""Shares of all epochs after which a snapshot is kept."""
SECONDS_BETWEEN_PREVIEWS = 0.4


class Journal:
    """The run's folder as its training writes it; with `folder=None` nothing is written."""

    def __init__(self, folder: RunFolder | None, total_epochs: int, clean: Images) -> None:
        """`clean` are the uncorrupted images of the preview."""
        self.folder, self.total_epochs, self.clean = folder, total_epochs, clean
        self.began = time.monotonic()
        self._previewed = float("-inf")
        self._snapshots = {round(share * total_epochs) for share in SNAPSHOT_SHARES}

    @property
    def seconds(self) -> float:
        """Time since the training began, including the stages of an earlier process."""
        return time.monotonic() - self.began

    def resume(self, stages: Sequence[str]) -> dict[str, Tensor]:
        """The best weights after the finished `stages`, empty if there are none; rows of other stages are deleted."""
        if self.folder is None:
            return {}
        self.folder.keep_history({"start", *stages} if stages else set())
        if not stages:
            return {}
        self.began -= self.folder.status().seconds
        arrays = self.folder.arrays(stage_file(len(stages)))
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def write(
        self, epoch: int, stage: str, train: Mapping[str, float], found: HeldOut, weights: Mapping[str, Tensor],
        best: Mapping[str, Tensor],
    ) -> None:  # fmt: skip
        """One row of the history (`train`: mean nats per image by term); at some epochs a snapshot of `weights`; now
        and then the preview and the `best` weights.
        """
        if self.folder is None:
            return
        seconds = self.seconds
        self.folder.add_history(
            {"epoch": epoch, "stage": stage, "seconds": round(seconds, 3), "train": train,
             "validation_loss": found.loss, "validation_sse": found.sse}
        )  # fmt: skip
        if epoch in self._snapshots and sum(value.nbytes for value in weights.values()) <= MAX_SNAPSHOT_BYTES:
            half = {name: value.half() for name, value in weights.items()}
            self.folder.write_weights(half, f"snapshots/epoch-{epoch:05d}.safetensors")
        # The first good weights are on the disk at once; afterwards writing must not slow down short epochs.
        if time.monotonic() - self._previewed >= SECONDS_BETWEEN_PREVIEWS or epoch in (1, self.total_epochs):
            self._previewed = time.monotonic()
            self._write_preview(self.folder, found)
            if best:
                self.folder.write_weights(best)
            self.folder.update(epoch=epoch, seconds=seconds)

    def _write_preview(self, folder: RunFolder, found: HeldOut) -> None:
        images = {
            "clean": to_bytes8(self.clean.cpu().numpy()),
            "corrupted": as_seen(found.corrupted, found.visible),
            "reconstruction": to_bytes8(found.reconstruction.float().cpu().numpy()),
        }
        folder.write_arrays("preview.safetensors", images)

    def end_stage(self, stages: Sequence[str], best: Mapping[str, Tensor]) -> None:
        """Keeps the best weights after these finished stages, from where a killed training resumes."""
        if self.folder is not None:
            # In this order: whenever the process dies, the status names a file that is whole.
            self.folder.write_weights(best, stage_file(len(stages)))
            self.folder.update(stages=tuple(stages))
            (self.folder.path / stage_file(len(stages) - 1)).unlink(missing_ok=True)
