"""The one folder for runs, caches and downloads, and the folder of what ships with the program."""

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """`AECORE_HOME`, or the platform's user data folder. Read at each call, so `--home` and tests can set it; not
    created.
    """
    named = os.environ.get("AECORE_HOME")
    return Path(named).expanduser().absolute() if named else platformdirs.user_data_path("aecore", appauthor=False)


def assets() -> Path:
    """What ships with the program: `aecore/_assets` in a wheel, `assets` beside the package in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "_assets"
    return inside if inside.is_dir() else package.parent / "assets"
