"""Check what a run from elsewhere holds, before it is kept: settings, cost, status, history and arrays.

All functions raise `BadInput` with a one-line reason.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aecore.foundation.errors import BadInput, BadSettings, RunUnavailable
from aecore.foundation.text import one_line
from aecore.model.analysis import most_codes
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig, error_text, parse
from aecore.model.cost import Cost, cost
from aecore.parts.data import Shape
from aecore.pictures.arrays import read_npz
from aecore.store.folder import RunFolder, Status
from aecore.store.run_data import IMAGES, names_foreign_files, own_path
from aecore.store.stages import stages
from aecore.store.store import RunStore
from aecore.store.weights import load_model

MAX_PARAMETERS = 20_000_000
MAX_NUMBERS = 3 * 128 * 128
"""Numbers of a picture: 128 × 128 pixels in colour, the largest that pages make of uploads."""
MAX_ACTIVATIONS = 2**18
"""Numbers of the largest intermediate result for one image; pages encode and decode some hundred images at once."""
MAX_FILTERS = 8_000_000
"""Numbers of the pictures that show every unit of the code."""
MAX_WORK = 4e11
"""Floating-point operations of a page (see `cost.Cost`): about ten seconds of one core."""
LATEST_TIME = 4e9
"""Seconds since 1970; times after the year 2096 are refused."""
MAX_EPOCHS = 1_000_000
MAX_FIGURE = 1e30
"""Largest figure of a history or status: sums of such figures are finite."""
MAX_FIGURES = 64
"""Most metrics, and most versions, of a status."""
MAX_ROWS = 20_000
"""Maximum number of lines of a history: the most epochs that settings allow, plus those of layers trained singly."""
MAX_STAGES = 16
MAX_TERMS = 16
MAX_CLASSES = 10_000
MAX_IMAGE_BYTES = 300_000_000
"""Unpacked bytes of a run's own images."""
TRIED_CODES = 16

_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_ .-]{0,40}$")]
_Figure = Annotated[float, Field(ge=-MAX_FIGURE, le=MAX_FIGURE)]


class _Row(BaseModel):
    """One line of history.jsonl."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    epoch: int = Field(ge=0, le=MAX_EPOCHS)
    stage: _Name
    seconds: float = Field(ge=0, le=LATEST_TIME)
    train: dict[_Name, _Figure] = Field(max_length=MAX_TERMS)
    validation_loss: _Figure
    validation_sse: _Figure


# --- texts


def config(content: bytes) -> RunConfig:
    """Parse the settings of a run whose images, if they are in files, are the run's own."""
    try:
        found = parse(_json("config.json", content))
    except (BadSettings, TypeError, ValueError, RecursionError) as error:
        raise BadInput(f"config.json: {_line(str(error))}") from None
    if names_foreign_files(found.dataset):
        raise BadInput(
            "config.json: dataset.path names files of another machine, which a run from elsewhere may not; export the "
            "run again with this version, which leaves the path out"
        )
    return found


def status(content: bytes, config: RunConfig) -> Status:
    """Parse the status of an ended run with plausible figures, and mark it as imported."""
    try:
        found = Status.model_validate(_json("status.json", content))
    except ValidationError as error:
        raise BadInput(f"status.json: {_line(error_text(error))}") from None
    if found.state not in ("finished", "stopped", "failed"):
        raise BadInput(f"status.json: the run is {found.state}; only runs whose training has ended can be imported")
    times = [found.created, found.started or 0.0, found.ended or 0.0, found.seconds]
    counts = [found.epoch, found.epochs]
    if not all(0 <= value <= LATEST_TIME for value in times) or not all(0 <= n <= MAX_EPOCHS for n in counts):
        raise BadInput("status.json: a time or a count is impossible")
    too_many = max(len(found.metrics), len(found.versions)) > MAX_FIGURES
    if too_many or not all(abs(value) <= MAX_FIGURE for value in found.metrics.values()):
        raise BadInput("status.json: its figures are not finite numbers, or far too many")
    if "denoised_sse" in found.metrics and "corrupted_sse" not in found.metrics:
        raise BadInput("status.json: the error of corrupted images has no figure to compare it with")
    # Only these: what else a status may say concerns the home that the run comes from.
    return Status(
        format=found.format, state=found.state, name=_line(found.name)[:80], reason=_line(found.reason),
        created=found.created, started=found.started, ended=found.ended, epoch=found.epoch, epochs=found.epochs,
        seconds=found.seconds, parameters=found.parameters, shape=found.shape, data_hash=_line(found.data_hash),
        config_hash=config.hash, versions={_line(name): _line(value) for name, value in found.versions.items()},
        metrics={_line(name): value for name, value in found.metrics.items()}, imported=True,
    )  # fmt: skip


def history(content: bytes) -> bytes:
    """Parse the lines of a history, and write them as this program would."""
    lines = [line for line in content.splitlines() if line.strip()]
    if len(lines) > MAX_ROWS:
        raise BadInput(f"history.jsonl: {len(lines)} lines are more than a training has epochs")
    try:
        rows = [_Row.model_validate_json(line).model_dump() for line in lines]
    except ValidationError as error:
        raise BadInput(f"history.jsonl: {_line(error_text(error))}") from None
    if len(stages(rows)) > MAX_STAGES or len({name for row in rows for name in row["train"]}) > MAX_TERMS:
        raise BadInput("history.jsonl: it has more stages or terms than any training")
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _json(name: str, content: bytes) -> Mapping[str, Any]:
    try:
        value: Any = json.loads(content)
    except (ValueError, RecursionError):
        raise BadInput(f"{name} is not readable JSON; export the run again") from None
    if not isinstance(value, dict):
        raise BadInput(f"{name} is not a run's: it must hold named values")
    return cast(dict[str, Any], value)


def _line(text: str) -> str:
    """Reduce a text to one printable line of at most 500 characters."""
    return one_line(text, 500)


# --- cost


def affordable(config: RunConfig, status: Status) -> int:
    """Count the model's parameters, and refuse a model that would take up the memory or the time of everybody.

    0 for a run that ended before its images were known, which has no weights.
    """
    if status.shape is None:
        return 0
    try:
        return affordable_cost(config, status.checked_shape()).parameters
    except (RunUnavailable, BadSettings) as error:
        raise BadInput(f"the run cannot be opened: {_line(str(error))}") from None


def affordable_cost(config: RunConfig, shape: Shape) -> Cost:
    """Estimate what a model costs to look at, and refuse one that would take up the memory or the time of everybody."""
    if shape[0] not in (1, 3) or shape[0] * shape[1] * shape[2] > MAX_NUMBERS:
        size = " × ".join(map(str, shape))
        raise BadInput(f"its pictures are {size}; grey or colour pictures up to 128 × 128 are accepted")
    found = cost(config, shape)
    limits = (
        (found.parameters, MAX_PARAMETERS, "learned numbers"),
        (found.activations, MAX_ACTIVATIONS, "numbers between its layers for each image"),
        (found.filters, MAX_FILTERS, "numbers in the pictures of its units"),
        (found.work, MAX_WORK, "operations for each page"),
    )
    for value, most, what in limits:
        if value > most:
            raise BadInput(f"this model takes {value:,.0f} {what}, more than the {most:,.0f} that are accepted")
    return found


# --- arrays


def whole_run(staged: RunStore, folder: Path, config: RunConfig) -> None:
    """Refuse the staged run unless it opens, and its weights, snapshots, analysis and images are sound."""
    info = staged.info(folder.name)
    if info.state == "damaged":
        raise BadInput(f"the run cannot be opened: {_line(info.reason)}")
    try:
        codes = _codes(folder, config)
        for path in (folder / "weights.safetensors", *(folder / "snapshots").iterdir()):
            if path.exists():  # a run that stopped or failed before its first good epoch has no weights
                shape = info.status.checked_shape()
                _try(load_model(config, shape, path), config, shape, codes, path.name)
    except (RunUnavailable, BadSettings) as error:
        raise BadInput(f"the run cannot be opened: {_line(str(error))}") from None
    if (folder / IMAGES).is_file():
        if own_path(config.dataset) != Path(IMAGES):
            raise BadInput(f"{IMAGES}: these settings name other pictures, so it does not belong to the run")
        read_npz(folder / IMAGES, MAX_IMAGE_BYTES)


def _codes(folder: Path, config: RunConfig) -> np.ndarray:
    """Check the analysis, and choose some of its codes; zeros where there is none."""
    found = RunFolder(folder).analysis(config.code_dim)
    if found is None:
        return np.zeros((1, config.code_dim), np.float32)
    codes = found["codes"]
    if len(codes) > most_codes(config.code_dim) or found.get("labels", np.zeros(1)).max() >= MAX_CLASSES:
        raise BadInput("analysis.safetensors: it holds more codes or classes than a run stores")
    return codes[np.linspace(0, len(codes) - 1, TRIED_CODES).astype(np.int64)]


@torch.inference_mode()
def _try(model: Autoencoder, config: RunConfig, shape: Shape, codes: np.ndarray, name: str) -> None:
    """Refuse weights that are finite, but whose sums are not: encode and decode black, white and grey pictures."""
    greys = torch.linspace(0, 1, 5)[:, None, None, None].expand(5, *shape).contiguous()
    noise = torch.rand(5, *shape, generator=torch.Generator().manual_seed(0))
    code = model.encode(torch.cat([greys, noise]))
    out = model.decode(code.mean)
    results = (
        code.params, code.params[..., 1:].exp(),  # a variance, where the encoder gives one
        model.likelihood.nll(out, torch.cat([greys, noise])), model.likelihood.mean(out),
        model.likelihood.mean(model.decode(torch.from_numpy(codes))),
    )  # fmt: skip
    if not all(bool(result.isfinite().all()) for result in results):
        raise BadInput(f"{name}: with these weights the model's numbers are too large to compute with")
