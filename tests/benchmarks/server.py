"""A server of our own for the benchmarks and the browser tests: free port, loopback, ended by its pid."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_SECONDS = 120
END_SECONDS = 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def app_command(home: Path, port: int, *options: str) -> list[str]:
    app = ["app", "--no-browser", "--port", str(port), *options]
    return [sys.executable, "-P", "-m", "aecore", "--home", str(home), *app]


@contextlib.contextmanager
def server(
    home: Path,
    *,
    log: Path | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> Iterator[tuple[str, int]]:
    """`aecore app` of this checkout on a free port; yields its URL and pid once it says that it is healthy.

    What it prints goes to `log`; `options` are those of `aecore app`. With an `env`, the program is whatever that
    environment's `PYTHONPATH` leads to.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(log.open("wb")) if log else None
        child = subprocess.Popen(
            app_command(home, port, *options), cwd=cwd or home, stdout=out or subprocess.DEVNULL, stderr=out,
            env=dict(env) if env is not None else {**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        try:
            await_health(url, child)
            yield url, child.pid
        finally:
            child.terminate()
            child.wait(timeout=END_SECONDS)


def await_health(url: str, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).read()
            return
        if time.monotonic() > deadline or child.poll() is not None:
            raise RuntimeError(f"the server did not start (exit code {child.poll()})")
        time.sleep(0.02)
