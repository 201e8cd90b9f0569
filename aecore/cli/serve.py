"""The command `app`: start the front end as a server process of its own, and end it. This process never imports it."""

import contextlib
import ctypes
import errno
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

import click

from aecore.cli.options import Number, command
from aecore.foundation.errors import AecoreError
from aecore.foundation.home import check_home

PORT = 8501
PORTS_TRIED = 50
READY_SECONDS = 120.0
POLL_SECONDS = 0.05
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""{address that listens on every interface: the address at which this machine then reaches the server}"""
_NAME = re.compile(r"[\w-][\w.-]*|\[?[0-9A-Fa-f]*:[0-9A-Fa-f:.]+\]?")
_PR_SET_PDEATHSIG = 1  # of Linux's prctl


class _Terminated(Exception):
    """Raised in the main thread when SIGTERM arrives."""


class _QuotaOption(click.Option):
    """Lists the quotas in the help. They are read only then: their class needs a library that takes a while to load."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        from aecore.store.access import Quotas

        names = ", ".join(f"{name} ({field.default})" for name, field in Quotas.model_fields.items())
        self.help = f"a limit of each guest; repeatable: {names}"
        return super().get_help_record(ctx)


@command("app", "aecore app --port 8600 --no-browser", "aecore app --host 0.0.0.0 --quota epochs=50")
@click.option("--port", type=Number(1, 65535, "port"), help="exactly this port (default: the first free one from 8501)")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="address to serve at; 0.0.0.0 for the whole network",
)
@click.option("--no-browser", is_flag=True, help="only print the address")
@click.option(
    "--shared", is_flag=True, help="others come too: they are guests, and a link makes a browser the teacher's"
)
@click.option("--read-only", is_flag=True, help="visitors look and play; nothing is written")
@click.option(
    "--allow-host",
    "hosts",
    metavar="NAME",
    multiple=True,
    help="a name at which a proxy or the network's own table serves this; repeatable",
)
@click.option("--quota", "quotas", metavar="NAME=VALUE", multiple=True, cls=_QuotaOption)
@click.option("--metrics", is_flag=True, help="open /_stcore/metrics to everybody: visits, caches, memory")
def app(
    port: int | None,
    host: str,
    no_browser: bool,
    shared: bool,
    read_only: bool,
    hosts: tuple[str, ...],
    quotas: tuple[str, ...],
    metrics: bool,
) -> None:
    """Open the program in a browser. A latent space is understood by moving through it.

    Alone on this machine, everything is allowed. With another --host, with --allow-host or with --shared, visitors are
    guests: they see the ready-made runs, what is shared with them and their own.
    """
    if shared and read_only:
        raise click.UsageError("--shared/--read-only: name one; with --read-only nobody can train or change anything")
    for name in hosts:
        if not _NAME.fullmatch(name):
            raise click.UsageError(f"--allow-host {name}: only the name, without https://, port and path")
    settings = {
        "AECORE_ACCESS": "read-only" if read_only else "shared" if shared else "",  # else the server decides
        "AECORE_ALLOWED_HOSTS": ",".join(hosts),
        "AECORE_QUOTAS": _checked(quotas),
        "AECORE_METRICS": "1" if metrics else "",
    }
    serve(port, host, not no_browser, {name: value for name, value in settings.items() if value})


def _checked(given: tuple[str, ...]) -> str:
    """Return quotas as JSON. Raises `UsageError` where a name or a value is none."""
    if not given:
        return ""
    import pydantic

    from aecore.store.access import Quotas

    values = dict[str, object]()
    for text in given:
        name, _, value = text.partition("=")
        values[name.strip()] = value.strip()
    try:
        return Quotas.model_validate(values).model_dump_json()
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        name = first["loc"][0] if first["loc"] else ""
        if name not in Quotas.model_fields:
            raise click.UsageError(
                f"--quota: there is no {name!r}; it is one of {', '.join(Quotas.model_fields)}"
            ) from None
        raise click.UsageError(f"--quota {name}={values.get(str(name))}: {first['msg']}") from None


def serve(
    port: int | None = None, host: str = "127.0.0.1", browser: bool = True, settings: Mapping[str, str] | None = None
) -> None:
    """Serve the app until Ctrl-C or SIGTERM, then end the server. Prints the address once the server answers.

    Without `port`, takes the first free one from 8501 on; `settings` are environment variables of the server.
    Raises `AecoreError` when the given port is taken, `host` is not an address of this machine, the front end is
    not installed, or the server ends by itself.
    """
    check_home()
    script = entry()
    if not script.is_file():
        raise AecoreError(f"the front end is not installed: {script} is missing; install the program again")
    chosen = free_port(host, port)
    signal.signal(signal.SIGTERM, _raise_terminated)
    # glibc would keep freed memory apart for each of the many threads that draw pages.
    environment = {"MALLOC_ARENA_MAX": "2", **os.environ, **(settings or {})}
    command = _server_command(script, chosen, host)
    server = subprocess.Popen(command, preexec_fn=_die_with_parent(), env=environment)
    try:
        _wait_until_ready(server, host, chosen)
        _announce(host, chosen, browser)
        code = server.wait()
        raise AecoreError(f"the server ended by itself (exit code {code}); its last lines above say why")
    except (KeyboardInterrupt, _Terminated):
        print("The server has ended.", flush=True)
    finally:
        _end(server)


def entry() -> Path:
    """Return the path of `app/asgi.py`, found relative to this file: the working folder may hold another `app.py`."""
    return Path(__file__).parents[2] / "app" / "asgi.py"


def free_port(host: str, port: int | None) -> int:
    """Return `port` if a server can listen on it at `host`; without `port`, the first such port from 8501 on.

    Raises `AecoreError` when there is none.
    """
    for candidate in range(PORT, PORT + PORTS_TRIED) if port is None else (port,):
        if _is_free(host, candidate):
            if port is None and candidate != PORT:
                print(f"Port {PORT} is taken by another program; using {candidate}.", flush=True)
            return candidate
    if port is None:
        raise AecoreError(f"ports {PORT} to {PORT + PORTS_TRIED - 1} are all taken; name a free one with --port")
    raise AecoreError(f"port {port} is taken by another program; name another, or leave --port out to get a free one")


def _is_free(host: str, port: int) -> bool:
    """Return whether a server could listen there: False where the port is taken, or reserved by the system."""
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


def _server_command(script: Path, port: int, host: str) -> list[str]:
    # -P: a streamlit.py or app.py in the working folder must not be found first.
    settings = {
        "server.port": port, "server.address": host, "server.headless": "true", "browser.gatherUsageStats": "false",
        "logger.hideWelcomeMessage": "true",
    }  # fmt: skip
    flags = [f"--{name}={value}" for name, value in settings.items()]
    return [sys.executable, "-P", "-m", "streamlit", "run", str(script), *flags]


def _die_with_parent() -> Callable[[], None] | None:
    """Return a function for the child to call between fork and exec. On Linux the server then gets SIGTERM even when
    this process is killed and cannot end it; elsewhere None.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)  # loaded here, because as little as possible should happen between fork and exec
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _raise_terminated(number: int, frame: FrameType | None) -> None:
    raise _Terminated


def _wait_until_ready(server: "subprocess.Popen[bytes]", host: str, port: int) -> None:
    """Wait until the server answers. Raises `AecoreError` when it ends first, or does not answer in time."""
    limit = time.monotonic() + READY_SECONDS
    while not _healthy(WILDCARDS.get(host, host), port):
        if server.poll() is not None:
            code = server.returncode
            raise AecoreError(f"the server could not start (exit code {code}); its last lines above say why")
        if time.monotonic() > limit:
            waited = f"{READY_SECONDS:.0f} seconds"
            raise AecoreError(f"the server did not answer within {waited}; the machine may be busy, try again")
        time.sleep(POLL_SECONDS)


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
    """Print the address of the app and open it in the browser."""
    local = WILDCARDS.get(host, host)
    url = f"http://[{local}]:{port}" if ":" in local else f"http://{local}:{port}"
    others = f" (for others in this network: http://{socket.gethostname()}:{port})" if host in WILDCARDS else ""
    print(f"The app is ready at {url}{others} (Ctrl-C ends it)", flush=True)
    if browser and not webbrowser.open(url):
        print("No browser could be opened from here; copy the address into one.", flush=True)


def _end(server: "subprocess.Popen[bytes]") -> None:
    """End the server: SIGTERM first, SIGKILL after ten seconds or on a second Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt, _Terminated, subprocess.TimeoutExpired):
        server.terminate()
        server.wait(timeout=10)
    if server.poll() is None:
        server.kill()
        server.wait()
