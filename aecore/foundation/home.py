"""The home folder of runs, caches and downloads, and the folder of assets that ship with the program."""

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """Return the home folder: `AECORE_HOME`, or a folder in the platform's user data; it may not exist yet.

    The variable is read at each call, so that `--home` and tests can set it.
    """
    path = os.environ.get("AECORE_HOME")
    return Path(path).expanduser().absolute() if path else platformdirs.user_data_path("aecore", appauthor=False)


def assets() -> Path:
    """Return the assets' folder: `aecore/_assets` in a wheel, `assets` beside the package in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "_assets"
    return inside if inside.is_dir() else package.parent / "assets"
