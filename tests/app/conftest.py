"""Fixtures of the tests of pages: a home with a few tiny trained runs, and a page opened as a visitor opens it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from reading import OpenPage
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

import aecore
from aecore.store.store import RunStore
from app import cache

MAIN = Path(__file__).parents[2] / "app" / "main.py"
RECIPES = {"denoising": "Tiny denoiser", "variational": "Tiny VAE"}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with one tiny run of each recipe in `RECIPES`, trained once; every test that asks for `home` has it."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AECORE_HOME", str(folder))
        cache.forget()
        for recipe, name in RECIPES.items():
            aecore.train(recipe, name=name, dataset="digits", epochs=3, threads=1)
        yield folder
    cache.forget()


@pytest.fixture
def home(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`AECORE_HOME` with the tiny runs. Shared: a test that changes runs makes its own with `empty_home`."""
    monkeypatch.setenv("AECORE_HOME", str(trained))
    return trained


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of this test alone, without runs; the caches that remember the other home are emptied around it."""
    monkeypatch.setenv("AECORE_HOME", str(tmp_path))
    cache.forget()
    yield tmp_path
    cache.forget()


@pytest.fixture(scope="session")
def trained_ids(trained: Path) -> dict[str, str]:
    infos = RunStore(trained).runs()  # once, since a new store checks the weights of all runs
    return {info.config.recipe: info.run_id for info in infos if info.config is not None and not info.builtin}


@pytest.fixture
def run_ids(home: Path, trained_ids: dict[str, str]) -> dict[str, str]:
    """{recipe: run id} of the tiny runs."""
    return trained_ids


@pytest.fixture
def open_page() -> OpenPage:
    """`open_page("denoise", run=…, level=…)`: that page of the real app, as a link with these parameters opens it.

    `held` is the visit's session state before.
    """

    def open_(name: str, *, held: Mapping[str, object] | None = None, **parameters: object) -> AppTest:
        page = AppTest.from_file(MAIN, default_timeout=60)
        for key, value in (held or {}).items():
            page.session_state[key] = value
        for key, value in parameters.items():
            page.query_params[key] = str(value)
        if name != "start":
            # `switch_page` knows a page's `url_path` only after a first run, which would draw Start for every test.
            page._page_hash = calc_hash(name)
        return page.run()

    return open_
