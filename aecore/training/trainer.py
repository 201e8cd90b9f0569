"""Train a model: the minibatch loop that every procedure drives, stage by stage."""

import dataclasses
import functools
import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int64, Num
from torch import Tensor, nn

from aecore.foundation.errors import Stopped
from aecore.foundation.progress import ShouldStop
from aecore.model.autoencoder import Autoencoder, build
from aecore.model.config import RunConfig, TrainingSettings
from aecore.model.device import device, native_bfloat16
from aecore.parts.contracts import Batch, LossFunction, Redraw, StepFunction
from aecore.parts.data import Data
from aecore.parts.optimiser import AdamW
from aecore.store.folder import RunFolder
from aecore.training.batches import Batches, check_data
from aecore.training.held_out import PREVIEW_IMAGES, HeldOut, held_out_images, measurement
from aecore.training.journal import Journal
from aecore.training.replay import Work, replayed
from aecore.training.threads import ThreadTuner

LARGE_NETWORK = 50_000
"""Parameters from which a network gains from bfloat16 and from several threads."""
STEPS_BETWEEN_READINGS = 50
"""Steps between two readings of the loss: reading a number back waits for all work queued on the device."""
MIN_VALUES = 50
"""Divergence is judged as if an image had at least this many values: a table's few features are often far off for an
epoch or two at the peak learning rate and learned well in the end."""


@dataclasses.dataclass(frozen=True)
class TrainingProgress:
    """How far a training is: `epoch` epochs are complete, and `step` of the `steps` of the next. `loss` is in nats per
    image, `validation_sse` the squared error per image, `seconds` the time since the training began.
    """

    stage: str
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    validation_sse: float
    seconds: float

    @property
    def fraction(self) -> float:
        return min(1.0, (self.epoch + self.step / max(self.steps, 1)) / max(self.epochs, 1))

    @property
    def seconds_left(self) -> float | None:
        """Estimated from the mean speed so far; None before the first step."""
        return self.seconds * (1 - self.fraction) / self.fraction if self.fraction > 0 else None


OnStep = Callable[[TrainingProgress], None]


class Diverged(Exception):
    """The loss became infinite or absurd; the message says why and which setting to change."""


def learning_rate(settings: TrainingSettings, fraction: float) -> float:
    """The learning rate at `fraction` of a stage. one_cycle: linear from a tenth of the peak to the peak over the first
    fifth, then half a cosine to 0.
    """
    peak = settings.learning_rate
    if settings.schedule == "constant":
        return peak
    if settings.schedule == "one_cycle":
        if fraction < 0.2:
            return peak * (0.1 + 0.9 * fraction / 0.2)
        fraction = (fraction - 0.2) / 0.8
    return peak * 0.5 * (1 + math.cos(math.pi * fraction))


class Trainer:
    """The data, the model and its best weights so far; a procedure calls `backprop` or `epochs`, stage by stage.

    Steps use torch's present number of threads, or with a `tuner` the number that this chooses.
    """

    def __init__(
        self, config: RunConfig, data: Data, folder: RunFolder | None = None, on_step: OnStep | None = None,
        should_stop: ShouldStop | None = None,
    ) -> None:  # fmt: skip
        """Raises `BadInput` for data that nothing can be learned from, `BadSettings` for a model that does not fit
        the images' shape.
        """
        check_data(data)
        self.config, self.on_step, self.should_stop = config, on_step, should_stop
        self.tuner: ThreadTuner | None = None
        self.device = device()
        self.model: Autoencoder = build(config, data.shape).to(self.device)
        self.order, self.noise = torch.Generator(), torch.Generator(self.device)
        self.batches = Batches(config, data, self.device, self.noise)
        self.held_out = held_out_images(config, data, self.device)
        bfloat16 = config.training.precision == "auto" and self.large and native_bfloat16(self.device)
        self.autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16)
        self.total_epochs = config.procedure.total_epochs(config)
        self.journal = Journal(folder, self.total_epochs, self.held_out[:PREVIEW_IMAGES])
        self.epoch, self.loss, self.sse = 0, math.nan, math.nan
        self.stages: list[str] = []
        self.finished_stages: tuple[str, ...] = () if folder is None else folder.status().stages
        self.best: dict[str, Tensor] = {}
        self.best_loss, self.best_epoch = math.inf, 0
        self.max_loss = self.max_sse = math.inf

    @property
    def images(self) -> Num[Tensor, "n c h w"]:
        """The training images as they came, bytes mostly."""
        return self.batches.images

    @property
    def parameters(self) -> int:
        """The number of the model's parameters."""
        return sum(p.numel() for p in self.model.parameters())

    @property
    def large(self) -> bool:
        return self.parameters >= LARGE_NETWORK

    def run(self) -> None:
        """Trains from start to end and leaves the best weights in `model`, also when it raises `Stopped` or
        `Diverged`.
        """
        try:
            found = self._measured(self._measurement(self._objective_terms, self.model.reconstruct))
            self.max_sse = 10 * max(found.sse, MIN_VALUES)
            resumed = self.journal.resume(self.finished_stages)
            if resumed:
                self.best = {name: value.to(self.device) for name, value in resumed.items()}
                self.model.load_state_dict(self.best)
            else:
                self._write("start", {}, found)
            self.config.procedure.run(self)
        finally:
            if self.best:
                self.model.load_state_dict(self.best)

    def _objective_terms(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        return self.config.objective.terms(self.model, batch, generator)

    def backprop(
        self, stage: str, epochs: int, parameters: list[nn.Parameter], loss: LossFunction | None = None,
        redraw: Redraw | None = None,
    ) -> None:  # fmt: skip
        """A stage of AdamW on the sum of the terms' means; the learning rate follows the schedule over this stage.

        `loss` defaults to the objective's terms on the whole model, `redraw` to the model's reconstruction.
        """
        optimiser = AdamW(parameters, self.config.training.weight_decay)
        objective = self.config.objective
        terms_of = loss or self._objective_terms

        def step(batch: Batch, rate: Float[Tensor, ""]) -> dict[str, Tensor]:
            with self.autocast:
                terms = terms_of(batch, self.noise)
            total = functools.reduce(torch.add, terms.values()).float().mean()
            optimiser.step(torch.autograd.grad(total, parameters, allow_unused=True), rate)
            objective.after_step(self.model)
            return terms

        self.epochs(stage, epochs, step, loss, redraw)

    def epochs(
        self, stage: str, epochs: int, step: StepFunction, loss: LossFunction | None = None,
        redraw: Redraw | None = None,
    ) -> None:  # fmt: skip
        """A stage of `epochs` passes of `step` over shuffled minibatches, with validation after each; nothing for a
        stage that was finished before this training was killed.
        """
        self.stages.append(stage)
        if len(self.stages) <= len(self.finished_stages):
            self.epoch += epochs
            return
        measure = self._measurement(loss or self._objective_terms, redraw or self.model.reconstruct)
        self._begin_stage(self._measured(measure))
        steps = _Steps(self, step)
        for epoch in range(epochs):
            train_terms = self._train_epoch(stage, steps, lambda share, epoch=epoch: (epoch + share) / epochs)
            self.epoch += 1
            found = self._measured(measure)
            self._judge(found)
            self._write(stage, train_terms, found)
            self._report(stage, 0, self.batches.per_epoch)
        if self.epoch < self.total_epochs:
            # The best weights of the stage go on to the next.
            self.model.load_state_dict(self.best)
            self.journal.end_stage(self.stages, self.best)

    def _train_epoch(self, stage: str, steps: "_Steps", stage_share: Callable[[float], float]) -> dict[str, float]:
        """One pass over the training images; the mean of each term, in nats per image. `stage_share` gives the share of
        the stage that is done from the share of this epoch.
        """
        self.model.train()
        size, count = self.batches.size, self.batches.per_epoch
        order = torch.randperm(len(self.images), generator=self.order).to(self.device)
        totals: dict[str, float] = {}
        for index, chosen in enumerate(order.split(size)):
            if self.should_stop is not None and self.should_stop():
                raise Stopped("the training was stopped")
            steps.run(chosen, learning_rate(self.config.training, stage_share(index / count)))
            if index % STEPS_BETWEEN_READINGS == 0 or index == count - 1:
                for name, total in steps.take_sums().items():
                    totals[name] = totals.get(name, 0.0) + total
                self.loss = sum(totals.values()) / min((index + 1) * size, len(self.images))
                if not math.isfinite(self.loss):
                    raise Diverged(self._diverged("the loss became infinite", self.epoch + 1))
            if index < count - 1:
                self._report(stage, index + 1, count)
        return {name: total / len(self.images) for name, total in totals.items()}

    def _begin_stage(self, found: HeldOut) -> None:
        """Order and noise follow from the seed and the stage alone, so that a stage can be begun again."""
        seed = self.config.training.seed + 7919 * (len(self.stages) - 1)
        self.order.manual_seed(seed)
        self.noise.manual_seed(seed + 1)
        # A loss may begin near 0 or below (a density), so it gets room by the number of values: 100 nats for each.
        self.max_loss = 10 * abs(found.loss) + 100 * max(self.held_out[0].numel(), MIN_VALUES)
        self.best_loss = math.inf
        if self.tuner is not None:
            self.tuner.begin_trial()  # the steps of another stage are of another size

    def _measurement(self, loss: LossFunction, redraw: Redraw) -> Callable[[], HeldOut]:
        return measurement(self.config, self.held_out, loss, redraw)

    def _measured(self, measure: Callable[[], HeldOut]) -> HeldOut:
        self.model.eval()
        found = measure()
        self.sse = found.sse
        if not found.finite:
            raise Diverged(self._diverged("the error on held-out images became infinite"))
        return found

    def _judge(self, found: HeldOut) -> None:
        """Raises `Diverged` for absurd figures; keeps the weights with the lowest loss of their stage."""
        if found.sse > self.max_sse or found.loss > self.max_loss:
            what = "the error on held-out images is more than ten times that of the untrained model"
            raise Diverged(self._diverged(what))
        if found.loss < self.best_loss:
            self.best_loss, self.best_epoch = found.loss, self.epoch
            self.best = {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def _write(self, stage: str, train_terms: dict[str, float], found: HeldOut) -> None:
        self.journal.write(self.epoch, stage, train_terms, found, self.model.state_dict(), self.best)

    def _report(self, stage: str, step: int, steps: int) -> None:
        if self.on_step is not None:
            seconds = self.journal.seconds
            self.on_step(
                TrainingProgress(stage, self.epoch, self.total_epochs, step, steps, self.loss, self.sse, seconds)
            )

    def _diverged(self, what: str, epoch: int | None = None) -> str:
        kept = f"the weights of epoch {self.best_epoch} are kept" if self.best else "there were no good weights yet"
        rate = self.config.training.learning_rate
        return f"training diverged in epoch {epoch or self.epoch}: {what}; {kept}. Try learning rate {rate / 10:g}"


class _Steps:
    """The minibatch steps of a stage, on the same tensors each time, so that a CUDA graph can replay them."""

    def __init__(self, trainer: Trainer, step: StepFunction) -> None:
        self.trainer, self.step = trainer, step
        self.rate = torch.zeros((), device=trainer.device)
        self.sums: dict[str, Tensor] = {}
        self._by_size: dict[int, tuple[Int64[Tensor, "b"], Work]] = {}

    def run(self, chosen: Int64[Tensor, "b"], rate: float) -> None:
        """A step on the chosen training images; adds the terms' values to `sums`."""
        size = len(chosen)  # the last batch of an epoch may be smaller
        if size not in self._by_size:
            memory = torch.zeros_like(chosen)
            work = functools.partial(self._work, memory)
            self._by_size[size] = (memory, replayed(work, self.trainer.device, [self.trainer.noise]))
        memory, work = self._by_size[size]
        memory.copy_(chosen)
        self.rate.fill_(rate)
        if self.trainer.tuner is None:
            work()
        else:
            self.trainer.tuner.step(work)

    def _work(self, chosen: Int64[Tensor, "b"]) -> None:
        batch = self.trainer.batches.draw(chosen)
        for name, term in self.step(batch, self.rate).items():
            total = term.detach().float().sum()
            self.sums[name] = self.sums[name].add_(total) if name in self.sums else total

    def take_sums(self) -> dict[str, float]:
        """Each term summed over the images since the last call."""
        found = {name: float(total) for name, total in self.sums.items()}
        for total in self.sums.values():
            total.zero_()
        return found
