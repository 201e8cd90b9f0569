"""A training step recorded once and repeated without Python, automatic differentiation and memory management: around
small operations they cost more than the arithmetic.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from aecore.training.program import Operation, place, program, tensors

WARM = 3
"""Calls before the recording, in which libraries set up what they cannot while one is made; a short training is over
before one would pay."""
MEMORY = 64 * 2**20
"""Bytes that a recording on the processor may keep; work that needs more has little to gain."""


class Recorded:
    """Calls `work()`, which must read and write the same tensors every time and decide nothing by their values. What is
    looked at afterwards it must write into (`copy_`, `add_`): the rest need not be computed.

    The fourth call records what `work` does, random numbers drawn from `generators` included (each repetition
    draws on), and every call from then on does that again: on CUDA as a graph that is launched whole, on the processor
    as a list of bare operations on the same memory. Work that waits for the device, by reading a number back or by a
    shape that depends on values, cannot be recorded and goes on being called; so does all work on other devices.
    """

    def __init__(self, work: Callable[[], None], where: torch.device, generators: Sequence[torch.Generator]) -> None:
        self.work, self.where, self.generators = work, where, generators
        self.stream = torch.cuda.Stream(where) if where.type == "cuda" else None
        self.again: Callable[[], None] | None = None
        self.warm = WARM

    def __call__(self) -> None:
        if self.again is not None:
            self.again()
        elif self.warm:
            self.warm -= 1
            self._beside(self.work if self.stream is None or self.warm else self._watched)
        elif self.where.type == "cpu":
            self.again = _written(self.work) or self.work
        else:
            # A CUDA graph is made without carrying the work out.
            self.again = self._graph() if self.stream else self.work
            self.again()

    def _watched(self) -> None:
        """Calls `work` and sees to it that it is never recorded if that would fail."""
        with _Watcher() as watcher:
            self.work()
        if watcher.waits:
            self.again = self.work

    def _beside(self, work: Callable[[], None]) -> None:
        """`work` on the stream that is recorded, in its turn among what the current stream does."""
        if self.stream is None:
            work()
            return
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            work()
        torch.cuda.current_stream().wait_stream(self.stream)

    def _graph(self) -> Callable[[], None]:
        """The work as a graph, or as it is when it cannot be recorded."""
        graph = torch.cuda.CUDAGraph()
        drawn = [*self.generators, torch.cuda.default_generators[torch.cuda.current_device()]]
        # After a recording that failed they would never again draw outside of one; then they go on from these.
        spares = [generator.clone_state() for generator in drawn]
        for generator in self.generators:
            graph.register_generator_state(generator)

        def capture() -> None:
            with torch.cuda.graph(graph, stream=self.stream):
                self.work()

        try:
            self._beside(capture)
        except RuntimeError:
            torch.cuda.synchronize()
            for generator, spare in zip(drawn, spares, strict=True):
                generator.graphsafe_set_state(spare)
            return self.work
        return graph.replay


def _written(work: Callable[[], None]) -> Callable[[], None] | None:
    """Carries `work` out once; then what does the same again, or None when it cannot be recorded."""
    writer = _Writer()
    with writer:
        work()
    return None if writer.done is None else program(writer.done)


class _Watcher(TorchDispatchMode):
    """Carries operations out, those of automatic differentiation too, and sees whether any waits for the device."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # its skipping would load the whole of torch.compile

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self.waits = self.waits or _waits(operation, args)
        return operation(*args, **kwargs or {})


class _Writer(_Watcher):
    """Writes the operations down as well, unless there is one that cannot be repeated."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[Operation] | None = []
        self.places, self.room = set[int](), MEMORY

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        # What only gives a tensor another shape computes nothing.
        if self.done is None or torch.Tag.inplace_view in operation.tags:
            return operation(*args, **kwargs)
        made = super().__torch_dispatch__(operation, types, args, kwargs)
        if self.waits or not all(map(_has_memory, tensors((args, kwargs, made)))):
            self.done = None
            return made
        self.done.append(Operation(operation, _as_they_are(args), _as_they_are(kwargs), _as_they_are(made)))
        self.places |= set(map(place, tensors((args, kwargs))))
        for tensor in tensors(made):
            if place(tensor) not in self.places:
                self.places.add(place(tensor))
                self.room -= tensor.untyped_storage().nbytes()
        if self.room < 0:
            self.done = None
        return made


def _as_they_are(value: Any) -> Any:
    """The same memory under the present shape, whatever shape the tensors themselves are given later."""
    if isinstance(value, Tensor):
        return torch.ops.aten.alias(value)
    if isinstance(value, list | tuple):
        return type(value)(_as_they_are(one) for one in value)
    return {name: _as_they_are(one) for name, one in value.items()} if isinstance(value, dict) else value


def _has_memory(tensor: Tensor) -> bool:
    """Zeros that differentiation only speaks of have none, nor have layouts of other libraries."""
    return tensor.layout is torch.strided and not tensor._is_zerotensor()


def _waits(operation: Any, args: tuple[Any, ...]) -> bool:
    """Whether the operation reads a number back, or makes a shape that depends on values."""
    if torch.Tag.dynamic_output_shape in operation.tags:
        by_index = operation.overloadpacket is torch.ops.aten.index
        return not by_index or any(one is not None and one.dtype in (torch.bool, torch.uint8) for one in args[1])
    return torch.Tag.data_dependent_output in operation.tags
