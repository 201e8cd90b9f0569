"""A training step recorded once and launched whole: on a GPU many small launches cost more than their arithmetic."""

from collections.abc import Callable, Sequence

import torch

WARM = 3
"""Calls before the recording, in which libraries set up what they cannot while one is made."""


class Recorded:
    """Calls `work()`, which must read and write the same tensors every time and decide nothing by their values.

    On CUDA the fourth call records what `work` launches as a CUDA graph, random numbers drawn from `generators`
    included (each replay draws on), and every call from then on launches that. Work that waits for the device, by
    reading a number back or by a shape that depends on values, cannot be recorded and goes on being called; so does
    all work on other devices.
    """

    def __init__(self, work: Callable[[], None], where: torch.device, generators: Sequence[torch.Generator]) -> None:
        self.work, self.generators = work, generators
        self.graph: torch.cuda.CUDAGraph | None = None
        self.stream = torch.cuda.Stream(where) if where.type == "cuda" else None
        self.warm = 0

    def __call__(self) -> None:
        if self.stream is None:
            self.work()
        elif self.warm < WARM:
            self.warm += 1
            self._beside(self.work)
        else:
            if self.graph is None and not self._record():
                self.stream = None
                self.work()
                return
            assert self.graph is not None
            self.graph.replay()

    def _beside(self, work: Callable[[], None]) -> None:
        """`work` on the stream that is recorded, in its turn among what the current stream does."""
        assert self.stream is not None
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            work()
        torch.cuda.current_stream().wait_stream(self.stream)

    def _record(self) -> bool:
        """Recording does not carry the work out. False when the work cannot be recorded."""
        graph = torch.cuda.CUDAGraph()
        for generator in self.generators:
            graph.register_generator_state(generator)

        def capture() -> None:
            with torch.cuda.graph(graph, stream=self.stream):
                self.work()

        states = [generator.get_state() for generator in self.generators]
        try:
            self._beside(capture)
        except RuntimeError:
            torch.cuda.synchronize()
            for generator, state in zip(self.generators, states, strict=True):
                generator.set_state(state)
            return False
        self.graph = graph
        return True
