"""A recorded step does what the step itself does, for every recipe: on the processor, on a card, in a stand-in for one.

The stand-in keeps a CUDA graph's contract. While it records it notes the operations, each with the very tensors it
reads and writes, and undoes what they did; a replay carries out the same operations on the same memory, drawing on from
the generators it was told of. As on CUDA, reading a number back and shapes that depend on values are refused.
"""

import contextlib
import subprocess
import sys

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

import aecore
from aecore.model import device
from aecore.model.config import RunConfig, with_settings
from aecore.model.recipes import RECIPES
from aecore.parts.loading import load_data
from aecore.parts.objectives import Reconstruction
from aecore.session.classifier import fine_tune
from aecore.training import trainer
from aecore.training.replay import MEMORY, WARM, Recorded
from aecore.training.trainer import Trainer

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


class Plain:
    """Work that is called each time."""

    def __init__(self, work, where, generators):
        self.work = work

    def __call__(self):
        self.work()


class Counted(Recorded):
    """Recorded as on CUDA; counts the calls."""

    made: list["Counted"]

    def __init__(self, work, where, generators):
        super().__init__(work, torch.device("cuda"), generators)
        self.calls = 0
        self.made.append(self)

    def __call__(self):
        self.calls += 1
        super().__call__()


@pytest.fixture
def counted(monkeypatch):
    """All work of a training is recorded as on CUDA; the records that were begun."""
    monkeypatch.setattr(Graph, "made", [], raising=False)
    monkeypatch.setattr(Counted, "made", [], raising=False)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, stream: graph)
    monkeypatch.setattr(torch.cuda, "Stream", lambda where: Stream())
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "default_generators", [torch.Generator()])
    monkeypatch.setattr(trainer, "Recorded", Counted)
    return Counted.made


def outcome(config: RunConfig):
    losses = []
    trainer = Trainer(config, load_data(config.dataset), on_step=lambda progress: losses.append(progress.loss))
    config.procedure.run(trainer)
    return losses, {name: value.clone() for name, value in trainer.model.state_dict().items()}, trainer


def plainly(config: RunConfig):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "Recorded", Plain)
        return outcome(config)


def short(name: str, **more) -> RunConfig:
    layers = {"procedure.layer_epochs": 1} if name == "stacked_denoising" else {}
    settings = {"dataset": "digits", "epochs": 2, "code_dim": 7, "batch_size": 200, "threads": 1, **layers, **more}
    return with_settings(RECIPES[name].config, settings)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_learns_the_same_when_its_steps_are_recorded(name, counted):
    losses, weights, _ = plainly(short(name))
    recorded_losses, recorded_weights, trainer = outcome(short(name))
    assert recorded_losses == losses
    assert all(torch.equal(weights[key], recorded_weights[key]) for key in weights)
    steps = len(trainer.images) // 200
    whole = [record for record in counted if record.calls > WARM]
    assert [record.calls for record in whole] == [steps] * (len(trainer.stages) - 1) + [2 * steps]
    assert [graph.replays for graph in Graph.made] == [record.calls - WARM for record in whole]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_learns_the_same_on_the_processor_to_rounding(name, kept):
    small = 30 if name in ("sequence", "masked_autoencoder") else 200  # longer steps would keep too much memory
    config = short(name, batch_size=small)
    losses, weights, _ = plainly(config)
    with device.threads(1):
        found_losses, found, trainer = outcome(config)
    torch.testing.assert_close(torch.tensor(found_losses), torch.tensor(losses), rtol=1e-5, atol=0)
    torch.testing.assert_close(found, weights, rtol=0, atol=1e-4)
    used = [record for record in kept if record.again not in (None, record.work)]
    assert len(used) >= len(trainer.stages), "a step of each stage was written down"


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


def test_a_step_that_reads_a_number_back_goes_on_being_called(reading_and_plain, counted):
    reading, plain = reading_and_plain
    losses, _, trainer = outcome(reading)
    assert not Graph.made
    assert outcome(plain)[0] == losses
    assert Graph.made[0].replays == 2 * (len(trainer.images) // 128) - WARM, "the same, recorded"


# --- on a graphics card, where there is one


class Kept(Recorded):
    """Recorded on whatever device; those that were begun."""

    made: list["Kept"]

    def __init__(self, work, where, generators):
        super().__init__(work, where, generators)
        self.made.append(self)


@pytest.fixture
def kept(monkeypatch):
    monkeypatch.setattr(Kept, "made", [], raising=False)
    monkeypatch.setattr(trainer, "Recorded", Kept)
    return Kept.made


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_learns_the_same_when_a_card_repeats_its_steps(name, kept, card):
    config = short(name, precision="float32")
    losses, weights, _ = plainly(config)
    found_losses, found, trainer = outcome(config)
    torch.testing.assert_close(torch.tensor(found_losses), torch.tensor(losses), rtol=1e-4, atol=0)
    torch.testing.assert_close(found, weights, rtol=0, atol=1e-3)
    recorded = [record for record in kept if record.again not in (None, record.work)]
    assert len(recorded) >= len(trainer.stages), "a step of each stage is a graph"


def test_a_step_that_reads_a_number_back_goes_on_being_called_on_a_card(reading_and_plain, kept, card):
    reading, plain = reading_and_plain
    losses, _, _ = outcome(reading)
    assert {record.again for record in kept} <= {None, *(record.work for record in kept)}
    torch.testing.assert_close(torch.tensor(losses), torch.tensor(outcome(plain)[0]), rtol=1e-4, atol=0)


def test_what_fails_to_be_recorded_on_a_card_goes_on_being_called_and_draws_on(card):
    """A copy to the processor waits, which only the recording itself finds out."""
    found = []
    for recorded in (True, False):
        drawn, kept = torch.Generator("cuda").manual_seed(3), []

        def work(drawn=drawn, kept=kept):
            kept.append(torch.randn(2, generator=drawn, device="cuda").cpu())

        one = Recorded(work, torch.device("cuda"), [drawn]) if recorded else work
        for _ in range(6):
            one()
        found.append(torch.stack(kept[-6:]))
    assert torch.equal(*found)
    torch.rand(2, device="cuda")
    twice = again(lambda: torch.zeros(2, device="cuda").add_(1), 6, "cuda")
    assert twice.again is not twice.work, "others are recorded afterwards"


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


# --- on the processor


@pytest.mark.parametrize("estimate", ["exact", "hutchinson"])
def test_a_step_with_numbers_that_have_no_memory_goes_on_being_called(configure, estimate):
    """Derivatives of derivatives speak of zeros that are nowhere."""
    objective = {"kind": "contractive", "estimate": estimate}
    config = configure(backbone="dictionary", objective=objective, training={"epochs": 2})
    losses, weights, _ = plainly(config)
    found_losses, found, _ = outcome(config)
    torch.testing.assert_close(torch.tensor(found_losses), torch.tensor(losses), rtol=1e-5, atol=0)
    torch.testing.assert_close(found, weights, rtol=0, atol=1e-4)


def test_the_preview_is_redrawn_though_the_loss_computes_the_same(configure):
    """Then nothing but the preview itself needs the second of two equal computations."""

    class Squares(Reconstruction):
        def terms(self, model, batch, generator):
            error = model.reconstruct(batch.corrupted, batch.visible) - batch.clean
            return {"reconstruction": error.square().flatten(1).sum(1)}

    config = configure(objective=Squares(), likelihood="gaussian", training={"epochs": 6})
    trainer = Trainer(config, load_data(config.dataset))
    measured = trainer._measuring(trainer._whole, trainer.model.reconstruct)
    for _ in range(WARM + 3):
        with torch.no_grad():
            for weight in trainer.model.parameters():
                weight.mul_(0.9)
            found, expected = measured(), trainer.model.reconstruct(trainer.held_out[:8])
        torch.testing.assert_close(found.redrawn, expected, rtol=1e-4, atol=1e-5)


def again(work, calls: int = 5, where: str = "cpu") -> Recorded:
    """`work`, called some times, the last ones as it was written down."""
    record = Recorded(work, torch.device(where), [])
    for _ in range(calls):
        record()
    return record


def test_the_same_memory_is_read_and_written_each_time():
    x, total = torch.zeros(3), torch.zeros(())

    def work():
        total.add_((x.view(3, 1) * 2).sum())

    record = again(work, 4)
    assert record.again is not work
    x += 1
    record()
    assert total == 6


@pytest.mark.parametrize(
    "reads",
    [lambda x: float(x[0]), lambda x: x[x > 1], torch.nonzero, lambda x: x.masked_fill(x > 1, 0).unique()],
    ids=["number", "mask", "places", "unique"],
)
def test_work_that_depends_on_values_goes_on_being_called(reads):
    x, calls = torch.zeros(3), []

    def work():
        calls.append(reads(x))
        x.add_(1)

    again(work, 6)
    assert len(calls) == 6
    assert torch.equal(x, torch.full((3,), 6.0))


def test_work_on_much_memory_goes_on_being_called():
    x, calls = torch.zeros(MEMORY // 8), []

    def work():
        calls.append(1)
        (x + 1).mul(2).sum()

    again(work, 6)
    assert len(calls) == 6


def test_random_numbers_are_drawn_on_also_those_nobody_looks_at():
    found = []
    for repeat in (again, lambda work, calls: [work() for _ in range(calls)]):
        drawn, kept = torch.Generator().manual_seed(3), torch.zeros(2)

        def work(drawn=drawn, kept=kept):
            torch.rand(5, generator=drawn)
            kept.copy_(torch.randn(2, generator=drawn))

        repeat(work, 5)
        found.append(kept)
    assert torch.equal(*found)


def test_writing_down_does_not_load_the_compiler():
    code = """if True:
        import sys, torch
        from aecore.training.replay import Recorded
        x = torch.zeros(3)
        record = Recorded(lambda: x.add_(1), torch.device("cpu"), [])
        for _ in range(4): record()
        assert record.again is not record.work and x.tolist() == [4, 4, 4]
        print([name for name in ("torch._dynamo", "sympy") if name in sys.modules])
    """
    child = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert child.stdout.strip() == "[]"
