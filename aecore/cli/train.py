"""The command `train`."""

import contextlib
import json
import os
import signal
from collections.abc import Callable, Generator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from aecore.cli.list import error_text, load_with_bar, run_values
from aecore.cli.options import command, complete_run, json_option
from aecore.cli.output import find_run, open_store, print_json
from aecore.foundation.errors import AecoreError, BadSettings

if TYPE_CHECKING:
    from aecore.model.config import RunConfig
    from aecore.parts.data import Data
    from aecore.store.folder import RunInfo
    from aecore.store.store import RunStore
    from aecore.training.trainer import TrainingProgress


def _parse_settings(context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> dict[str, Any]:
    """Parse FIELD=VALUE with VALUE in JSON, else as text. Of a field given twice the last value counts."""
    settings: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{text!r} is not FIELD=VALUE, such as objective.beta=4")
        try:
            settings[name] = json.loads(value)
        except (ValueError, RecursionError):
            settings[name] = value
    return settings


@command(
    "train",
    "aecore train variational --dataset shapes --set objective.beta=4 --set epochs=30 --name 'my first VAE'",
    "aecore train denoising --dataset folder=pictures --set dataset.size=28",
    "aecore train --resume stacked_denoising-digits-20260101-1a2b3c",
)
@click.argument("recipe", metavar="[RECIPE]", required=False, help="a kind of autoencoder; see aecore recipes")
@click.option("--dataset", metavar="KIND[=PATH]", help="see aecore datasets; with PATH, your own npz file or folder")
@click.option(
    "--set",
    "settings",
    metavar="FIELD=VALUE",
    multiple=True,
    callback=_parse_settings,
    help="a setting by its dotted name, as often as needed; names: aecore show RUN",
)
@click.option("--name", default="", help="what to call the run")
@click.option(
    "--resume",
    metavar="RUN",
    shell_complete=complete_run,
    help="continue a training of several stages, from the stage in which it was ended",
)
@json_option
def train(
    recipe: str | None, dataset: str | None, settings: dict[str, Any], name: str, resume: str | None, as_json: bool
) -> None:
    """Train a recipe and keep the run. Ctrl-C ends it early and keeps the best weights so far."""
    from aecore.training import run

    store = open_store()
    if resume:
        if recipe or settings or dataset or name:
            raise click.UsageError("--resume continues with the run's own settings, so give only the run")
        config, resumed = _claim(store, resume)
    else:
        config, resumed = _config(recipe, dataset, settings), None
        _check_shapes(config, load_with_bar(config.dataset))
    stop = _StopOnSignal()
    with stop, _bar(config) as on_step:
        run_id = run.train(config, store, on_step, stop.is_set, run_id=resumed, name=name, fetch=False)
    _report(store.info(run_id), as_json)


def _report(info: "RunInfo", as_json: bool) -> None:
    """Print how the training went. Raises `AecoreError` when it failed, or left no weights."""
    if info.state == "failed":
        raise AecoreError(f"{info.reason} (kept as run {info.run_id})")
    if not info.explorable:
        raise AecoreError(f"{info.reason}: no epoch was finished, so there are no weights to keep (run {info.run_id})")
    if as_json:
        return print_json(run_values(info))
    if info.state == "stopped":
        epochs = f"{info.status.epoch} of {info.status.epochs} epochs"
        print(f"Stopped after {epochs}; the best weights so far are kept. ", end="")
    print(f"Squared error per test image: {error_text(info) or 'no test images'}")
    if info.resumable:
        print(f"To continue this training from the stage it was in: aecore train --resume {info.run_id}")
    print(f"Run {info.run_id} is ready. Look at it: aecore walk {info.run_id} -o walk.gif, or aecore app")


def _claim(store: "RunStore", wanted: str) -> tuple["RunConfig", str]:
    """Return settings and id of a run that was ended early or is queued, so that this process trains it."""
    from aecore.training import queue

    run_id = find_run(store, wanted)
    info = store.info(run_id)
    if info.state != "queued":
        queue.resume(store, run_id)
    queue.claim(store, run_id)
    assert info.config is not None
    return info.config, run_id


def _config(recipe_name: str | None, dataset: str | None, settings: dict[str, Any]) -> "RunConfig":
    """Return the recipe with the given settings; settings that cannot work are wrong usage."""
    from aecore.model.config import with_settings
    from aecore.model.recipes import recipe

    if not recipe_name:
        raise click.UsageError("name a kind of autoencoder (see aecore recipes), or give --resume RUN")
    if dataset:
        kind, _, path = dataset.partition("=")
        settings = {"dataset": kind, **({"dataset.path": path} if path else {}), **settings}
    settings = {
        name: os.path.expanduser(str(value)) if name.endswith(".path") else value for name, value in settings.items()
    }
    try:
        config = with_settings(recipe(recipe_name).config, settings)
    except BadSettings as error:
        raise click.UsageError(str(error)) from None
    # A relative path in a run's settings starts at the run's folder; on the command line it starts here.
    return config.model_copy(update={"dataset": config.dataset.resolved(Path.cwd())})


def _check_shapes(config: "RunConfig", data: "Data") -> None:
    """Build the model without memory, so that settings unfit for the pictures' size are refused before a run exists."""
    import torch

    from aecore.model.autoencoder import build

    try:
        with torch.device("meta"):
            build(config, data.shape)
    except BadSettings as error:
        raise click.UsageError(str(error)) from None


class _StopOnSignal:
    """Context in which the first Ctrl-C or SIGTERM asks the training to stop, and a second one ends it at once."""

    def __init__(self) -> None:
        self._stop = False
        self._previous: dict[signal.Signals, Any] = {}

    def is_set(self) -> bool:
        return self._stop

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop = True
        self._restore()

    def _restore(self) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())

    def __enter__(self) -> "_StopOnSignal":
        self._previous = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *raised: object) -> None:
        self._restore()


@contextlib.contextmanager
def _bar(config: "RunConfig") -> "Generator[Callable[[TrainingProgress], None]]":
    """Show a bar over the epochs, with the error on validation images and the time left; only in a terminal."""
    from tqdm import tqdm

    total = config.procedure.total_epochs(config)
    layout = "{percentage:3.0f}%|{bar}| epoch {n:.0f}/{total}, {remaining} left{postfix}"
    with tqdm(total=total, bar_format=layout, leave=False, disable=None) as bar:

        def on_step(progress: "TrainingProgress") -> None:
            bar.set_postfix_str(f"squared error per image {progress.validation_sse:.3g}", refresh=False)
            bar.update(progress.fraction * total - bar.n)

        yield on_step
