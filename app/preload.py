"""What pages need, loaded before a page needs it: the first picture's part before the server answers, the rest behind.

Script threads race on first imports ("partially initialized module"), so none may import: they `wait` for the rest.
"""

import gc
import importlib
import threading

from app import cache

FIRST = (
    "pandas",
    "pyarrow",
    "plotly.graph_objects",
    "PIL.Image",
    "aecore.maps.fit",
    "aecore.pictures.uploads",
    "aecore.store.archive",
)
REST = (
    "sklearn.datasets",
    "scipy.ndimage",
    "scipy.linalg",
    "scipy.spatial.distance",
    "sklearn.manifold",
    "sklearn.neighbors",
    "sklearn.mixture",
)
_rest = threading.Event()
_rest.set()  # without a server (tests of pages) nobody loads anything ahead


def begin() -> None:
    """Loads the first part at once and the rest, with the galleries of all runs, in a thread."""
    for name in FIRST:
        importlib.import_module(name)
    _freeze()
    _rest.clear()
    threading.Thread(target=_load_rest, name="aecore-preload", daemon=True).start()


def wait() -> None:
    """Returns when everything is loaded. Only what the Start page's showpiece needs can do without."""
    _rest.wait()


def _load_rest() -> None:
    try:
        for name in REST:
            importlib.import_module(name)
    finally:
        _rest.set()
    cache.warm()
    _freeze()


def _freeze() -> None:
    # The automatic collector would otherwise go through all that was imported, again and again: 180 ms each time.
    gc.collect()
    gc.freeze()
