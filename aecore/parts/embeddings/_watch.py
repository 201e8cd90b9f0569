"""OnProgress and stop of a fit, asked in one place."""

from aecore.foundation.errors import Stopped
from aecore.foundation.progress import OnProgress, ShouldStop


class Watch:
    """`watch(share)` tells the share of the work that is done; raises `Stopped` when somebody wants the end of it."""

    def __init__(self, progress: OnProgress | None, should_stop: ShouldStop | None) -> None:
        self._progress, self._should_stop = progress, should_stop

    def __call__(self, share: float) -> None:
        if self._should_stop is not None and self._should_stop():
            raise Stopped("The map was stopped before it was finished, so there is none; run it again to get it.")
        if self._progress is not None:
            self._progress(min(1.0, max(0.0, share)), "Fitting the map")

    def part(self, low: float, high: float) -> "Watch":
        """A watch for a stage that is the share `low` to `high` of the whole."""
        return Watch(lambda share, _words: self(low + (high - low) * share), None)
