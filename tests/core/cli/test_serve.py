"""The command app: a free port, the server's start, its end with this process."""

import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aecore.cli import serve
from aecore.store.access import Quotas

SERVER = """
import http.server, sys
port = int(next(a for a in sys.argv if a.startswith("--server.port=")).split("=")[1])
class Ok(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", port), Ok).serve_forever()
"""


@pytest.fixture
def sigterm() -> Iterator[None]:
    """Put this process's own handler of SIGTERM back after the test."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_a_named_port_that_is_taken_fails_in_one_line(command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = command.failure("app", "--no-browser", "--port", str(taken.getsockname()[1]))
    assert "is taken by another program" in line


def test_the_usual_port_taken_means_the_next_one_with_a_word(capsys, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(serve, "PORT", taken.getsockname()[1])
        chosen = serve.free_port("127.0.0.1", None)
    assert chosen > serve.PORT
    assert f"using {chosen}" in capsys.readouterr().out


def test_an_address_of_elsewhere_fails_in_one_line(command):
    assert "not an address of this machine" in command.failure("app", "--host", "192.0.2.1", "--no-browser")


def test_the_front_end_is_found_beside_the_package(monkeypatch, tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "asgi.py").write_text("raise SystemExit('decoy')")
    monkeypatch.chdir(tmp_path)
    assert serve.entry() == Path(serve.__file__).parents[2] / "app" / "asgi.py"


def test_sigterm_ends_the_server_too(tmp_path, monkeypatch, command, sigterm):
    """Once the server answers, the browser opens; ending then leaves neither server nor port behind."""
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    monkeypatch.setattr(
        serve, "_server_command", lambda s, port, host: [sys.executable, script, f"--server.port={port}"]
    )
    opened = list[str]()

    def browse(url: str) -> bool:
        opened.append(url)
        signal.raise_signal(signal.SIGTERM)
        return True

    monkeypatch.setattr(serve.webbrowser, "open", browse)
    port = serve.free_port("127.0.0.1", None)
    text = command("app", "--port", str(port))
    assert opened == [f"http://127.0.0.1:{port}"]
    assert f"ready at http://127.0.0.1:{port}" in text
    assert serve.free_port("127.0.0.1", port) == port


def test_a_server_that_does_not_start_fails(monkeypatch, command, sigterm):
    monkeypatch.setattr(serve, "_server_command", lambda *_: [sys.executable, "-c", "raise SystemExit(3)"])
    assert "could not start (exit code 3)" in command.failure("app", "--no-browser")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables with which the server would be started."""
    found: dict[str, str] = {}
    monkeypatch.setattr(serve, "serve", lambda port, host, browser, settings: found.update(settings))
    return found


def test_the_server_hears_for_whom_it_is_opened(command, served):
    command("app")
    assert served == {}, "the server decides by its address"
    command("app", "--shared", "--allow-host", "school.example", "--allow-host", "[fe80::1]", "--metrics")
    assert served == {
        "AECORE_ACCESS": "shared", "AECORE_ALLOWED_HOSTS": "school.example,[fe80::1]", "AECORE_METRICS": "1"
    }  # fmt: skip
    command("app", "--read-only")
    assert served["AECORE_ACCESS"] == "read-only"
    assert "name one" in command.wrong_usage("app", "--read-only", "--shared")


def test_quotas_are_checked_when_they_are_given(command, served):
    command("app", "--quota", "epochs=50", "--quota", "minutes=2.5")
    given = Quotas.model_validate_json(served["AECORE_QUOTAS"])
    assert given == Quotas(epochs=50, minutes=2.5)
    assert "there is no 'wishes'; it is one of waiting, epochs" in command.wrong_usage("app", "--quota", "wishes=3")
    assert "epochs=many" in command.wrong_usage("app", "--quota", "epochs=many")
    assert "epochs=0" in command.wrong_usage("app", "--quota", "epochs=0")
    text = command("app", "--help")
    assert all(name in text for name in Quotas.model_fields)


@pytest.mark.parametrize("name", ["https://school.example", "school.example:443", "a,b", "*", "", "-x y"])
def test_a_host_is_named_without_anything_else(command, served, name):
    assert "only the name" in command.wrong_usage("app", "--allow-host", name)
