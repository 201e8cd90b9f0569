"""Export runs as zip files, and import them: untrusted until checked."""

import io
import json
import re
import secrets
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from aecore.foundation.errors import AecoreError, BadInput, BadSettings, NotAllowed, RunUnavailable
from aecore.foundation.files import write_atomic
from aecore.foundation.zip_guard import ZipGuard, ZipRefused
from aecore.model.config import RunConfig, error_text, parse
from aecore.parts.datasets import Npz
from aecore.pictures.arrays import printable, read_npz
from aecore.store.folder import RUN_ID, RunFolder, Status, new_run_id
from aecore.store.store import RunStore
from aecore.store.weights import load_weights

MB = 10**6
MAX_BYTES = 300 * MB
MAX_ENTRIES = 16
MAX_RATIO = 200
FREE_RATIO_BYTES = MB
"""The ratio counts only above this size: text of a few kilobytes may be compressed a lot."""
IMAGES = "images.npz"
MEMBERS = {
    "config.json": MB,
    "status.json": MB,
    "history.jsonl": 20 * MB,
    "weights.safetensors": MAX_BYTES,
    "analysis.safetensors": 20 * MB,
    IMAGES: MAX_BYTES,
}
"""The only files that a run's zip may hold besides snapshots (`SNAPSHOT`), with the most bytes of each."""
SNAPSHOT = re.compile(r"snapshots/epoch-\d{5}\.safetensors")
SNAPSHOT_BYTES = 20 * MB
LATEST_TIME = 4e9
"""Seconds since 1970; times after the year 2096 are refused."""
MAX_FIGURES = 64
"""Most metrics, and most versions, of an imported status."""


class _Row(BaseModel):
    """One line of history.jsonl."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    epoch: int
    stage: str
    seconds: float
    train: dict[str, float]
    validation_loss: float
    validation_sse: float


# --- export ----------------------------------------------------------------------------------------------------------


def export_zip(store: RunStore, run_id: str, include_images: bool = False) -> bytes:
    """Pack a run as a zip file that `import_zip` reads: settings, status, weights, history, analysis and snapshots.

    `include_images` adds the user's own pictures that the run was trained on, if it keeps any; they may be private, so
    they are left out by default. Raises `RunUnavailable` when there is no such run or it is damaged, `NotAllowed` for
    another visitor's, `BadInput` while it is still waiting or training.
    """
    info = store.info(run_id)
    if not (info.builtin or store.who.owns(info.status.owner)):
        raise NotAllowed("this run belongs to somebody else, who shares it for looking; only they may export it")
    if info.state == "damaged":
        raise RunUnavailable(f"run {run_id} is damaged and would not open elsewhere either: {info.reason}")
    if info.state in ("queued", "running"):
        raise BadInput(f"run {run_id} is still {info.state}; export it when its training has ended")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = run_id.encode()
        for name in _names(info.folder, include_images):
            # Compressing weights would only cost time: to a compressor they look random.
            packing = zipfile.ZIP_STORED if name.endswith((".safetensors", ".npz")) else zipfile.ZIP_DEFLATED
            archive.writestr(name, (info.folder / name).read_bytes(), packing)
    return out.getvalue()


def _names(folder: Path, include_images: bool) -> list[str]:
    """List the files to pack, of those that the run has."""
    names = [name for name in MEMBERS if name != IMAGES or include_images]
    snapshots = sorted(f"snapshots/{path.name}" for path in (folder / "snapshots").glob("*.safetensors"))
    return [n for n in names if (folder / n).is_file()] + [n for n in snapshots if SNAPSHOT.fullmatch(n)]


# --- import ----------------------------------------------------------------------------------------------------------


def import_zip(store: RunStore, data: bytes) -> str:
    """Add a run that `export_zip` packed, and return its id: its own, or a new one where that is taken.

    Nothing in the zip is trusted: names, sizes and compression are checked before anything is unpacked, every file is
    parsed as what it claims to be, and settings, status and history are written anew from the parsed values. The run
    is built in a hidden staging folder and renamed into place; on failure nothing remains. Raises `BadInput` with a
    one-line reason, `NotAllowed` for a visitor who may not keep it, `AecoreError` when the disk is full or cannot be
    written to.
    """
    store.who.require_writing()
    guard = ZipGuard(MAX_ENTRIES, MAX_BYTES, MAX_RATIO, FREE_RATIO_BYTES)
    with _open(data, guard) as archive:
        store.require_space(sum(entry.file_size for entry in archive.infolist()))
        run_id = _free_id(store, archive.comment)
        stage = store.root / "staging" / f".new-import-{secrets.token_hex(6)}"
        folder = stage / "runs" / (run_id or "new")
        try:
            (folder / "snapshots").mkdir(parents=True)
            for name, content in _contents(archive, guard):
                write_atomic(folder / name, content)
            config = _rewrite(folder, store.who.name)
            _check(RunStore(stage, stage / "none"), folder, config)
            run_id = run_id or new_run_id(config)
            (store.root / "runs").mkdir(parents=True, exist_ok=True)
            folder.rename(store.root / "runs" / run_id)
        except OSError as error:
            why = error.strerror or error
            raise AecoreError(f"the run could not be kept ({why}); make room on the disk and import it again") from None
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    return run_id


def _open(data: bytes, guard: ZipGuard) -> zipfile.ZipFile:
    """Open the archive if its directory lists only files of a run, in sizes that a run has."""
    if len(data) > MAX_BYTES:
        raise BadInput(f"the file has {len(data) // MB} MB; a run has at most {MAX_BYTES // MB}")
    try:
        archive = guard.open(data)
    except ZipRefused as refused:
        raise _worded(refused) from None
    names = archive.namelist()
    for entry in archive.infolist():
        _check_entry(entry, guard)
    if len(set(names)) != len(names):
        raise BadInput("the zip holds some files twice; export the run again")
    for name in ("config.json", "status.json"):
        if name not in names:
            raise BadInput(f"the zip is not an exported run: {name} is missing at its top")
    return archive


def _check_entry(entry: zipfile.ZipInfo, guard: ZipGuard) -> None:
    name = printable(entry.filename)
    max_bytes = SNAPSHOT_BYTES if SNAPSHOT.fullmatch(entry.filename) else MEMBERS.get(entry.filename)
    # `orig_filename` too: zipfile cuts names at a zero byte.
    if max_bytes is None or entry.orig_filename != entry.filename:
        raise BadInput(f"the zip is not an exported run: a run has no file '{name}' in that place")
    try:
        guard.check_entry(entry, max_bytes)
        guard.check_ratio(entry.file_size, entry.compress_size)
    except ZipRefused as refused:
        raise _worded(refused, name, max_bytes) from None


def _worded(refused: ZipRefused, name: str = "", max_bytes: int = 0) -> BadInput:
    """Word what is wrong with the zip, or with its entry `name`, which may have `max_bytes`."""
    match refused.fault:
        case "entries":
            found = f"the file holds {refused.found} files, far more than the {MAX_ENTRIES} of a run"
            return BadInput(f"{found}, so it is not an exported run")
        case "damaged":
            return BadInput("this is not a whole zip file; export the run again and import what comes out")
        case "total":
            return BadInput(f"unpacked, the run would take more than the {MAX_BYTES // MB} MB that are accepted")
        case "ratio":
            return BadInput(f"{name} would unpack to over {MAX_RATIO} times its size, which no run does")
        case "encrypted":
            return BadInput(f"{name} is encrypted; pack the run without a password")
        case "compression":
            return BadInput(f"{name} is packed in an unusual way; use ordinary zip compression")
        case "size":
            return BadInput(f"{name} would take {refused.found / MB:.1f} MB; in a run it has at most {max_bytes // MB}")
        case "content":
            return BadInput(f"{name} is damaged inside the zip; export the run again")


def _contents(archive: zipfile.ZipFile, guard: ZipGuard) -> Iterator[tuple[str, bytes]]:
    """Unpack each file: its name and bytes, after a check of its checksum."""
    for entry in archive.infolist():
        try:
            yield entry.filename, guard.read(archive, entry)
        except ZipRefused as refused:
            raise _worded(refused, entry.filename) from None


def _free_id(store: RunStore, comment: bytes) -> str | None:
    """Return the exported run's id, kept in the zip's comment; None if there is none, or a run here has it.

    Deleted runs count too, since they can be restored.
    """
    run_id = comment.decode("ascii", errors="replace")
    if not RUN_ID.fullmatch(run_id):
        return None
    places = [store.builtin, *(store.root / name for name in ("staging", "runs", "trash"))]
    return None if any((place / run_id).exists() for place in places) else run_id


# --- parsing and checking --------------------------------------------------------------------------------------------


def _rewrite(folder: Path, owner: str) -> RunConfig:
    """Parse settings, status and history, and write them as this program would; return the settings."""
    config = _config(_json(folder / "config.json"))
    status = _status(folder / "status.json", config).model_copy(update={"owner": owner, "shared": False})
    write_atomic(folder / "config.json", config.json_text().encode())
    RunFolder(folder).write_status(status)
    if (folder / "history.jsonl").is_file():
        rows = [json.dumps(row.model_dump()) + "\n" for row in _history(folder / "history.jsonl")]
        write_atomic(folder / "history.jsonl", "".join(rows).encode())
    return config


def _json(path: Path) -> Mapping[str, Any]:
    try:
        value: Any = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise BadInput(f"{path.name} is not readable JSON; export the run again") from None
    if not isinstance(value, dict):
        raise BadInput(f"{path.name} is not a run's: it must hold named values")
    return cast(dict[str, Any], value)


def _config(values: Mapping[str, Any]) -> RunConfig:
    """Parse the settings. Raises `BadInput`, also for a dataset path that leads out of the run's folder."""
    try:
        config = parse(values)
    except (BadSettings, TypeError, ValueError, RecursionError) as error:
        raise BadInput(f"config.json: {_line(str(error))}") from None
    # A path with ".." could lead out of the run's folder and still look like one inside it.
    if ".." in Path(str(config.dataset.model_dump(mode="json").get("path", ""))).parts:
        raise BadInput("config.json: dataset.path points out of the run's folder, which a run from elsewhere may not")
    return config


def _status(path: Path, config: RunConfig) -> Status:
    """Parse the status of an ended run with plausible figures, and mark it as imported. Raises `BadInput`."""
    try:
        status = Status.model_validate(_json(path))
    except ValidationError as error:
        raise BadInput(f"status.json: {_line(error_text(error))}") from None
    if status.state not in ("finished", "stopped", "failed"):
        raise BadInput(f"status.json: the run is {status.state}; only runs whose training has ended can be imported")
    times = [status.created, status.started or 0.0, status.ended or 0.0, status.seconds]
    counts = [status.epoch, status.epochs, status.parameters]
    if not all(0 <= value <= LATEST_TIME for value in times) or not all(0 <= n <= 2**53 for n in counts):
        raise BadInput("status.json: a time or a count is impossible")
    too_many = max(len(status.metrics), len(status.versions)) > MAX_FIGURES
    if too_many or not np.isfinite(list(status.metrics.values())).all():
        raise BadInput("status.json: its figures are not finite numbers, or far too many")
    return status.model_copy(
        update={
            "name": _line(status.name)[:80], "reason": _line(status.reason), "pid": None, "pid_started": None,
            "imported": True, "config_hash": config.hash, "data_hash": _line(status.data_hash),
            "versions": {_line(name): _line(value) for name, value in status.versions.items()},
            "metrics": {_line(name): value for name, value in status.metrics.items()},
        }
    )  # fmt: skip


def _history(path: Path) -> list[_Row]:
    try:
        return [_Row.model_validate_json(line) for line in path.read_bytes().splitlines() if line.strip()]
    except ValidationError as error:
        raise BadInput(f"history.jsonl: {_line(error_text(error))}") from None


def _line(text: str) -> str:
    """Reduce a text to one printable line of at most 500 characters."""
    return "".join(c if c.isprintable() else " " for c in text).strip()[:500]


def _check(staged: RunStore, folder: Path, config: RunConfig) -> None:
    """Raise `BadInput` unless the staged run opens, and its weights, snapshots, analysis and images are sound."""
    info = staged.info(folder.name)
    if info.state == "damaged":
        raise BadInput(f"the run cannot be opened: {_line(info.reason)}")
    try:
        for path in (folder / "weights.safetensors", *(folder / "snapshots").iterdir()):
            if path.exists():  # a run that stopped or failed before its first good epoch has no weights
                load_weights(config, info.status.checked_shape(), path)
        RunFolder(folder).analysis(config.code_dim)
        if (folder / IMAGES).is_file():
            _check_images(config, folder)
    except (RunUnavailable, BadSettings) as error:
        raise BadInput(f"the run cannot be opened: {_line(str(error))}") from None


def _check_images(config: RunConfig, folder: Path) -> None:
    """Raise `BadInput` unless the settings name these images, and they can be read."""
    dataset = config.dataset
    if not isinstance(dataset, Npz) or dataset.path != Path(IMAGES):
        raise BadInput(f"{IMAGES}: these settings name other pictures, so it does not belong to the run")
    read_npz(folder / IMAGES, MAX_BYTES)
