"""The ready-made runs: finished, measured with all of today's figures, and small."""

import json
import shutil
from pathlib import Path

import pytest

from aecore.cli import ready_made
from aecore.store.store import RunStore

ASSETS = Path(ready_made.__file__).parents[2] / "assets"


@pytest.fixture
def into(tmp_path):
    """A folder of assets with one run, whose figures are gone."""
    shutil.copytree(ASSETS / "runs" / "digits-denoising", tmp_path / "runs" / "digits-denoising")
    path = tmp_path / "runs" / "digits-denoising" / "status.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "metrics": {"from_elsewhere": 1.0}, "created": 99.0}))
    return tmp_path


def test_measuring_brings_old_runs_new_figures_and_leaves_the_rest(into):
    (entry,) = [entry for entry in ready_made.READY_MADE if entry.run_id == "digits-denoising"]
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
    assert (info.state, info.name, info.config.recipe) == ("finished", entry.name, entry.recipe)
    assert {"test_sse", "noise_r2", "probe_accuracy", "pixels_probe_accuracy"} <= info.status.metrics.keys()
    assert ("probe_accuracy_corrupted" in info.status.metrics) == (info.config.corruption.level > 0)


def test_they_stay_small():
    files = [path for name in ("runs", "maps") for path in (ASSETS / name).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 20_000_000
