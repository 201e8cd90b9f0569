"""What each stage of a training reached: read from the rows of its history."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

FIGURES = ("epoch", "validation_loss", "validation_sse")


@dataclasses.dataclass(frozen=True)
class Stage:
    """Epochs `first` to `last`; of these `kept` had the lowest loss on held-out images, and its weights went on.

    `sse` is that epoch's squared error per held-out image: of the stack so far where layers are trained one by one, of
    the whole model otherwise. `loss` is the stage's own, in nats per image; not comparable between stages.
    """

    name: str
    first: int
    last: int
    kept: int
    loss: float
    sse: float


def stages(history: Sequence[Mapping[str, Any]]) -> list[Stage]:
    """The stages in order; the untrained model's row is none."""
    found: list[Stage] = []
    # A run's folder may hold anything; rows without figures are left out.
    trained = [row for row in history if all(isinstance(row.get(name), int | float) for name in FIGURES)]
    trained = [row for row in trained if row["epoch"] > 0]
    for name, group in itertools.groupby(trained, key=lambda row: str(row.get("stage", ""))):
        rows = list(group)
        kept = min(rows, key=lambda row: row["validation_loss"])
        found.append(
            Stage(
                name,
                rows[0]["epoch"],
                rows[-1]["epoch"],
                kept["epoch"],
                kept["validation_loss"],
                kept["validation_sse"],
            )
        )
    return found
