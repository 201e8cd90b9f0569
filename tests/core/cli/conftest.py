"""What tests of the command line share: a home with one small run, and commands run within the test's own process."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aecore.cli.parser import main
from aecore.session.session import Session
from aecore.store.store import RunStore

TINY = ["--set", "epochs=2", "--set", "backbone.widths=[8]", "--set", "code_dim=3", "--set", "training.threads=1"]


class Command:
    """Runs commands and checks how they end; as a function, returns what a command prints."""

    tiny = TINY
    """Settings of a training that takes a moment."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> str:
        self._capsys.readouterr()
        assert main(arguments) == 0
        return self._capsys.readouterr().out

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))

    def failure(self, *arguments: str) -> str:
        """The only line on stderr of a command that fails."""
        assert main(arguments) == 1
        (line,) = self._capsys.readouterr().err.splitlines()
        return line

    def wrong_usage(self, *arguments: str) -> str:
        """The last line on stderr, below the usage, which click leaves out where an option lacks its value."""
        assert main(arguments) == 2
        printed = self._capsys.readouterr()
        assert printed.out == ""
        *usage, line = printed.err.splitlines()
        assert not usage or usage[0].startswith("Usage: aecore")
        return line


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with one small run called `tiny`, trained by the command line; tests use copies."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AECORE_HOME", "unset")
        assert main(["--home", str(home), "train", "denoising", *TINY, "--name", "tiny"]) == 0
    return home


@pytest.fixture
def home(trained_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that home; the working folder is an empty one."""
    shutil.copytree(trained_home, tmp_path / "home")
    monkeypatch.setenv("AECORE_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


@pytest.fixture
def tiny(home: Path) -> Session:
    """The small run, opened."""
    return Session(RunStore(), next(info.run_id for info in RunStore().runs() if info.name == "tiny"))


@pytest.fixture
def read() -> Callable[[str], np.ndarray]:
    """`read(path)`: the pixels of a picture file."""

    def pixels(path: str) -> np.ndarray:
        with Image.open(path) as image:
            return np.asarray(image)

    return pixels
