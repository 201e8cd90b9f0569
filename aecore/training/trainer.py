"""Training: the loop that every procedure drives, and the run that comes of it."""

import dataclasses
import functools
import math
import os
import time
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Int64, Num, UInt8
from torch import Tensor, nn

from aecore.foundation.errors import BadInput
from aecore.foundation.progress import ShouldStop
from aecore.model.autoencoder import Autoencoder, build
from aecore.model.config import RunConfig, TrainingSettings
from aecore.model.device import device, native_bfloat16
from aecore.parts.contracts import Batch, Images, LossFunction, Redraw, StepFunction, Visible
from aecore.parts.data import Data
from aecore.parts.optimiser import AdamW
from aecore.pictures.sheets import mark_hidden, to_bytes8
from aecore.store.folder import RunFolder, stage_file
from aecore.training.replay import Recorded

VALIDATION_LIMIT = 2000
PREVIEW_IMAGES = 8
SNAPSHOT_BYTES = 4_000_000
LEAST_ROOM = 50
"""Values from which divergence is judged by: a table's few features are often far off for an epoch or two at the peak
learning rate and learned well in the end."""
SMALL = 50_000
"""Networks of fewer parameters are quicker on one thread and in float32."""


@dataclasses.dataclass(frozen=True)
class TrainingProgress:
    """Where a training is; `loss` in nats per image, `validation_sse` squared error per image, times in seconds."""

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


class Stopped(Exception):
    """Somebody asked to stop; the best weights so far are kept."""


class Diverged(Exception):
    """The loss became infinite or absurd; the message says why and what to change."""


def learning_rate(settings: TrainingSettings, fraction: float) -> float:
    """The step size at `fraction` of a stage. one_cycle: linear from a tenth to the peak over the first fifth, then
    half a cosine to 0.
    """
    peak = settings.learning_rate
    if settings.schedule == "constant":
        return peak
    if settings.schedule == "one_cycle":
        if fraction < 0.2:
            return peak * (0.1 + 0.9 * fraction / 0.2)
        fraction = (fraction - 0.2) / 0.8
    return peak * 0.5 * (1 + math.cos(math.pi * fraction))


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Figures of an epoch on held-out images, and the first of these corrupted and as redrawn."""

    loss: float
    sse: float
    corrupted: Images
    visible: Visible | None
    redrawn: Images


class Trainer:
    """Data, clock, history and the best weights; a procedure calls `backprop` or `epochs`, stage by stage."""

    def __init__(
        self, config: RunConfig, data: Data, folder: RunFolder | None = None,
        on_step: OnStep | None = None, should_stop: ShouldStop | None = None,
    ) -> None:  # fmt: skip
        train, held_out = data.indices("train"), data.indices("validation")
        if len(train) < 2 or len(held_out) < 1:
            raise BadInput(
                f"{data.name or 'this dataset'} has too few images to train on: "
                "it takes 2 for training and 1 for validation at least"
            )
        _refuse_unusable(data, train)
        self.config, self.folder, self.on_step, self.should_stop = config, folder, on_step, should_stop
        self.device = device()
        self.model: Autoencoder = build(config, data.shape).to(self.device)
        # The images stay on the device as they came, as bytes mostly; each batch is turned into float on its way in.
        self.images = torch.from_numpy(np.ascontiguousarray(data.images[train])).to(self.device)
        reach = config.training.shift
        self.windows = _windows(self.images, reach) if reach else None
        self.held_out = torch.from_numpy(data.floats(held_out[:VALIDATION_LIMIT])).to(self.device)
        self.worst_sse = self.worst_loss = math.inf
        self.order, self.noise = torch.Generator(), torch.Generator(self.device)
        if config.training.binarise:
            once = torch.Generator(self.device).manual_seed(config.training.seed + 1)
            self.held_out = torch.bernoulli(self.held_out, generator=once)
        small = sum(p.numel() for p in self.model.parameters()) < SMALL
        self.threads = config.training.threads or (1 if small else os.cpu_count() or 1)
        bfloat16 = config.training.precision == "auto" and not small and native_bfloat16(self.device)
        self.autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16)
        self.total_epochs = config.procedure.total_epochs(config)
        self.epoch, self.started, self.loss, self.sse = 0, time.monotonic(), math.nan, math.nan
        self.stages: list[str] = []
        self.done: tuple[str, ...] = () if folder is None else folder.status().stages
        self.best: dict[str, Tensor] = {}
        self.best_loss, self.best_epoch, self.last_write = math.inf, 0, -math.inf
        fractions = (0.0, 0.05, 0.15, 0.4, 0.7)
        self.snapshots = {round(f * self.total_epochs) for f in fractions}

    def run(self) -> None:
        """The whole training; ends with the best weights in `model`. Raises `Stopped` or `Diverged` after putting them
        there.
        """
        try:
            found = self._measuring(self._whole, self.model.reconstruct)()
            self.worst_sse = 10 * max(found.sse, LEAST_ROOM)
            self._resume()
            if not self.done:
                self._write("start", {}, found)
            self.config.procedure.run(self)
        finally:
            if self.best:
                self.model.load_state_dict(self.best)

    def _whole(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        return self.config.objective.terms(self.model, batch, generator)

    def backprop(
        self,
        stage: str,
        epochs: int,
        parameters: list[nn.Parameter],
        loss: LossFunction | None = None,
        redraw: Redraw | None = None,
    ) -> None:
        """AdamW on the sum of the terms' means; the learning rate follows the schedule over this stage."""
        optimiser = AdamW(parameters, self.config.training.weight_decay)
        objective = self.config.objective
        terms_of = loss or self._whole

        def step(batch: Batch, rate: Tensor) -> dict[str, Tensor]:
            with self.autocast:
                terms = terms_of(batch, self.noise)
            loss = functools.reduce(torch.add, terms.values()).float().mean()
            optimiser.step(torch.autograd.grad(loss, parameters, allow_unused=True), rate)
            objective.after_step(self.model)
            return terms

        self.epochs(stage, epochs, step, loss, redraw)

    def epochs(
        self, stage: str, epochs: int, step: StepFunction, loss: LossFunction | None = None,
        redraw: Redraw | None = None,
    ) -> None:  # fmt: skip
        """Runs `step` over shuffled minibatches, with validation after each epoch; nothing for a stage that a killed
        training had finished.
        """
        self.stages.append(stage)
        if len(self.stages) <= len(self.done):
            self.epoch += epochs
            return
        loss, redraw = loss or self._whole, redraw or self.model.reconstruct
        measured = self._measuring(loss, redraw)
        self._begin_stage(measured())
        size = min(self.config.training.batch_size, len(self.images))
        # The same memory in every step, so that a step can be recorded.
        rate = torch.zeros((), device=self.device)
        sums: dict[str, Tensor] = {}

        def work(chosen: Int64[Tensor, "b"]) -> None:
            for name, term in step(self.batch(self._shown(chosen)), rate).items():
                total = term.detach().float().sum()
                sums[name] = sums[name].add_(total) if name in sums else total

        @functools.cache
        def recorded(count: int) -> tuple[Int64[Tensor, "b"], Callable[[], None]]:
            """A step for so many images (the last of an epoch may have fewer), and where it looks for their numbers."""
            chosen = torch.zeros(count, dtype=torch.int64, device=self.device)
            return chosen, Recorded(functools.partial(work, chosen), self.device, [self.noise])

        for epoch in range(epochs):
            self.model.train()
            order = torch.randperm(len(self.images), generator=self.order).to(self.device).split(size)
            totals: dict[str, float] = {}
            for index, part in enumerate(order):
                if self.should_stop is not None and self.should_stop():
                    raise Stopped
                rate.fill_(learning_rate(self.config.training, (epoch + index / len(order)) / epochs))
                chosen, one = recorded(len(part))
                chosen.copy_(part)
                one()
                # Read now and then: a number read back waits for all that was asked of the device before.
                if index % 50 == 0 or index == len(order) - 1:
                    for name, total in sums.items():
                        totals[name] = totals.get(name, 0.0) + float(total)
                        total.zero_()
                    self.loss = sum(totals.values()) / min((index + 1) * size, len(self.images))
                    if not math.isfinite(self.loss):
                        raise Diverged(self._why("the loss became infinite", self.epoch + 1))
                if index < len(order) - 1:
                    self._report(stage, index + 1, len(order))
            self.epoch += 1
            found = measured()
            self._judge(found)
            self._write(stage, {name: total / len(self.images) for name, total in totals.items()}, found)
            self._report(stage, 0, len(order))
        if self.epoch < self.total_epochs:
            self._end_stage()

    def _shown(self, chosen: Int64[Tensor, "b"]) -> Num[Tensor, "b c h w"]:
        """The chosen images, each shifted at random where the settings say so."""
        if self.windows is None:
            return self.images.index_select(0, chosen)
        reach = self.config.training.shift
        by = torch.randint(2 * reach + 1, (2, len(chosen)), generator=self.noise, device=self.device)
        return self.windows[chosen, :, by[0], by[1]]

    def _begin_stage(self, found: HeldOut) -> None:
        """Order and noise follow from the seed and the stage alone, so that a stage can be begun again."""
        seed = self.config.training.seed + 7919 * (len(self.stages) - 1)
        self.order.manual_seed(seed)
        self.noise.manual_seed(seed + 1)
        # A loss may begin near 0 or below (a density), so it gets room by the number of values: 100 nats for each.
        self.worst_loss = 10 * abs(found.loss) + 100 * max(self.held_out[0].numel(), LEAST_ROOM)
        self.best_loss = math.inf

    def _end_stage(self) -> None:
        """The best weights of the stage go on to the next, and are kept for a training that has to resume there."""
        self.model.load_state_dict(self.best)
        if self.folder is not None:
            count = len(self.stages)
            before = self.folder.path / stage_file(count - 1)
            # In this order: the status names what is whole on the disk, whenever the process dies.
            self.folder.write_weights(self.best, stage_file(count))
            self.folder.update(stages=tuple(self.stages))
            before.unlink(missing_ok=True)

    def _resume(self) -> None:
        """Puts back what finished stages left; what an unfinished one did is undone."""
        if self.folder is None:
            return
        if self.done:
            status = self.folder.status()
            kept = self.folder.arrays(stage_file(len(self.done)))
            self.best = {name: torch.from_numpy(array).to(self.device) for name, array in kept.items()}
            self.model.load_state_dict(self.best)
            self.started -= status.seconds
        self.folder.keep_history({"start", *self.done} if self.done else set())

    def batch(self, images: Tensor) -> Batch:
        """Bytes to floats, drawn as 0 or 1 where the settings say so, then the corruption with fresh noise."""
        clean = images.float().div_(255) if images.dtype == torch.uint8 else images
        if self.config.training.binarise:
            clean = torch.bernoulli(clean, generator=self.noise)
        corrupted, visible = self.config.corruption.corrupt(clean, self.noise)
        return Batch(clean, corrupted, visible)

    def _measuring(self, loss: LossFunction, redraw: Redraw) -> Callable[[], HeldOut]:
        """What measures `loss` and the squared error of `redraw` on held-out images, under the same noise each time."""
        noise = torch.Generator(self.device)
        figures = torch.zeros(2, device=self.device)
        shown = dict[str, Tensor]()

        @torch.no_grad()
        def work() -> None:
            corrupted, visible = self.config.corruption.corrupt(self.held_out, noise)
            losses, errors, first = list[Tensor](), list[Tensor](), corrupted[:0]
            for start in range(0, len(corrupted), 500):
                part = slice(start, start + 500)
                seen = None if visible is None else visible[part]
                batch = Batch(self.held_out[part], corrupted[part], seen)
                losses.append(torch.stack(list(loss(batch, noise).values())).sum(0))
                redrawn = redraw(corrupted[part], seen)
                errors.append((redrawn - self.held_out[part]).square().flatten(1).sum(1))
                first = first if len(first) else redrawn[:PREVIEW_IMAGES]
            figures.copy_(torch.stack([torch.cat(losses).mean(), torch.cat(errors).mean()]))
            for name, images in (("corrupted", corrupted), ("redrawn", first), ("visible", visible)):
                if images is not None:
                    part = images[:PREVIEW_IMAGES]
                    # Into the same memory each time: what a recording nowhere writes to, it need not compute.
                    shown[name] = shown[name].copy_(part) if name in shown else part.clone()

        one = Recorded(work, self.device, [noise])

        def measured() -> HeldOut:
            self.model.eval()
            noise.manual_seed(self.config.training.seed + 2)
            one()
            total, error = figures.tolist()
            self.sse = error
            if not math.isfinite(total) or not math.isfinite(error):
                raise Diverged(self._why("the error on held-out images became infinite"))
            return HeldOut(total, error, shown["corrupted"], shown.get("visible"), shown["redrawn"])

        return measured

    def _judge(self, found: HeldOut) -> None:
        """Refuses absurd figures; keeps the weights that are best by the loss of their stage."""
        if found.sse > self.worst_sse or found.loss > self.worst_loss:
            raise Diverged(self._why("the error on held-out images is more than ten times that of the untrained model"))
        if found.loss < self.best_loss:
            self.best_loss, self.best_epoch = found.loss, self.epoch
            self.best = {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def _write(self, stage: str, train_terms: dict[str, float], found: HeldOut) -> None:
        if self.folder is None:
            return
        seconds = time.monotonic() - self.started
        self.folder.add_history(
            {"epoch": self.epoch, "stage": stage, "seconds": round(seconds, 3), "train": train_terms,
             "validation_loss": found.loss, "validation_sse": found.sse}
        )  # fmt: skip
        if self.epoch in self.snapshots and sum(v.nbytes for v in self.model.state_dict().values()) <= SNAPSHOT_BYTES:
            half = {name: value.half() for name, value in self.model.state_dict().items()}
            self.folder.write_weights(half, f"snapshots/epoch-{self.epoch:05d}.safetensors")
        if time.monotonic() - self.last_write < 0.4 and self.epoch not in (1, self.total_epochs):
            return  # but the first good weights are on the disk at once
        self.last_write = time.monotonic()
        preview = {
            "clean": to_bytes8(self.held_out[:PREVIEW_IMAGES].cpu().numpy()),
            "corrupted": as_seen(found.corrupted, found.visible),
            "reconstruction": to_bytes8(found.redrawn.float().cpu().numpy()),
        }
        self.folder.write_arrays("preview.safetensors", preview)
        if self.best:
            self.folder.write_weights(self.best)
        self.folder.update(epoch=self.epoch, seconds=seconds)

    def _report(self, stage: str, step: int, steps: int) -> None:
        if self.on_step is not None:
            seconds = time.monotonic() - self.started
            self.on_step(
                TrainingProgress(stage, self.epoch, self.total_epochs, step, steps, self.loss, self.sse, seconds)
            )

    def _why(self, what: str, epoch: int | None = None) -> str:
        kept = f"the weights of epoch {self.best_epoch} are kept" if self.best else "there were no good weights yet"
        rate = self.config.training.learning_rate
        return (
            f"training diverged in epoch {epoch or self.epoch}: {what}; {kept}. "
            f"Try training.learning_rate={rate / 10:g}"
        )


def _windows(images: Num[Tensor, "n c h w"], reach: int) -> Num[Tensor, "n c v u h w"]:
    """Every image seen through windows shifted by up to `reach` pixels each way, the edge pixels repeated outwards: a
    view on the padded images, so (v, u) chooses a shift without another copy.
    """
    h, w = images.shape[2:]
    rows = torch.arange(-reach, h + reach, device=images.device).clamp_(0, h - 1)
    columns = torch.arange(-reach, w + reach, device=images.device).clamp_(0, w - 1)
    return images[:, :, rows][:, :, :, columns].unfold(2, h, 1).unfold(3, w, 1)


def as_seen(corrupted: Images, visible: Visible | None) -> UInt8[np.ndarray, "b d h w"]:
    """Corrupted images as bytes; in colour, with hidden pixels marked, where something is hidden."""
    images = to_bytes8(corrupted.cpu().numpy())
    if visible is None or images.shape[1] not in (1, 3):
        return images
    return mark_hidden(images, visible.cpu().numpy())


def _refuse_unusable(data: Data, train: Int64[np.ndarray, "m"]) -> None:
    """Raises `BadInput` for images that no training can make anything of."""
    name = data.name or "this dataset"
    if data.images.dtype != np.uint8 and not np.isfinite(data.images).all():
        raise BadInput(f"{name} holds values that are not numbers (NaN or infinite); mend the file and train again")
    images = data.images[train]
    if (images == images[:1]).all():
        raise BadInput(
            f"all training images of {name} are the same, so there is nothing to learn; bring different ones"
        )
