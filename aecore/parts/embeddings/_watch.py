"""Progress and stopping of a fit in one call."""

from aecore.foundation.errors import Stopped
from aecore.foundation.progress import OnProgress, ShouldStop


class Watch:
    """`watch(share)` reports the share of the work done, 0 to 1, and raises `Stopped` if `should_stop()` is true."""

    def __init__(self, progress: OnProgress | None, should_stop: ShouldStop | None) -> None:
        self._progress, self._should_stop = progress, should_stop

    def __call__(self, share: float) -> None:
        if self._should_stop is not None and self._should_stop():
            raise Stopped("The map was stopped before it was finished, so there is none; run it again to get it.")
        if self._progress is not None:
            self._progress(min(1.0, max(0.0, share)), "Fitting the map")

    def part(self, low: float, high: float) -> "Watch":
        """A watch for the stage that takes the work from the share `low` to `high`."""
        return Watch(lambda share, _: self(low + (high - low) * share), None)
