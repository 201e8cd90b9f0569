"""Every command in tests/benchmarks starts: what it imports exists, and it explains itself."""

import re
import runpy
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
COMMANDS = sorted(path.stem for path in FOLDER.glob("*.py") if "__main__" in path.read_text(encoding="utf-8"))


def test_the_commands_are_found():
    assert {"chromium", "load", "mnist", "soak", "visitors"} <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_explains_itself(name, monkeypatch, capsys):
    """In this process, because each would otherwise load torch again."""
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])

    def run() -> int | str | None:
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
        return ended.value.code

    with ThreadPoolExecutor(1) as thread:  # another thread than that in which the browser tests keep an event loop
        assert not thread.submit(run).result()
    assert f"usage: {name}.py" in capsys.readouterr().out


def test_the_results_name_only_commands_that_exist():
    named = set(re.findall(r"…(\w+)\.py", (FOLDER / "README.md").read_text(encoding="utf-8")))
    assert named
    assert named <= set(COMMANDS)
