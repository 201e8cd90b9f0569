"""What each command of `aecore` does; `aecore.__main__` holds the words and flags that lead here.

Only the standard library is imported at the top: help, wrong usage and `aecore app` must not wait for torch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aecore.foundation.errors import AecoreError

if TYPE_CHECKING:
    from aecore.session.session import Session
    from aecore.store.store import RunStore

STRIPS = 8
DIRECTIONS = 16
"""Directions of each sort that are listed for people."""


class UsageError(Exception):
    """The command cannot be understood; the message names the field and the remedy."""


def open_store() -> "RunStore":
    from aecore.store.store import RunStore

    return RunStore()


def find_run(store: "RunStore", wanted: str) -> str:
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


def open_session(wanted: str) -> "Session":
    from aecore.session.session import Session

    store = open_store()
    return Session(store, find_run(store, wanted))


def say_json(value: Any) -> None:
    from pydantic_core import to_json

    print(to_json(value, indent=2, inf_nan_mode="null").decode())  # a damaged run may say NaN, which no JSON can


def plain(text: str) -> str:
    """Without control characters: what a run from elsewhere says must not steer the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def say_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    rows = [[plain(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]
    for row in (heads, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def out(path: str, *suffixes: str) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in suffixes:
        raise UsageError(
            f"argument -o/--out: {path!r} must end in {' or '.join(suffixes)}, which also names the format"
        )
    return suffix


def write(path: str, content: bytes) -> None:
    from aecore.foundation.files import write_atomic

    target = Path(path)
    if not target.absolute().parent.is_dir():
        raise AecoreError(f"{path} cannot be written: there is no folder {target.absolute().parent}; make it first")
    write_atomic(target, content)
