"""What each command of `aecore` does; `aecore.__main__` holds the words and flags that lead here.

Only the standard library is imported at the top: help, wrong usage and `aecore app` must not wait for torch.
"""

import argparse
import contextlib
import dataclasses
import inspect
import io
import json
import os
import signal
import textwrap
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

from aecore.foundation.errors import AecoreError, BadInput, BadSettings

if TYPE_CHECKING:
    import numpy as np

    from aecore.maps.atlas import Atlas, Panel
    from aecore.model.config import RunConfig
    from aecore.session.directions import Direction
    from aecore.pictures.uploads import Intake
    from aecore.model.recipes import Recipe
    from aecore.parts.contracts import Data, Dataset
    from aecore.session.session import Session
    from aecore.store.stages import Stage
    from aecore.store.store import RunInfo, RunStore
    from aecore.training.trainer import Progress

PICTURE_SIDE = 96
"""Pixels that one image should about fill in a written picture; enlargement is by whole numbers."""
STRIP_STEPS = 11
STRIPS = 8
LOOP_STEPS = 24
DIRECTIONS = 16
"""Directions of each sort that are listed for people."""
FRAME_MILLISECONDS = 60


class UsageError(Exception):
    """The command cannot be understood; the message names the field and the remedy."""


# --- finding and telling ---------------------------------------------------------------------------------------------


def _store() -> "RunStore":
    from aecore.store.store import RunStore

    return RunStore()


def _find(store: "RunStore", wanted: str) -> str:
    """A run by its id, by its name, or by the beginning of its id where only one begins so. Raises `AecoreError`."""
    runs = store.runs()
    for matches in (
        [info.run_id for info in runs if info.run_id == wanted],
        [info.run_id for info in runs if info.name == wanted],
        [info.run_id for info in runs if info.run_id.startswith(wanted)],
    ):
        if len(matches) > 1:
            raise AecoreError(f"{wanted!r} could be {', '.join(matches[:5])}; write more of the id")
        if matches:
            return matches[0]
    store.folder(wanted)  # raises, in the store's own words
    return wanted


def _session(wanted: str) -> "Session":
    from aecore.session.session import Session

    store = _store()
    return Session(store, _find(store, wanted))


def _say_json(value: Any) -> None:
    from pydantic_core import to_json

    print(to_json(value, indent=2, inf_nan_mode="null").decode())  # a damaged run may say NaN, which no JSON can


def plain(text: str) -> str:
    """Without control characters: what a run from elsewhere says must not steer the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def _say_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    rows = [[plain(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]
    for row in (heads, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _run_values(info: "RunInfo") -> dict[str, Any]:
    """What `--json` says of a run; fields are added, never renamed."""
    config = info.config
    return {
        "run_id": info.run_id,
        "name": info.name,
        "state": info.state,
        "reason": info.reason,
        "builtin": info.builtin,
        "explorable": info.explorable,
        "recipe": config.recipe if config else None,
        "dataset": config.dataset.kind if config else None,
        "code_dim": config.code_dim if config else None,
        "created": info.status.created,
        "epoch": info.status.epoch,
        "epochs": info.status.epochs,
        "metrics": info.status.metrics,
    }


def _error(info: "RunInfo") -> str:
    figure = info.status.metrics.get("test_sse")
    return "" if figure is None else f"{figure:.3g}"


# --- commands: listing -----------------------------------------------------------------------------------------------


def list_runs(options: argparse.Namespace) -> None:
    runs = _store().runs()
    if options.json:
        return _say_json([_run_values(info) for info in runs])
    rows = [
        (info.run_id, "ready-made" if info.builtin else info.state, *_kind(info), _error(info), _remark(info))
        for info in runs
    ]
    _say_table(("RUN", "STATE", "RECIPE", "DATASET", "CODE", "ERROR", ""), rows)
    print("\nERROR is the squared error per test image." if rows else "No runs yet: aecore train denoising")


def _kind(info: "RunInfo") -> tuple[str, str, str]:
    config = info.config
    return ("", "", "") if config is None else (config.recipe, config.dataset.kind, str(config.code_dim))


def _remark(info: "RunInfo") -> str:
    return info.reason or (info.name if info.name != info.run_id else "")


def show(options: argparse.Namespace) -> None:
    store = _store()
    info = store.info(_find(store, options.run))
    if options.json:
        config = info.config.model_dump(mode="json") if info.config else None
        status = info.status.model_dump(mode="json")
        return _say_json({**_run_values(info), "status": status, "config": config, "units": _units(store, info),
                          "stages": [dataclasses.asdict(stage) for stage in _stages(info)]})  # fmt: skip
    print(f"{plain(info.name)}  ({info.state}{', ready-made' if info.builtin else ''})")
    for label, value in _described(info):
        print(f"  {label:<24}{plain(value)}")
    _say_figures(info)
    if info.config is not None:
        print("\nSettings (the names are those of `--set`):")
        for name, value in _dotted(info.config.model_dump(mode="json")):
            print(f"  {name:<28}{json.dumps(value, ensure_ascii=False)}")
    for unit in _units(store, info)[:STRIPS]:
        gap = "" if unit["rank"] else "\n"
        print(f"{gap}  unit {unit['unit']:<4} changes a pixel by {unit['effect']:.4f} on average")


def _say_figures(info: "RunInfo") -> None:
    """Every figure with its meaning, and whatever else was measured under its own name."""
    from aecore.store.figures import FIGURES, figures

    declared = {name for figure in FIGURES for name in (figure.name, (figure.beside or ("", ""))[1])}
    other = [(name, f"{value:.4g}") for name, value in info.status.metrics.items() if name not in declared]
    print("\nFigures:")
    for figure, text in figures(info):
        print(f"  {figure.label:<24}{plain(text)}")
        print(textwrap.indent(textwrap.fill(figure.definition, 88), " " * 26))
    for name, text in other:
        print(f"  {plain(name):<24}{text}")


def _units(store: "RunStore", info: "RunInfo") -> list[dict[str, Any]]:
    """The code's units, most effective first: mean change of a pixel per standard deviation of the unit."""
    from aecore.session.session import Session

    if not info.explorable:
        return []
    session = Session(store, info.run_id)
    order = [int(unit) for unit in session.units_by_effect()]
    return [{"rank": rank, "unit": unit, "effect": float(session.effects[unit])} for rank, unit in enumerate(order)]


def directions(options: argparse.Namespace) -> None:
    from aecore.session.directions import attributes, principal, units

    session = _session(options.run)
    found = [units(session), principal(session), attributes(session)]
    if options.json:
        return _say_json([_direction_values(direction) for some in found for direction in some])
    shown = [direction for some in found for direction in some[:DIRECTIONS]]
    _say_table(
        ("DIRECTION", "EFFECT", "DATA", "MORE OF IT"),
        [(d.name, f"{d.effect:.4f}", f"{d.low:.2f} to {d.high:.2f}", d.words or ("dead" if d.dead else ""))
         for d in shown],
    )  # fmt: skip
    left = sum(map(len, found)) - len(shown)
    print("\nEFFECT is the mean change of a pixel per standard deviation; DATA holds 96 % of the training codes."
          + (f" {left} weaker ones: --json." if left else ""))  # fmt: skip


def _direction_values(direction: "Direction") -> dict[str, Any]:
    """What `--json` says of a direction; a unit's vector is 1 at the unit and left out."""
    values = dataclasses.asdict(direction)
    vector = values.pop("vector")
    return values if direction.kind == "unit" else {**values, "vector": vector.tolist()}


def _described(info: "RunInfo") -> Iterator[tuple[str, str]]:
    status = info.status
    yield "run", info.run_id
    if info.reason:
        yield "reason", info.reason
    if status.created:
        with contextlib.suppress(ValueError, OverflowError, OSError):  # no time that a calendar knows
            yield "made", time.strftime("%Y-%m-%d %H:%M", time.localtime(status.created))
    yield "epochs", f"{status.epoch} of {status.epochs}"
    if status.shape is not None:
        yield "pictures", "{} × {} × {} (channels, height, width)".format(*status.shape)
    yield "folder", str(info.folder)


def _stages(info: "RunInfo") -> "list[Stage]":
    """Those of a training of several."""
    from aecore.store.stages import stages
    from aecore.store.store import RunFolder

    found = stages(RunFolder(info.folder).history())
    return found if len(found) > 1 else []


def _dotted(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", v) for inner, v in cast(dict[str, Any], value).items())
        else:
            yield name, value


def recipes(options: argparse.Namespace) -> None:
    from aecore.model.recipes import RECIPES

    if options.json:
        return _say_json([_recipe_values(recipe) for recipe in RECIPES.values()])
    for recipe in RECIPES.values():
        print(f"{recipe.name}: {recipe.teaches}\n    {recipe.formula}\n    {recipe.source}\n")


def _recipe_values(recipe: "Recipe") -> dict[str, Any]:
    return {"name": recipe.name, "title": recipe.title, "teaches": recipe.teaches, "formula": recipe.formula,
            "source": recipe.source, "config": recipe.config.model_dump(mode="json")}  # fmt: skip


def datasets(options: argparse.Namespace) -> None:
    values = [_dataset_values(dataset) for dataset in _all_datasets().values()]
    if options.json:
        return _say_json(values)
    for value in values:
        print(f"{value['kind']}: {value['summary']} ({value['where']})")
        for name in ("source", "licence"):
            if value[name]:
                print(f"    {name}: {value[name]}")


def _all_datasets() -> "dict[str, Dataset]":
    from aecore.parts.contracts import Dataset
    from aecore.parts.registry import make, members

    return {kind: make("datasets", Dataset, kind) for kind in members("datasets", Dataset)}


def _dataset_values(dataset: "Dataset") -> dict[str, Any]:
    """Licence and exact source are part of the data; where those are not here, the source is the documentation's."""
    from aecore.parts.loading import load_data

    text = inspect.getdoc(type(dataset)) or ""
    source, licence, here = " ".join(text.split()).partition("Source: ")[2], "", dataset.available()
    where = "here" if here else f"not here: aecore fetch {dataset.kind}"
    if dataset.local_path:
        where, here = f"yours: --dataset {dataset.kind}=PATH", False
    elif here:
        try:
            data = load_data(dataset)
            source, licence = data.source, data.licence
        except AecoreError as error:
            where, here = f"cannot be used: {error}", False
    return {"kind": dataset.kind, "title": dataset.title, "summary": text.split("\n")[0], "available": here,
            "downloadable": dataset.on_demand, "own_path": dataset.local_path, "where": where, "source": source,
            "licence": licence}  # fmt: skip


def fetch(options: argparse.Namespace) -> None:
    fetchable = {kind: dataset for kind, dataset in _all_datasets().items() if dataset.on_demand}
    if options.kind not in fetchable:
        known = ", ".join(fetchable)
        raise UsageError(f"argument KIND: {options.kind!r} is not fetched from anywhere; these are: {known}")
    data = _load(fetchable[options.kind])
    print(f"{data.name}: {len(data):,} pictures are here. Source: {data.source}. Licence: {data.licence}")


def _load(dataset: "Dataset") -> "Data":
    """The data, with a bar while they are fetched or read."""
    from tqdm import tqdm

    from aecore.parts.loading import load_data

    with tqdm(total=1.0, bar_format="{desc} {percentage:3.0f}%|{bar}|", leave=False, disable=None) as bar:

        def on_progress(fraction: float, words: str) -> None:
            bar.set_description_str(words, refresh=False)
            bar.update(fraction - bar.n)

        return load_data(dataset, on_progress, fetch=True)


# --- commands: training ----------------------------------------------------------------------------------------------


def train(options: argparse.Namespace) -> None:
    from aecore.training import trainer

    store = _store()
    config, taken_up = _resumed(store, options) if options.resume else (_config(options), None)
    if taken_up is None:
        _check_model(config, _load(config.dataset))
    asked = _StopOnSignal()
    with asked, _bar(config) as on_step:
        run_id = trainer.train(config, store, on_step, asked.is_set, run_id=taken_up, name=options.name, fetch=False)
    info = store.info(run_id)
    if info.state == "failed":
        raise AecoreError(f"{info.reason} (kept as run {run_id})")
    if not info.explorable:
        raise AecoreError(f"{info.reason}: no epoch was finished, so there are no weights to keep (run {run_id})")
    if options.json:
        return _say_json(_run_values(info))
    stopped = f"Stopped after {info.status.epoch} of {info.status.epochs} epochs; the best weights so far are kept. "
    print(
        f"{stopped if info.state == 'stopped' else ''}Squared error per test image: {_error(info) or 'no test images'}"
    )
    if info.resumable:
        print(f"Its training can go on at the stage it was in: aecore train --resume {run_id}")
    print(f"Run {run_id} is ready. Look at it: aecore walk {run_id} -o walk.gif, or aecore app")


def _resumed(store: "RunStore", options: argparse.Namespace) -> tuple["RunConfig", str]:
    """Settings and id of a run that ended early or waits to go on, and that this process trains from now on."""
    from aecore.training import queue

    if options.recipe or options.set or options.dataset or options.name:
        raise UsageError("argument --resume: it goes on with the run's own settings, so give the run alone")
    run_id = _find(store, options.resume)
    info = store.info(run_id)
    if info.state != "queued":
        queue.resume(store, run_id)
    queue.claim(store, run_id)
    assert info.config is not None
    return info.config, run_id


def _config(options: argparse.Namespace) -> "RunConfig":
    """The recipe with the wanted settings. Whatever cannot be is wrong usage, said with the field's name."""
    from aecore.model.config import with_settings
    from aecore.model.recipes import recipe

    if not options.recipe:
        raise UsageError("argument RECIPE: name a kind of autoencoder (see aecore recipes), or --resume RUN")
    settings = dict(_setting(text) for text in options.set)
    if options.dataset:
        kind, _, path = options.dataset.partition("=")
        settings = {"dataset": kind, **({"dataset.path": path} if path else {}), **settings}
    for name in [name for name in settings if name.endswith(".path")]:
        settings[name] = os.path.expanduser(str(settings[name]))
    try:
        config = with_settings(recipe(options.recipe).config, settings)
    except BadSettings as error:
        raise UsageError(str(error)) from None
    # A relative path in a run's settings starts at the run's folder; on the command line it starts here.
    return config.model_copy(update={"dataset": config.dataset.resolved(Path.cwd())})


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"argument --set: {text!r} is not FIELD=VALUE, such as objective.beta=4")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def _check_model(config: "RunConfig", data: "Data") -> None:
    """Settings that do not suit the pictures' size are found before there is a run."""
    import torch

    from aecore.model.autoencoder import build

    try:
        with torch.device("meta"):
            build(config, data.shape)
    except BadSettings as error:
        raise UsageError(str(error)) from None


class _StopOnSignal:
    """Within it, the first Ctrl-C or SIGTERM asks the training to stop; a second one breaks off at once."""

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[signal.Signals, Any] = {}

    def is_set(self) -> bool:
        return self._asked

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        self._restore()

    def _restore(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def __enter__(self) -> "_StopOnSignal":
        self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *raised: object) -> None:
        self._restore()


@contextlib.contextmanager
def _bar(config: "RunConfig") -> "Generator[Callable[[Progress], None]]":
    """A bar over the epochs with the error on held-out images and the time left; nothing where no person watches."""
    from tqdm import tqdm

    total = config.procedure.total_epochs(config)
    layout = "{percentage:3.0f}%|{bar}| epoch {n:.0f}/{total}, {remaining} left{postfix}"
    with tqdm(total=total, bar_format=layout, leave=False, disable=None) as bar:

        def on_step(progress: "Progress") -> None:
            bar.set_postfix_str(f"squared error per image {progress.validation_sse:.3g}", refresh=False)
            bar.update(progress.fraction * total - bar.n)

        yield on_step


# --- commands: looking -----------------------------------------------------------------------------------------------


def reconstruct(options: argparse.Namespace) -> None:
    from aecore.foundation import metrics
    from aecore.pictures import sheets

    _out(options.out, ".png")
    session = _session(options.run)
    images = _images(session, options.images, options.n)
    if options.level or options.noise:
        denoised = session.denoise(images, options.noise, options.level, options.seed)
        columns = {"original": images, "corrupted": denoised.shown, "reconstruction": denoised.reconstruction}
    else:
        columns = {"original": images, "reconstruction": session.reconstruct(images)}
    drawn = sheets.labelled_columns(list(columns.values()), list(columns), _factor(session))
    _write(options.out, sheets.png(drawn))
    error = metrics.sse(images, columns["reconstruction"]).mean()
    print(f"{options.out}: {len(images)} images, squared error per image {error:.4g}")


def walk(options: argparse.Namespace) -> None:
    suffix = _out(options.out, ".png", ".gif")
    session = _session(options.run)
    code = session.encode(_one_image(session, options))[0]
    ranked = [int(unit) for unit in session.units_by_effect()]
    if options.unit is not None and options.unit not in ranked:
        raise UsageError(f"argument --unit: this code has units 0 to {session.code_dim - 1}, not {options.unit}")
    units = ranked[:STRIPS] if options.unit is None else [options.unit]
    content = _filmstrips(session, code, units) if suffix == ".png" else _loop(session, code, units)
    _write(options.out, content)
    print(f"{options.out}: unit{'s' if len(units) > 1 else ''} {', '.join(map(str, units))}, most effective first")


def _filmstrips(session: "Session", code: "np.ndarray", units: list[int]) -> bytes:
    """A row for each unit, over its empirical range."""
    from aecore.pictures import sheets

    rows = [session.walk(code, unit, STRIP_STEPS)[1] for unit in units]
    return sheets.png(sheets.enlarge(sheets.sheet(rows, background=sheets.WHITE), _factor(session)))


def _loop(session: "Session", code: "np.ndarray", units: list[int]) -> bytes:
    """There and back, every unit at once in a tile of its own; eased, so that it does not bump at the ends."""
    import numpy as np

    from aecore.pictures import sheets

    phase = (1 - np.cos(2 * np.pi * np.arange(LOOP_STEPS) / LOOP_STEPS)) / 2
    ranges = [session.unit_range(unit) for unit in units]
    walks = [session.walk(code, u, values=a + (b - a) * phase)[1] for u, (a, b) in zip(units, ranges, strict=True)]
    columns = min(len(units), 4)
    frames = [sheets.grid(np.stack(tiles), columns, background=sheets.WHITE) for tiles in zip(*walks, strict=True)]
    return sheets.gif(frames, FRAME_MILLISECONDS, _factor(session))


def embed(options: argparse.Namespace) -> None:
    """Beside the coordinates in OUT: how good each map is in OUT's .quality.csv, and all of them drawn in its .png."""
    _out(options.out, ".csv", ".npy")
    methods = list(dict.fromkeys(options.method or ["code" if options.run or not _is_path(options.source) else "pca"]))
    if "units" in methods:
        return _embed_units(options, methods)
    from aecore.pictures.sheets import png
    from aecore.maps.poster import poster

    made = _atlas(options, methods)
    _write_coordinates(options.out, made, made.origins if _is_path(options.source) else ())
    rows = [_quality_row(panel) for panel in made.panels]
    table = "".join(",".join(row) + "\n" for row in [list(QUALITIES), *rows])
    _write(_beside(options.out, ".quality.csv"), table.encode())
    colours = "class" if made.labels is not None else "none"
    _write(_beside(options.out, ".png"), png(poster(made, colours, Path(options.source).name, len(made) <= 2000)))
    _say_table(
        ("MAP", "STRESS-1", "TRUST", "CONTINUITY", "NEIGHBOURS AGREE", "VARIANCE", "SQUARED ERROR"),
        [[row[0], *(f"{float(value):.3f}" if value else "" for value in row[1:])] for row in rows],
    )
    print(f"\n{options.out}, {_beside(options.out, '.quality.csv')}, {_beside(options.out, '.png')}: {made.note}")


QUALITIES = (
    "map", "stress_1", "trustworthiness", "continuity", "knn_accuracy", "explained_variance", "reconstruction_sse"
)  # fmt: skip


def _quality_row(panel: "Panel") -> list[str]:
    """The figures in full; empty where the method or the images have none."""
    values = [panel.quality.get(name) for name in QUALITIES[1:]]
    return [panel.spec.text, *("" if value is None else f"{value:.9g}" for value in values)]


def _beside(path: str, suffix: str) -> str:
    return str(Path(path).with_suffix(suffix))


def _is_path(source: str) -> bool:
    return source.lower().endswith(".npz") or Path(source).is_dir()


def _atlas(options: argparse.Namespace, methods: Sequence[str]) -> "Atlas":
    """The maps of a run's images, or of the pictures in a folder or npz file, with a bar while they are made."""
    from tqdm import tqdm

    from aecore.maps.atlas import atlas, atlas_of
    from aecore.maps.spec import MOST_IMAGES, AtlasSpec, PanelSpec

    try:
        spec = AtlasSpec(tuple(PanelSpec.parse(text) for text in methods), options.n)
    except BadInput as error:
        raise UsageError(f"argument --method: {error}; and units for the whole code") from None
    if options.run and not _is_path(options.source):
        raise UsageError(
            f"argument --run: {options.source!r} is neither a folder nor an .npz file, so it names the run"
        )
    with tqdm(total=1.0, bar_format="{desc} {percentage:3.0f}%|{bar}|", leave=False, disable=None) as bar:

        def told(share: float, words: str) -> None:
            bar.set_description_str(words, refresh=False)
            bar.update(share - bar.n)

        if not _is_path(options.source):
            return atlas(_session(options.source), spec, told)
        session = _session(options.run) if options.run else None
        taken = _pictures(Path(options.source), session, options.n or MOST_IMAGES)
        images = taken.images.astype("float32") / 255
        return atlas_of(images, taken.names, spec, session, told, classes=taken.classes)


def _pictures(source: Path, session: "Session | None", most: int) -> "Intake":
    """The first pictures of a folder or of an npz file, in the size of a run or of the first of them; what is left out
    is said. In grey where none has colours.
    """
    from aecore.pictures.uploads import read_own

    _, height, width = session.shape if session is not None else (0, 0, 0)
    channels = 3 if session is None else session.shape[0]
    if channels not in (1, 3):
        raise BadInput(f"this model sees {channels} channels, which no picture file has")
    size = None if session is None else (height, width)
    taken = read_own(source, size, channels, most)
    for name, reason in taken.refused:
        print(f"left out: {plain(name)}: {plain(reason)}")
    if len(taken.images) < 2:
        raise BadInput(f"{source} holds {len(taken.images)} pictures that can be read; a map needs at least two")
    if session is None and (taken.images == taken.images[:, :1]).all():
        taken = dataclasses.replace(taken, images=taken.images[:, :1])
    return taken


def _write_coordinates(out: str, made: "Atlas", names: Sequence[str]) -> None:
    if Path(out).suffix.lower() == ".npy":
        return _write(out, made.npy())
    heads = made.axes if len(made.panels) > 1 else ["x", "y", "z"][: made.coordinates.shape[1]]
    labels = made.labels if made.labels is None or not names else [made.class_of(i) for i in range(len(made))]
    _write(out, _csv(made.indices, labels, made.coordinates, heads, names))


def _embed_units(options: argparse.Namespace, methods: Sequence[str]) -> None:
    """The whole code, which is no map: only its numbers are written."""
    if len(methods) > 1 or options.run or _is_path(options.source):
        raise UsageError("argument --method: units writes the whole code of a run's test images; give it alone")
    session = _session(options.source)
    gallery = session.gallery(options.n or 1000)
    codes = session.encode(gallery.images)
    if Path(options.out).suffix.lower() == ".npy":
        import numpy as np

        out = io.BytesIO()
        np.save(out, codes, allow_pickle=False)
        _write(options.out, out.getvalue())
    else:
        _write(options.out, _csv(gallery.indices, gallery.labels, codes, [f"h{k}" for k in range(codes.shape[1])], []))
    print(f"{options.out}: {len(codes)} images × {codes.shape[1]} numbers (units); {gallery.note}")


def _csv(
    indices: "np.ndarray",
    labels: "Sequence[object] | np.ndarray | None",
    numbers: "np.ndarray",
    heads: Sequence[str],
    names: Sequence[str],
) -> bytes:
    """A line for each image: its place in the dataset, or its name, its class where there is one, and its numbers."""
    import csv

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["name" if names else "index", *(["label"] if labels is not None else []), *heads])
    for i, row in enumerate(numbers):
        label = [] if labels is None else [labels[i]]
        writer.writerow([names[i] if names else int(indices[i]), *label, *(f"{number:.9g}" for number in row)])
    return out.getvalue().encode()


def likelihood(options: argparse.Namespace) -> None:
    """The mean over test images; the bound grows with K, so figures compare only at equal K and on equal images."""
    from aecore.model.generative import binarised

    session = _session(options.run)
    gallery = session.gallery(options.n)
    if gallery.decoded:
        raise AecoreError(f"log p(x) is a statement about real images, and they are not here: {gallery.note}")
    images = binarised(gallery.images, options.seed) if options.binarise else gallery.images
    found = session.log_likelihood(images, options.samples, options.seed)
    mean, error = float(found.mean()), float(found.std() / len(found) ** 0.5)
    if options.json:
        return _say_json(
            {"run_id": session.run_id, "log_likelihood": mean, "standard_error": error, "unit": "nats per image",
             "samples": options.samples, "images": len(images), "seed": options.seed, "binarised": options.binarise}
        )  # fmt: skip
    print(f"log p(x) ≥ {mean:.2f} ± {error:.2f} nats per image (K = {options.samples}; {gallery.note})")


def _images(session: "Session", files: Sequence[str], n: int) -> "np.ndarray":
    """The named picture files in the model's size, or `n` test images; what is left out is said."""
    from aecore.pictures.uploads import read_files

    if not files:
        return session.gallery(n).images
    channels, height, width = session.shape
    if channels not in (1, 3):
        raise BadInput(f"this model sees {channels} channels, which no picture file has")
    taken = read_files([(name, Path(name).read_bytes()) for name in files], (height, width), channels)
    if not len(taken.images):
        raise BadInput("; ".join(f"{name}: {reason}" for name, reason in taken.refused[:3]) or "there is no picture")
    for name, reason in taken.refused:
        print(f"left out: {name}: {reason}")
    return taken.images.astype("float32") / 255


def _one_image(session: "Session", options: argparse.Namespace) -> "np.ndarray":
    """The image where a walk starts: a file, an image of the dataset by its index, or the first test image shown."""
    import numpy as np

    if options.image is not None or options.index is None:
        return _images(session, [options.image] if options.image else [], 1)[:1]
    if not 0 <= options.index < len(session.data):
        raise UsageError(f"argument --index: the dataset has images 0 to {len(session.data) - 1}, not {options.index}")
    return session.data.floats(np.array([options.index]))


def _factor(session: "Session") -> int:
    return max(1, PICTURE_SIDE // max(session.shape[1:]))


def _out(path: str, *suffixes: str) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in suffixes:
        raise UsageError(
            f"argument -o/--out: {path!r} must end in {' or '.join(suffixes)}, which also names the format"
        )
    return suffix


def _write(path: str, content: bytes) -> None:
    from aecore.foundation.files import write_atomic

    target = Path(path)
    if not target.absolute().parent.is_dir():
        raise AecoreError(f"{path} cannot be written: there is no folder {target.absolute().parent}; make it first")
    write_atomic(target, content)


# --- commands: keeping -----------------------------------------------------------------------------------------------


def delete(options: argparse.Namespace) -> None:
    store = _store()
    for run_id in [_find(store, wanted) for wanted in options.runs]:
        store.delete(run_id)
        print(f"Deleted {run_id}; to undo: aecore restore {run_id}")


def restore(options: argparse.Namespace) -> None:
    store = _store()
    if options.run:
        store.restore(options.run)
        return print(f"{options.run} is back")
    if options.json:
        return _say_json(store.trash())
    print("\n".join(store.trash()) or "The trash is empty.")


def rename(options: argparse.Namespace) -> None:
    store = _store()
    run_id = _find(store, options.run)
    store.rename(run_id, options.name)
    print(f"{run_id} is now called {store.info(run_id).name}")


def export(options: argparse.Namespace) -> None:
    (_export_model if _out(options.out, ".zip", ".onnx") == ".onnx" else _export_run)(options)


def _export_model(options: argparse.Namespace) -> None:
    from aecore.session.onnx_cache import content, signature

    if options.with_images:
        raise UsageError("argument --with-images: an .onnx file holds no pictures; they travel in a .zip")
    if options.noise and options.part != "denoiser":
        raise UsageError("argument --noise: only a denoiser corrupts; add --part denoiser")
    part = options.part or "decoder"
    made = content(_session(options.run), part, options.noise)
    _write(options.out, made)
    print(f"{options.out}: the {part}, {len(made) / 1e6:.2f} MB: {signature(made)}")


def _export_run(options: argparse.Namespace) -> None:
    from aecore.store.archive import IMAGES, export_zip

    if options.part or options.noise:
        raise UsageError("argument --part/--noise: a .zip holds the whole run; for its model write to an .onnx file")
    store = _store()
    run_id = _find(store, options.run)
    _write(options.out, export_zip(store, run_id, options.with_images))
    kept_back = (store.folder(run_id) / IMAGES).is_file() and not options.with_images
    print(f"{options.out}: {run_id}{' without its pictures (--with-images adds them)' if kept_back else ''}")


def import_run(options: argparse.Namespace) -> None:
    from aecore.store.archive import MAX_BYTES, import_zip

    with open(options.file, "rb") as file:
        data = file.read(MAX_BYTES + 1)  # what is longer is refused, and need not be read
    print(f"Imported as {import_zip(_store(), data)}")


def app(options: argparse.Namespace) -> None:
    from aecore.cli.serve import launch

    launch(options.port, options.host, not options.no_browser)
