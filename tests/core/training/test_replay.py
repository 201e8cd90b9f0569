"""A replayed step does what the step itself does, for every recipe: on a graphics card, and in a stand-in for one.

The stand-in keeps a CUDA graph's contract. During a capture it notes the operations, each with the tensors that it
reads and writes, and undoes their effects; a replay carries out the same operations on the same memory and advances
the registered generators. As on CUDA, reading a number back and shapes that depend on values are refused.
"""

import contextlib

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

import aecore
from aecore.model.config import RunConfig, with_settings
from aecore.model.recipes import RECIPES
from aecore.parts.loading import load_data
from aecore.parts.objectives import Reconstruction
from aecore.session.classifier import fine_tune
from aecore.training import held_out, trainer
from aecore.training.replay import WARM_UP_CALLS, GraphReplay, replayed
from aecore.training.trainer import Trainer

WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "equal"}


def aliased(value):
    """The same memory under the present shape, whatever shape the tensor itself is given later."""
    return torch.ops.aten.alias(value) if isinstance(value, torch.Tensor) else value


class Graph(TorchDispatchMode):
    """`torch.cuda.CUDAGraph` and the context that captures one."""

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
        args, kwargs = tree_map(aliased, (args, kwargs or {}))
        given = tree_flatten((args, kwargs))[0]
        tensors = [value for value in given if isinstance(value, torch.Tensor)]
        name = operation.overloadpacket._qualified_op_name.removeprefix("aten::")
        if name in WAITS or (name == "index" and any(tensor.dtype == torch.bool for tensor in tensors[1:])):
            raise RuntimeError("operation not permitted when stream is capturing")
        registered = [generator.get_state() for generator in self.generators]
        for drawn in (value.get_state() for value in given if isinstance(value, torch.Generator)):
            assert any(torch.equal(drawn, state) for state in registered), "drawn from a generator not registered"
        if operation._schema.is_mutable:
            self.before += [(tensor, tensor.clone()) for tensor in tensors]
        made = operation(*args, **kwargs)
        self.done.append((operation, args, kwargs, tree_map(aliased, made)))
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


class Counted(GraphReplay):
    """Replayed as on CUDA; counts the calls."""

    made: list["Counted"]

    def __init__(self, work, where, generators):
        super().__init__(work, torch.device("cuda"), generators)
        self.calls = 0
        self.made.append(self)

    def __call__(self):
        self.calls += 1
        super().__call__()


def replay_with(patch: pytest.MonkeyPatch, make) -> None:
    """All repeated work of a training becomes `make(work, device, generators)`."""
    for module in (held_out, trainer):
        patch.setattr(module, "replayed", make)


@pytest.fixture
def counted(monkeypatch):
    """All repeated work is captured by the stand-in for CUDA; the list of it."""
    monkeypatch.setattr(Graph, "made", [], raising=False)
    monkeypatch.setattr(Counted, "made", [], raising=False)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, stream: graph)
    monkeypatch.setattr(torch.cuda, "Stream", lambda where: Stream())
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "default_generators", [torch.Generator()])
    replay_with(monkeypatch, Counted)
    return Counted.made


def outcome(config: RunConfig):
    losses = []
    trainer = Trainer(config, load_data(config.dataset), on_step=lambda progress: losses.append(progress.loss))
    config.procedure.run(trainer)
    return losses, {name: value.clone() for name, value in trainer.model.state_dict().items()}, trainer


def plainly(config: RunConfig):
    """The outcome without any replay."""
    with pytest.MonkeyPatch.context() as patch:
        replay_with(patch, lambda work, where, generators: work)
        return outcome(config)


@pytest.fixture
def short(hold):
    """`short("denoising")`: the recipe on 180 training images, two epochs of three whole batches and a smaller one."""
    few = hold(load_data(RECIPES["denoising"].config.dataset).images[:300])

    def make(name: str, **more) -> RunConfig:
        layers = {"procedure.layer_epochs": 2} if name == "stacked_denoising" else {}
        settings = {"dataset": "digits", "epochs": 2, "code_dim": 7, "batch_size": 50, "threads": 1, **layers, **more}
        return with_settings(RECIPES[name].config, settings).model_copy(update={"dataset": few})

    return make


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_learns_the_same_when_its_steps_are_replayed(name, counted, short):
    losses, weights, _ = plainly(short(name))
    replayed_losses, replayed_weights, trainer = outcome(short(name))
    assert replayed_losses == losses
    assert all(torch.equal(weights[key], replayed_weights[key]) for key in weights)
    whole_batches = [work for work in counted if work.calls > WARM_UP_CALLS]
    assert [work.calls for work in whole_batches] == [2 * 3] * len(trainer.stages)
    assert [graph.replays for graph in Graph.made] == [work.calls - WARM_UP_CALLS for work in whole_batches]


class Reads(Reconstruction):
    """The reconstruction term; looks at its value."""

    def terms(self, model, batch, generator):
        found = super().terms(model, batch, generator)
        return {name: term * (1 if float(term.detach().sum()) > 0 else 2) for name, term in found.items()}


@pytest.fixture
def reading_and_plain(configure) -> tuple[RunConfig, RunConfig]:
    """Two trainings that learn the same, the first of which reads a number back in each step."""
    return tuple(
        configure(corruption="masking", objective=one(), training={"epochs": 2}) for one in (Reads, Reconstruction)
    )


def test_a_step_that_reads_a_number_back_is_never_captured(reading_and_plain, counted):
    reading, plain = reading_and_plain
    losses, _, trainer = outcome(reading)
    assert not Graph.made
    assert outcome(plain)[0] == losses
    assert Graph.made[0].replays == 2 * (len(trainer.images) // 128) - WARM_UP_CALLS, "this one is captured"


# --- on a graphics card, where there is one


class Kept(GraphReplay):
    """Replayed on the card; those that were begun."""

    made: list["Kept"]

    def __init__(self, work, where, generators):
        super().__init__(work, where, generators)
        self.made.append(self)


@pytest.fixture
def kept(monkeypatch):
    monkeypatch.setattr(Kept, "made", [], raising=False)
    replay_with(monkeypatch, Kept)
    return Kept.made


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_learns_the_same_when_a_card_replays_its_steps(name, kept, card, short):
    config = short(name, precision="float32")
    losses, weights, _ = plainly(config)
    found_losses, found, trainer = outcome(config)
    torch.testing.assert_close(torch.tensor(found_losses), torch.tensor(losses), rtol=1e-4, atol=0)
    torch.testing.assert_close(found, weights, rtol=0, atol=1e-3)
    captured = [work for work in kept if work.replay not in (None, work.work)]
    assert len(captured) >= len(trainer.stages), "a step of each stage is a graph"


def test_a_step_that_reads_a_number_back_is_never_captured_on_a_card(reading_and_plain, kept, card):
    reading, plain = reading_and_plain
    losses, _, _ = outcome(reading)
    assert {work.replay for work in kept} <= {None, *(work.work for work in kept)}
    torch.testing.assert_close(torch.tensor(losses), torch.tensor(outcome(plain)[0]), rtol=1e-4, atol=0)


def test_what_fails_to_be_captured_on_a_card_is_called_and_draws_on(card):
    """A copy to the processor waits, which only the capture itself finds out."""
    found = []
    for captured in (True, False):
        drawn, kept = torch.Generator("cuda").manual_seed(3), []

        def work(drawn=drawn, kept=kept):
            kept.append(torch.randn(2, generator=drawn, device="cuda").cpu())

        one = replayed(work, torch.device("cuda"), [drawn]) if captured else work
        for _ in range(6):
            one()
        found.append(torch.stack(kept[-6:]))
    assert torch.equal(*found)
    torch.rand(2, device="cuda")
    other = GraphReplay(lambda: torch.zeros(2, device="cuda").add_(1), torch.device("cuda"), [])
    for _ in range(6):
        other()
    assert other.replay is not other.work, "others are captured afterwards"


def test_a_run_of_a_card_is_opened_on_the_processor(card):
    """With what a training on the processor finds, and its encoder learns on as a classifier."""
    settings = {"dataset": "digits", "epochs": 10, "seed": 3}
    session = aecore.train("denoising", **settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "device", lambda: torch.device("cpu"))
        other = aecore.train("denoising", **settings)
    assert session.status.metrics["test_sse"] == pytest.approx(other.status.metrics["test_sse"], rel=0.1)
    assert session.status.versions["card"] == torch.cuda.get_device_name()
    assert "card" not in other.status.versions
    test = session.data.indices("test")
    found = fine_tune(session, epochs=10, learning_rate=5e-3)
    assert found.network.top.weight.is_cuda
    assert found.error(session.data.floats(test), session.data.labels[test]) < 0.1
