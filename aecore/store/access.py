"""Who may see and change what: visitors of a shared server, their roles and quotas.

Three situations, decided when a server starts: alone (one person at the machine, an `operator`), shared (`guest`s, and
a teacher who is the `operator`), read-only (`reader`s). A `RunStore` is opened for one visitor, and it, the queues and
the archive enforce what this module says; pages only draw accordingly.
"""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from aecore.foundation.errors import NotAllowed

Role = Literal["operator", "guest", "reader"]
NAME_DIGITS = 16
Job = TypeVar("Job")


class Quotas(BaseModel):
    """The limits of one guest of a shared server; the operator has none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    waiting: int = Field(
        title="Trainings at once", default=2, ge=0, le=100, description="trainings of one visitor that wait or run"
    )
    epochs: int = Field(title="Epochs", default=300, ge=1, description="of one training")
    minutes: float = Field(title="Minutes", default=15.0, gt=0, description="of one training")
    parameters: int = Field(title="Parameters", default=5_000_000, ge=1, description="of one network")
    megabytes: int = Field(
        title="Megabytes of runs", default=300, ge=1, description="all runs of one visitor, deleted ones included"
    )
    maps: int = Field(
        title="Maps at once", default=2, ge=0, le=100, description="maps of one visitor that wait or are made"
    )
    upload_megabytes: int = Field(
        title="Megabytes of uploads", default=64, ge=1, description="files that one visitor has sent"
    )
    all_upload_megabytes: int = Field(
        title="All uploads, megabytes", default=512, ge=1, description="files of all visits together"
    )

    def training_words(self) -> str:
        """Say in a sentence what a guest may train."""
        if not self.waiting:
            return "Visitors do not train on this server; ask the person who runs it."
        return (
            f"A training here may take {self.minutes:g} minutes, {self.epochs:,} epochs and "
            f"{self.parameters / 1e6:g} million parameters; you may have {self.waiting} at once, and your runs may "
            f"fill {self.megabytes} MB."
        )

    def check_waiting(self, live: int) -> None:
        """Raise `NotAllowed` if a guest with so many trainings in the queue may not add another."""
        if not self.waiting:
            raise NotAllowed("visitors do not train on this server; ask the person who runs it")
        if live >= self.waiting:
            raise NotAllowed(
                f"you have {live} trainings in the queue, which is the most here; stop one, or wait for its end"
            )

    def check_epochs(self, epochs: int) -> None:
        """Raise `NotAllowed` if a training may not have so many epochs."""
        if epochs > self.epochs:
            raise NotAllowed(
                f"a training here may have at most {self.epochs} epochs, and this one has {epochs}; choose fewer"
            )

    def check_parameters(self, parameters: int) -> None:
        """Raise `NotAllowed` if a network may not have so many parameters."""
        if parameters > self.parameters:
            raise NotAllowed(
                f"a network here may have at most {self.parameters / 1e6:g} million parameters, and this one has "
                f"{parameters / 1e6:,.1f}; choose a smaller one"
            )


@dataclasses.dataclass(frozen=True)
class Visitor:
    """Somebody who uses a server. `name` is a hash of the visitor's secret token, in 16 hex digits, and `owner` in the
    status of the runs that this visitor makes; "" for the operator.
    """

    name: str = ""
    role: Role = "operator"
    quotas: Quotas = dataclasses.field(default_factory=Quotas)

    @property
    def is_operator(self) -> bool:
        return self.role == "operator"

    @property
    def may_write(self) -> bool:
        """Whether anything is kept for this visitor."""
        return self.is_operator or (self.role == "guest" and bool(self.name))

    def owns(self, owner: str) -> bool:
        """Whether a run of this `owner` is the visitor's to change; the operator's are all runs, a reader's none."""
        return self.is_operator or (self.may_write and owner == self.name)

    def require_operator(self, action: str) -> None:
        """Raise `NotAllowed` unless this is the operator; `action` completes "only … may"."""
        if not self.is_operator:
            raise NotAllowed(f"only the person who runs this server may {action}; ask them")

    def require_writing(self) -> None:
        """Raise `NotAllowed` for a visitor for whom nothing is kept."""
        if not self.may_write:
            raise NotAllowed(
                "this server is open for looking only, so nothing is kept on it; install the program on your own "
                "machine to train and keep runs"
            )


OPERATOR = Visitor()


def in_turn(jobs: Iterable[Job], owner: Callable[[Job], str]) -> list[Job]:
    """Order jobs, given in the order of their submission, so that each owner has one in turn: everybody's first, then
    everybody's second, and so on.
    """
    rounds = Counter[str]()
    turns = list[tuple[int, Job]]()
    for job in jobs:
        turns.append((rounds[owner(job)], job))
        rounds[owner(job)] += 1
    return [job for _, job in sorted(turns, key=lambda turn: turn[0])]


def visitor_name(token: str) -> str:
    """Return the name of the visitor with this secret token, from which the token cannot be found again."""
    return hashlib.sha256(token.encode()).hexdigest()[:NAME_DIGITS]
