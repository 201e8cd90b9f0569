"""Seconds until a training is as good as the tutorials' loop: the course's denoiser (784-1000-784, tied tanh, salt and
pepper on 40 % of the pixels, Bernoulli output) on MNIST.

`AECORE_MNIST=…/mnist.npz python tests/benchmarks/time_to_result.py [float32 bfloat16] [--threads N] [--cpu]`

The plain loop is a `DataLoader` over a `TensorDataset`, Adam 1e-3, batch 128, float32, for 10 epochs. Both train in
this process, a few steps of one and of the other in turn, so that whatever else the machine does slows down both. Test
loss, in nats per image under one fixed noise for both, is measured after every epoch and not counted as time. The
figure is the plain loop's time for 10 epochs over ours until our test loss is at most what the plain loop has then;
ours includes validation after each epoch. Our settings were chosen on validation images: `--validation` measures on
these instead.
"""

import argparse
import dataclasses
import itertools
import statistics
import time
from collections.abc import Callable, Iterator

import torch
from gauge import need_mnist
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from aecore.model.config import RunConfig, with_settings
from aecore.model.device import device, native_bfloat16, threads
from aecore.model.recipes import recipe
from aecore.parts.data import Data, SplitName
from aecore.parts.loading import load_data
from aecore.training.trainer import Trainer, TrainingProgress

SIDE, UNITS, BATCH, EPOCHS = 784, 1000, 128, 10
STEPS_IN_TURN = 20
BARS = {"float32": 2.5, "bfloat16": 4.0}
OURS = {"epochs": 3, "learning_rate": 2e-2, "schedule": "one_cycle", "batch_size": 128}
WHERE = device()


def synchronise() -> None:
    if WHERE.type == "cuda":
        torch.cuda.synchronize()


class Stopwatch:
    """Adds up the time between `start` and `stop`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.seconds, self.begun = clock, 0.0, 0.0

    def start(self) -> None:
        synchronise()
        self.begun = self.clock()

    def stop(self) -> None:
        synchronise()
        self.seconds += self.clock() - self.begun


@dataclasses.dataclass(frozen=True)
class Point:
    epoch: int
    seconds: float
    loss: float


# --- the plain loop


class DenoisingNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(SIDE, UNITS)
        self.bias = nn.Parameter(torch.zeros(SIDE))
        nn.init.xavier_uniform_(self.encoder.weight)
        nn.init.zeros_(self.encoder.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(torch.tanh(self.encoder(x)), self.encoder.weight.t(), self.bias)


def salt_and_pepper(x: Tensor) -> Tensor:
    u = torch.rand_like(x)
    return torch.where(u < 0.2, torch.zeros_like(x), torch.where(u > 0.8, torch.ones_like(x), x))


def nats(logits: Tensor, x: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)


def plain_steps(net: DenoisingNet, data: Data) -> Iterator[None]:
    """The tutorials' loop for ten epochs, suspended after each step."""
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    images = torch.from_numpy(data.floats(data.indices("train"))).flatten(1)
    loader = DataLoader(TensorDataset(images), batch_size=BATCH, shuffle=True)
    for _ in range(EPOCHS):
        for (x,) in loader:
            x = x.to(WHERE)
            optimiser.zero_grad()
            loss = nats(net(salt_and_pepper(x)), x)
            loss.backward()
            optimiser.step()
            loss.item()
            yield


# --- both


def make_measure(data: Data, split: SplitName) -> Callable[[Callable[[Tensor], Tensor]], float]:
    """A function from logits of corrupted images to the mean loss on the split, in nats, under one fixed noise."""
    clean = torch.from_numpy(data.floats(data.indices(split))).flatten(1).to(WHERE)
    generator = torch.Generator(WHERE).manual_seed(5)
    u = torch.rand(clean.shape, generator=generator, device=WHERE)
    noisy = torch.where(u < 0.2, torch.zeros_like(clean), torch.where(u > 0.8, torch.ones_like(clean), clean))

    @torch.no_grad()
    def measure(logits: Callable[[Tensor], Tensor]) -> float:
        pairs = zip(noisy.split(500), clean.split(500), strict=True)
        return statistics.fmean(float(nats(logits(x), y)) for x, y in pairs)

    return measure


def race(config: RunConfig, data: Data, split: SplitName, clock: Callable[[], float]) -> tuple[list[Point], Point]:
    """Trains both in turn; our figures after each epoch, and those of the plain loop after its last."""
    measure, net = make_measure(data, split), DenoisingNet().to(WHERE)
    ours, theirs, points = Stopwatch(clock), Stopwatch(clock), list[Point]()
    steps = plain_steps(net, data)
    their_threads = torch.get_num_threads()
    total = EPOCHS * -(-len(data.indices("train")) // BATCH)
    our_total = config.training.epochs * -(-len(data.indices("train")) // config.training.batch_size)
    turn = round(STEPS_IN_TURN * total / our_total)  # so that both end together
    count = 0

    def plain_turn(length: int | None) -> None:
        with threads(their_threads):
            theirs.start()
            for _ in itertools.islice(steps, length):
                pass
            theirs.stop()

    def logits(x: Tensor) -> Tensor:
        code = trainer.model.encode(x.reshape(-1, *data.shape))
        return trainer.model.decode(code.mean).flatten(1)

    def on_step(progress: TrainingProgress) -> None:
        nonlocal count
        count += 1
        if progress.step == 0:
            ours.stop()
            points.append(Point(progress.epoch, ours.seconds, measure(logits)))
            ours.start()
        if count % STEPS_IN_TURN == 0:
            ours.stop()
            plain_turn(turn)
            ours.start()

    trainer = Trainer(config, data, on_step=on_step)
    ours.start()
    trainer.run()
    ours.stop()
    plain_turn(None)
    return points, Point(EPOCHS, theirs.seconds, measure(net))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("precisions", nargs="*", help=f"some of: {', '.join(BARS)}; default: what is native here")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--cpu", action="store_true", help="processor time instead of the clock, for a busy machine")
    parser.add_argument("--validation", action="store_true", help="measure validation instead of test images")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="training settings of ours")
    options = parser.parse_args()
    need_mnist()
    torch.set_num_threads(options.threads)
    changes = {name: value for name, _, value in (text.partition("=") for text in options.set)}
    config = with_settings(recipe("course_denoising").config, {**OURS, "threads": options.threads, **changes})
    data = load_data(config.dataset)
    native = [name for name in BARS if name == "float32" or native_bfloat16(WHERE)]
    for precision in options.precisions or native:
        own = with_settings(config, {"precision": "float32" if precision == "float32" else "auto"})
        split: SplitName = "validation" if options.validation else "test"
        points, plain = race(own, data, split, time.process_time if options.cpu else time.perf_counter)
        print(f"     plain loop, {EPOCHS} epochs: {plain.loss:.2f} nats in {plain.seconds:.1f} s")
        for point in points:
            print(f"     ours, epoch {point.epoch}: {point.loss:.2f} nats in {point.seconds:.1f} s")
        reached = [point for point in points if point.loss <= plain.loss]
        figure = plain.seconds / reached[0].seconds if reached else 0.0
        verdict = "ok  " if figure >= BARS[precision] else "MISS"
        what = f"{figure:.2f} × sooner" if reached else "not reached"
        print(f"{verdict} time to the loss of the plain loop, {precision}: {what} (bar {BARS[precision]})", flush=True)


if __name__ == "__main__":
    main()
