"""Capture a training step as a CUDA graph and replay it: one launch instead of hundreds, which for small operations
take longer than the arithmetic.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

WARM_UP_CALLS = 3
"""Calls before the capture, in which libraries make the allocations that they cannot make during one."""

Work = Callable[[], None]


def replayed(work: Work, where: torch.device, generators: Sequence[torch.Generator]) -> Work:
    """On CUDA `work` as a `GraphReplay`, on any other device `work` itself."""
    return GraphReplay(work, where, generators) if where.type == "cuda" else work


class GraphReplay:
    """Calls `work()` three times, then captures it as a CUDA graph and replays that from the fourth call on.

    `work` must read and write the same tensors each time and must not depend on values in Python. Its results must be
    written into existing tensors (`copy_`, `add_`). Random numbers drawn from `generators` differ from replay to replay
    as they would from call to call. Work that synchronises with the device, by reading a number back or by an
    operation whose output shape depends on values, cannot be captured; it is called each time instead.
    """

    def __init__(self, work: Work, where: torch.device, generators: Sequence[torch.Generator]) -> None:
        self.work, self.generators = work, generators
        self.stream = torch.cuda.Stream(where)
        self.replay: Work | None = None
        self.warm_up = WARM_UP_CALLS

    def __call__(self) -> None:
        if self.replay is not None:
            self.replay()
        elif self.warm_up:
            self.warm_up -= 1
            self._on_stream(self.work if self.warm_up else self._call_watched)
        else:
            # Capturing does not carry the work out, so the graph is replayed for this call already.
            self.replay = self._captured()
            self.replay()

    def _call_watched(self) -> None:
        """Calls `work`; if it synchronises, makes sure that it is never captured."""
        with _SyncWatcher() as watcher:
            self.work()
        if watcher.synchronises:
            self.replay = self.work

    def _on_stream(self, work: Work) -> None:
        """Runs `work` on the stream that is captured, ordered after and before the work of the current stream."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            work()
        torch.cuda.current_stream().wait_stream(self.stream)

    def _captured(self) -> Work:
        """The replay of the captured graph, or `work` itself when the capture fails."""
        graph = torch.cuda.CUDAGraph()
        drawn = [*self.generators, torch.cuda.default_generators[torch.cuda.current_device()]]
        # A failed capture leaves its generators unusable outside of one; they are then restored from these copies.
        copies = [generator.clone_state() for generator in drawn]
        for generator in self.generators:
            graph.register_generator_state(generator)

        def capture() -> None:
            with torch.cuda.graph(graph, stream=self.stream):
                self.work()

        try:
            self._on_stream(capture)
        except RuntimeError:
            torch.cuda.synchronize()
            for generator, copy in zip(drawn, copies, strict=True):
                generator.graphsafe_set_state(copy)
            return self.work
        return graph.replay


class _SyncWatcher(TorchDispatchMode):
    """Runs operations, those of automatic differentiation included, and notes whether any synchronises."""

    def __init__(self) -> None:
        super().__init__()
        self.synchronises = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # the default would import torch.compile as a whole

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self.synchronises = self.synchronises or _synchronises(operation, args)
        return operation(*args, **kwargs or {})


def _synchronises(operation: Any, args: tuple[Any, ...]) -> bool:
    """True if the operation reads a number back or its output shape depends on values."""
    if torch.Tag.dynamic_output_shape in operation.tags:
        # Indexing has a dynamic shape only where an index is a mask.
        is_index = operation.overloadpacket is torch.ops.aten.index
        return not is_index or any(one is not None and one.dtype in (torch.bool, torch.uint8) for one in args[1])
    return torch.Tag.data_dependent_output in operation.tags
