"""Runs as zip files: what goes out comes in equal, and what is hostile leaves nothing behind."""

import errno
import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from aecore.foundation.errors import AecoreError, BadInput, DataUnavailable
from aecore.model.config import with_settings
from aecore.model.recipes import recipe
from aecore.parts.datasets import Npz
from aecore.parts.datasets.npz import save_npz
from aecore.session.session import Session
from aecore.store import archive
from aecore.store.folder import RunFolder
from aecore.store.store import RunStore
from aecore.training.run import train

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunStore, str]:
    store = RunStore(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("builtin"))
    settings = {"epochs": 2, "code_dim": 3, "backbone.widths": [8], "threads": 1}
    return store, train(with_settings(recipe("undercomplete").config, settings), store, name="a name")


@pytest.fixture
def elsewhere(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "home", tmp_path / "builtin")


def unpack(data: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def pack(members: Members, comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.comment = comment
        for name, content in members.items():
            packed.writestr(name, content)
    return out.getvalue()


def left_behind(store: RunStore) -> list[Path]:
    return [path for path in store.root.rglob("*") if path.is_file() or path.parent.name in ("runs", "staging")]


# --- what goes out comes in ------------------------------------------------------------------------------------------


def test_a_run_arrives_equal(trained: tuple[RunStore, str], elsewhere: RunStore) -> None:
    store, run_id = trained
    assert archive.import_zip(elsewhere, archive.export_zip(store, run_id)) == run_id
    before, after = Session(store, run_id), Session(elsewhere, run_id)
    codes = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    assert np.array_equal(before.decode(codes), after.decode(codes))
    assert after.config == before.config
    assert after.history() == before.history()
    assert after.status == before.status.model_copy(update={"imported": True})
    assert np.array_equal(after.codes, before.codes)
    assert np.array_equal(after.gallery(9).images, before.gallery(9).images)
    snapshots = [sorted(p.name for p in (s.folder / "snapshots").iterdir()) for s in (before, after)]
    assert snapshots[0] == snapshots[1] != []
    assert [info.run_id for info in elsewhere.runs()] == [run_id]


def test_a_taken_id_gives_a_new_one(trained: tuple[RunStore, str], elsewhere: RunStore) -> None:
    data = archive.export_zip(*trained)
    first, second = archive.import_zip(elsewhere, data), archive.import_zip(elsewhere, data)
    elsewhere.delete(first)
    third = archive.import_zip(elsewhere, data)  # the trash still holds `first`, and restoring it must stay possible
    elsewhere.restore(first)
    assert len({first, second, third}) == 3
    assert all(Session(elsewhere, run_id).code_dim == 3 for run_id in (first, second, third))


@pytest.mark.parametrize("comment", [b"../../etc", b"A", b"\xff\xfe", b".hidden", b"x" * 200])
def test_an_impossible_id_is_not_taken_over(trained: tuple[RunStore, str], elsewhere: RunStore, comment: bytes) -> None:
    run_id = archive.import_zip(elsewhere, pack(unpack(archive.export_zip(*trained)), comment))
    assert run_id.startswith("undercomplete-digits-")
    assert (elsewhere.root / "runs" / run_id).is_dir()


def test_own_images_travel_only_when_asked(elsewhere: RunStore, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (20, 1, 6, 6)).astype(np.uint8)
    store = RunStore(tmp_path / "mine", tmp_path / "none")
    config = with_settings(
        recipe("undercomplete").config,
        {"dataset": {"kind": "npz", "path": "images.npz"}, "epochs": 1, "code_dim": 2, "backbone.widths": [4]},
    )
    run_id = train(config, store, run_id=store.create(config, images=save_npz(images)))
    without = archive.export_zip(store, run_id)
    assert "images.npz" not in unpack(without)
    assert not [name for name in unpack(without) if "preview" in name]  # that holds pictures too
    with pytest.raises(DataUnavailable):
        _ = Session(elsewhere, archive.import_zip(elsewhere, without)).data
    whole = archive.import_zip(elsewhere, archive.export_zip(store, run_id, include_images=True))
    assert np.array_equal(Session(elsewhere, whole).data.images, images)
    assert isinstance(Session(elsewhere, whole).config.dataset, Npz)


def test_a_waiting_run_is_not_exported(elsewhere: RunStore) -> None:
    run_id = elsewhere.create(recipe("undercomplete").config)
    with pytest.raises(BadInput, match="still queued"):
        archive.export_zip(elsewhere, run_id)


# --- hostile ---------------------------------------------------------------------------------------------------------


def change_json(file: str, **changes: object) -> Callable[[Members], Members]:
    return lambda m: {**m, file: json.dumps({**json.loads(m[file]), **changes}).encode()}


def change_arrays(name: str, **changes: np.ndarray) -> Callable[[Members], Members]:
    return lambda m: {**m, name: safetensors.numpy.save({**safetensors.numpy.load(m[name]), **changes})}


def spoil(members: Members, name: str, array: str) -> Members:
    arrays = safetensors.numpy.load(members[name])
    return {**members, name: safetensors.numpy.save({**arrays, array: np.full_like(arrays[array], np.nan)})}


def without(name: str) -> Callable[[Members], Members]:
    return lambda m: {key: value for key, value in m.items() if key != name}


ANALYSIS = "analysis.safetensors"
HOSTILE: dict[str, tuple[Callable[[Members], Members], str]] = {
    "traversal": (lambda m: {**m, "../evil.txt": b"x"}, "has no file"),
    "absolute": (lambda m: {**m, "/tmp/evil.txt": b"x"}, "has no file"),
    "backslash": (lambda m: {**m, "..\\evil.txt": b"x"}, "has no file"),
    "folder": (lambda m: {**m, "snapshots/": b""}, "has no file"),
    "junk": (lambda m: {**m, "__MACOSX/._config.json": b"x"}, "has no file"),
    "pickle": (lambda m: {**m, "weights.pkl": b"x"}, "has no file"),
    "stop file": (lambda m: {**m, "stop": b""}, "has no file"),
    "snapshot name": (lambda m: {**m, "snapshots/../../x.safetensors": b""}, "has no file"),
    "too many": (lambda m: {**m, **{f"snapshots/epoch-{i:05d}.safetensors": b"x" for i in range(20)}}, "files"),
    "bomb": (lambda m: {**m, "history.jsonl": b"\n" * 10_000_000}, "200 times"),
    "large text": (lambda m: {**m, "config.json": b" " * 1_100_000}, "in a run it has at most"),
    "no settings": (without("config.json"), "config.json is missing"),
    "no weights": (without("weights.safetensors"), "weights.safetensors is missing"),
    "settings not JSON": (lambda m: {**m, "config.json": b"{"}, "not readable JSON"),
    "settings deep": (lambda m: {**m, "config.json": b"[" * 90_000}, "not readable JSON"),
    "settings a list": (lambda m: {**m, "config.json": b"[]"}, "named values"),
    "unknown part": (change_json("config.json", objective={"kind": "evil"}), "unknown kind 'evil'"),
    "newer format": (change_json("config.json", format=99), "update the program"),
    "newer status": (change_json("status.json", format=99), "newer version"),
    "path outwards": (change_json("config.json", dataset={"kind": "npz", "path": "../../x.npz"}), "another machine"),
    "other size": (change_json("config.json", code_dim=4), "do not belong"),
    "running": (change_json("status.json", state="running", pid=1), "the run is running"),
    "state unknown": (change_json("status.json", state="evil"), "state"),
    "time absurd": (change_json("status.json", created=1e300), "impossible"),
    "time not a number": (change_json("status.json", ended=float("nan")), "impossible"),
    "metric infinite": (change_json("status.json", metrics={"test_sse": float("inf")}), "finite"),
    "shape missing": (change_json("status.json", shape=None), "size"),
    "shape huge": (change_json("status.json", shape=[1, 100_000, 100_000]), "size"),
    "history odd": (lambda m: {**m, "history.jsonl": b'{"epoch": "<script>"}\n'}, "history.jsonl"),
    "history infinite": (lambda m: {**m, "history.jsonl": m["history.jsonl"].replace(b"0.", b"1e999", 1)}, "history"),
    "weights cut off": (lambda m: {**m, "weights.safetensors": m["weights.safetensors"][:-8]}, "damaged"),
    "weights nonsense": (lambda m: {**m, "weights.safetensors": b"\x80\x04pickle."}, "damaged"),
    "weights NaN": (lambda m: spoil(m, "weights.safetensors", "decoder.layers.0.weight"), "finite"),
    "snapshot of another": (lambda m: {**m, "snapshots/epoch-00002.safetensors": m[ANALYSIS]}, "do not belong"),
    "codes NaN": (lambda m: spoil(m, ANALYSIS, "codes"), "'codes'"),
    "codes few": (change_arrays(ANALYSIS, codes=np.zeros((9, 3), np.float32)), "'indices'"),
    "codes wide": (change_arrays(ANALYSIS, codes=np.zeros((9, 7), np.float32)), "is not what"),
    "codes none": (change_arrays(ANALYSIS, codes=np.zeros((0, 3), np.float32)), "wrong size"),
    "effects short": (change_arrays(ANALYSIS, effects=np.zeros(2, np.float32)), "'effects'"),
    "array unknown": (change_arrays(ANALYSIS, evil=np.zeros(3, np.float32)), "'evil'"),
    "images not its own": (lambda m: {**m, "images.npz": b"x"}, "does not belong"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_members_are_refused_in_one_line(trained: tuple[RunStore, str], elsewhere: RunStore, case: str) -> None:
    change, reason = HOSTILE[case]
    members = change(unpack(archive.export_zip(*trained)))
    with pytest.raises(BadInput, match=reason) as caught:
        archive.import_zip(elsewhere, pack(members))
    assert "\n" not in str(caught.value)
    assert left_behind(elsewhere) == []
    assert elsewhere.runs() == ()


def test_labels_that_would_fill_the_memory_are_refused(trained: tuple[RunStore, str], elsewhere: RunStore) -> None:
    members = unpack(archive.export_zip(*trained))
    count = len(safetensors.numpy.load(members[ANALYSIS])["codes"])
    members = change_arrays(ANALYSIS, labels=np.full(count, 2**40))(members)
    with pytest.raises(BadInput, match="impossible numbers"):
        archive.import_zip(elsewhere, pack(members))


def patched(data: bytes, offset: int, value: int) -> bytes:
    """Sets a 16-bit field, at `offset` from its start, in the directory entry of the first file."""
    at = data.index(b"PK\x01\x02") + offset
    return data[:at] + struct.pack("<H", value) + data[at + 2 :]


ENVELOPES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda d: b"", "not a whole zip"),
    "text": (lambda d: b"hello", "not a whole zip"),
    "cut off": (lambda d: d[: len(d) // 2], "not a whole zip"),
    "encrypted": (lambda d: patched(d, 8, 1), "encrypted"),
    "lzma": (lambda d: patched(d, 10, zipfile.ZIP_LZMA), "unusual way"),
    "many entries": (lambda d: d + b"PK\x01\x02" * 2000, "far more"),
    "too large": (lambda d: d + bytes(10_000_000), "a run has at most 10"),
}


@pytest.mark.parametrize("case", ENVELOPES)
def test_hostile_archives_are_refused(
    trained: tuple[RunStore, str], elsewhere: RunStore, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    change, reason = ENVELOPES[case]
    monkeypatch.setattr(archive, "MAX_BYTES", 10_000_000)
    with pytest.raises(BadInput, match=reason):
        archive.import_zip(elsewhere, change(archive.export_zip(*trained)))
    assert left_behind(elsewhere) == []


def test_damaged_content_is_refused(trained: tuple[RunStore, str], elsewhere: RunStore) -> None:
    data = bytearray(archive.export_zip(*trained))
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        entry = packed.getinfo("weights.safetensors")
    data[entry.header_offset + 500] ^= 255
    with pytest.raises(BadInput, match="damaged inside"):
        archive.import_zip(elsewhere, bytes(data))
    assert left_behind(elsewhere) == []


def test_a_file_twice_is_refused(trained: tuple[RunStore, str], elsewhere: RunStore) -> None:
    out = io.BytesIO(archive.export_zip(*trained))
    with zipfile.ZipFile(out, "a") as packed, pytest.warns(UserWarning, match="Duplicate"):
        packed.writestr("config.json", b"{}")
    with pytest.raises(BadInput, match="twice"):
        archive.import_zip(elsewhere, out.getvalue())


def test_control_characters_do_not_survive(trained: tuple[RunStore, str], elsewhere: RunStore) -> None:
    members = change_json("status.json", name="a\x1b[2J\nb", reason="\x07x")(unpack(archive.export_zip(*trained)))
    run_id = archive.import_zip(elsewhere, pack(members))
    status = RunFolder(elsewhere.folder(run_id)).status()
    assert (status.name, status.reason) == ("a [2J b", "x")


@pytest.mark.parametrize("after", range(6))
def test_a_full_disk_leaves_nothing(
    trained: tuple[RunStore, str], elsewhere: RunStore, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    real, written = archive.write_atomic, list[str]()

    def fill(path: Path, content: bytes) -> None:
        if len(written) == after:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        written.append(path.name)
        real(path, content)

    monkeypatch.setattr(archive, "write_atomic", fill)
    with pytest.raises(AecoreError, match="the disk is full"):
        archive.import_zip(elsewhere, archive.export_zip(*trained))
    assert left_behind(elsewhere) == []
