"""What every command needs: find the run that is meant, print tables and JSON, write files, show progress."""

import contextlib
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aecore.foundation.errors import AecoreError, BadInput, RunUnavailable

if TYPE_CHECKING:
    from aecore.foundation.progress import OnProgress
    from aecore.session.session import Session
    from aecore.store.store import RunStore


def open_store() -> "RunStore":
    from aecore.store.store import RunStore

    return RunStore()


def find_run(store: "RunStore", wanted: str) -> str:
    """Return the id of the run with the id `wanted`, else with that name, else whose id alone begins with it.

    Raises `AecoreError` when several runs match, `BadInput` for the zip file of an exported run, and `RunUnavailable`
    when no run matches.
    """
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
    refuse_run_zip(wanted)
    try:
        store.folder(wanted)
    except RunUnavailable as error:
        raise RunUnavailable(f"{error}. `aecore list` shows those that exist") from None
    return wanted


def refuse_run_zip(wanted: str) -> None:
    """Raise `BadInput` where `wanted` is the zip file of an exported run, which has to be imported first."""
    from aecore.store.archive import is_run_zip

    if Path(wanted).is_file() and is_run_zip(Path(wanted)):
        raise BadInput(f"{wanted} is an exported run; add it to your runs (aecore import {wanted}), then give its id")


def open_session(wanted: str) -> "Session":
    """Open the run that `wanted` means; see `find_run`. Raises `RunUnavailable` when it is damaged."""
    from aecore.session.session import Session

    store = open_store()
    return Session(store, find_run(store, wanted))


def print_json(value: Any) -> None:
    from pydantic_core import to_json

    # Figures of a damaged run may be NaN, which JSON does not have.
    print(to_json(value, indent=2, inf_nan_mode="null").decode())


def plain(text: str) -> str:
    """Replace control characters by spaces: text from a run or a file must not steer the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    rows = [[plain(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]
    for row in (heads, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def write_file(path: str, content: bytes) -> None:
    """Write the file whole or not at all. Raises `AecoreError` when its folder does not exist."""
    from aecore.foundation.files import write_atomic

    target = Path(path)
    if not target.absolute().parent.is_dir():
        raise AecoreError(f"{path} cannot be written: there is no folder {target.absolute().parent}; make it first")
    write_atomic(target, content)


@contextlib.contextmanager
def progress_bar() -> "Generator[OnProgress]":
    """Yield a function that moves a bar on stderr; without a terminal nothing is printed."""
    from tqdm import tqdm

    with tqdm(total=1.0, bar_format="{desc} {percentage:3.0f}%|{bar}|", leave=False, disable=None) as bar:

        def on_progress(fraction: float, step: str) -> None:
            bar.set_description_str(step, refresh=False)
            bar.update(fraction - bar.n)

        yield on_progress
