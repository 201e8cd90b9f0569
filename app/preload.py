"""Import modules before a page needs them: those of the first picture before the server starts, the rest in a thread.

Script threads that import a module at once may see it "partially initialized", so they `wait` for the rest instead.
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
_rest.set()  # without a server (tests of pages) nothing is preloaded


def begin() -> None:
    """Import `FIRST` now; import `REST` and load the galleries of the ready-made runs in a thread."""
    for name in FIRST:
        importlib.import_module(name)
    _freeze()
    _rest.clear()
    threading.Thread(target=_load_rest, name="aecore-preload", daemon=True).start()


def wait() -> None:
    """Wait until everything is imported. Only the Start page's showpiece needs no more than `FIRST`."""
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
    # The automatic collector would otherwise scan all imported objects again and again, for 180 ms each time.
    gc.collect()
    gc.freeze()
