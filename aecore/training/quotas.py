"""Hold a guest's training to the quotas before it is queued."""

from aecore.foundation.errors import NotAllowed
from aecore.model.config import RunConfig
from aecore.pictures.arrays import read_npz
from aecore.store.checks import affordable_cost
from aecore.store.run_data import load_offered_data, names_foreign_files
from aecore.store.store import RunStore

MAX_BATCH_NUMBERS = 2**26
"""Of a guest's training: numbers of the largest intermediate result for one batch, 256 MiB of them."""


def check_quotas(store: RunStore, config: RunConfig, images: bytes | None) -> None:
    """Raise `NotAllowed` for a training that the store's visitor may not queue, `BadInput` for a model that costs
    everybody too much to look at.
    """
    who = store.who
    who.require_writing()
    if who.is_operator:
        return
    quotas = who.quotas
    quotas.check_waiting(len(store.live_of(who.name)))
    quotas.check_epochs(config.procedure.total_epochs(config))
    if names_foreign_files(config.dataset) or (config.dataset.local_path and images is None):
        raise NotAllowed("a training here cannot read files of the server; upload the images instead")
    shape = load_offered_data(config).shape if images is None else read_npz(images).images.shape[1:]
    found = affordable_cost(config, shape)
    quotas.check_parameters(found.parameters)
    batch = config.training.batch_size
    if batch * found.activations > MAX_BATCH_NUMBERS:
        raise NotAllowed(
            f"a step of this training takes far more memory than is there for everybody: {batch} images at once with "
            f"{found.activations:,} numbers between two layers each; choose a smaller batch or a smaller network"
        )
