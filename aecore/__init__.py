"""Train autoencoders and explore their latent space: `aecore.train(…)`, `aecore.open(…)`, `aecore.runs()`,
`aecore.recipes()`.
"""

from aecore.api import AecoreError, Recipe, RunInfo, Session, open, recipes, runs, train

__all__ = ["AecoreError", "Recipe", "RunInfo", "Session", "open", "recipes", "runs", "train"]
__version__ = "0.1.0"
