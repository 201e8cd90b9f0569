"""Train autoencoders and explore their latent space: `aecore.train(…)`, `aecore.open(…)`, `aecore.runs()`,
`aecore.recipes()`.
"""

from typing import Any

from aecore.config import with_settings
from aecore.errors import AecoreError
from aecore.kinds import RECIPES, Recipe
from aecore.kinds import recipe as _recipe
from aecore.session import Session
from aecore.store import RunInfo, RunStore
from aecore.training import OnStep, ShouldStop
from aecore.training import train as _train


def train(
    recipe: str,
    *,
    name: str = "",
    on_step: OnStep | None = None,
    should_stop: ShouldStop | None = None,
    **settings: Any,
) -> Session:
    """Trains a recipe and opens the run: `train("denoising", dataset="digits", epochs=20, corruption__level=0.5)`.

    `settings` are fields of the run's JSON; see `aecore.config.with_settings`. Raises `BadSettings` for settings that
    cannot work, and `AecoreError` when training failed (the run is then in the store, with the reason).
    """
    store = RunStore()
    run_id = _train(with_settings(_recipe(recipe).config, settings), store, on_step, should_stop, name=name)
    info = store.info(run_id)
    if info.state == "failed":
        raise AecoreError(f"{info.reason} (kept as run {run_id})")
    return Session(store, run_id)


def open(run_id: str) -> Session:
    """The run of that id, own or ready-made. Raises `RunUnavailable` when it does not exist or cannot be opened."""
    return Session(RunStore(), run_id)


def runs() -> list[RunInfo]:
    """Every run, newest first, ready-made ones last; damaged folders are listed with the reason."""
    return RunStore().runs()


def recipes() -> dict[str, Recipe]:
    """Every kind of autoencoder the program teaches, by name."""
    return dict(RECIPES)
