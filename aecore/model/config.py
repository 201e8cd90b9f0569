"""The settings of a run as one validated, frozen, readable JSON document."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aecore.foundation.errors import BadSettings
from aecore.parts.contracts import Backbone, Corruption, Likelihood, Objective, Procedure
from aecore.parts.data import Dataset, Part
from aecore.parts.registry import PartOf

FORMAT = 1
PACKAGES: dict[str, tuple[str, type[Part]]] = {
    "dataset": ("datasets", Dataset),
    "corruption": ("corruptions", Corruption),
    "backbone": ("backbones", Backbone),
    "likelihood": ("likelihoods", Likelihood),
    "objective": ("objectives", Objective),
    "procedure": ("procedures", Procedure),
}
"""{field of a `RunConfig` that holds a part: (its registry, its base class)}."""


class TrainingSettings(BaseModel):
    """How the weights are found. Equal settings and data give bit-for-bit equal weights on one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: int = Field(default=60, ge=1, le=10_000, title="Epochs", description="Passes over the training images.")
    batch_size: int = Field(default=128, ge=1, le=8192, title="Batch size", description="Images per step.")
    learning_rate: float = Field(
        default=2e-3,
        gt=0,
        le=10,
        title="Learning rate",
        description="Peak step size of AdamW; if it is too large, training diverges.",
    )
    schedule: Literal["constant", "cosine", "one_cycle"] = Field(
        default="one_cycle",
        title="Schedule",
        description="How the learning rate changes: one_cycle rises for a fifth of the training, then falls to 0.",
    )
    weight_decay: float = Field(
        default=0.0, ge=0, le=10, title="Weight decay", description="How strongly AdamW shrinks the weights towards 0."
    )
    shift: int = Field(
        default=0,
        ge=0,
        le=8,
        title="Random shifts",
        description="Each training image is moved by up to this much, differently each time; reduces overfitting.",
        json_schema_extra={"unit": "pixels"},
    )
    binarise: bool = Field(
        default=False,
        title="Binarise",
        description="Draw every pixel as 0 or 1, with its grey value as probability, each time an image is used: the "
        "data that a Bernoulli output assumes.",
    )
    precision: Literal["auto", "float32"] = Field(
        default="auto",
        title="Precision",
        description="auto: bfloat16 where the hardware computes it natively and the network is large enough to gain.",
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        le=256,
        title="Threads",
        description="Processor threads; empty for one where the network is small, else for as many as timed steps show "
        "to be quickest. Only a given number repeats a run to the last bit.",
    )
    seed: int = Field(
        default=0,
        ge=0,
        lt=2**31,
        title="Seed",
        description="Decides initial weights, order of the images and noise.",
    )


class RunConfig(BaseModel):
    """One autoencoder: its parts, size of code, and training. Parts that cannot work together are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = FORMAT
    recipe: str = Field(default="custom", pattern=r"^[a-z0-9_]{1,40}$")
    dataset: Annotated[Dataset, PartOf("datasets", Dataset)]
    corruption: Annotated[Corruption, PartOf("corruptions", Corruption)]
    backbone: Annotated[Backbone, PartOf("backbones", Backbone)]
    likelihood: Annotated[Likelihood, PartOf("likelihoods", Likelihood)]
    objective: Annotated[Objective, PartOf("objectives", Objective)]
    procedure: Annotated[Procedure, PartOf("procedures", Procedure)]
    code_dim: int = Field(default=16, ge=1, le=4096, title="Code units", description="Numbers in the code.")
    training: TrainingSettings = TrainingSettings()

    @model_validator(mode="after")
    def _parts_fit(self) -> "RunConfig":
        parts: list[Backbone | Likelihood | Objective | Procedure] = [
            self.backbone, self.likelihood, self.objective, self.procedure
        ]  # fmt: skip
        refusals = [refusal for part in parts if (refusal := part.refusal(self)) is not None]
        if self.training.binarise and self.dataset.value_range != (0.0, 1.0):
            refusals.append(
                "training.binarise: only data in [0, 1] can be drawn as 0 or 1; set training.binarise=false"
            )
        if refusals:
            raise ValueError("; ".join(refusals))
        return self

    def json_text(self) -> str:
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"

    @property
    def hash(self) -> str:
        """The first 16 hex digits of the SHA-256 of the settings, independent of their order in the file."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:16]


def parse(values: object) -> RunConfig:
    """Parse JSON-like values. Raises `BadSettings`, naming each wrong field and what is wrong with it."""
    if not isinstance(values, Mapping):
        raise BadSettings("the settings must be a JSON object with the fields of a run")
    found = values.get("format", FORMAT)
    if isinstance(found, int) and found > FORMAT:
        raise BadSettings(
            f"these settings have format {found}; this version reads up to {FORMAT}: update the program to open them"
        )
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise BadSettings(error_text(error)) from None


def error_text(error: ValidationError) -> str:
    """Format a validation error as one line: `field: what is wrong`, joined by semicolons."""
    lines = [(".".join(map(str, e["loc"])), e["msg"].removeprefix("Value error, ")) for e in error.errors()]
    return "; ".join(f"{field}: {message}" if field else message for field, message in lines)


def with_settings(config: RunConfig, settings: Mapping[str, Any]) -> RunConfig:
    """Replace fields, given by dotted names: `{"objective.beta": 4, "corruption": "gaussian", "epochs": 5}`.

    A part's own field takes a kind (with that kind's defaults), a part, or its JSON. `x__y` stands for `x.y`, so that
    names can be Python keywords. Fields of `training` need no prefix. Raises `BadSettings` for unknown fields and
    impossible values.
    """
    values = config.model_dump(mode="json")
    paths = [(name.replace("__", ".").split("."), value) for name, value in settings.items()]
    # Whole parts first, so that `--set corruption.level=.2 --set corruption=gaussian` keeps the level.
    for path, value in sorted(paths, key=lambda item: 0 if item[0][-1] == "kind" else len(item[0])):
        if len(path) == 1 and path[0] in TrainingSettings.model_fields:
            path = ["training", path[0]]
        _place(values, path, value)
    return parse(values)


def _place(values: dict[str, Any], path: list[str], value: Any) -> None:
    """Set one field of JSON-like settings. Raises `BadSettings` if there is no such field."""
    dotted = ".".join(path)
    if (
        path[0] not in RunConfig.model_fields
        or len(path) > 2
        or (len(path) == 2 and not isinstance(values[path[0]], dict))
    ):
        raise BadSettings(f"{dotted}: there is no such setting; the names are those of `aecore show RUN --json`")
    if len(path) == 1:
        values[path[0]] = {"kind": value} if path[0] in PACKAGES and isinstance(value, str) else value
    elif path[1] == "kind":
        if values[path[0]].get("kind") != value:
            values[path[0]] = {"kind": value}
    else:
        values[path[0]][path[1]] = value
