"""README promises only what is there: its lines run, its pictures and files exist, its kinds are all kinds."""

import ast
import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from aecore.cli.parser import cli, main
from aecore.model.recipes import RECIPES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    return [text for name, text in fenced if name == language]


def command_lines() -> list[list[str]]:
    """The arguments of every `aecore …` in a shell block (chains taken apart) and in the text."""
    parts = [part for block in blocks("sh") for line in block.splitlines() for part in line.split("&&")]
    inline = [text for text in re.findall(r"`([^`\n]+)`", README) if "COMMAND" not in text]
    found = [shlex.split(part, comments=True) for part in [*parts, *inline] if part.split()[:1] == ["aecore"]]
    return [words[1:] for words in found]


def layout() -> dict[str, list[str]]:
    """{top folder: the entries that the layout tree names in it}."""
    (tree,) = blocks("")
    found: dict[str, list[str]] = {}
    folder = ""
    for line in tree.splitlines():
        name = line.split()[0]
        if not line.startswith(" "):
            folder = name
            found[folder] = []
        elif line.startswith("  ") and line[2] != " ":
            found[folder].append(name)
    return found


def examples() -> list[str]:
    """The blocks of Python in README, and those in the documentation of the modules that it sends a reader to."""
    found = blocks("python")
    for path in ("aecore/estimator.py", "aecore/session/onnx_cache.py"):
        text = ast.get_docstring(ast.parse((ROOT / path).read_text(encoding="utf-8")), clean=False) or ""
        indented = re.findall(r"(?:^    .*\n|^\n)+", text + "\n", flags=re.MULTILINE)
        found += [
            textwrap.dedent(block).strip() + "\n"
            for block in indented
            if block.strip().startswith(("import ", "from "))
        ]
    return found


CHECKS = {
    "import aecore": """
assert session.info.explorable
assert len(values) == len(images) and images.shape[1:] == session.shape
assert abs(images[0] - images[-1]).max() > 0.1, "the most effective unit changes the picture"
""",
    "from sklearn": "assert accuracy > 0.9",
    "import numpy": """
import sys
assert pictures.shape == (8, 1, 8, 8) and 0 <= pictures.min() < pictures.max() <= 1
assert not {"aecore", "torch"} & set(sys.modules)
""",
}
"""What holds after each block of Python, by how the block begins."""
BEFORE = {"import numpy": ["export", "digits-variational", "decoder.onnx"]}
"""The command, one of README's own, that makes what a block reads."""


@pytest.mark.parametrize("code", examples(), ids=lambda code: code.split("\n")[0])
def test_the_python_example_runs_as_it_stands(tmp_path, monkeypatch, code):
    (check,) = (check for beginning, check in CHECKS.items() if code.startswith(beginning))
    for words in (words for beginning, words in BEFORE.items() if code.startswith(beginning)):
        assert words in command_lines()
        monkeypatch.chdir(tmp_path)
        assert main(words) == 0
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code + check],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_there_are_examples_and_commands_to_check():
    assert len(examples()) == len(CHECKS)
    assert {words[0] for words in command_lines()} >= {"app", "train", "walk", "embed", "recipes"}


@pytest.mark.parametrize("words", command_lines(), ids=" ".join)
def test_every_command_is_understood(words):
    """Parsed and not run; RUN and the like stand for a value. Wrong usage raises."""
    name, *rest = words
    with cli.make_context("aecore", [name]) as context:
        assert cli.commands[name].make_context(name, rest, context).params is not None


def test_every_kind_is_named():
    named = re.findall(r"^\| `(\w+)` \|", README, flags=re.MULTILINE)
    assert named == list(RECIPES)


def test_every_page_is_named():
    named = re.findall(r"^\| \*\*(\w+)\*\* \|", README, flags=re.MULTILINE)
    views = {path.parent.name for path in (ROOT / "app" / "views").glob("*/page.py")}
    assert {name.lower() for name in named} == views


@pytest.mark.parametrize("target", re.findall(r"!?\[[^\]]*\]\(([^)#]+)\)", README))
def test_every_picture_and_link_leads_somewhere(target):
    assert target.startswith("https://") or (ROOT / target).is_file()


@pytest.mark.parametrize(("folder", "names"), layout().items())
def test_the_layout_names_what_is_there(folder, names):
    assert (ROOT / folder).is_dir()
    assert [name for name in names if not (ROOT / folder / name).exists()] == []


def test_the_layout_names_every_room_of_the_core():
    rooms = {path.name + "/" for path in (ROOT / "aecore").iterdir() if (path / "__init__.py").is_file()}
    assert rooms <= set(layout()["aecore/"])


def test_the_readme_fits_three_screens():
    assert README.count("\n") <= 150
