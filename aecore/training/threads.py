"""Choose the number of threads by timing training steps.

On an idle machine more threads are quicker where a step is large. On a busy one they can be several times slower than
one, because each of the many operations of a step waits for the thread that is scheduled last.
"""

import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import torch

BLOCK_SECONDS = 0.05
"""A block of steps with one thread count is timed for at least this long, several time slices of the scheduler."""
ROUNDS = 3
"""Blocks of each thread count in a trial."""
REST_FACTOR = 20
"""A choice stays for this many times the time that its trial took, so that trials cost a few percent."""
MIN_GAIN = 1.1
"""More threads are used only if fewer take at least this many times as long."""
HOPELESS = 2.0
"""A count is out of a trial once a block of it takes this many times as long as the best block so far."""


def usable_cores() -> int:
    """The cores that this process may run on, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def thread_counts(cores: int) -> list[int]:
    """The counts worth a trial: powers of two below `cores`, and `cores`."""
    return [*(2**power for power in range(cores.bit_length()) if 2**power < cores), cores]


class ThreadTuner:
    """Runs training steps, each with one of `counts` threads (ascending), and finds out which count is quickest.

    A trial times blocks of steps, each count in turn, `ROUNDS` times; a count with a hopelessly slow block is out. The
    choice is the smallest count whose median time per step is within `MIN_GAIN` of the quickest. Trials repeat, because
    the load of the machine changes. With a single count there are none.
    """

    def __init__(self, counts: Sequence[int], clock: Callable[[], float] = time.perf_counter) -> None:
        self.counts, self.clock = counts, clock
        self.count = counts[0]
        self.begin_trial()

    def begin_trial(self) -> None:
        """Discards the measurements: the next steps are a trial."""
        self._turns = list(self.counts) * ROUNDS if len(self.counts) > 1 else []
        self._times: dict[int, list[float]] = {count: [] for count in self.counts}
        self._block: list[float] = []
        self._trial_seconds = self._rest = 0.0

    def step(self, work: Callable[[], None]) -> None:
        """Runs `work`, one training step. Whatever runs between steps uses the chosen count."""
        if len(self.counts) == 1:
            return work()
        count = self._turns[0] if self._turns else self.count
        torch.set_num_threads(count)
        begun = self.clock()
        work()
        seconds = self.clock() - begun
        torch.set_num_threads(self.count)
        if self._turns:
            self._trial_step(count, seconds)
        else:
            self._rest -= seconds
            if self._rest <= 0:
                self.begin_trial()

    def _trial_step(self, count: int, seconds: float) -> None:
        self._trial_seconds += seconds
        self._block.append(seconds)
        if sum(self._block) < BLOCK_SECONDS:
            return
        self._times[count].append(statistics.fmean(self._block))
        self._block = []
        del self._turns[0]
        if self._times[count][-1] > HOPELESS * min(min(times, default=math.inf) for times in self._times.values()):
            self._turns = [other for other in self._turns if other != count]
        if not self._turns:
            medians = {count: statistics.median(times) for count, times in self._times.items()}
            limit = MIN_GAIN * min(medians.values())
            self.count = next(count for count in self.counts if medians[count] <= limit)
            self._rest = REST_FACTOR * self._trial_seconds
