"""The wheel holds the whole program, which starts from any folder and leaves nothing behind."""

import json
import os
import socket
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest
from hatchling.build import build_wheel
from server import END_SECONDS, await_health, free_port, server
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

ROOT = Path(__file__).parents[2]
READY_MADE = {"digits-denoising", "digits-variational", "digits-deep", "patterns-variational"}
DECOYS = ("app.py", "cache.py", "state.py", "aecore.py", "streamlit.py", "torch.py")


def files_of(folder: str, inside: str = "") -> set[str]:
    """The files of a folder of the checkout, by the names that they should have in the wheel."""
    found = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {(inside or folder) + "/" + path.relative_to(ROOT / folder).as_posix() for path in found}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)  # hatchling builds the project of the working folder
        return out / build_wheel(str(out))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files as pip unpacks them, without the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A working folder of decoys: files with names that the program imports, each of which ends it when imported."""
    folder = tmp_path / "work"
    folder.mkdir()
    for name in DECOYS:
        (folder / name).write_text(f"raise SystemExit('{name} of the working folder was imported')")
    return folder


@pytest.fixture
def env(installed: Path, tmp_path: Path) -> Mapping[str, str]:
    """An environment whose `PYTHONPATH` finds the installed program before any editable install of the checkout."""
    return {**os.environ, "PYTHONPATH": str(installed), "AECORE_HOME": str(tmp_path / "home")}


def first_page(url: str) -> tuple[str, str]:
    """The light theme's accent colour and everything that the start page draws, as a browser receives them."""
    request = BackMsg()
    request.rerun_script.query_string = ""
    with connect(url.replace("http", "ws") + "/_stcore/stream", subprotocols=["streamlit"], origin=url, max_size=None,
                 proxy=None) as socket_:  # fmt: skip
        socket_.send(request.SerializeToString())
        colour, drawn = "", ""
        while True:
            message = ForwardMsg.FromString(bytes(socket_.recv(timeout=60)))
            match message.WhichOneof("type"):
                case "new_session":
                    colour = message.new_session.custom_theme.light.primary_color
                case "delta":
                    drawn += str(message.delta.new_element)
                case "script_finished":
                    return colour, drawn
                case _:
                    pass


# --- what is in the wheel


def test_the_wheel_holds_the_program_and_its_data_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    source = {name for name in files_of("app") if name.startswith("app/live/frontend/")}
    assert names == files_of("aecore") | files_of("app") - source | files_of("assets", "aecore/_assets")
    assert any(name.endswith(".wasm.gz") for name in names), "the runtime of the live pages comes with it"
    assert {"app/.streamlit/config.toml", "app/style.css", "app/icon.png", "app/views/walk/filmstrip.css"} <= names


def test_the_wheel_knows_its_command_licence_and_readme(wheel):
    with zipfile.ZipFile(wheel) as archive:
        about = {name.rsplit("/", 1)[-1]: name for name in archive.namelist() if ".dist-info/" in name}
        assert "aecore = aecore.cli.parser:main" in archive.read(about["entry_points.txt"]).decode()
        assert (ROOT / "LICENSE").read_bytes() == archive.read(about["LICENSE"])
        assert (ROOT / "README.md").read_text(encoding="utf-8") in archive.read(about["METADATA"]).decode()


# --- the installed program


def test_ready_made_runs_come_with_it(env, work):
    done = subprocess.run(
        [sys.executable, "-P", "-m", "aecore", "list", "--json"],
        cwd=work, env=env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    runs = {run["run_id"]: run for run in json.loads(done.stdout)}
    assert runs.keys() >= READY_MADE
    assert all(run["builtin"] and run["explorable"] for run in runs.values())


def test_the_app_starts_from_it_among_decoys_and_leaves_nothing_running(installed, env, work, tmp_path):
    home = tmp_path / "home"
    with server(home, cwd=work, env=env, log=tmp_path / "log") as (url, pid):
        running = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        assert any(str(installed / "app" / "asgi.py") in process.cmdline() for process in running)
        colour, drawn = first_page(url)
    output = (tmp_path / "log").read_text()
    assert f"ready at {url}" in output
    assert "Traceback" not in output
    assert colour == "#0f6ab4", "the settings beside the app were not read"
    assert "Explore autoencoders hands-on" in drawn
    assert all(f"run={run_id}" in drawn for run_id in READY_MADE), "the start page offers the ready-made runs"
    assert not [process for process in running if process.is_running()]
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", int(url.rsplit(":", 1)[1])))
    assert {path.name for path in work.iterdir()} == set(DECOYS), "nothing is written into the working folder"


# --- streamlit's own command, and what makes the pages quick

OBSERVED = """
import gc, json, os, signal, sys
from streamlit import config
from streamlit.web import cli
sys.argv = ["streamlit", "run", *sys.argv[1:]]
signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # the server raises its signal again when it has shut down
try:
    cli.main()
finally:
    names = ("runner.postScriptGC", "runner.magicEnabled", "client.showErrorDetails", "browser.gatherUsageStats",
             "server.fileWatcherType", "server.address")
    print(json.dumps({"frozen": gc.get_freeze_count(), "threads": os.environ.get("OMP_NUM_THREADS"),
                      **{name: config.get_option(name) for name in names}}), file=sys.stderr, flush=True)
"""
"""Runs Streamlit's command and prints, when it ends, the settings that were in force."""


def test_streamlit_run_from_another_folder_serves_the_same_app(work, tmp_path):
    port = free_port()
    url, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    without = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    with log.open("wb") as out:
        child = subprocess.Popen(
            [sys.executable, "-P", "-c", OBSERVED, str(ROOT / "app" / "asgi.py"), "--server.port", str(port)],
            cwd=work, stdout=out, stderr=out,
            env={**without, "PYTHONPATH": str(ROOT), "AECORE_HOME": str(tmp_path / "home")},
        )  # fmt: skip
        try:
            await_health(url, child)
            colour, drawn = first_page(url)
        finally:
            child.terminate()
            child.wait(timeout=END_SECONDS)
    output = log.read_text()
    assert "Traceback" not in output, output
    assert colour == "#0f6ab4"
    assert "Explore autoencoders hands-on" in drawn
    setup = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
    assert setup.pop("frozen") > 100_000, "the heap is frozen, or every collection takes 100 ms and more"
    assert setup == {
        "runner.postScriptGC": False,
        "runner.magicEnabled": False,
        "client.showErrorDetails": "none",
        "browser.gatherUsageStats": False,
        "server.fileWatcherType": "none",
        "server.address": "127.0.0.1",
        "threads": "1",
    }
