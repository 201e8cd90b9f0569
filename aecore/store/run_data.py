"""Load the images of a run: for looking, for training, or for settings that are not a run yet.

A run's settings may come from outside and name any path. Only this module resolves and loads their dataset.
"""

from pathlib import Path

from aecore.foundation.errors import BadInput, DataUnavailable
from aecore.model.config import RunConfig
from aecore.parts.data import Data, Dataset
from aecore.parts.loading import load_data
from aecore.store.folder import LIVE, Status

IMAGES = "images.npz"
"""The file in a run's folder that keeps the uploaded images on which it was trained."""
MAX_BYTES = 2**30
"""Unpacked bytes of own images that are opened for looking; a training, which is a process of its own, takes more."""
MISSING = "this run was trained on files of another machine, which were not exported with it; use images of your own"


def own_path(dataset: Dataset) -> Path | None:
    """Return the path, relative to a run's folder, at which images of one's own belong to the run itself; None for
    datasets that are not in files.
    """
    return type(dataset).model_fields["path"].default if dataset.local_path else None


def names_foreign_files(dataset: Dataset) -> bool:
    """Whether the settings name files other than the run's own."""
    return dataset.local_path and getattr(dataset, "path", None) != own_path(dataset)


def load_run_data(folder: Path, config: RunConfig, status: Status) -> Data:
    """Load the dataset of the run in `folder` for looking at it.

    Raises `DataUnavailable` if it is not on this machine, not the one that the run was trained on, or too large.
    """
    dataset = _dataset(folder, config, status)
    if dataset.unpacked_bytes() > MAX_BYTES:
        raise DataUnavailable(
            f"the images of this run take over {MAX_BYTES // 2**20} MiB, more than are opened for looking; use images "
            "of your own"
        )
    try:
        data = load_data(dataset)
    except BadInput as error:  # the file has been damaged since training
        raise DataUnavailable(str(error)) from None
    # A training that waits, or failed before it had its data, has not written down which it is.
    unknown = status.state in LIVE or (status.shape is None and not status.imported)
    if not unknown and (data.hash, data.shape) != (status.data_hash, status.shape):
        raise DataUnavailable("the dataset is not the one this run was trained on (its pictures have changed since)")
    return data


def load_training_data(folder: Path, config: RunConfig, status: Status, fetch: bool) -> Data:
    """Load the dataset that the run in `folder` is about to be trained on, downloading it if `fetch` is true.

    Raises what `load_data` raises.
    """
    return load_data(_dataset(folder, config, status), fetch=fetch)


def load_offered_data(config: RunConfig) -> Data:
    """Load the dataset of settings that are no run yet. Raises `DataUnavailable`, also for files of this machine."""
    if config.dataset.local_path:
        raise DataUnavailable("these settings name files of this machine, which are read only for a run that has them")
    return load_data(config.dataset)


def _dataset(folder: Path, config: RunConfig, status: Status) -> Dataset:
    """Resolve the dataset's path. Raises `DataUnavailable` where an imported run names files other than its own, or
    has none.
    """
    dataset = config.dataset.resolved(folder)
    if status.imported and (path := own_path(dataset)) is not None:
        file = folder / path
        if names_foreign_files(config.dataset) or file.is_symlink() or not file.exists():
            raise DataUnavailable(MISSING)
    return dataset
