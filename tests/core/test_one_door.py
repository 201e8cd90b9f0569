"""A run's images are read through one door: its settings may come from elsewhere and name any file."""

import ast
from pathlib import Path

import pytest
from test_structure import FILES, ROOT, calls, imports, name_of

DOOR = "aecore.store.run_data"
DOWNLOAD = "aecore.parts.download"
LOADERS = {
    DOOR,
    DOWNLOAD,  # a dataset that a page offers
    "aecore.cli.list",  # datasets by their kind, and those of the settings of a new training
    "app.views.train.setup",  # as parts.download
}
"""Modules that load a dataset; none has that of a run that exists."""
NEW_TRAINING = "aecore.cli.train"
"""Resolves and loads what its own command line names, before there is a run."""


def asks(path: Path) -> list[str]:
    """Calls that resolve or load the dataset of some settings."""
    return [
        f"{path.relative_to(ROOT.parent)}:{call.lineno} {name}"
        for name, call in calls(path)
        if name.rsplit(".", 1)[-1] == "resolved"
        or name.endswith((".dataset.load", ".dataset.cache_token"))
        or (name.rsplit(".", 1)[-1].startswith("load_") and any(".dataset" in ast.unparse(arg) for arg in call.args))
    ]


def test_only_the_door_resolves_and_loads_the_dataset_of_settings():
    found = [line for path in FILES if name_of(path) not in (DOOR, NEW_TRAINING, DOWNLOAD) for line in asks(path)]
    assert not found, f"rule “a run's images are read through {DOOR}”: {'; '.join(found)}"
    assert asks(ROOT / "store" / "run_data.py"), "the check finds what it looks for"
    assert len(asks(ROOT / "cli" / "train.py")) == 2


def test_only_these_modules_load_datasets():
    found = {name_of(path) for path in FILES if "aecore.parts.loading" in imports(path)}
    assert found == LOADERS, f"rule “a run's images are read through {DOOR}”"


@pytest.mark.parametrize("room", ["session", "training"])
def test_both_rooms_that_read_a_runs_images_ask_at_the_door(room):
    assert any(DOOR in imports(path) for path in (ROOT / room).glob("*.py"))
