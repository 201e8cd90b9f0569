"""Declare the figures that describe a run, once for the cards and tables of the app and for the command line."""

import dataclasses
from collections.abc import Callable, Mapping

from aecore.foundation import metrics
from aecore.model import probe
from aecore.store.folder import RunFolder, RunInfo
from aecore.store.stages import stages as stages_of


def number(value: float) -> str:
    """Format with three significant digits, and large numbers without an exponent: 0.0123, 4.56, 12,346."""
    return f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:#.3g}"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


@dataclasses.dataclass(frozen=True)
class Figure:
    """One figure: its `name` in a run's metrics or settings, short `label`, `unit`, `definition`, and number format.

    `beside` is (word, name of a second figure), shown in brackets: `12.3 (of 45.6)`.
    """

    name: str
    label: str
    unit: str
    definition: str
    text: Callable[[float], str] = number
    beside: tuple[str, str] | None = None

    def formatted(self, values: Mapping[str, float]) -> str:
        """Format the figure with its unit; "" where it was not measured."""
        if self.name not in values:
            return ""
        unit = f" {self.unit}" if self.unit else ""
        word, other = self.beside or ("", "")
        also = f" ({word} {self.text(values[other])})" if other in values else ""
        return self.text(values[self.name]) + unit + also


FIGURES = (
    Figure(
        "test_sse", "Error", "",
        "Squared error of a reconstruction, Σ (x − r)² over all its pixels, mean over the test images, which training "
        "never used. 0 is a perfect copy.",
    ),
    Figure(
        "denoised_sse", "Error, corrupted", "",
        "The same for test images corrupted as in training, against the clean ones; in brackets the error of the "
        "corrupted images themselves.",
        beside=("of", "corrupted_sse"),
    ),
    Figure("code_dim", "Code", "units", "Numbers in the code: all that the decoder is given of an image.", _whole),
    Figure(
        "collapsed_units", "Collapsed", "units",
        "Units of the code that carry less than 0.01 nats each, next to nothing: the decoder ignores them.", _whole,
    ),
    Figure("dead_units", "Dead", "units", "Units of the code that are active for none of the images.", _whole),
    Figure(
        "active_rate", "Active", "",
        "Share of the code's units that are active for an image, on average; the fewer, the sparser.", _percent,
    ),
    Figure(
        "probe_accuracy", "Linear probe", "",
        "Share of test images whose class a linear classifier (logistic regression) predicts from the code alone; in "
        f"brackets from the raw pixels. It is fitted on up to {probe.MAX_IMAGES:,} training images and scored on up to "
        f"{probe.MAX_IMAGES:,} test images, stratified by class, seed 0.",
        _percent, ("pixels", "pixels_probe_accuracy"),
    ),
    Figure(
        "probe_accuracy_corrupted", "Probe, corrupted", "",
        "The linear probe fitted and scored on images corrupted as in this run's training; in brackets from the "
        "corrupted pixels.",
        _percent, ("pixels", "pixels_probe_accuracy_corrupted"),
    ),
    Figure(
        "noise_r2", "Copies pure noise (R²)", "",
        f"How well {metrics.NOISE_IMAGES} images of pure noise are copied, 1 − Σ (x − r)² / Σ (x − mean)². 1: the "
        "model copies anything, so it need not have learned what its images look like. 0 or less: it does not copy.",
        _signed,
    ),
    Figure("parameters", "Parameters", "", "Learned numbers in encoder and decoder.", _whole),
    Figure("seconds", "Trained in", "s", "Duration of training, on the machine that did it."),
    Figure(
        "seed", "Seed", "",
        "Seed of all randomness in training: equal settings and equal seeds give the same run on one machine.",
        lambda seed: f"{seed:.0f}",
    ),
)  # fmt: skip

STAGES = Figure("stages", "Error by stage", "", "Squared error per validation image at the end of each training stage.")


def figures(info: RunInfo) -> list[tuple[Figure, str]]:
    """List the figures that a run has, in order, with their formatted values."""
    values = _values(info)
    found = [(figure, figure.formatted(values)) for figure in FIGURES]
    found.append((STAGES, " → ".join(f"{name} {number(error)}" for name, error in stages(info).items())))
    return [(figure, text) for figure, text in found if text]


def short(info: RunInfo, *names: str) -> list[str]:
    """Format the named figures for one line, such as `error 0.84`; those that a run lacks are left out."""
    values = _values(info)
    chosen = [(figure.label, figure.formatted(values)) for figure in FIGURES if figure.name in names]
    return [f"{label[:1].lower()}{label[1:]} {text}" for label, text in chosen if text]


def stages(info: RunInfo) -> dict[str, float]:
    """Return {stage: squared error per validation image of the weights it kept}; {} for training in one stage."""
    found = stages_of(RunFolder(info.folder).history())
    return {stage.name: stage.sse for stage in found} if len(found) > 1 else {}


def _values(info: RunInfo) -> dict[str, float]:
    """Collect {name of a figure: value} from metrics, status and settings."""
    status, config = info.status, info.config
    values = dict(status.metrics)
    values |= {"parameters": float(status.parameters)} if status.parameters else {}
    values |= {"seconds": status.seconds} if status.seconds else {}
    return values | ({"code_dim": float(config.code_dim), "seed": float(config.training.seed)} if config else {})
