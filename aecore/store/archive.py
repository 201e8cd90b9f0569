"""Runs as zip files: out of one home folder and, hostile until checked, into another."""

import io
import json
import re
import secrets
import shutil
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from aecore.foundation.errors import AecoreError, BadInput, BadSettings, RunUnavailable
from aecore.foundation.files import read_arrays, write_atomic
from aecore.model.analysis import CODES_LIMIT, QUANTILES
from aecore.model.config import RunConfig, parse, words
from aecore.parts.datasets import Npz
from aecore.pictures.arrays import READABLE, printable, read_npz
from aecore.store.folder import RUN_ID, RunFolder, Status
from aecore.store.store import RunStore
from aecore.store.weights import check_weights

MB = 10**6
MAX_BYTES = 300 * MB
MAX_ENTRIES = 16
MAX_RATIO = 200
FREE_RATIO_BYTES = MB
"""Text of a few kilobytes may shrink a lot; only an entry that also becomes large is a bomb."""
IMAGES = "images.npz"
MEMBERS = {
    "config.json": MB,
    "status.json": MB,
    "history.jsonl": 20 * MB,
    "weights.safetensors": MAX_BYTES,
    "analysis.safetensors": 20 * MB,
    IMAGES: MAX_BYTES,
}
"""The only names a run's zip may hold, with the most bytes of each; snapshots (`SNAPSHOT`) come beside them."""
SNAPSHOT = re.compile(r"snapshots/epoch-\d{5}\.safetensors")
SNAPSHOT_BYTES = 20 * MB
LATEST = 4e9
"""Seconds since 1970; later times than the year 2096 are no times."""
MOST_LABELS = 10_000


class _Row(BaseModel):
    """One line of history.jsonl."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    epoch: int
    stage: str
    seconds: float
    train: dict[str, float]
    validation_loss: float
    validation_sse: float


# --- out -------------------------------------------------------------------------------------------------------------


def export_zip(store: RunStore, run_id: str, include_images: bool = False) -> bytes:
    """The run as a zip file that `import_zip` reads: settings, status, weights, history, analysis and snapshots.

    `include_images` adds the pictures of one's own that the run was trained on, where it keeps any; they may be
    private, so they stay at home unless asked for. Raises `RunUnavailable` when there is no such run or it is damaged,
    `BadInput` while it is still waiting or training.
    """
    info = store.info(run_id)
    if info.state == "damaged":
        raise RunUnavailable(f"run {run_id} is damaged and would not open elsewhere either: {info.reason}")
    if info.state in ("queued", "running"):
        raise BadInput(f"run {run_id} is still {info.state}; export it when its training has ended")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = run_id.encode()
        for name in _names(info.folder, include_images):
            # Weights look random to a compressor: packing them would only cost time.
            packing = zipfile.ZIP_STORED if name.endswith((".safetensors", ".npz")) else zipfile.ZIP_DEFLATED
            archive.writestr(name, (info.folder / name).read_bytes(), packing)
    return out.getvalue()


def _names(folder: Path, include_images: bool) -> list[str]:
    wanted = [name for name in MEMBERS if name != IMAGES or include_images]
    snapshots = sorted(f"snapshots/{path.name}" for path in (folder / "snapshots").glob("*.safetensors"))
    return [n for n in wanted if (folder / n).is_file()] + [n for n in snapshots if SNAPSHOT.fullmatch(n)]


# --- in --------------------------------------------------------------------------------------------------------------


def import_zip(store: RunStore, data: bytes) -> str:
    """Adds a run that `export_zip` packed, and returns its id: its own, or a new one when that is taken.

    Nothing of the zip is believed: names, sizes and packing are checked before anything is unpacked, every file is read
    as what it claims to be, and settings, status and history are written anew from what was understood. The run is
    staged out of sight and renamed into place whole; whatever goes wrong leaves nothing behind. Raises `BadInput` with
    a one-line reason, `AecoreError` when the disk is full or cannot be written to.
    """
    archive = _open(data)
    with archive:
        run_id = _free_id(store, archive.comment)
        stage = store.root / "staging" / f".new-import-{secrets.token_hex(6)}"
        folder = stage / "runs" / (run_id or "new")
        try:
            (folder / "snapshots").mkdir(parents=True)
            for name, content in _contents(archive):
                write_atomic(folder / name, content)
            config = _rewrite(folder)
            _check(RunStore(stage, stage / "none"), folder, config)
            run_id = run_id or _new_id(config)
            (store.root / "runs").mkdir(parents=True, exist_ok=True)
            folder.rename(store.root / "runs" / run_id)
        except OSError as error:
            why = error.strerror or error
            raise AecoreError(f"the run could not be kept ({why}); make room on the disk and import it again") from None
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    return run_id


def _open(data: bytes) -> zipfile.ZipFile:
    """The archive, when its directory asks for nothing but a run's files in bearable sizes."""
    if len(data) > MAX_BYTES:
        raise BadInput(f"the file has {len(data) // MB} MB; a run has at most {MAX_BYTES // MB}")
    # Counted in the bytes, because merely listing millions of entries would already take gigabytes.
    if data.count(b"PK\x01\x02") > 100 * MAX_ENTRIES:
        raise BadInput(f"the file holds far more than the {MAX_ENTRIES} files of a run, so it is not an exported run")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        raise BadInput("this is not a whole zip file; export the run again and import what comes out") from None
    entries = archive.infolist()
    for entry in entries:
        _check_entry(entry)
    names = [entry.filename for entry in entries]
    if len(names) > MAX_ENTRIES or len(set(names)) != len(names):
        raise BadInput(f"the zip holds {len(names)} files, some twice or more than a run has; export the run again")
    if sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise BadInput(f"unpacked, the run would take more than the {MAX_BYTES // MB} MB that are taken in at most")
    for name in ("config.json", "status.json"):
        if name not in names:
            raise BadInput(f"the zip is not an exported run: {name} is missing at its top")
    return archive


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = printable(entry.filename)
    most = SNAPSHOT_BYTES if SNAPSHOT.fullmatch(entry.filename) else MEMBERS.get(entry.filename)
    # `orig_filename` too: zipfile cuts names at a zero byte.
    if most is None or entry.orig_filename != entry.filename:
        raise BadInput(f"the zip is not an exported run: a run has no file '{name}' in that place")
    if entry.flag_bits & 1:
        raise BadInput(f"{name} is encrypted; pack the run without a password")
    if entry.compress_type not in READABLE:
        raise BadInput(f"{name} is packed in an unusual way; use ordinary zip compression")
    if entry.file_size > most:
        raise BadInput(f"{name} would take {entry.file_size / MB:.1f} MB; in a run it has at most {most // MB}")
    if entry.file_size > max(FREE_RATIO_BYTES, MAX_RATIO * entry.compress_size):
        raise BadInput(f"{name} would unpack to over {MAX_RATIO} times its size, which no run does")


def _contents(archive: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    """Names and bytes; `zipfile` unpacks no more than the directory declares and compares the checksum."""
    for entry in archive.infolist():
        try:
            content = archive.read(entry)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError):
            raise BadInput(f"{entry.filename} is damaged inside the zip; export the run again") from None
        yield entry.filename, content


def _free_id(store: RunStore, comment: bytes) -> str | None:
    """The id the run had, where it says one and nothing here, deleted runs included, has it."""
    wanted = comment.decode("ascii", errors="replace")
    if not RUN_ID.fullmatch(wanted):
        return None
    places = [store.builtin, *(store.root / name for name in ("staging", "runs", "trash"))]
    return None if any((place / wanted).exists() for place in places) else wanted


def _new_id(config: RunConfig) -> str:
    return f"{config.recipe}-{config.dataset.kind}-{time.strftime('%Y%m%d')}-{secrets.token_hex(3)}".replace(".", "_")


# --- understanding what came in --------------------------------------------------------------------------------------


def _rewrite(folder: Path) -> RunConfig:
    """Settings, status and history as this program would have written them."""
    config = _config(_json(folder / "config.json"))
    status = _status(folder / "status.json", config)
    write_atomic(folder / "config.json", config.json_text().encode())
    write_atomic(folder / "status.json", (status.model_dump_json(indent=2) + "\n").encode())
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
    try:
        config = parse(values)
    except (BadSettings, TypeError, ValueError, RecursionError) as error:
        raise BadInput(f"config.json: {_line(str(error))}") from None
    # A path with ".." could reach out of the run's folder and pass for one inside it.
    if ".." in Path(str(config.dataset.model_dump(mode="json").get("path", ""))).parts:
        raise BadInput("config.json: dataset.path points out of the run's folder, which a run from elsewhere may not")
    return config


def _status(path: Path, config: RunConfig) -> Status:
    """The status, limited to an ended run with plausible figures, and marked as imported."""
    try:
        status = Status.model_validate(_json(path))
    except ValidationError as error:
        raise BadInput(f"status.json: {_line(words(error))}") from None
    if status.state not in ("finished", "stopped", "failed"):
        raise BadInput(f"status.json: the run is {status.state}; only runs whose training has ended can be imported")
    times = [status.created, status.started or 0.0, status.ended or 0.0, status.seconds]
    counts = [status.epoch, status.epochs, status.parameters]
    if not all(0 <= value <= LATEST for value in times) or not all(0 <= n <= 2**53 for n in counts):
        raise BadInput("status.json: a time or a count is impossible")
    if not np.isfinite(list(status.metrics.values())).all() or len(status.metrics) > 64 or len(status.versions) > 64:
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
        raise BadInput(f"history.jsonl: {_line(words(error))}") from None


def _line(text: str) -> str:
    """One printable line of at most 500 characters."""
    return "".join(c if c.isprintable() else " " for c in text).strip()[:500]


def _check(staged: RunStore, folder: Path, config: RunConfig) -> None:
    """The staged run opens, and none of its arrays would surprise a page."""
    info = staged.info(folder.name)
    if info.state == "damaged":
        raise BadInput(f"the run cannot be opened: {_line(info.reason)}")
    try:
        for name in ("weights.safetensors", *(f"snapshots/{path.name}" for path in (folder / "snapshots").iterdir())):
            _check_floats(config, info.status, folder / name)
        if (folder / "analysis.safetensors").is_file():
            _check_analysis(RunFolder(folder).arrays("analysis.safetensors"), config.code_dim)
        if (folder / IMAGES).is_file():
            _check_images(config, folder)
    except (RunUnavailable, BadSettings) as error:
        raise BadInput(f"the run cannot be opened: {_line(str(error))}") from None


def _check_floats(config: RunConfig, status: Status, path: Path) -> None:
    if not path.exists():
        return  # stopped or failed before the first good epoch; for finished runs the store has refused this
    if status.shape is None:
        raise BadInput("status.json does not say what size its pictures have")
    check_weights(config, status.shape, path)
    for name, array in read_arrays(path).items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise BadInput(f"{path.name}: '{printable(name)}' is not all finite real numbers")


def _check_analysis(arrays: dict[str, np.ndarray], k: int) -> None:
    """See `aecore.model.analysis.analyse` for what each array is."""
    n = len(arrays["codes"]) if "codes" in arrays and arrays["codes"].ndim else 0
    known = {
        "codes": ((n, k), "f"), "quantiles": ((len(QUANTILES), k), "f"), "effects": ((k,), "f"),
        "indices": ((n,), "i"), "labels": ((n,), "i"),
    }  # fmt: skip
    missing = known.keys() - {"labels"} - arrays.keys()
    if missing or not 1 <= n <= CODES_LIMIT:
        raise BadInput(f"analysis.safetensors: {', '.join(sorted(missing)) or 'codes'} missing or of the wrong size")
    for name, array in arrays.items():
        shape, dtype = ((k,), "f") if name.startswith("unit_") else known.get(name, ((), ""))
        if array.shape != shape or array.dtype.kind != dtype or not np.isfinite(array).all():
            raise BadInput(f"analysis.safetensors: '{printable(name)}' is not what these settings need, or not finite")
        if dtype == "i" and (array.min() < 0 or (name == "labels" and array.max() >= MOST_LABELS)):
            raise BadInput(f"analysis.safetensors: '{name}' holds impossible numbers")


def _check_images(config: RunConfig, folder: Path) -> None:
    dataset = config.dataset
    if not isinstance(dataset, Npz) or dataset.path != Path(IMAGES):
        raise BadInput(f"{IMAGES}: these settings name other pictures, so it does not belong to the run")
    read_npz(folder / IMAGES, MAX_BYTES)
