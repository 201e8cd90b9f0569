"""Starts the front end as a server process of its own and looks after it; the front end is never imported here."""

import contextlib
import ctypes
import errno
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from aecore.foundation.errors import AecoreError

PORT = 8501
PORTS_TRIED = 50
READY_SECONDS = 120.0
TICK_SECONDS = 0.05
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_PR_SET_PDEATHSIG = 1


class _Asked(Exception):
    """SIGTERM, or its like, asked this process to end."""


def entry() -> Path:
    """Return the path of `app/asgi.py`, found relative to this file: the working folder may hold another `app.py`."""
    return Path(__file__).parents[2] / "app" / "asgi.py"


def launch(port: int | None = None, host: str = "127.0.0.1", browser: bool = True) -> None:
    """Serves the app until Ctrl-C or SIGTERM, then ends the server too; prints its address once it answers.

    Without a `port`, the first free one from 8501 on. Raises `AecoreError` when the named port is taken, the host is
    not one of this machine, the front end is not installed, or the server ends by itself.
    """
    script = entry()
    if not script.is_file():
        raise AecoreError(f"the front end is not installed: {script} is missing; install the program again")
    chosen = free_port(host, port)
    signal.signal(signal.SIGTERM, _on_signal)
    child = subprocess.Popen(_command(script, chosen, host), preexec_fn=_end_with_parent())
    try:
        _await_ready(child, host, chosen)
        _announce(host, chosen, browser)
        code = child.wait()
        raise AecoreError(f"the server ended by itself (exit code {code}); its last lines above say why")
    except (KeyboardInterrupt, _Asked):
        print("The server has ended.", flush=True)
    finally:
        _end(child)


def free_port(host: str, port: int | None) -> int:
    """`port` if it can be listened on at `host`, else the first from 8501 on that can; see `launch`."""
    for candidate in range(PORT, PORT + PORTS_TRIED) if port is None else (port,):
        if _is_free(host, candidate):
            if port is None and candidate != PORT:
                print(f"Port {PORT} is taken by another program; using {candidate}.", flush=True)
            return candidate
    if port is None:
        raise AecoreError(f"ports {PORT} to {PORT + PORTS_TRIED - 1} are all taken; name a free one with --port")
    raise AecoreError(f"port {port} is taken by another program; name another, or leave --port out to get a free one")


def _is_free(host: str, port: int) -> bool:
    """Whether a server could listen there; also False where the system reserves the port."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            if os.name == "posix":  # a connection that has just ended must not make the port look taken
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            return False
        why = error.strerror
        raise AecoreError(f"host {host!r} is not an address of this machine ({why}); leave --host out") from None
    return True


def _command(script: Path, port: int, host: str) -> list[str]:
    # -P: a streamlit.py or app.py in the working folder must not be found first.
    options = {
        "server.port": port, "server.address": host, "server.headless": "true", "browser.gatherUsageStats": "false",
        "logger.hideWelcomeMessage": "true",
    }  # fmt: skip
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-P", "-m", "streamlit", "run", str(script), *flags]


def _end_with_parent() -> Callable[[], None] | None:
    """Linux: the server gets SIGTERM also when this process is killed without a chance to say so."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)  # loaded here, because between fork and exec as little as possible should happen
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _on_signal(number: int, frame: FrameType | None) -> None:
    raise _Asked


def _await_ready(child: "subprocess.Popen[bytes]", host: str, port: int) -> None:
    limit = time.monotonic() + READY_SECONDS
    while not _healthy(WILDCARDS.get(host, host), port):
        if child.poll() is not None:
            code = child.returncode
            raise AecoreError(f"the server could not start (exit code {code}); its last lines above say why")
        if time.monotonic() > limit:
            waited = f"{READY_SECONDS:.0f} seconds"
            raise AecoreError(f"the server did not answer within {waited}; the machine may be busy, try again")
        time.sleep(TICK_SECONDS)


def _healthy(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _announce(host: str, port: int, browser: bool) -> None:
    shown = WILDCARDS.get(host, host)
    url = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
    others = f" (for others in this network: http://{socket.gethostname()}:{port})" if host in WILDCARDS else ""
    print(f"The app is ready at {url}{others} (Ctrl-C ends it)", flush=True)
    if browser and not webbrowser.open(url):
        print("No browser could be opened from here; copy the address into one.", flush=True)


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Asks the server to end and sees to it, also when the impatient press Ctrl-C again."""
    with contextlib.suppress(KeyboardInterrupt, _Asked, subprocess.TimeoutExpired):
        child.terminate()
        child.wait(timeout=10)
    if child.poll() is None:
        child.kill()
        child.wait()
