"""Export runs as zip files, and import them: untrusted until checked."""

import io
import re
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

from aecore.foundation.errors import AecoreError, BadInput, NotAllowed, RunUnavailable, words_of
from aecore.foundation.files import write_atomic
from aecore.foundation.leftovers import writer
from aecore.foundation.zip_guard import ZipGuard, ZipRefused
from aecore.model.config import RunConfig
from aecore.pictures.arrays import printable
from aecore.store import checks
from aecore.store.folder import RUN_ID, RunInfo, Status, new_run_id
from aecore.store.run_data import IMAGES as IMAGES
from aecore.store.run_data import own_path
from aecore.store.store import RunStore

MB = 10**6
_importing = threading.Lock()
"""Held during an import, so that several at once do not exceed a visitor's space, or the memory."""
MAX_BYTES = 300 * MB
MAX_ENTRIES = 16
MAX_RATIO = 200
FREE_RATIO_BYTES = MB
"""The ratio counts only above this size: text of a few kilobytes may be compressed a lot."""
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
HEADER_BYTES = MB
"""Most bytes of the names and shapes of a file of weights, before its numbers."""
EXPORTED = (
    "format", "state", "name", "reason", "created", "started", "ended", "epoch", "epochs", "seconds", "parameters",
    "shape", "data_hash", "config_hash", "versions", "metrics",
)  # fmt: skip
"""Fields of a status that leave with a run; all others concern only the home that it is in."""
PATH = re.compile(r"""(?<![\w.])(?:[A-Za-z]:|~)?[/\\][^\s'"]*|(['"])(?:(?!\1).)*[/\\](?:(?!\1).)*\1""")
"""Something that looks like an absolute path, or a quoted one."""


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
    rewritten = {"config.json": _exported_config(info), "status.json": _exported_status(info)}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = run_id.encode()
        for name in _names(info.folder, include_images):
            # Compressing weights would only cost time: to a compressor they look random.
            packing = zipfile.ZIP_STORED if name.endswith((".safetensors", ".npz")) else zipfile.ZIP_DEFLATED
            archive.writestr(name, rewritten.get(name) or (info.folder / name).read_bytes(), packing)
    return out.getvalue()


def _without_paths(config: RunConfig) -> RunConfig:
    """Replace the path of own images by that of the file or folder inside the run."""
    path = own_path(config.dataset)
    dataset = config.dataset if path is None else config.dataset.model_copy(update={"path": path})
    return config.model_copy(update={"dataset": dataset})


def _exported_config(info: RunInfo) -> bytes:
    assert info.config is not None, "only a damaged run has no settings"
    return _without_paths(info.config).json_text().encode()


def _exported_status(info: RunInfo) -> bytes:
    assert info.config is not None
    kept = info.status.model_dump(include=set(EXPORTED))
    kept |= {"reason": PATH.sub("…", info.status.reason), "config_hash": _without_paths(info.config).hash}
    return (Status.model_validate(kept).model_dump_json(indent=2, include=set(EXPORTED)) + "\n").encode()


def _names(folder: Path, include_images: bool) -> list[str]:
    """List the files to pack, of those that the run has."""
    names = [name for name in MEMBERS if name != IMAGES or include_images]
    snapshots = sorted(f"snapshots/{path.name}" for path in (folder / "snapshots").glob("*.safetensors"))
    return [n for n in names if (folder / n).is_file()] + [n for n in snapshots if SNAPSHOT.fullmatch(n)]


# --- import ----------------------------------------------------------------------------------------------------------


def import_zip(store: RunStore, data: bytes) -> str:
    """Add a run that `export_zip` packed, and return its id: its own, or a new one where that is taken and for guests.

    Nothing in the zip is trusted: names, sizes and compression are checked before anything is unpacked, every file is
    parsed as what it claims to be, and settings, status and history are written anew from the parsed values. The run
    is built in a hidden staging folder and renamed into place; on failure nothing remains. Raises `BadInput` with a
    one-line reason, `NotAllowed` for a visitor who may not keep it, `AecoreError` when the disk is full or cannot be
    written to.
    """
    store.who.require_writing()
    guard = ZipGuard(MAX_ENTRIES, MAX_BYTES, MAX_RATIO, FREE_RATIO_BYTES)
    with _importing, _open(data, guard) as archive:
        store.require_space(sum(entry.file_size for entry in archive.infolist()))
        # The model's cost is checked first, before anything large is unpacked or allocated.
        config = checks.config(_member(archive, "config.json", guard))
        status = checks.status(_member(archive, "status.json", guard), config)
        status = status.model_copy(
            update={
                "parameters": checks.affordable(config, status), "owner": store.who.name, "shared": False,
                "max_seconds": None,
            }
        )  # fmt: skip
        if not store.who.is_operator:
            store.who.quotas.check_parameters(status.parameters)
        _check_sizes(archive, status.parameters)
        # A guest must not choose under which id a run is found: links and caches may know it as another visitor's.
        run_id = _free_id(store, archive.comment) if store.who.is_operator else None
        stage = store.root / "staging" / f".new-{writer()}"
        folder = stage / "runs" / (run_id or "new")
        try:
            (folder / "snapshots").mkdir(parents=True)
            for name, content in _contents(archive, guard, config, status):
                write_atomic(folder / name, content)
            checks.whole_run(RunStore(stage, stage / "none"), folder, config)
            run_id = run_id or new_run_id(config)
            (store.root / "runs").mkdir(parents=True, exist_ok=True)
            folder.rename(store.root / "runs" / run_id)
        except OSError as error:
            raise AecoreError(f"the run could not be kept: {words_of(error)}") from None
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    return run_id


def is_run_zip(file: Path) -> bool:
    """Whether a file looks like a run that `export_zip` packed."""
    try:
        with ZipGuard(MAX_ENTRIES, MAX_BYTES).open(file) as archive:
            return {"config.json", "status.json"} <= set(archive.namelist())
    except ZipRefused:
        return False


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


def _check_sizes(archive: zipfile.ZipFile, parameters: int) -> None:
    """Refuse files of weights that are too large for so many numbers."""
    most = 4 * parameters + HEADER_BYTES
    for entry in archive.infolist():
        if (entry.filename == "weights.safetensors" or SNAPSHOT.fullmatch(entry.filename)) and entry.file_size > most:
            raise BadInput(f"{entry.filename} is larger than the weights of these settings; export the run again")


def _member(archive: zipfile.ZipFile, name: str, guard: ZipGuard) -> bytes:
    """Unpack one file, after a check of its checksum."""
    try:
        return guard.read(archive, archive.getinfo(name))
    except ZipRefused as refused:
        raise _worded(refused, name) from None


def _contents(
    archive: zipfile.ZipFile, guard: ZipGuard, config: RunConfig, status: Status
) -> Iterator[tuple[str, bytes]]:
    """Unpack each file: its name and bytes. Settings, status and history are written anew from the parsed values."""
    yield "config.json", config.json_text().encode()
    yield "status.json", (status.model_dump_json(indent=2) + "\n").encode()
    for name in archive.namelist():
        if name == "history.jsonl":
            yield name, checks.history(_member(archive, name, guard))
        elif name not in ("config.json", "status.json"):
            yield name, _member(archive, name, guard)


def _free_id(store: RunStore, comment: bytes) -> str | None:
    """Return the exported run's id, kept in the zip's comment; None if there is none, or a run here has it.

    Deleted runs count too, since they can be restored.
    """
    run_id = comment.decode("ascii", errors="replace")
    if not RUN_ID.fullmatch(run_id):
        return None
    places = [store.builtin, *(store.root / name for name in ("staging", "runs", "trash"))]
    return None if any((place / run_id).exists() for place in places) else run_id
