"""Progress and stop of a fit, asked in one place."""

from aecore.foundation.errors import Stopped
from aecore.parts.contracts import Reporter, Stopper


class Watch:
    """`watch(share)` tells the share of the work that is done; raises `Stopped` when somebody wants the end of it."""

    def __init__(self, progress: Reporter | None, should_stop: Stopper | None) -> None:
        self._progress, self._should_stop = progress, should_stop

    def __call__(self, share: float) -> None:
        if self._should_stop is not None and self._should_stop():
            raise Stopped("The map was stopped before it was finished, so there is none; run it again to get it.")
        if self._progress is not None:
            self._progress(min(1.0, max(0.0, share)))

    def part(self, low: float, high: float) -> "Watch":
        """A watch for a stage that is the share `low` to `high` of the whole."""
        return Watch(lambda share: self(low + (high - low) * share), None)
