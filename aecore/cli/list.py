"""Commands that list: list, show, directions, recipes, datasets, fetch."""

import argparse
import contextlib
import dataclasses
import inspect
import json
import textwrap
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from aecore.foundation.errors import AecoreError

if TYPE_CHECKING:
    from aecore.model.recipes import Recipe
    from aecore.parts.data import Data, Dataset
    from aecore.session.directions import Direction
    from aecore.store.folder import RunInfo
    from aecore.store.stages import Stage
    from aecore.store.store import RunStore
from aecore.cli.output import (
    DIRECTIONS,
    STRIPS,
    UsageError,
    find_run,
    open_session,
    open_store,
    plain,
    say_json,
    say_table,
)


def run_values(info: "RunInfo") -> dict[str, Any]:
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


def error_text(info: "RunInfo") -> str:
    figure = info.status.metrics.get("test_sse")
    return "" if figure is None else f"{figure:.3g}"


def list_runs(options: argparse.Namespace) -> None:
    runs = open_store().runs()
    if options.json:
        return say_json([run_values(info) for info in runs])
    rows = [
        (info.run_id, "ready-made" if info.builtin else info.state, *_kind(info), error_text(info), _remark(info))
        for info in runs
    ]
    say_table(("RUN", "STATE", "RECIPE", "DATASET", "CODE", "ERROR", ""), rows)
    print("\nERROR is the squared error per test image." if rows else "No runs yet: aecore train denoising")


def _kind(info: "RunInfo") -> tuple[str, str, str]:
    config = info.config
    return ("", "", "") if config is None else (config.recipe, config.dataset.kind, str(config.code_dim))


def _remark(info: "RunInfo") -> str:
    return info.reason or (info.name if info.name != info.run_id else "")


def show(options: argparse.Namespace) -> None:
    store = open_store()
    info = store.info(find_run(store, options.run))
    if options.json:
        config = info.config.model_dump(mode="json") if info.config else None
        status = info.status.model_dump(mode="json")
        return say_json({**run_values(info), "status": status, "config": config, "units": _units(store, info),
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

    session = open_session(options.run)
    found = [units(session), principal(session), attributes(session)]
    if options.json:
        return say_json([_direction_values(direction) for some in found for direction in some])
    shown = [direction for some in found for direction in some[:DIRECTIONS]]
    say_table(
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
    from aecore.store.folder import RunFolder
    from aecore.store.stages import stages

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
        return say_json([_recipe_values(recipe) for recipe in RECIPES.values()])
    for recipe in RECIPES.values():
        print(f"{recipe.name}: {recipe.teaches}\n    {recipe.formula}\n    {recipe.source}\n")


def _recipe_values(recipe: "Recipe") -> dict[str, Any]:
    return {"name": recipe.name, "title": recipe.title, "teaches": recipe.teaches, "formula": recipe.formula,
            "source": recipe.source, "config": recipe.config.model_dump(mode="json")}  # fmt: skip


def datasets(options: argparse.Namespace) -> None:
    values = [_dataset_values(dataset) for dataset in _all_datasets().values()]
    if options.json:
        return say_json(values)
    for value in values:
        print(f"{value['kind']}: {value['summary']} ({value['where']})")
        for name in ("source", "licence"):
            if value[name]:
                print(f"    {name}: {value[name]}")


def _all_datasets() -> "dict[str, Dataset]":
    from aecore.parts.data import Dataset
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
    data = load_with_bar(fetchable[options.kind])
    print(f"{data.name}: {len(data):,} pictures are here. Source: {data.source}. Licence: {data.licence}")


def load_with_bar(dataset: "Dataset") -> "Data":
    """The data, with a bar while they are fetched or read."""
    from tqdm import tqdm

    from aecore.parts.loading import load_data

    with tqdm(total=1.0, bar_format="{desc} {percentage:3.0f}%|{bar}|", leave=False, disable=None) as bar:

        def on_progress(fraction: float, words: str) -> None:
            bar.set_description_str(words, refresh=False)
            bar.update(fraction - bar.n)

        return load_data(dataset, on_progress, fetch=True)
