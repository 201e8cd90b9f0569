"""The server: the guard, preloading, routes, the training queue. `aecore app`, `streamlit run app/asgi.py` start it."""

import contextlib
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

# Set before torch is imported: a request is one small decode, and a second thread would only make the others wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import streamlit as st
import torch
from starlette.middleware import Middleware

from aecore.foundation.home import home, server_cache
from aecore.training.queue import Runner
from app import cache, preload, visitor
from app.compressed import Compressed
from app.guard import hosts, opening
from app.guard.identity import teacher_secret
from app.guard.middleware import Guard
from app.routes import routes

HERE = Path(__file__).parent
ADDRESS, BASE = str(st.get_option("server.address") or ""), str(st.get_option("server.baseUrlPath") or "")
SITUATION = visitor.from_environment(hosts.is_loopback(ADDRESS))
SECRET = teacher_secret(home()) if SITUATION.access == "shared" else ""
visitor.serve(SITUATION)  # here, not in the lifespan, which a server may leave out


@contextlib.asynccontextmanager
async def lifespan(app: st.App) -> AsyncGenerator[dict[str, Any] | None]:
    """Preload modules and run the training queue while the server runs."""
    torch.set_num_threads(1)
    _raise_open_files()
    with contextlib.ExitStack() as stack:
        stack.enter_context(server_cache(SITUATION.access == "read-only"))
        preload.begin()
        stack.callback(cache.map_jobs().close)
        if SITUATION.access != "read-only":
            runner = Runner(cache.all_runs())
            runner.start()
            stack.callback(runner.close)
        for line in opening.words(SITUATION, ADDRESS, int(st.get_option("server.port")), BASE, SECRET):
            print(line, flush=True)
        yield None


def _raise_open_files() -> None:
    """Let this process open as many files as the system allows: each visit takes a few, and 1024 are soon used up."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


guard = Middleware(
    Guard, situation=SITUATION, address=ADDRESS, base=BASE, home=home(), secret=SECRET,
    upload_megabytes=int(st.get_option("server.maxUploadSize")),
    away_seconds=float(st.get_option("server.disconnectedSessionTTL")),
)  # fmt: skip
compressed = Middleware(Compressed, base=BASE)
app = st.App(HERE / "main.py", lifespan=lifespan, routes=routes(BASE), middleware=[guard, compressed])
