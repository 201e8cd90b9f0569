"""Keep opened runs for all who look at them, bounded by the memory that they take together."""

import math

from aecore.foundation.shared_cache import SharedCache
from aecore.model.generative import REFERENCE_IMAGES
from aecore.session.session import Session
from aecore.store.store import RunStore

MAX_BYTES = 256 * 10**6


class OpenRuns:
    """The most recently used runs, `max_bytes` together; a larger one is kept alone.

    Safe to share between threads: those that ask for the same run at once get one session. Datasets are not counted,
    because sessions do not keep them: `parts.loading` does, within a bound of its own.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._cache: SharedCache[Session] = SharedCache(max_bytes, held_bytes)

    def open(self, store: RunStore, run_id: str) -> Session:
        """Return the session of a run, opened anew when its status has changed. Raises `RunUnavailable`."""
        folder = store.folder(run_id)
        changed = (folder / "status.json").stat().st_mtime_ns
        return self._cache.get(str(folder), lambda: changed, lambda: Session(store, run_id))

    @property
    def bytes(self) -> int:
        """The memory that the kept sessions may take."""
        return self._cache.bytes


def held_bytes(session: Session) -> int:
    """Estimate the memory in bytes that a session takes at most.

    Adds up the weights (twice with snapshots, of which one stays loaded), three times the codes (stored, standardised,
    directions) and the decoded reference pictures.
    """
    weights = sum(tensor.nbytes for tensor in session.model.state_dict().values())
    code_bytes = session.codes.nbytes + session.quantiles.nbytes + session.code_indices.nbytes
    pictures = 4 * math.prod(session.shape) * min(REFERENCE_IMAGES, len(session.codes))
    return weights * (2 if session.snapshots else 1) + 3 * code_bytes + pictures
