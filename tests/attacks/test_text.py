"""Texts from outside (names, reasons, errors, URL parameters, classes) that try to be links, pictures or HTML."""

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from app.widgets.text import chart_text, one_line, plain

ROOT = Path(__file__).parents[2]
APP = ROOT / "app"

# --- one text

HOSTILE = (
    "[x](javascript:alert(1))",
    "![](http://127.0.0.1:9/track.png)",
    "<img src=x onerror=alert(1)>",
    '<a href="http://127.0.0.1:9/a">plotly</a>',
    ":red[r] :red-badge[b] :material/home: :joy: :streamlit: :small[s]",
    r"$\href{http://127.0.0.1:9/l}{l}$ $$x$$",
    "http://127.0.0.1:9/b www.attack.example me@attack.example HTTPS://attack.example Www.attack.example",
    "# title\n\n- list\n\n| a | b |\n|---|---|\n\n    code\n\n```\nfence\n```",
    "&lt;b&gt; &#91;x&#93;(y) \\[x\\](y) `code` **bold** _it_ ~~no~~ [^1] <http://127.0.0.1:9/c>",
    "\u202egnp.exe\u2066\u200b\u200d\ufeff",
    "z" + "\u0301" * 80 + "a",
    'quote " onmouseover="alert(1)" \' x',
)
BREAK = "\u2060"
PROPER = (
    re.compile(r"(?i)https?://|www\.|[-.\w+]@[-\w]"),  # links that the renderer finds in finished text
    re.compile(r":[\w+-]+:"),  # emoji and icons, found there too
)
MARKUP = re.compile(r"[`*_\[\]<>|~$&]|:(?=\w+\[)")


def markdown_in(text: str) -> list[str]:
    """What Streamlit would find in a Markdown text besides letters."""
    found = MARKUP.findall(re.sub(r"\\[!-/:-@\[-`{-~]", "", text))
    letters = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)  # escapes are gone when it looks for links and emoji
    return [
        *found,
        *(match[0] for pattern in PROPER for match in pattern.finditer(letters)),
        *re.findall(r"[\n\r]", text),
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_stays_text_and_stays_readable(text: str) -> None:
    shown = plain(text)
    assert markdown_in(text) or not text.isascii() or "onmouseover" in text, "it is an attack"
    assert markdown_in(shown) == []
    read = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", shown).replace(BREAK, "")
    assert read == one_line(text), "nobody reads a backslash"
    assert re.findall(r"\w+", read)[:1] == re.findall(r"\w+", text)[:1]
    assert "<" not in chart_text(text) and "\n" not in chart_text(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("1. first", "1\\. first"), ("12) x", "12\\) x"), ("# h", "\\# h"), ("- a", "\\- a"), ("+ a", "\\+ a"), ("", "")],
)
def test_a_text_is_no_list_or_heading(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_ordinary_names_are_left_as_they_are() -> None:
    for name in (
        "Digits, variational",
        "Élodie's net (2)",
        "数字 · 10 units",
        "נטו 3.5 %",
        "Tiếng Việt, i.e. 5 - 2 = 3!",
    ):
        assert plain(name) == one_line(name) == chart_text(name) == name


def test_a_line_has_no_control_direction_or_stacked_characters() -> None:
    assert one_line("a\x00b\x1b[0m\u202ec\u2066d\u200be\r\nf\u2028g") == "a b [0mcde f g"
    assert one_line("z" + "\u0301" * 80) == "z" + "\u0301" * 4
    assert len(one_line("x" * 10_000)) == 600
    assert one_line("x" * 50, 10) == "x" * 9 + "…"


# --- every call that shows Markdown

NUMERIC = re.compile(r"[+]?[,_]?(\.\d+)?[dfg%]?")
SAFE_CALLS = {"plain", "chart_text", "len", "int", "round"}
REVIEWED = {
    "app/views/denoise/noise.py": {
        "str(field.title)": "a field of a corruption in the code",
        "field.description": "a field of a corruption in the code",
        "kinds[name].title": "the title of a corruption in the code",
    },
    "app/views/maps/choice.py": {"i": "a number", "epochs": "numbers"},
    "app/views/maps/charts.py": {"quality.DEFINITIONS[name]": "a table in the code"},
    "app/views/maps/page.py": {"out": "numbers of images, joined"},
    "app/views/maps/selection.py": {
        "label": "given by this module",
        "words": "given by this module",
        "inverse.epoch": "a number by its type",
    },
    "app/views/start/page.py": {"title": "given by this module"},
    "app/views/train/setup.py": {
        "dataset.title": "a class attribute",
        "RunConfig.model_fields[name].title": "a field in the code",
        "name.capitalize()": "a field in the code",
        "(found[own].__doc__ or '').split('\\n')[0]": "a docstring",
    },
    "app/views/train/watch.py": {
        "words": "words of this module and numbers",
        "result(info)": "numbers and words of this module",
        "place_in_queue(info.run_id)": "numbers and words of the code",
        "status.epoch": "a number by its type",
        "status.epochs": "a number by its type",
    },
    "app/views/walk/modes.py": {"label": "given by this module", "(kinds[sampler].__doc__ or '').split('\\n')[0]": "a docstring"},
    "app/views/maps/export.py": {"label": "given by this module, with panel titles made plain"},
    "app/views/walk/export.py": {"label": "given by this module, with the number of a unit"},
    "app/views/runs/compare.py": {"shape[2]": "a number by its type", "shape[1]": "a number by its type"},
    "app/views/runs/manage.py": {"made": "a table of this module", "run_id": "matched against `RUN_ID` by the store"},
    "app/widgets/curves.py": {"reached": "stage names made plain, and numbers"},
    "app/widgets/header.py": {"title": "given by pages"},
    "app/widgets/image_picker.py": {"count": "a number", "_thumbnails(gallery).__getitem__": "pictures made here"},
    "app/widgets/own_images.py": {
        "size": "two numbers", "n": "a number", "channels": "a number", "MAX_VISIT_BYTES // 2 ** 20": "a number",
    },
    "app/widgets/settings_form.py": {
        "label": "a field in the code", "words": "a field in the code", "text": "a choice in the code",
    },
}  # fmt: skip
"""Texts that come from the code itself, with where from."""


def markdown_parameters() -> dict[str, tuple[list[str], set[str]]]:
    """{function: (all parameters, those that show Markdown)}, as Streamlit's own documentation says."""
    found = {}
    for name in dir(st):
        function = getattr(st, name)
        if name.startswith("_") or name in ("navigation", "table") or not inspect.isroutine(function):
            continue
        fields = re.findall(r"^(\w+) : .*\n((?:    .*\n|\n)*)", inspect.getdoc(function) or "", re.M)
        marked = {field for field, words in fields if "Markdown" in words} - {"unsafe_allow_html", "width", "wrap"}
        if marked - {"anchors"}:
            marked |= {"format_func"} & set(inspect.signature(function).parameters if "options" in marked else ())
            found[name] = (list(inspect.signature(function).parameters), marked)
    return found


class Reader:
    """Decides whether an expression can only be text of the code itself."""

    def __init__(self, tree: ast.Module, reviewed: dict[str, str]) -> None:
        self.reviewed = reviewed
        self.used: set[str] = set()
        self.assigned: dict[str, list[ast.expr]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.assigned.setdefault(node.targets[0].id, []).append(node.value)
            if isinstance(node, ast.Assign | ast.For | ast.comprehension):
                self._unpack(node)

    def _unpack(self, node: ast.Assign | ast.For | ast.comprehension) -> None:
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        source = node.value if isinstance(node, ast.Assign) else node.iter
        if isinstance(target, ast.Tuple):
            rows = source.elts if isinstance(source, ast.Tuple) and not isinstance(node, ast.Assign) else []
            for place, name in enumerate(target.elts):
                if not isinstance(name, ast.Name):
                    continue
                if rows and all(isinstance(row, ast.Tuple) for row in rows):
                    self.assigned.setdefault(name.id, []).extend(row.elts[place] for row in rows)  # type: ignore[attr-defined]
                else:
                    self.assigned.setdefault(name.id, []).append(source)
        elif isinstance(target, ast.Name) and not isinstance(node, ast.Assign):
            self.assigned.setdefault(target.id, []).append(source)

    def safe(self, node: ast.expr, depth: int = 0) -> bool:
        text = ast.unparse(node)
        if text in self.reviewed:
            self.used.add(text)
            return True
        if depth > 6:
            return False

        def inner(*nodes: ast.expr) -> bool:
            return all(self.safe(each, depth + 1) for each in nodes)

        match node:
            case ast.Constant():
                return True
            case ast.JoinedStr(values=values):
                return inner(*values)
            case ast.FormattedValue(value=value, format_spec=ast.JoinedStr(values=[ast.Constant(value=str(spec))])):
                return bool(NUMERIC.fullmatch(spec)) or inner(value)
            case ast.FormattedValue(value=value):
                return inner(value)
            case ast.IfExp(body=body, orelse=other):
                return inner(body, other)
            case ast.BoolOp(values=values):
                return inner(*values)
            case ast.BinOp(left=left, right=right):
                return inner(left, right)
            case ast.Tuple(elts=elts) | ast.List(elts=elts):
                return inner(*elts)
            case ast.Lambda(body=body):
                return inner(body)
            case ast.Call(func=ast.Name(id=name)) if name in SAFE_CALLS:
                return True
            case ast.Call(func=ast.Name(id="list"), args=[only]):
                return inner(only)
            case ast.Subscript(value=value) | ast.Attribute(value=value, attr="__getitem__"):
                return inner(value)
            case ast.Name(id=name) if name.isupper():
                return True
            case ast.Attribute(attr=name) if name.isupper():
                return True
            case ast.Attribute(value=ast.Name(id="str"), attr="capitalize"):
                return True
            case ast.Name(id=name) if name in self.assigned:
                return inner(*self.assigned[name])
            case _:
                return False


def shown_texts(tree: ast.Module) -> Iterator[tuple[ast.Call, str, ast.expr]]:
    """Every argument of a call in which Streamlit reads Markdown."""
    known = markdown_parameters()
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.func.attr not in known:
            continue
        if ast.unparse(call.func.value).endswith("store()"):
            continue  # `RunStore.info` shows nothing
        parameters, marked = known[call.func.attr]
        if any(word.arg == "format_func" for word in call.keywords):
            marked = marked - {"options"}  # it makes their texts
        named = [*zip(parameters, call.args, strict=False), *((word.arg or "", word.value) for word in call.keywords)]
        yield from ((call, name, value) for name, value in named if name in marked)


def test_pages_show_only_their_own_words_and_plain_texts() -> None:
    """Streamlit reads Markdown in these arguments; what comes from outside goes through `plain`."""
    known = markdown_parameters()
    assert {"markdown", "button", "error", "toast", "segmented_control", "expander", "progress"} <= set(known)
    assert "help" in known["button"][1] and "format_func" in known["pills"][1]
    assert "options" not in known["selectbox"][1], "a list shows text"
    unsafe, count = [], 0
    for path in sorted(APP.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if "/frontend/" in name:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        reader = Reader(tree, REVIEWED.get(name, {}))
        for call, parameter, value in shown_texts(tree):
            count += 1
            if not reader.safe(value):
                unsafe.append(f"{name}:{call.lineno}: {parameter}={ast.unparse(value)}")
        unsafe += [f"{name}: {text} is reviewed, but not shown" for text in set(REVIEWED.get(name, {})) - reader.used]
    assert count > 100
    assert unsafe == [], "\n".join(unsafe)
