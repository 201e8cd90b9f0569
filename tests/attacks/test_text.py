"""Texts from outside (names, reasons, errors, URL parameters, classes) that try to be links, pictures or HTML."""

import ast
import inspect
import itertools
import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from reading import press
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

import aecore
from aecore.store.folder import Status
from app import cache
from app.state.uploads import Upload
from app.text import chart_text, one_line, plain
from app.widgets.drawn_curve import drawn_curve

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
MARKUP = re.compile(r"[`*\[\]<>|~$]|(?<!\w)_|_(?!\w)|&(?=[#\w])|:(?=\w+\[)")


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
    assert "<" not in chart_text(text)
    assert "\n" not in chart_text(text)


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
    "app/views/server/page.py": {
        "title": "given by this module", "removed": "a number", "later": "given by this module",
    },
    "app/widgets/queue.py": {"trainings_of": "a number and words of this module"},
    "app/views/train/setup.py": {
        "who.quotas.training_words()": "numbers and words of the code",
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
    "app/views/walk/modes.py": {
        "label": "given by this module",
        "(kinds[sampler].__doc__ or '').split('\\n')[0]": "a docstring",
    },
    "app/views/maps/export.py": {"label": "given by this module, with panel titles made plain"},
    "app/views/walk/export.py": {"label": "given by this module, with the number of a unit"},
    "app/views/runs/compare.py": {"shape[2]": "a number by its type", "shape[1]": "a number by its type"},
    "app/views/runs/manage.py": {
        "sharing_words(info)": "words of this module and a number", "made": "a table of this module",
        "run_id": "matched against `RUN_ID` by the store",
    },
    "app/widgets/curves.py": {"reached": "stage names made plain, and numbers"},
    "app/widgets/header.py": {"title": "given by pages"},
    "app/widgets/image_picker.py": {
        "count": "a number", "gallery.thumbnails[i]": "pictures made here", "i": "a number",
    },
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
                tuples = [row for row in rows if isinstance(row, ast.Tuple)]
                if tuples and len(tuples) == len(rows):
                    self.assigned.setdefault(name.id, []).extend(row.elts[place] for row in tuples)
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
    assert "help" in known["button"][1]
    assert "format_func" in known["pills"][1]
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


# --- whole pages

MAIN = APP / "main.py"
MARKDOWN_FIELDS = {
    "alert": ("body", "title"), "button": ("label", "help"), "button_group": ("label", "help"),
    "checkbox": ("label", "help"), "download_button": ("label", "help"), "file_uploader": ("label", "help"),
    "heading": ("body", "help"), "link_button": ("label", "help"), "markdown": ("body", "help"), "metric": ("label",),
    "multiselect": ("label", "help"), "number_input": ("label", "help"), "page_link": ("label", "help"),
    "progress": ("text",), "radio": ("label", "help"), "selectbox": ("label", "help"), "slider": ("label", "help"),
    "spinner": ("text",), "text_input": ("label", "help"), "toast": ("body",), "expandable": ("label",),
    "popover": ("label", "help"), "dialog": ("title",), "tab": ("label",),
}  # fmt: skip
OWN_MARKUP = re.compile(r":material/\w+:|\*\*|`[a-z0-9_-]+`|!\[image \d+\]\(data:image/png;base64,[\w+/=]+\)|  \n|→")
"""What pages write themselves."""


def hostile_run(home: Path, source: str, run_id: str, name: str, **status: Any) -> str:
    """A copy of a run, with hostile texts wherever a run's files hold texts."""
    folder = home / "runs" / run_id
    shutil.copytree(home / "runs" / source, folder)
    texts = itertools.cycle(HOSTILE)
    before = Status.model_validate_json((folder / "status.json").read_bytes())
    changes = {
        "name": name[:80],
        "reason": " ".join(HOSTILE)[:500],
        "versions": {next(texts): next(texts) for _ in HOSTILE},
        "metrics": {**before.metrics, **dict.fromkeys(HOSTILE, 1.0)},
        "data_hash": next(texts),
        "imported": True,
        **status,
    }
    (folder / "status.json").write_text(before.model_copy(update=changes).model_dump_json(), encoding="utf-8")
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    for i, row in enumerate(rows):
        row["train"] = {**row["train"], **dict.fromkeys(HOSTILE, 1.0 + i)}
        row["stage"] = HOSTILE[i // 2]
    (folder / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return run_id


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose runs are hostile: trained on classes with such names, renamed, ended with such reasons."""
    folder = tmp_path_factory.mktemp("home")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 8, 8), dtype=np.uint8)
    classes = np.array([HOSTILE[i % 6] for i in range(60)])
    np.savez(folder / "own.npz", images=images, labels=classes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AECORE_HOME", str(folder))
        cache.forget()
        dataset = {"kind": "npz", "path": str(folder / "own.npz")}
        run_id = aecore.train("denoising", dataset=dataset, epochs=4, threads=1).run_id
        hostile_run(folder, run_id, "attack-finished", HOSTILE[3] + HOSTILE[0], state="finished")
        hostile_run(folder, run_id, "attack-stopped", HOSTILE[1] + HOSTILE[6], state="stopped")
        hostile_run(folder, run_id, "attack-failed", HOSTILE[2] + HOSTILE[5], state="failed")
        hostile_run(folder, run_id, "attack-waiting", HOSTILE[4] + HOSTILE[10], state="queued", imported=False)
        shutil.move(folder / "runs" / "attack-waiting", folder / "staging" / "attack-waiting")
        hostile_run(folder, run_id, "attack-damaged", HOSTILE[9] + HOSTILE[11])
        (folder / "runs" / "attack-damaged" / "weights.safetensors").write_bytes(b"short")
        yield folder
    cache.forget()


class Elements(HTMLParser):
    """What an HTML text holds that is more than text in a layout."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        source = dict(attrs).get("src") or "data:"
        if tag in ("a", "script", "iframe", "svg", "object", "form") or not source.startswith("data:"):
            self.wrong.append(f"<{tag} {attrs}>")
        self.wrong += [f"<{tag} {name}>" for name, _ in attrs if name.startswith("on")]


def wrong_in(page: AppTest) -> list[str]:
    """Every link, picture, colour, icon, emoji and element that a page made of a text from outside."""
    found = []
    for node in page._tree:
        if (proto := getattr(node, "proto", None)) is None:
            continue
        kind = re.sub(r"(?<!^)(?=[A-Z])", "_", proto.DESCRIPTOR.name).lower()
        texts = [getattr(proto, field) for field in MARKDOWN_FIELDS.get(kind, ())]
        if kind == "button_group":
            texts += [option.content for option in proto.options]
        found += [f"{kind}: {text!r}" for text in texts if markdown_in(OWN_MARKUP.sub("", text))]
        if kind == "html":
            found += [f"html: {wrong}" for wrong in Elements(proto.body).wrong]
        if kind == "plotly_chart":
            found += [
                f"chart: {text}" for text in strings(json.loads(proto.spec)) if re.search(r"<(?!b>|/b>|br>)", text)
            ]
        if kind == "bidi_component":
            data = json.loads(proto.json or proto.mixed.json or "{}")
            found += [
                f"curve: {wrong}" for wrong in Elements(data.get("curve", "") if isinstance(data, dict) else "").wrong
            ]
    return found


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


def opened(name: str, held: dict[str, object] | None = None, **parameters: str) -> AppTest:
    page = AppTest.from_file(MAIN, default_timeout=60)
    page.session_state["_uploads"] = [Upload(f"{text}.png", b"no picture") for text in HOSTILE]
    page.session_state["_uploads_version"] = "attack"
    for key, value in (held or {}).items():
        page.session_state[key] = value
    for key, value in parameters.items():
        page.query_params[key] = value
    if name != "start":
        page._page_hash = calc_hash(name)
    return page.run()


REASON = " ".join(HOSTILE)[:200]
FAILED = {"failed": {"reason": REASON}}
KEPT = "|".join(f"{text[:20].replace('|', ' ')}*image={i}" for i, text in enumerate(HOSTILE[:7]))
THREE_MAPS = "pca|code|code@attack-stopped"
VISITS: list[tuple[str, dict[str, object], dict[str, str]]] = [
    ("start", {}, {"run": "attack-finished"}),
    ("start", {}, {"run": HOSTILE[0]}),
    ("denoise", {}, {"run": "attack-finished", "second": "attack-stopped", "noise": HOSTILE[2], "level": HOSTILE[3]}),
    ("denoise", {"denoise_live": FAILED}, {"run": "attack-finished", "images": HOSTILE[0]}),
    ("walk", {}, {"run": "attack-finished", "kept": KEPT, "mode": HOSTILE[0]}),
    ("walk", {"walk_stage": FAILED}, {"run": "attack-stopped", "mode": "between", "kept": KEPT}),
    ("walk", {"walk_stage": FAILED}, {"run": "attack-damaged"}),
    ("maps", {"_map_scatter": FAILED, "map_charts": True}, {"run": "attack-finished", "maps": THREE_MAPS}),
    ("maps", {}, {"run": "attack-failed", "maps": HOSTILE[0], "colour": HOSTILE[2]}),
    ("train", {}, {"job": "attack-finished"}),
    ("train", {}, {"job": "attack-stopped"}),
    ("train", {}, {"job": "attack-failed"}),
    ("train", {}, {"job": "attack-damaged"}),
    ("train", {}, {"job": "attack-waiting"}),
    ("train", {}, {"job": HOSTILE[1]}),
    ("train", {}, {"recipe": HOSTILE[0], "dataset": "own"}),
    ("runs", {}, {"compare": f"attack-finished,attack-stopped,{HOSTILE[0]}"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "held", "parameters"), VISITS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_pages_of_a_hostile_run_show_its_texts_as_text(
    home: Path, name: str, held: dict[str, object], parameters: dict[str, str]
) -> None:
    page = opened(name, held, **parameters)
    assert not page.exception
    assert wrong_in(page) == []


@pytest.mark.parametrize("run_id", ["attack-finished", "attack-stopped", "attack-failed", "attack-damaged"])
def test_the_window_of_a_hostile_run_shows_its_texts_as_text(home: Path, run_id: str) -> None:
    page = opened("runs")
    press(page, "more", run_id)
    assert not page.exception
    assert any("attack" in str(getattr(node, "proto", "")) for node in page._tree)
    assert wrong_in(page) == []
    for offer in page.get("download_button"):
        assert re.fullmatch(r"/media/[\w.-]+", offer.proto.url) or not offer.proto.url


# --- charts and live parts


def test_charts_take_names_as_text() -> None:
    """Plotly reads HTML in names, titles and annotations."""
    unsafe = []
    for path in sorted(APP.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "import plotly" not in text:
            continue
        tree = ast.parse(text)
        reader = Reader(tree, {})
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and ast.unparse(call.func).startswith(("go.", "figure.add_")):
                named = {word.arg: word.value for word in call.keywords}
                shown = [named[name] for name in ("name", "text", "annotation_text", "hovertemplate") if name in named]
                unsafe += [f"{path.name}:{call.lineno}: {ast.unparse(each)}" for each in shown if not reader.safe(each)]
    assert unsafe == []


def test_live_parts_write_text_never_html() -> None:
    """All HTML that a live part is given is the curve, whose texts the server escapes."""
    html_written = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|srcdoc")
    sources = sorted((APP / "live" / "frontend" / "src").rglob("*.ts"))
    found = [
        line for path in sources for line in path.read_text(encoding="utf-8").splitlines() if html_written.search(line)
    ]
    assert [line for line in found if "place.innerHTML = message.curve" not in line] == []
    x = np.array([0.0, 1.0])
    for text in HOSTILE:
        html = drawn_curve(
            {"before": (text, x, x + 1)}, unit=text, axis=text, ticks=[(0.0, text)], levels={text: 1.0},
            marks=[("now", 0.5, text)],
        )  # fmt: skip
        assert Elements(html).wrong == []
