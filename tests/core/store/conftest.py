"""What tests of the store share."""

import shutil

import pytest


@pytest.fixture
def copied(store, trained):
    """A store of this test alone with a copy of the trained run; (store, run id, folder)."""
    origin, run_id = trained
    folder = store.root / "runs" / run_id
    shutil.copytree(origin.folder(run_id), folder)
    return store, run_id, folder
