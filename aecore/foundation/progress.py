"""The two callbacks of long work, and the one exception: report progress, ask whether to stop, end early."""

from collections.abc import Callable

OnProgress = Callable[[float, str], None]
"""Called with the share of the work that is done, 0 to 1, and a few words on the present step."""
ShouldStop = Callable[[], bool]
"""Called now and then; when it returns True, the work ends as soon as it can."""
