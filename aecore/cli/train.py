"""The command `train`."""

import argparse
import contextlib
import json
import os
import signal
from collections.abc import Callable, Generator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from aecore.foundation.errors import AecoreError, BadSettings

if TYPE_CHECKING:
    from aecore.model.config import RunConfig
    from aecore.parts.data import Data
    from aecore.store.store import RunStore
    from aecore.training.trainer import TrainingProgress
from aecore.cli.list import error_text, load_with_bar, run_values
from aecore.cli.output import UsageError, find_run, open_store, say_json


def train(options: argparse.Namespace) -> None:
    from aecore.training import run

    store = open_store()
    config, taken_up = _resumed(store, options) if options.resume else (_config(options), None)
    if taken_up is None:
        _check_model(config, load_with_bar(config.dataset))
    asked = _StopOnSignal()
    with asked, _bar(config) as on_step:
        run_id = run.train(config, store, on_step, asked.is_set, run_id=taken_up, name=options.name, fetch=False)
    info = store.info(run_id)
    if info.state == "failed":
        raise AecoreError(f"{info.reason} (kept as run {run_id})")
    if not info.explorable:
        raise AecoreError(f"{info.reason}: no epoch was finished, so there are no weights to keep (run {run_id})")
    if options.json:
        return say_json(run_values(info))
    stopped = f"Stopped after {info.status.epoch} of {info.status.epochs} epochs; the best weights so far are kept. "
    error = error_text(info) or "no test images"
    print(f"{stopped if info.state == 'stopped' else ''}Squared error per test image: {error}")
    if info.resumable:
        print(f"Its training can go on at the stage it was in: aecore train --resume {run_id}")
    print(f"Run {run_id} is ready. Look at it: aecore walk {run_id} -o walk.gif, or aecore app")


def _resumed(store: "RunStore", options: argparse.Namespace) -> tuple["RunConfig", str]:
    """Settings and id of a run that ended early or waits to go on, and that this process trains from now on."""
    from aecore.training import queue

    if options.recipe or options.set or options.dataset or options.name:
        raise UsageError("argument --resume: it goes on with the run's own settings, so give the run alone")
    run_id = find_run(store, options.resume)
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
def _bar(config: "RunConfig") -> "Generator[Callable[[TrainingProgress], None]]":
    """A bar over the epochs with the error on held-out images and the time left; nothing where no person watches."""
    from tqdm import tqdm

    total = config.procedure.total_epochs(config)
    layout = "{percentage:3.0f}%|{bar}| epoch {n:.0f}/{total}, {remaining} left{postfix}"
    with tqdm(total=total, bar_format=layout, leave=False, disable=None) as bar:

        def on_step(progress: "TrainingProgress") -> None:
            bar.set_postfix_str(f"squared error per image {progress.validation_sse:.3g}", refresh=False)
            bar.update(progress.fraction * total - bar.n)

        yield on_step
