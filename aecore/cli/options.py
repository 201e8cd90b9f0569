"""What the commands share in their declarations: decorator, types of values, common options, completion of run ids."""

import contextlib
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

Function = Callable[..., Any]
FILE = click.Path(readable=False)
"""A path that the shell completes. click does not check that it can be read: a file that cannot is a failure (exit code
1), not wrong usage (2).
"""


def command(name: str, *examples: str) -> Callable[[Function], click.Command]:
    """Declare a function as the command `name`. Its docstring is the help, its first sentence the line in the list of
    commands, and `examples` are printed below the options. Every command also takes `--home`.
    """

    def declare(function: Function) -> click.Command:
        text = " ".join((inspect.getdoc(function) or "").split())
        heading = "Examples:" if len(examples) > 1 else "Example:"
        made = click.command(
            name,
            help=text,
            short_help=text.split(". ")[0].rstrip("."),
            epilog="\n  ".join([f"\b\n{heading}", *examples]),  # \b: click keeps the lines as they are
        )(function)
        made.params.append(HOME)
        return made

    return declare


class Number(click.ParamType[float, Any]):
    """A number from `low` to `high`, both included; a whole number where `low` is an `int`. NaN is refused."""

    def __init__(self, low: int | float, high: int | float, name: str = "number") -> None:
        self._low, self._high, self.name = low, high, name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | float:
        with contextlib.suppress(ValueError):
            number = type(self._low)(value)
            if self._low <= number <= self._high:
                return number
        self.fail(f"{value!r} is not a {self.name} ({self._low:g} to {self._high:g})", param, ctx)


class OutputFile(click.Path):
    """A file to write, whose suffix is one of `suffixes` and names the format."""

    def __init__(self, *suffixes: str) -> None:
        super().__init__(readable=False)
        self._suffixes = suffixes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if Path(value).suffix.lower() not in self._suffixes:
            self.fail(f"{value!r} must end in {' or '.join(self._suffixes)}, which names the format", param, ctx)
        return str(value)


# --- completion in the shell


def _run_ids(incomplete: str, *folders: Path) -> list[str]:
    """Return the names of subfolders that begin with `incomplete`. Reading the runs would take a second or two."""
    found = list[str]()
    for folder in folders:
        with contextlib.suppress(OSError):
            found += sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    return [name for name in found if name.startswith(incomplete) and not name.startswith(".")]


def complete_own_run(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from aecore.foundation.home import home

    return _run_ids(incomplete, home() / "runs", home() / "staging")


def complete_run(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from aecore.foundation.home import assets

    return complete_own_run(context, parameter, incomplete) + _run_ids(incomplete, assets() / "runs")


def complete_deleted_run(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from aecore.foundation.home import home

    return _run_ids(incomplete, home() / "trash")


def complete_run_or_file(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete ids of runs, and let the shell add its files."""
    ids = complete_run(context, parameter, incomplete)
    return [*map(CompletionItem, ids), CompletionItem(incomplete, type="file")]


# --- arguments and options of several commands


def _set_home(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        os.environ["AECORE_HOME"] = value


HOME = click.Option(
    ["--home"],
    metavar="DIR",
    type=click.Path(file_okay=False, readable=False),
    expose_value=False,
    callback=_set_home,
    help="folder of runs and downloads (AECORE_HOME)",
)
RUN_HELP = "id or name of a run, or the beginning of its id; see aecore list"
run_argument = click.argument("run", metavar="RUN", shell_complete=complete_run, help=RUN_HELP)
own_run_argument = click.argument("run", metavar="RUN", shell_complete=complete_own_run, help=RUN_HELP)
json_option = click.option("--json", "as_json", is_flag=True, help="print JSON for programs instead of text for people")


def out_option(*suffixes: str) -> Callable[[Function], Function]:
    return click.option(
        "-o",
        "--out",
        metavar="FILE",
        type=OutputFile(*suffixes),
        required=True,
        help=f"file to write: {' or '.join(suffixes)}",
    )
