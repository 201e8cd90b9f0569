"""The home folder of runs, caches and downloads, and the folder of assets that ship with the program."""

import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import platformdirs

from aecore.foundation.errors import AecoreError, words_of
from aecore.foundation.leftovers import remove_abandoned, writer


def home() -> Path:
    """Return the home folder: `AECORE_HOME`, or a folder in the platform's user data; it may not exist yet.

    The variable is read at each call, so that `--home` and tests can set it.
    """
    path = os.environ.get("AECORE_HOME")
    return Path(path).expanduser().absolute() if path else platformdirs.user_data_path("aecore", appauthor=False)


def check_home() -> None:
    """Raise `AecoreError` where nothing can work, because the home or something above it is a file."""
    for place in (home(), *home().parents):
        if os.path.isdir(place):  # unlike `Path.is_dir`, never raises
            return
        if os.path.exists(place):
            raise AecoreError(f"{place} is a file, so the program's folder cannot be there; give another one (--home)")


def cache_home() -> Path:
    """Return the folder of all caches: `AECORE_CACHE`, or `cache` in the home folder; it may not exist yet."""
    path = os.environ.get("AECORE_CACHE")
    return Path(path).expanduser().absolute() if path else home() / "cache"


@contextlib.contextmanager
def server_cache(read_only: bool = False) -> Generator[None]:
    """Let this process and its children cache in a temporary folder, if the home is `read_only` or cannot be written.

    An `AECORE_CACHE` that is set already is kept.
    """
    why = "" if read_only or os.environ.get("AECORE_CACHE") else _why_not_writable(cache_home())
    if os.environ.get("AECORE_CACHE") or not (read_only or why):
        yield
        return
    if why:
        logging.getLogger(__name__).warning("nothing can be kept in the home folder: %s", why)
    for left in Path(tempfile.gettempdir()).glob("aecore-cache-*"):
        remove_abandoned(left)
    folder = tempfile.mkdtemp(prefix=f"aecore-cache-{writer()}-")
    os.environ["AECORE_CACHE"] = folder
    try:
        yield
    finally:
        del os.environ["AECORE_CACHE"]
        shutil.rmtree(folder, ignore_errors=True)


def _why_not_writable(folder: Path) -> str:
    """Say why no file can be written into the folder; empty if one can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(2**16))
    except OSError as error:
        return words_of(error)
    return ""


def assets() -> Path:
    """Return the assets' folder: `aecore/_assets` in a wheel, `assets` beside the package in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "_assets"
    return inside if inside.is_dir() else package.parent / "assets"
