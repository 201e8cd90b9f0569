"""How fast training is: `AECORE_MNIST=…/mnist.npz python tests/benchmarks/speed.py [ROW …] [--rounds N] [--threads N]`.
On a graphics card where there is one; `CUDA_VISIBLE_DEVICES=` hides it.

Prints figure and bar for each row. The peer is the loop of the tutorials: a `DataLoader` over a `TensorDataset`, Adam,
float32, the same network. Both train the same number of epochs with the same step size, a few steps of the one and of
the other in turn, so that whatever else the machine does disturbs both; figures are medians of the ratios. (On digits
a turn is an epoch with its validation, which the peer does not do; on MNIST only the last turn of an epoch has it.)
Shares of the machine's rate compare with the five matrix products of a step alone, timed in the same turns. "At most"
is the peer's time over that of the bare matrix products of its step, in the precision that ours may use; on CUDA these
are a graph, as the step is.
"""

import argparse
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, TensorDataset

from aecore.model.autoencoder import build
from aecore.model.config import RunConfig, parse, with_settings
from aecore.model.device import device, native_bfloat16, threads
from aecore.model.recipes import RECIPES, recipe
from aecore.parts.contracts import Batch
from aecore.parts.data import Data
from aecore.parts.loading import load_data
from aecore.training.replay import Recorded
from aecore.training.trainer import SMALL, Trainer, TrainingProgress

RATE = 1e-3
SAME_STEPS = {"learning_rate": RATE, "schedule": "constant", "weight_decay": 0.0}
SIDE, UNITS = 784, 1000
CLOCK = time.perf_counter
WHERE = device()


def now() -> float:
    """Seconds, when all is done that was asked of the device."""
    if WHERE.type == "cuda":
        torch.cuda.synchronize()
    return CLOCK()


def say(what: str, figure: float, bar: float, unit: str, more: str = "") -> None:
    print(f"{'ok  ' if figure >= bar else 'MISS'} {what}: {figure:.2f} {unit} (bar {bar:g}){more}", flush=True)


# --- the peer


class DenoisingNet(nn.Module):
    """1,000 tied tanh units, salt and pepper on 40 % of the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(SIDE, UNITS)
        self.bias = nn.Parameter(torch.zeros(SIDE))
        nn.init.xavier_uniform_(self.encoder.weight)
        nn.init.zeros_(self.encoder.bias)

    def loss(self, x: Tensor) -> Tensor:
        u = torch.rand_like(x)
        noisy = torch.where(u < 0.2, torch.zeros_like(x), torch.where(u > 0.8, torch.ones_like(x), x))
        out = F.linear(torch.tanh(self.encoder(noisy)), self.encoder.weight.t(), self.bias)
        return F.binary_cross_entropy_with_logits(out, x, reduction="sum") / len(x)


class VariationalNet(nn.Module):
    """784-400-20-400-784, ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.mean, self.log_variance = nn.Linear(SIDE, 400), nn.Linear(400, 20), nn.Linear(400, 20)
        self.unfold, self.out = nn.Linear(20, 400), nn.Linear(400, SIDE)

    def loss(self, x: Tensor) -> Tensor:
        h = F.relu(self.hidden(x))
        mean, log_variance = self.mean(h), self.log_variance(h)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        out = self.out(F.relu(self.unfold(z)))
        kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
        return (F.binary_cross_entropy_with_logits(out, x, reduction="sum") + kl) / len(x)


class OwnNet(nn.Module):
    """The network and the objective of any recipe, for the peer's loop."""

    def __init__(self, config: RunConfig, data: Data) -> None:
        super().__init__()
        self.config, self.model, self.shape = config, build(config, data.shape), data.shape
        self.generator = torch.Generator(WHERE).manual_seed(0)

    def loss(self, x: Tensor) -> Tensor:
        x = x.reshape(-1, *self.shape)
        batch = Batch(x, *self.config.corruption.corrupt(x, self.generator))
        terms = self.config.objective.terms(self.model, batch, self.generator).values()
        return sum(term.mean() for term in terms)


class Peer:
    """The plain loop; `epoch` runs one."""

    def __init__(self, net: nn.Module, data: Data, batch_size: int) -> None:
        self.net = net.to(WHERE)
        self.optimiser = torch.optim.Adam(net.parameters(), lr=RATE)
        images = torch.from_numpy(data.floats(data.indices("train"))).flatten(1)
        self.loader = DataLoader(TensorDataset(images), batch_size=batch_size, shuffle=True)

    def steps(self) -> Iterator[float]:
        """Endless epochs, a step at a time."""
        while True:
            for (x,) in self.loader:
                self.optimiser.zero_grad()
                loss = self.net.loss(x.to(WHERE))
                loss.backward()
                self.optimiser.step()
                yield loss.item()


# --- taking turns


def turns(config: RunConfig, data: Data, every: int, between: Callable[[], None]) -> tuple[Trainer, list[float]]:
    """Trains `config`, calling `between` before every `every` steps of it. Seconds of ours for each of these turns; the
    last turn of an epoch has the validation in it.
    """
    seconds, count = list[float](), 0
    begun, theirs = 0.0, torch.get_num_threads()

    def on_step(progress: TrainingProgress) -> None:
        nonlocal begun, count
        count += 1
        if count % every == 0:
            seconds.append(now() - begun)
            if progress.fraction < 1:
                with threads(theirs):
                    between()
            begun = now()

    trainer = Trainer(config, data, on_step=on_step)
    between()
    with threads(min(theirs, trainer.threads)):
        begun = now()
        config.procedure.run(trainer)
    return trainer, seconds


def timed(work: Callable[[], object]) -> float:
    begun = now()
    work()
    return now() - begun


@torch.no_grad()
def test_loss(loss: Callable[[Tensor], Tensor], data: Data) -> float:
    """Nats per test image, the same noise for everyone."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        test = torch.from_numpy(data.floats(data.indices("test"))).to(WHERE)
        return statistics.fmean(float(loss(part)) for part in test.split(500))


def bare(work: Callable[[], None]) -> Callable[[], None]:
    """Work without what launching it costs: on the processor next to nothing, on CUDA most of small products."""
    return Recorded(work, WHERE, []) if WHERE.type == "cuda" else work


class Products(TorchDispatchMode):
    """The matrix products of what runs under it; called, carries out these alone."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype, self.pairs = dtype, list[tuple[Tensor, Tensor]]()
        self.again = bare(self._all)

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if operation.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.bmm):
            a, b = args[-2:]
            # Copies with the same strides, since a transposed matrix is multiplied at another speed.
            self.pairs.append((torch.randn_like(a, dtype=self.dtype), torch.randn_like(b, dtype=self.dtype)))
        return operation(*args, **kwargs or {})

    def _all(self) -> None:
        for a, b in self.pairs:
            a @ b

    def __call__(self) -> None:
        self.again()


def against_peer(name: str, config: RunConfig, net: nn.Module | None, every: int, bar: float) -> None:
    data = load_data(config.dataset)
    peer = Peer(net or OwnNet(config, data), data, config.training.batch_size)
    steps, theirs, alone = peer.steps(), list[float](), list[float]()
    half = native_bfloat16(WHERE) and sum(p.numel() for p in peer.net.parameters()) >= SMALL
    products = Products(torch.bfloat16 if half else torch.float32)
    with products:
        next(steps)
    for _ in range(5):
        products()

    def between() -> None:
        theirs.append(timed(lambda: list(itertools.islice(steps, every))))
        alone.append(timed(lambda: [products() for _ in range(every)]))

    trainer, ours = turns(config, data, every, between)
    most = statistics.median(b / a for a, b in zip(alone, theirs, strict=True))
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=False))
    speeds = [every * config.training.batch_size / statistics.median(seconds) for seconds in (ours, theirs)]
    generator = torch.Generator(WHERE).manual_seed(6)

    def own_loss(x: Tensor) -> Tensor:
        batch = Batch(x, *config.corruption.corrupt(x, generator))
        return sum(t.mean() for t in config.objective.terms(trainer.model, batch, generator).values())

    losses = [test_loss(own_loss, data), test_loss(lambda x: peer.net.loss(x.flatten(1)), data)]
    no_worse = losses[0] <= 1.01 * losses[1]
    say(
        name, ratio, bar, "× the plain loop",
        f"; at most {most:.1f} ×; {speeds[0]:,.0f} and {speeds[1]:,.0f} images/s"
        f"; test loss {losses[0]:.2f} and {losses[1]:.2f} nats ({'no worse' if no_worse else 'WORSE'} than by 1 %)",
    )  # fmt: skip


# --- the rows


def course(batch_size: int, rounds: int, **training: object) -> RunConfig:
    settings = {**SAME_STEPS, "batch_size": batch_size, "epochs": rounds, **training}
    return with_settings(recipe("course_denoising").config, settings)


def dae(rounds: int) -> None:
    against_peer("course's denoising autoencoder, MNIST, batch 128", course(128, rounds), DenoisingNet(), 20, 2.5)


def vae(rounds: int) -> None:
    config = parse(
        {"dataset": "mnist", "corruption": "none", "likelihood": "bernoulli", "objective": "variational",
         "backbone": {"kind": "mlp", "widths": [400], "activation": "relu"}, "procedure": "joint", "code_dim": 20,
         "training": {**SAME_STEPS, "epochs": rounds, "batch_size": 128}}
    )  # fmt: skip
    against_peer("variational 784-400-20, MNIST, batch 128", config, VariationalNet(), 20, 2)


def digits(rounds: int) -> None:
    kinds = [
        name for name, r in RECIPES.items() if (r.config.backbone.kind, r.config.dataset.kind) == ("mlp", "digits")
    ]
    for name in kinds:
        config = with_settings(recipe(name).config, {**SAME_STEPS, "epochs": 50})
        against_peer(f"digits, 50 epochs, {name}", config, None, 10, 3)


def products(batch_size: int, dtype: torch.dtype) -> Callable[[], None]:
    """The five matrix products of one step of the course's network: two forward, three backward."""
    w, x, h = (
        torch.randn(size, device=WHERE).to(dtype) for size in ((UNITS, SIDE), (batch_size, SIDE), (batch_size, UNITS))
    )

    def once() -> None:
        x @ w.T, h @ w, x @ w.T, h.T @ x, h.T @ x

    return bare(once)


def share(name: str, config: RunConfig, dtype: torch.dtype, bar: float) -> None:
    """The time of the matrix products alone over the time of a step."""
    data = load_data(config.dataset)
    size, every = config.training.batch_size, 10
    once, alone = products(size, dtype), list[float]()
    for _ in range(5):
        once()
    _, ours = turns(config, data, every, lambda: alone.append(timed(lambda: [once() for _ in range(every)])))
    rate = 10 * SIDE * UNITS * size * every / statistics.median(alone) / 1e9
    figure = 100 * statistics.median(a / b for a, b in zip(alone, ours, strict=False))
    speed = size * every / statistics.median(ours)
    say(name, figure, bar, "% of the rate", f"; {rate:,.0f} GFLOP/s bare, {speed:,.0f} images/s")


def bfloat16(rounds: int) -> None:
    share("course's, batch 512, bfloat16", course(512, rounds), torch.bfloat16, 50)


def float32(rounds: int) -> None:
    share("course's, batch 512, float32", course(512, rounds, precision="float32"), torch.float32, 75)


def contractive(rounds: int) -> None:
    """The closed form against a backward pass for each unit, for the penalty of one batch and its gradient."""
    settings = {"dataset": "mnist", "code_dim": UNITS}
    encoder = build(with_settings(recipe("contractive").config, settings), (1, 28, 28)).encoder.to(WHERE)
    x = torch.rand(128, 1, 28, 28, device=WHERE)

    def closed() -> None:
        encoder.jacobian_squared_norm(x).mean().backward()

    def by_unit(units: int) -> None:
        image = x.clone().requires_grad_()
        h = encoder(image)[..., 0]
        total = torch.zeros((), device=WHERE)
        for k in range(units):
            (row,) = torch.autograd.grad(h[:, k].sum(), image, create_graph=True)
            total = total + row.square().sum() / len(x)
        total.backward()

    some = 50  # of the 1,000 units, which all cost the same
    closed(), by_unit(some)
    pairs = [(timed(closed), timed(lambda: by_unit(some)) * UNITS / some) for _ in range(rounds)]
    say("contractive, 1,000 units, batch 128", statistics.median(b / a for a, b in pairs), 50, "× autograd by unit")


MEMORY = """
import sys
from aecore.model.recipes import recipe; from aecore.model.config import with_settings
from aecore.parts.loading import load_data; from aecore.training.trainer import Trainer
import torch, aecore
torch.set_num_threads(int(sys.argv[1]))
config = with_settings(recipe("course_denoising").config, {"epochs": 1})
def resident(field): return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(field))
before = resident("VmRSS")
data = load_data(config.dataset)
trainer = Trainer(config, data); trainer.run()
weights = 4 * sum(p.numel() for p in trainer.model.parameters())
peak = torch.cuda.max_memory_reserved() / 2**20 if torch.cuda.is_available() else (resident("VmHWM") - before) / 1024
print(peak, data.images.nbytes / 2**20, weights / 2**20)
"""


def memory(rounds: int) -> None:
    """Peak above the process after its imports, or of a card's memory, for an epoch of the course's network; Adam keeps
    two of each weight.
    """
    command = [sys.executable, "-c", MEMORY, str(torch.get_num_threads())]
    peak, data, weights = map(float, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    allowed = data + 3 * weights + 200
    say("memory: allowed over taken", allowed / peak, 1, "×", f"; {peak:.0f} MiB of {allowed:.0f}")


ROWS = {f.__name__: f for f in (dae, bfloat16, vae, digits, float32, contractive, memory)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help=f"some of: {', '.join(ROWS)}")
    parser.add_argument("--rounds", type=int, default=3, help="epochs on MNIST")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--cpu", action="store_true", help="processor time instead of the clock: for a busy machine")
    options = parser.parse_args()
    if options.cpu:
        globals()["CLOCK"] = time.process_time
    torch.set_num_threads(options.threads)
    for name in options.rows or ROWS:
        ROWS[name](options.rounds)


if __name__ == "__main__":
    main()
