"""Callbacks of long computations: report progress, and ask whether to stop (`errors.Stopped`)."""

from collections.abc import Callable

OnProgress = Callable[[float, str], None]
"""Called with the share of the work done, 0 to 1, and a few words on the current step."""
ShouldStop = Callable[[], bool]
"""Called repeatedly; once it returns True, the computation ends as soon as it can."""
