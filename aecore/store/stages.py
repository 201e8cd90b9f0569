"""Summarise each stage of a training from the rows of its history."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

REQUIRED = ("epoch", "validation_loss", "validation_sse")
"""Fields that a row of the history must have; a run's folder may hold anything, so other rows are skipped."""


@dataclasses.dataclass(frozen=True)
class Stage:
    """Epochs `first` to `last`, of which `kept` had the lowest loss on validation images and gave its weights.

    `sse` is the squared error per validation image at that epoch: of the layers so far where they are trained one by
    one, of the whole model otherwise. `loss`, in nats per image, is the stage's own; stages cannot be compared by it.
    """

    name: str
    first: int
    last: int
    kept: int
    loss: float
    sse: float


def stages(history: Sequence[Mapping[str, Any]]) -> list[Stage]:
    """Summarise the stages in order, without epoch 0 (the untrained model)."""
    found: list[Stage] = []
    trained = [row for row in history if all(isinstance(row.get(name), int | float) for name in REQUIRED)]
    trained = [row for row in trained if row["epoch"] > 0]
    for name, group in itertools.groupby(trained, key=lambda row: str(row.get("stage", ""))):
        rows = list(group)
        kept = min(rows, key=lambda row: row["validation_loss"])
        loss, sse = kept["validation_loss"], kept["validation_sse"]
        found.append(Stage(name, rows[0]["epoch"], rows[-1]["epoch"], kept["epoch"], loss, sse))
    return found
