"""What tests of the core share: a home of their own, tiny data, and one trained run to look at."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import aecore
from aecore.cli import ready_made
from aecore.model.config import RunConfig, parse
from aecore.parts.data import Data, Dataset
from aecore.session import classifier
from aecore.store.store import RunStore
from aecore.training import trainer
from aecore.training.run import train

Configure = Callable[..., RunConfig]


class Held(Dataset):
    """Images given by a test, under the settings of a part."""

    kind: str = "held"
    name: str = "held"

    def load(self, progress=None, fetch=False) -> Data:
        return HELD[self.name]


HELD: dict[str, Data] = {}
"""What `Held` loads, by name; names are used once, because loaded data is cached."""


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tiny models gain nothing from more threads, and waiting for a busy processor costs them much."""
    torch.set_num_threads(1)


@pytest.fixture
def hold() -> Callable[..., Held]:
    """`hold(images, split=…)`: a dataset of just these images, every fifth for validation and every fifth for test."""

    def keep(images: np.ndarray, split: np.ndarray | None = None, **more: object) -> Held:
        if split is None:
            split = np.choose(np.arange(len(images)) % 5, [0, 0, 0, 1, 2]).astype(np.uint8)
        name = f"held-{len(HELD)}"
        HELD[name] = Data(images, split, name=name, **more)
        return Held(name=name)

    return keep


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test of the core ever sees the home of whoever runs it."""
    home = tmp_path / "home"
    monkeypatch.setenv("AECORE_HOME", str(home))
    return home


@pytest.fixture
def card() -> None:
    """For tests that train on a graphics card."""
    if not torch.cuda.is_available():
        pytest.skip("no graphics card")


@pytest.fixture(autouse=True)
def processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All others train on the processor, where their numbers come from; what runs in a child may use the card."""
    if "card" not in request.fixturenames:
        for module in (trainer, classifier):
            monkeypatch.setattr(module, "device", lambda: torch.device("cpu"))


@pytest.fixture
def store(own_home: Path, tmp_path: Path) -> RunStore:
    """An empty store without ready-made runs."""
    return RunStore(own_home, tmp_path / "none")


NEEDS = {"predictive_sparse": {"backbone": "dictionary", "likelihood": "gaussian"}}
"""What a part needs beside it, where the usual neighbours will not do."""


@pytest.fixture
def configure() -> Configure:
    """`configure(objective="variational", training={…})`: a small, quick configuration with these fields replaced, and
    with what they need beside them unless that is given too.
    """

    def make(**fields: object) -> RunConfig:
        training = {"epochs": 2, "batch_size": 128, "threads": 1, **fields.pop("training", {})}
        parts = {
            "dataset": "digits", "corruption": "none", "backbone": {"kind": "mlp", "widths": [32]},
            "likelihood": "bernoulli", "objective": "reconstruction", "procedure": "joint", "code_dim": 6,
        }  # fmt: skip
        for value in list(fields.values()):
            kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", value)
            fields = {**(NEEDS.get(kind, {}) if isinstance(kind, str) else {}), **fields}
        return parse({**parts, **fields, "training": training})

    return make


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunStore, str]:
    """A store with one short variational run on digits; shared, so tests that change runs copy it."""
    root = tmp_path_factory.mktemp("trained")
    store = RunStore(root, root / "none")
    config = parse(
        {"recipe": "variational", "dataset": "digits", "corruption": {"kind": "masking", "level": 0.3},
         "backbone": {"kind": "mlp", "widths": [32]}, "likelihood": "bernoulli", "objective": "variational",
         "procedure": "joint", "code_dim": 6, "training": {"epochs": 8, "threads": 1}}
    )  # fmt: skip
    return store, train(config, store)


@pytest.fixture
def session(trained: tuple[RunStore, str]) -> aecore.Session:
    return aecore.Session(*trained)


RUNS = Path(ready_made.__file__).parents[2] / "assets" / "runs"


@pytest.fixture(scope="session")
def opened() -> Callable[[str], aecore.Session]:
    """`opened(run_id)`: a ready-made run, opened once."""
    held: dict[str, aecore.Session] = {}

    def open_once(run_id: str) -> aecore.Session:
        if run_id not in held:
            held[run_id] = aecore.Session(RunStore(Path("none"), RUNS), run_id)
        return held[run_id]

    return open_once
