"""Train autoencoders and explore their latent space.

The public functions are `aecore.train(…)`, `aecore.open(…)`, `aecore.runs()` and `aecore.recipes()`.

Only the standard library is imported here: torch takes a second or two to load, and `aecore app` and `--help` do not
need it. The functions import what they need when they are called, the classes are imported on first use (PEP 562).
"""

import importlib
from typing import TYPE_CHECKING, Any

from aecore.foundation.version import __version__ as __version__

if TYPE_CHECKING:
    from aecore.foundation.errors import AecoreError
    from aecore.foundation.progress import ShouldStop
    from aecore.model.recipes import Recipe
    from aecore.session.session import Session
    from aecore.store.folder import RunInfo
    from aecore.training.trainer import OnStep

__all__ = ["AecoreError", "Recipe", "RunInfo", "Session", "open", "recipes", "runs", "train"]

_CLASSES = {
    "AecoreError": "aecore.foundation.errors",
    "Recipe": "aecore.model.recipes",
    "RunInfo": "aecore.store.folder",
    "Session": "aecore.session.session",
}
"""{public class: the module that defines it}"""


def __getattr__(name: str) -> object:
    if name in _CLASSES:
        return getattr(importlib.import_module(_CLASSES[name]), name)
    raise AttributeError(f"module 'aecore' has no attribute {name!r}")


def train(
    recipe: str,
    *,
    name: str = "",
    on_step: "OnStep | None" = None,
    should_stop: "ShouldStop | None" = None,
    **settings: Any,
) -> "Session":
    """Train a recipe and open the run: `train("denoising", dataset="digits", epochs=20, corruption__level=0.5)`.

    `settings` are fields of the run's JSON, with `__` for the dot; see `aecore.model.config.with_settings`. `name` is
    what the run is called. `on_step` is called after every step with the progress; training ends early, and keeps the
    best weights so far, once `should_stop` returns True.

    Raises `BadSettings` for settings that cannot work, and `AecoreError` when training fails; the run is then kept,
    with the reason.
    """
    from aecore.foundation.errors import AecoreError
    from aecore.model.config import with_settings
    from aecore.model.recipes import recipe as find_recipe
    from aecore.session.session import Session
    from aecore.store.store import RunStore
    from aecore.training.run import train as train_run

    store = RunStore()
    config = with_settings(find_recipe(recipe).config, settings)
    run_id = train_run(config, store, on_step, should_stop, name=name)
    info = store.info(run_id)
    if info.state == "failed":
        raise AecoreError(f"{info.reason} (kept as run {run_id})")
    return Session(store, run_id)


def open(run_id: str) -> "Session":
    """Open a run of your own or a ready-made one by its id. Raises `RunUnavailable` when it is missing or damaged."""
    from aecore.session.session import Session
    from aecore.store.store import RunStore

    return Session(RunStore(), run_id)


def runs() -> "list[RunInfo]":
    """List every run, newest first and ready-made ones last; damaged runs are listed too, with the reason."""
    from aecore.store.store import RunStore

    return list(RunStore().runs())


def recipes() -> "dict[str, Recipe]":
    """Return the recipe of every kind of autoencoder, by its name."""
    from aecore.model.recipes import RECIPES

    return dict(RECIPES)
