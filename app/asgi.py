"""The server: preload, frozen heap, the job runner. `aecore app` and `streamlit run app/asgi.py` start it."""

import contextlib
import gc
import importlib
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

# Before torch is loaded: a request is one small decode, and a second thread per request only makes the others wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import streamlit as st

from aecore.jobs import Runner
from app import cache

HERE = Path(__file__).parent
# Script threads race on first imports, so everything that a page needs is loaded before the first visitor.
PRELOAD = (
    "pandas",
    "pyarrow",
    "plotly.graph_objects",
    "PIL.Image",
    "scipy.ndimage",
    "scipy.linalg",
    "scipy.spatial.distance",
    "sklearn.manifold",
    "sklearn.neighbors",
    "sklearn.mixture",
    "aecore.maps",
    "aecore.intake",
    "aecore.travel",
)


@contextlib.asynccontextmanager
async def lifespan(app: st.App) -> AsyncGenerator[dict[str, Any] | None]:
    for name in PRELOAD:
        importlib.import_module(name)
    cache.warm()
    runner = Runner(cache.store())
    runner.start()
    gc.collect()
    gc.freeze()
    try:
        yield None
    finally:
        runner.close()


app = st.App(HERE / "main.py", lifespan=lifespan)
