"""The ready-made runs: measured with all figures of today, and known to the maps that ship with them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aecore.cli import ready_made
from aecore.maps import cache as map_cache
from aecore.maps.atlas import atlas
from aecore.session.session import Session
from aecore.store.store import RunStore

ASSETS = Path(ready_made.__file__).parents[2] / "assets"
DIGITS = [entry for entry in ready_made.READY_MADE if entry.run_id.startswith("digits-")]


@pytest.fixture
def into(tmp_path):
    """A folder of assets with one run, whose figures are gone."""
    shutil.copytree(ASSETS / "runs" / "digits-denoising", tmp_path / "runs" / "digits-denoising")
    path = tmp_path / "runs" / "digits-denoising" / "status.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "metrics": {"from_elsewhere": 1.0}, "created": 99.0}))
    return tmp_path


def test_measuring_brings_old_runs_new_figures_and_leaves_the_rest(into):
    (entry,) = [entry for entry in DIGITS if entry.run_id == "digits-denoising"]
    folder, shipped = into / "runs" / entry.run_id, ASSETS / "runs" / entry.run_id
    before = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".json"}
    ready_made.measure(entry, into)
    assert before == {path.name: path.read_bytes() for path in folder.rglob("*") if path.name in before}
    now, then = (json.loads((place / "status.json").read_text()) for place in (folder, shipped))
    assert now["metrics"].pop("from_elsewhere") == 1.0
    assert now["metrics"] == pytest.approx(then["metrics"], abs=0.01)
    assert now["created"] == ready_made.READY_MADE.index(entry)


@pytest.mark.parametrize("entry", ready_made.READY_MADE, ids=lambda entry: entry.run_id)
def test_shipped_runs_have_their_figures(entry, tmp_path):
    info = RunStore(tmp_path, ASSETS / "runs").info(entry.run_id)
    assert {"test_sse", "noise_r2", "probe_accuracy", "pixels_probe_accuracy"} <= info.status.metrics.keys()
    assert ("probe_accuracy_corrupted" in info.status.metrics) == (info.config.corruption.level > 0)


@pytest.mark.parametrize("entry", DIGITS, ids=lambda entry: entry.run_id)
def test_maps_of_shipped_runs_are_found(entry, tmp_path, monkeypatch):
    monkeypatch.setattr(map_cache, "fit_map", lambda *_: pytest.fail("a map that should ship is fitted anew"))
    assert len(atlas(Session(RunStore(tmp_path, ASSETS / "runs"), entry.run_id))) == 1000


def test_listing_them_loads_no_compiler(tmp_path):
    """Models are built on no device to check weights; normal random numbers there load torch's compiler: a second."""
    program = (
        "import sys; from aecore.store.store import RunStore; "
        "assert all(info.state == 'finished' for info in RunStore().runs()); print('torch._dynamo' in sys.modules)"
    )
    env = {**os.environ, "AECORE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_they_stay_small():
    files = [path for name in ("runs", "maps") for path in (ASSETS / name).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 20_000_000
