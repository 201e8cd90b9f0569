"""URL parameters are read strictly, pending ones come first, and only `app.state` spells their names."""

import ast
from pathlib import Path

import pytest
import streamlit as st

import app
from app.state import url

ROOT = Path(app.__file__).parent
FILES = [path for path in ROOT.rglob("*.py") if path.parent != ROOT / "state"]
READERS = {"number", "whole", "set_pending", "set_parameter", "hold", "value", "widget"}
"""Functions of `app.state.url` that take a key or the name of a parameter."""


@pytest.mark.parametrize(
    ("text", "number", "whole"),
    [("0", 0.0, 0), ("7", 7.0, 7), ("007", 7.0, 7), ("8", 8.0, -1), ("0.5", 0.5, -1), ("-1", -1.0, -1),
     ("1e1", 10.0, -1), ("1e6", 1e6, -1), ("1e7", None, -1), ("nan", None, -1), ("inf", None, -1), ("", None, -1),
     ("x", None, -1),
     ("٣", 3.0, -1), ("1_0", 10.0, -1), ("9" * 99, None, -1)],
)  # fmt: skip
def test_numbers_are_read_within_their_bounds(text: str, number: float | None, whole: int) -> None:
    assert url.number({"a": text}, "a") == number
    assert url.whole({"a": text}, "a", 8, -1) == whole
    assert url.number({}, "a") is None
    assert url.whole({}, "a", 8, -1) == -1


@pytest.mark.parametrize(("text", "level"), [("0", 0), ("1", 1), ("0.25", 0.25), ("1.01", None), ("-0.1", None)])
def test_a_share_is_a_number_from_0_to_1(text: str, level: float | None) -> None:
    assert url.number({"level": text}, "level", 0, 1) == level


def test_pending_parameters_stand_in_for_the_url_until_it_shows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "query_params", {"a": "1", "b": "2"})
    monkeypatch.setattr(st, "session_state", {})
    url.set_pending("a", "3")
    url.set_pending("b", None)
    assert url.parameters() == {"a": "3"}
    assert st.query_params == {"a": "1", "b": "2"}, "the URL is written after the picture"
    url.write_pending()
    assert st.query_params == {"a": "3"}
    st.query_params.update(a="1")  # the browser sent its next move before it knew the new URL
    url.forget_written()
    assert url.parameters() == {"a": "3"}
    url.forget_written(whole_page=True)
    assert url.parameters() == {"a": "1"}


def spelled(path: Path) -> list[str]:
    """Names of parameters and session-state keys that a file spells, and its uses of `st.query_params`."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        keys: list[ast.expr | None] = []
        match node:
            case ast.Attribute(attr="query_params"):
                found.append(ast.unparse(node))
            case ast.Subscript(value=ast.Attribute(attr="session_state"), slice=key):
                keys = [key]
            case ast.Compare(left=key, comparators=[ast.Attribute(attr="session_state")]):
                keys = [key]
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="session_state")), args=[key, *_]):
                keys = [key]
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args) if name in READERS:
                keys = [*args]
            case ast.keyword(arg="query_params", value=ast.Dict(keys=names)):
                keys = names
            case _:
                pass
        found += [
            key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value
        ]
    return found


def test_only_the_state_folder_spells_keys_and_parameters() -> None:
    """Widgets' own `key=` are theirs."""
    assert {str(path.relative_to(ROOT)): names for path in FILES if (names := spelled(path))} == {}


def test_the_check_finds_what_it_looks_for(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text(
        "st.query_params\nst.session_state['a']\n'b' in st.session_state\nst.session_state.get('c', 0)\n"
        "url.number(parameters, 'd')\nst.page_link(page, query_params={'e': 1})\nst.session_state[key]\n"
    )
    assert sorted(spelled(path)) == ["a", "b", "c", "d", "e", "st.query_params"]
