"""The server, with preloading, routes and the training queue. `aecore app` and `streamlit run app/asgi.py` start it."""

import contextlib
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

# Set before torch is imported: a request is one small decode, and a second thread would only make the others wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import streamlit as st
import torch

from aecore.training.queue import Runner
from app import cache, preload
from app.routes import routes

HERE = Path(__file__).parent


@contextlib.asynccontextmanager
async def lifespan(app: st.App) -> AsyncGenerator[dict[str, Any] | None]:
    """Preload modules and run the training queue while the server runs."""
    torch.set_num_threads(1)
    preload.begin()
    runner = Runner(cache.all_runs())
    runner.start()
    try:
        yield None
    finally:
        runner.close()
        cache.map_jobs().close()


app = st.App(HERE / "main.py", lifespan=lifespan, routes=routes(st.get_option("server.baseUrlPath")))
