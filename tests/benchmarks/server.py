"""A server of our own for the benchmarks: free port, loopback, ended by its pid."""

import contextlib
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def server(home: Path) -> Iterator[tuple[str, int]]:
    """`aecore app` on a free port; yields its URL and pid once it says that it is healthy."""
    port = free_port()
    command = [sys.executable, "-P", "-m", "aecore", "--home", str(home), "app", "--no-browser", "--port", str(port)]
    child = subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).read()
                break
            if time.monotonic() > deadline or child.poll() is not None:
                raise SystemExit("the server did not start")
            time.sleep(0.02)
        yield url, child.pid
    finally:
        child.terminate()
        child.wait(timeout=20)
