"""A recorded step does what the step itself does, for every recipe, with a stand-in for CUDA graphs on the processor.

The stand-in keeps a graph's contract. While it records it notes the operations, each with the very tensors it reads
and writes, and undoes what they did; a replay carries out the same operations on the same memory, drawing on from the
generators it was told of. As on CUDA, reading a number back and shapes that depend on values are refused.
"""

import contextlib

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from aecore import training
from aecore.config import RunConfig, parse, with_settings
from aecore.kinds import RECIPES
from aecore.loading import load_data
from aecore.objectives import Reconstruction
from aecore.recorded import WARM, Recorded
from aecore.training import Trainer

WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "equal"}


def as_it_is(value):
    """The same memory under the present shape, whatever shape the tensor itself is given later."""
    return torch.ops.aten.alias(value) if isinstance(value, torch.Tensor) else value


class Graph(TorchDispatchMode):
    """`torch.cuda.CUDAGraph` and the context that records one."""

    made: list["Graph"]

    def __init__(self):
        super().__init__()
        self.done = []
        self.before = []
        self.generators = []
        self.replays = 0
        self.made.append(self)

    def register_generator_state(self, generator):
        self.generators.append(generator)

    def __enter__(self):
        self.states = [generator.get_state() for generator in self.generators]
        return super().__enter__()

    def __exit__(self, *problem):
        super().__exit__(*problem)
        with torch._C._AutoDispatchBelowAutograd():
            for tensor, value in reversed(self.before):
                tensor.copy_(value)
        for generator, state in zip(self.generators, self.states, strict=True):
            generator.set_state(state)

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if torch.Tag.inplace_view in operation.tags:  # only a tensor's shape: nothing is launched
            return operation(*args, **kwargs or {})
        args, kwargs = tree_map(as_it_is, (args, kwargs or {}))
        given = tree_flatten((args, kwargs))[0]
        tensors = [value for value in given if isinstance(value, torch.Tensor)]
        name = operation.overloadpacket._qualified_op_name.removeprefix("aten::")
        if name in WAITS or (name == "index" and any(tensor.dtype == torch.bool for tensor in tensors[1:])):
            raise RuntimeError("operation not permitted when stream is capturing")
        told = [generator.get_state() for generator in self.generators]
        for drawn in (value.get_state() for value in given if isinstance(value, torch.Generator)):
            assert any(torch.equal(drawn, state) for state in told), "random numbers of a generator nobody told of"
        if operation._schema.is_mutable:
            self.before += [(tensor, tensor.clone()) for tensor in tensors]
        made = operation(*args, **kwargs)
        self.done.append((operation, args, kwargs, tree_map(as_it_is, made)))
        return made

    def replay(self):
        self.replays += 1
        with torch._C._AutoDispatchBelowAutograd():  # these are the operations that automatic differentiation made
            for operation, args, kwargs, made in self.done:
                again = operation(*args, **kwargs)
                for old, new in zip(tree_flatten(made)[0], tree_flatten(again)[0], strict=True):
                    if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)


class Stream:
    def wait_stream(self, other):
        pass


@pytest.fixture
def graphs(monkeypatch):
    """Every step is recorded as on CUDA; the graphs that were begun."""
    monkeypatch.setattr(Graph, "made", [], raising=False)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, stream: graph)
    monkeypatch.setattr(torch.cuda, "Stream", lambda where: Stream())
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(
        training, "Recorded", lambda work, where, generators: Recorded(work, torch.device("cuda"), generators)
    )
    return Graph.made


def outcome(config: RunConfig):
    losses = []
    trainer = Trainer(config, load_data(config.dataset), on_step=lambda progress: losses.append(progress.loss))
    config.procedure.run(trainer)
    return losses, {name: value.clone() for name, value in trainer.model.state_dict().items()}, trainer


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_learns_the_same_when_its_steps_are_recorded(name, request):
    layers = {"procedure.layer_epochs": 1} if name == "stacked_denoising" else {}
    settings = {"dataset": "digits", "epochs": 2, "code_dim": 7, "batch_size": 200, "threads": 1, **layers}
    config = with_settings(RECIPES[name].config, settings)
    losses, weights, _ = outcome(config)
    graphs = request.getfixturevalue("graphs")
    recorded_losses, recorded_weights, trainer = outcome(config)
    assert recorded_losses == losses
    assert all(torch.equal(weights[key], recorded_weights[key]) for key in weights)
    steps = len(trainer.images) // 200
    assert len(graphs) == len(trainer.stages)
    for graph, epochs in zip(graphs, [1] * (len(graphs) - 1) + [2], strict=True):
        assert graph.replays == epochs * steps - WARM


def test_a_step_that_reads_a_number_back_goes_on_being_called(configure, graphs):
    class Reads(Reconstruction):
        def terms(self, model, batch, generator):
            found = super().terms(model, batch, generator)
            return {name: term * (1 if float(term.detach().sum()) > 0 else 2) for name, term in found.items()}

    settings = dict(configure(corruption="masking", training={"epochs": 2}))
    reading, plain = (parse({**settings, "objective": objective}) for objective in (Reads(), Reconstruction()))
    losses, _, trainer = outcome(reading)
    assert [graph.replays for graph in graphs] == [0]
    graphs.clear()
    assert outcome(plain)[0] == losses
    assert graphs[0].replays == 2 * (len(trainer.images) // 128) - WARM, "the same, recorded"


def test_on_a_processor_nothing_is_recorded(configure, monkeypatch):
    monkeypatch.delattr(torch.cuda, "CUDAGraph")
    outcome(configure(training={"epochs": 1}))
