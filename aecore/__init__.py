"""Train autoencoders and explore their latent space.

`aecore.train(…)`, `aecore.open(…)`, `aecore.runs()` and `aecore.recipes()` are all it takes.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aecore.api import AecoreError, Recipe, RunInfo, Session, open, recipes, runs, train

__all__ = ["AecoreError", "Recipe", "RunInfo", "Session", "open", "recipes", "runs", "train"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # On first use (PEP 562), because torch takes a second or two, which `aecore app` and `--help` need not wait for.
    if name in __all__:
        return getattr(importlib.import_module("aecore.api"), name)
    raise AttributeError(f"module 'aecore' has no attribute {name!r}")
