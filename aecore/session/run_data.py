"""Load the dataset that a run was trained on."""

from pathlib import Path

from aecore.foundation.errors import BadInput, DataUnavailable
from aecore.model.config import RunConfig
from aecore.parts.data import Data
from aecore.parts.loading import load_data
from aecore.store.folder import Status


def load_run_data(folder: Path, config: RunConfig, status: Status) -> Data:
    """Load the dataset of the run in `folder`.

    Raises `DataUnavailable` if it is not on this machine, or not the one that the run was trained on.
    """
    dataset = config.dataset.resolved(folder)
    # An imported run may name any path, so only files in its own folder are read.
    if status.imported and dataset.local_path and folder not in Path(str(getattr(dataset, "path", ""))).parents:
        raise DataUnavailable(
            "this run was trained on files of another machine, which were not exported with it; use images of your own"
        )
    try:
        data = load_data(dataset)
    except BadInput as error:  # the file has been damaged since training
        raise DataUnavailable(str(error)) from None
    if data.hash != status.data_hash:
        raise DataUnavailable("the dataset is not the one this run was trained on (its pictures have changed since)")
    return data
