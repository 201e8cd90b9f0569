"""The rules of the code's layout: imports are absolute and point one way, no front end and no pickle in the core."""

import ast
import functools
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import aecore
from aecore.model.config import PACKAGES
from aecore.parts.data import Part
from aecore.parts.looking import Embedding, Sampler
from aecore.parts.registry import members

ROOT = Path(aecore.__file__).parent
APP = ROOT.parent / "app"
MODULES = sorted(m.name for m in pkgutil.walk_packages([str(ROOT)], "aecore.") if not m.name.endswith("__main__"))
NAMES = {*MODULES, *(m.name for m in pkgutil.walk_packages([str(ROOT.parent / "app")], "app."))}
FILES = sorted([*ROOT.rglob("*.py"), *APP.rglob("*.py")])
REGISTRIES = {**dict(PACKAGES.values()), "embeddings": Embedding, "samplers": Sampler}
ROOMS: dict[str, set[str]] = {"foundation": set()}
for _room in ("pictures", "parts", "model", "store"):
    ROOMS[_room] = set(ROOMS) - {_room}
ROOMS |= {room: set(ROOMS) for room in ("training", "session")}
ROOMS["maps"] = ROOMS["session"] | {"session"}
ROOMS["cli"] = ROOMS["maps"] | {"maps", "training"}
ROOMS["estimator"] = ROOMS["training"] | {"training"}
ROOMS["__init__"] = ROOMS["session"] | {"session", "training"}
ROOMS["__main__"] = {"cli"}
"""{room of `aecore`: the rooms it may import}; training and session never see each other."""

APP_ROOMS: dict[str, set[str]] = {"visitor": set(), "picture_first": set(), "cache": {"visitor"}, "preload": {"cache"}}
APP_ROOMS["state"] = {"visitor", "cache"}
APP_ROOMS["live"] = {"cache", "state"}
APP_ROOMS["widgets"] = {"visitor", "cache", "state", "picture_first", "live"}
APP_ROOMS["views"] = {*APP_ROOMS}
APP_ROOMS["routes"] = {"visitor", "cache", "live"}
APP_ROOMS["guard"] = {"visitor", "cache", "state"}
APP_ROOMS["main"] = {"visitor", "picture_first", "preload"}
APP_ROOMS["compressed"] = set()
APP_ROOMS["asgi"] = {"visitor", "cache", "compressed", "preload", "routes", "guard"}
"""{room of `app`: the rooms it may import}; `main` runs the pages by their path."""

MAX_FILE_LINES, MAX_FUNCTION_LINES = 330, 50
EXCUSE = "Longer than"
"""A file or function over the limit says why in its docstring or in a comment above its code: "Longer than …: …"."""

PART_HELPERS = {"contracts", "data", "looking", "registry", "networks", "optimiser", "sparse_coding"}
"""Modules of `aecore.parts` that any part may import, besides helpers of its own package (`_name.py`)."""


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


@functools.cache
def imports(path: Path) -> frozenset[str]:
    """Full names of the modules that a file imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name in whole if name in NAMES} or {node.module}
    return frozenset(found)


def run(code: str, folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Runs Python code in `folder`; the child finds this checkout by `PYTHONPATH`, never by its working folder."""
    env = {**os.environ, "PYTHONPATH": str(ROOT.parent), "AECORE_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=folder, env=env, capture_output=True, text=True, timeout=120
    )


# --- separation


def test_no_module_of_the_core_loads_the_front_end_or_a_compiler(tmp_path):
    code = (
        f"import importlib, sys, aecore\nfor name in {MODULES}: importlib.import_module(name)\n"
        "print(sorted(n for n in sys.modules if n.split('.')[0] in ('streamlit', 'plotly', 'app', 'numba', 'umap')))\n"
        "print([name for name in aecore.__all__ if not callable(getattr(aecore, name))])"
    )
    done = run(code, tmp_path, tmp_path / "home")
    assert done.returncode == 0, done.stderr
    loaded, hidden = done.stdout.splitlines()
    assert loaded == "[]"
    assert hidden == "[]", "a public function has the name of a room, whose import replaced it"
    assert not (tmp_path / "home").exists(), "importing writes nothing"


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=name_of)
def test_no_file_of_the_core_names_the_front_end(path):
    assert not {name for name in imports(path) if name.split(".")[0] in ("streamlit", "plotly", "app")}


def room_of(path: Path, root: Path) -> str:
    return path.relative_to(root).parts[0].removesuffix(".py")


@pytest.mark.parametrize(("root", "rooms"), [(ROOT, ROOMS), (APP, APP_ROOMS)], ids=["aecore", "app"])
def test_every_room_is_in_the_plan(root, rooms):
    assert {room_of(path, root) for path in root.rglob("*.py") if path != APP / "__init__.py"} == set(rooms)


@pytest.mark.parametrize(("package", "room"), [*(("aecore", r) for r in ROOMS), *(("app", r) for r in APP_ROOMS)])
def test_a_room_imports_only_the_rooms_below_it(package, room):
    root, allowed = (ROOT, ROOMS[room]) if package == "aecore" else (APP, APP_ROOMS[room])
    for path in root.rglob("*.py"):
        if room_of(path, root) == room:
            inside = {name.split(".")[1] for name in imports(path) if name.startswith(f"{package}.")}
            wrong = inside - allowed - {room}
            assert not wrong, (
                f"rule “a room imports only the rooms below it”: {path.relative_to(root.parent)} imports "
                f"{', '.join(sorted(wrong))}; {room} may import {', '.join(sorted(allowed)) or 'no other room'}"
            )


def test_pages_never_import_pages():
    for path in (APP / "views").glob("*/*.py"):
        others = {name.split(".")[2] for name in imports(path) if name.startswith("app.views.")} - {path.parent.name}
        assert not others, (
            f"rule “pages never import pages”: {path.relative_to(APP.parent)} imports {', '.join(sorted(others))}; "
            "what several pages share belongs in app.widgets or app.live"
        )


@pytest.mark.parametrize("package", REGISTRIES)
def test_parts_import_only_the_contracts_and_their_own_helpers(package):
    folder = ROOT / "parts" / package
    own = {f"aecore.parts.{package}.{path.stem}" for path in folder.glob("_[!_]*.py")}
    allowed = {f"aecore.parts.{name}" for name in PART_HELPERS} | own
    for path in folder.glob("[!_]*.py"):
        inside = {name for name in imports(path) if name.startswith("aecore.parts")}
        assert inside <= allowed, (
            f"rule “a part imports only the contracts and its own helpers”: {package}/{path.name} imports "
            f"{', '.join(sorted(inside - allowed))}"
        )


def test_no_cycle_of_imports_in_the_core():
    graph = {name_of(path): imports(path) & set(MODULES) for path in ROOT.rglob("*.py")}

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " → ".join([*way, name])
        if name not in done:
            for other in graph.get(name, ()):
                visit(other, (*way, name))
            done.add(name)

    done: set[str] = set()
    for name in graph:
        visit(name, ())


# --- length


def excused(text: str) -> bool:
    """True if a head (docstring and comments above the code) gives the reason for its length."""
    return EXCUSE in text


def too_long_functions(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    lines, found = text.splitlines(), []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        above = min([node.lineno, *(one.lineno for one in node.decorator_list)]) - 1
        while above > 0 and lines[above - 1].lstrip().startswith("#"):
            above -= 1
        first = node.body[0]
        head = first.end_lineno if ast.get_docstring(node) is not None else first.lineno
        if length > MAX_FUNCTION_LINES and not excused("\n".join(lines[above:head])):
            found.append(f"{path.relative_to(ROOT.parent)}: {node.name} has {length} lines")
    return found


def test_no_file_is_longer_than_its_limit_without_a_reason():
    found = []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        length = len(text.splitlines())
        body = ast.parse(text).body
        head = "\n".join(text.splitlines()[: body[0].end_lineno if body else 0])
        if length > MAX_FILE_LINES and not excused(head):
            found.append(f"{path.relative_to(ROOT.parent)} has {length} lines")
    assert not found, f"rule “a file has at most {MAX_FILE_LINES} lines, or says why at its head”: {'; '.join(found)}"


def test_no_function_is_longer_than_its_limit_without_a_reason():
    found = [function for path in FILES for function in too_long_functions(path)]
    assert not found, (
        f"rule “a function has at most {MAX_FUNCTION_LINES} lines, or says why at its head”: {'; '.join(found)}"
    )


# --- registries


@pytest.mark.parametrize(("package", "base"), REGISTRIES.items())
def test_every_file_of_a_package_is_registered(package, base):
    files = {path.stem for path in (ROOT / "parts" / package).glob("[!_]*.py")}
    found = {cls.__module__.rsplit(".", 1)[1] for cls in members(package, base).values()}
    assert found == files


def test_every_part_of_the_program_is_in_a_registry():
    def below(cls: type) -> set[type]:
        return set().union(*({sub} | below(sub) for sub in cls.__subclasses__()))

    # Parts in files with a leading underscore are passed by a program and cannot be named in settings.
    ours = {
        cls
        for cls in below(Part)
        if cls.__module__.startswith("aecore.")
        and cls.__module__ not in {f"aecore.parts.{name}" for name in ("contracts", "data", "looking")}
    }
    ours = {cls for cls in ours if not cls.__module__.rsplit(".", 1)[1].startswith("_")}
    assert ours == {cls for package, base in REGISTRIES.items() for cls in members(package, base).values()}


# --- pickles, names found by accident


def calls(path: Path) -> list[tuple[str, ast.Call]]:
    return [(ast.unparse(n.func), n) for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call)]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_pickle_is_ever_read(path):
    banned = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    assert not {name.split(".")[0] for name in imports(path)} & banned
    for name, call in calls(path):
        assert name not in ("torch.load", "eval", "exec", "builtins.eval"), f"{path}:{call.lineno} {name}"
        for word in call.keywords:
            never = isinstance(word.value, ast.Constant) and word.value.value is False
            assert word.arg != "allow_pickle" or never, f"{path}:{call.lineno} allows pickles"


def test_the_check_itself_finds_what_it_looks_for(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("import pickle\nimport numpy as np\nnp.load('x', allow_pickle=True)\n")
    assert "pickle" in imports(path)
    assert [word.arg for _, call in calls(path) for word in call.keywords] == ["allow_pickle"]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_are_absolute_and_dispatch_is_not_by_hasattr(path):
    imports(path)
    assert "hasattr" not in {name for name, _ in calls(path)}


DECOYS = ["app.py", "cache.py", "aecore.py", "parts.py", "store.py", "torch.py", "numpy.py", "json.py", "files.py"]


def test_a_folder_of_decoys_changes_nothing(tmp_path):
    for name in DECOYS:
        (tmp_path / name).write_text("raise SystemExit('a decoy was imported')")
    (tmp_path / "aecore").mkdir()
    (tmp_path / "aecore" / "__init__.py").write_text("raise SystemExit('a decoy was imported')")
    code = (
        "import aecore\n"
        "session = aecore.train('denoising', dataset='digits', epochs=1, threads=1)\n"
        "print(aecore.__file__, session.gallery(2).images.shape)"
    )
    done = run(code, tmp_path, tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split(maxsplit=1) == [aecore.__file__, "(2, 1, 8, 8)\n"]


def test_no_path_of_a_machine_is_written_down():
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert "/home/" not in text, path
        assert "/Users/" not in text, path
        assert "C:\\" not in text, path
