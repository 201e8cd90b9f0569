"""Commands that list: list, show, directions, recipes, datasets, and fetch."""

import contextlib
import dataclasses
import inspect
import json
import textwrap
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import click

from aecore.cli.options import command, json_option, run_argument
from aecore.cli.output import find_run, open_session, open_store, plain, print_json, print_table, progress_bar
from aecore.foundation.errors import AecoreError

if TYPE_CHECKING:
    from aecore.model.recipes import Recipe
    from aecore.parts.data import Data, Dataset
    from aecore.session.directions import Direction
    from aecore.store.folder import RunInfo
    from aecore.store.stages import Stage
    from aecore.store.store import RunStore

MAX_UNITS = 8
"""Units that `show` prints, the most effective ones."""
MAX_DIRECTIONS = 16
"""Directions of each sort that `directions` prints as text."""


def run_values(info: "RunInfo") -> dict[str, Any]:
    """Return the fields that `--json` prints of a run. Programs read them: fields may be added, never renamed."""
    config = info.config
    return {
        "run_id": info.run_id,
        "name": info.name,
        "state": info.state,
        "reason": info.reason,
        "builtin": info.builtin,
        "owner": info.status.owner,
        "shared": info.status.shared,
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
    """Return the squared error per test image, or an empty text where there is none."""
    figure = info.status.metrics.get("test_sse")
    return "" if figure is None else f"{figure:.3g}"


@command("list", "aecore list --json")
@json_option
def list_runs(as_json: bool) -> None:
    """List every run, newest first. Damaged runs are listed too, with the reason."""
    runs = open_store().runs()
    if as_json:
        return print_json([run_values(info) for info in runs])
    rows = [
        (info.run_id, "ready-made" if info.builtin else info.state, *_composition(info), error_text(info), _note(info))
        for info in runs
    ]
    print_table(("RUN", "STATE", "RECIPE", "DATASET", "CODE", "ERROR", ""), rows)
    print("\nERROR is the squared error per test image." if rows else "No runs yet: aecore train denoising")


def _composition(info: "RunInfo") -> tuple[str, str, str]:
    """Return recipe, dataset and code size; empty where a damaged run's settings cannot be read."""
    config = info.config
    return ("", "", "") if config is None else (config.recipe, config.dataset.kind, str(config.code_dim))


def _note(info: "RunInfo") -> str:
    """Return why the run failed, stopped or is damaged, else the name it was given."""
    return info.reason or (info.name if info.name != info.run_id else "")


@command("show", "aecore show denoising --json")
@run_argument
@json_option
def show(run: str, as_json: bool) -> None:
    """Show one run. Its settings are what train --set can change, its units what walk draws."""
    store = open_store()
    info = store.info(find_run(store, run))
    if as_json:
        config = info.config.model_dump(mode="json") if info.config else None
        status = info.status.model_dump(mode="json")
        return print_json({**run_values(info), "status": status, "config": config, "units": _units(store, info),
                           "stages": [dataclasses.asdict(stage) for stage in _stages(info)]})  # fmt: skip
    print(f"{plain(info.name)}  ({info.state}{', ready-made' if info.builtin else ''})")
    for label, value in _facts(info):
        print(f"  {label:<24}{plain(value)}")
    _print_figures(info)
    if info.config is not None:
        print("\nSettings (the names are those of `--set`):")
        for name, value in _dotted(info.config.model_dump(mode="json")):
            print(f"  {name:<28}{json.dumps(value, ensure_ascii=False)}")
    for unit in _units(store, info)[:MAX_UNITS]:
        gap = "" if unit["rank"] else "\n"
        print(f"{gap}  unit {unit['unit']:<4} changes a pixel by {unit['effect']:.4f} on average")


def _facts(info: "RunInfo") -> Iterator[tuple[str, str]]:
    """Yield (label, value) for the id, reason, date, epochs, picture size and folder of a run."""
    status = info.status
    yield "run", info.run_id
    if info.reason:
        yield "reason", info.reason
    if status.created:
        with contextlib.suppress(ValueError, OverflowError, OSError):  # a damaged run: a time outside the calendar
            yield "made", time.strftime("%Y-%m-%d %H:%M", time.localtime(status.created))
    yield "epochs", f"{status.epoch} of {status.epochs}"
    if status.shape is not None:
        yield "pictures", "{} × {} × {} (channels, height, width)".format(*status.shape)
    yield "folder", str(info.folder)


def _print_figures(info: "RunInfo") -> None:
    """Print every figure with its definition, then the metrics that no figure declares, by their own names."""
    from aecore.store.figures import FIGURES, figures

    declared = {name for figure in FIGURES for name in (figure.name, (figure.beside or ("", ""))[1])}
    other = [(name, f"{value:.4g}") for name, value in info.status.metrics.items() if name not in declared]
    print("\nFigures:")
    for figure, text in figures(info):
        print(f"  {figure.label:<24}{plain(text)}")
        print(textwrap.indent(textwrap.fill(figure.definition, 88), " " * 26))
    for name, text in other:
        print(f"  {plain(name):<24}{text}")


def _dotted(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the settings by their dotted names, such as `objective.beta`."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", v) for inner, v in cast(dict[str, Any], value).items())
        else:
            yield name, value


def _units(store: "RunStore", info: "RunInfo") -> list[dict[str, Any]]:
    """Return the units of the code, most effective first; effect: mean change of a pixel per standard deviation."""
    from aecore.session.session import Session

    if not info.explorable:
        return []
    session = Session(store, info.run_id)
    order = [int(unit) for unit in session.units_by_effect()]
    return [{"rank": rank, "unit": unit, "effect": float(session.effects[unit])} for rank, unit in enumerate(order)]


def _stages(info: "RunInfo") -> "list[Stage]":
    """Return the stages of a training that has several; otherwise an empty list."""
    from aecore.store.folder import RunFolder
    from aecore.store.stages import stages

    found = stages(RunFolder(info.folder).history())
    return found if len(found) > 1 else []


@command("directions", "aecore directions shapes-variational")
@run_argument
@json_option
def directions(run: str, as_json: bool) -> None:
    """List the directions in which a code can be moved. Where the effect on the picture is clear, words describe it."""
    from aecore.session.directions import attributes, principal, units

    session = open_session(run)
    sorts = [units(session), principal(session), attributes(session)]
    if as_json:
        return print_json([_direction_values(direction) for sort in sorts for direction in sort])
    shown = [direction for sort in sorts for direction in sort[:MAX_DIRECTIONS]]
    print_table(
        ("DIRECTION", "EFFECT", "DATA", "MORE OF IT"),
        [(d.name, f"{d.effect:.4f}", f"{d.low:.2f} to {d.high:.2f}", d.words or ("dead" if d.dead else ""))
         for d in shown],
    )  # fmt: skip
    left_out = sum(map(len, sorts)) - len(shown)
    print("\nEFFECT is the mean change of a pixel per standard deviation; DATA holds 96 % of the training codes."
          + (f" {left_out} weaker ones: --json." if left_out else ""))  # fmt: skip


def _direction_values(direction: "Direction") -> dict[str, Any]:
    """Return the fields that `--json` prints of a direction. A unit has no `vector`: it would be 1 at the unit."""
    values = dataclasses.asdict(direction)
    vector = values.pop("vector")
    return values if direction.kind == "unit" else {**values, "vector": vector.tolist()}


@command("recipes", "aecore recipes")
@json_option
def recipes(as_json: bool) -> None:
    """List the kinds of autoencoder. Each shows one idea, with formula and paper."""
    from aecore.model.recipes import RECIPES

    if as_json:
        return print_json([_recipe_values(recipe) for recipe in RECIPES.values()])
    for recipe in RECIPES.values():
        print(f"{recipe.name}: {recipe.teaches}\n    {recipe.formula}\n    {recipe.source}\n")


def _recipe_values(recipe: "Recipe") -> dict[str, Any]:
    return {"name": recipe.name, "title": recipe.title, "teaches": recipe.teaches, "formula": recipe.formula,
            "source": recipe.source, "config": recipe.config.model_dump(mode="json")}  # fmt: skip


@command("datasets", "aecore datasets")
@json_option
def datasets(as_json: bool) -> None:
    """List the datasets. Their sources and licences matter before you publish a picture."""
    values = [_dataset_values(dataset) for dataset in _all_datasets().values()]
    if as_json:
        return print_json(values)
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
    """Return the fields that `--json` prints of a dataset. Exact source and licence are read from the data; where the
    data are not on this machine, the source is the one its documentation names.
    """
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


@command("fetch", "aecore fetch mnist")
@click.argument("kind", metavar="KIND", help="see aecore datasets")
def fetch(kind: str) -> None:
    """Download a dataset once. Afterwards nothing needs the network for it."""
    fetchable = {name: dataset for name, dataset in _all_datasets().items() if dataset.on_demand}
    if kind not in fetchable:
        raise click.BadParameter(f"{kind!r} cannot be downloaded; these can: {', '.join(fetchable)}", param_hint="KIND")
    data = load_with_bar(fetchable[kind])
    print(f"{data.name}: {len(data):,} pictures are here. Source: {data.source}. Licence: {data.licence}")


def load_with_bar(dataset: "Dataset") -> "Data":
    """Download the data where needed and read them, with a progress bar."""
    from aecore.parts.loading import load_data

    with progress_bar() as on_progress:
        return load_data(dataset, on_progress, fetch=True)
