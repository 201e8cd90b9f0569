"""Zips that claim to be runs: none reads a file of this machine, fills its memory, or breaks a page that shows it."""

import contextlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from aecore.foundation.errors import AecoreError, BadInput, DataUnavailable
from aecore.maps.atlas import atlas
from aecore.maps.spec import AtlasSpec, PanelSpec
from aecore.model.analysis import QUANTILES
from aecore.model.autoencoder import build
from aecore.model.config import RunConfig, parse, with_settings
from aecore.model.recipes import recipe
from aecore.parts.datasets import Folder, Npz
from aecore.parts.datasets.npz import save_npz
from aecore.session import directions
from aecore.session.session import Session
from aecore.store import archive, checks, run_data
from aecore.store.folder import RunFolder, Status
from aecore.store.store import RunStore
from aecore.training.run import train
from app import cache

MAIN = Path(__file__).parents[2] / "app" / "main.py"
Members = dict[str, bytes]
RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 255, (24, 1, 8, 8)).astype(np.uint8)
OWN = {"folder": Path("images"), "npz": Path("images.npz")}
SMALL = {"epochs": 1, "code_dim": 3, "backbone.widths": [8], "threads": 1}
ENV = [HealthCheck.function_scoped_fixture]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Members:
    """The files of a good run's zip."""
    store = RunStore(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("builtin"))
    config = with_settings(recipe("variational").config, SMALL)
    return unpack(archive.export_zip(store, train(config, store)))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("AECORE_HOME", str(tmp_path / "home"))
    return RunStore(tmp_path / "home", tmp_path / "builtin")


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder of this machine with pictures and an npz file that no visitor may see."""
    folder = tmp_path / "private"
    folder.mkdir()
    for i, picture in enumerate(PICTURES):
        Image.fromarray(picture[0]).save(folder / f"{i}.png")
    (folder / "private.npz").write_bytes(save_npz(PICTURES))
    return folder


def unpack(data: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def pack(members: Members) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return out.getvalue()


def change(members: Members, file: str, **values: Any) -> Members:
    return {**members, file: json.dumps({**json.loads(members[file]), **values}).encode()}


def change_arrays(members: Members, file: str, **arrays: np.ndarray) -> Members:
    return {**members, file: safetensors.numpy.save({**safetensors.numpy.load(members[file]), **arrays})}


def refused(store: RunStore, members: Members, why: str = "") -> str:
    """Import these files, which must be refused in one line and leave nothing."""
    with pytest.raises(BadInput, match=why or None) as caught:
        archive.import_zip(store, pack(members))
    assert "\n" not in str(caught.value)
    assert not [path for path in store.root.rglob("*") if path.is_file()]
    return str(caught.value)


def taken_in(store: RunStore, members: Members) -> str | None:
    """Import these files, and return the run's id; None if they are refused, in one line."""
    try:
        return archive.import_zip(store, pack(members))
    except AecoreError as error:
        message = str(error)
    assert "\n" not in message
    return None


# --- no path leaves, and none comes in -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_an_export_says_what_the_images_were_and_never_where(store: RunStore, private: Path, kind: str) -> None:
    dataset = {"kind": "folder", "path": str(private), "size": 8}
    if kind == "npz":
        dataset = {"kind": "npz", "path": str(private / "private.npz")}
    config = with_settings(recipe("undercomplete").config, {**SMALL, "dataset": dataset})
    run_id = train(config, store)
    assert len(Session(store, run_id).data) == len(PICTURES), "its owner sees the images as before"
    status = RunFolder(store.folder(run_id)).status().model_dump(mode="json")
    status |= {"owner": "0123456789abcdef", "shared": True, "pid": 7}
    status |= {"reason": f"FileNotFoundError: [Errno 2] No such file or directory: '{private}/a b.png'; see {private}"}
    (store.folder(run_id) / "status.json").write_text(json.dumps(status))
    data = archive.export_zip(store, run_id, include_images=True)
    members = unpack(data)
    for name, content in members.items():
        for word in (str(private), private.name, "0123456789abcdef", "a b.png"):
            assert word.encode() not in content, f"{word} in {name}"
    assert parse(json.loads(members["config.json"])).dataset.path == OWN[kind]
    assert set(json.loads(members["status.json"])) <= set(archive.EXPORTED)
    elsewhere = RunStore(store.root / "elsewhere", store.builtin)
    session = Session(elsewhere, archive.import_zip(elsewhere, data))
    with pytest.raises(DataUnavailable, match="another machine") as caught:
        _ = session.data
    assert str(store.root) not in str(caught.value)
    assert len(session.gallery(8).images) == 8, "its codes are there, decoded"


PATHS = [
    "{private}", "{private}/private.npz", "{home}/runs", "../private", "images/../../private", "./../images",
    "other.npz", "images.npz/../x", "~/pictures", "~root", "C:\\Users\\me", "\\\\server\\share", "//server/share",
    "/", ".", "", "/proc/self/environ", "/dev/zero", "IMAGES.NPZ", "images.npz\u0000", "images", "a/images.npz",
    "images.npz ", "file:///etc", "$HOME", "con",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", ["folder", "npz"])
def test_a_zip_that_names_files_is_refused(good: Members, store: RunStore, private: Path, kind: str, path: str) -> None:
    wanted = path.format(private=private, home=store.root)
    members = change(good, "config.json", dataset={"kind": kind, "path": wanted})
    if (kind, path) == ("folder", "images"):
        session = Session(store, archive.import_zip(store, pack(members)))
        with pytest.raises(DataUnavailable):
            _ = session.data
    else:
        message = refused(store, members)
        assert "dataset" in message
        assert str(private) not in message


@given(path=st.text(st.characters(exclude_categories=["Cs"]), max_size=40), kind=st.sampled_from(["folder", "npz"]))
@settings(max_examples=60, deadline=None)
def test_only_the_one_name_of_its_own_file_passes(path: str, kind: str) -> None:
    values = recipe("undercomplete").config.model_dump(mode="json")
    content = json.dumps({**values, "dataset": {"kind": kind, "path": path}}).encode()
    with contextlib.suppress(BadInput):
        assert checks.config(content).dataset.path == OWN[kind]


@pytest.mark.parametrize("path", ["{private}", "images"])
def test_a_run_imported_earlier_opens_and_reads_nothing(
    good: Members, store: RunStore, private: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settings name a foreign folder; or its own, where somebody has put a link to one."""
    run_id = archive.import_zip(store, pack(good))
    folder = store.folder(run_id)
    dataset = Folder(path=Path(path.format(private=private)), size=8)
    config = RunFolder(folder).config().model_copy(update={"dataset": dataset})
    (folder / "config.json").write_text(config.json_text())
    (folder / "images").symlink_to(private)
    for method in ("load", "cache_token", "unpacked_bytes"):
        monkeypatch.setattr(Folder, method, lambda *given: pytest.fail("a foreign folder was looked at"))
    session = Session(store, run_id)
    with pytest.raises(DataUnavailable):
        _ = session.data
    with pytest.raises(DataUnavailable):  # the door of the page Train, as it shows a run without a preview
        cache.outlook.__wrapped__(config.json_text(), str(folder))
    assert session.gallery(8).decoded
    assert atlas(session, AtlasSpec((PanelSpec.parse("pca"),), 20)).coordinates.shape == (20, 2)


def test_the_page_train_shows_no_foreign_folder(good: Members, store: RunStore, private: Path) -> None:
    """The attack as it was made: the link of a run that was imported before such zips were refused."""
    run_id = archive.import_zip(store, pack(good))
    config = RunFolder(store.folder(run_id)).config().model_copy(update={"dataset": Folder(path=private, size=8)})
    (store.folder(run_id) / "config.json").write_text(config.json_text())
    cache.forget()
    page = AppTest.from_file(MAIN, default_timeout=60)
    page.query_params["job"] = run_id
    page._page_hash = calc_hash("train")
    page.run()
    cache.forget()
    assert not page.exception
    drawn = "".join(block.proto.body for block in page.get("html"))
    assert "This run has no picture of its training." in drawn
    assert "data:image" not in drawn


def test_the_images_of_an_imported_run_are_never_a_link(store: RunStore, private: Path) -> None:
    config = with_settings(recipe("undercomplete").config, {**SMALL, "dataset": {"kind": "npz"}})
    run_id = train(config, store, run_id=store.create(config, images=save_npz(PICTURES)))
    data = archive.export_zip(store, run_id, include_images=True)
    whole = Session(store, archive.import_zip(store, data))
    assert np.array_equal(whole.data.images, PICTURES), "its own file is the exception"
    (whole.folder / "images.npz").unlink()
    (whole.folder / "images.npz").symlink_to(private / "private.npz")
    with pytest.raises(DataUnavailable):
        _ = Session(store, whole.run_id).data


def test_settings_that_are_no_run_yet_read_no_file(private: Path) -> None:
    config = with_settings(recipe("undercomplete").config, {"dataset": {"kind": "folder", "path": str(private)}})
    with pytest.raises(DataUnavailable):
        cache.outlook.__wrapped__(config.json_text())


def test_an_entry_that_is_a_link_is_only_text(good: Members, store: RunStore, private: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, content in good.items():
            if name != "weights.safetensors":
                packed.writestr(name, content)
        link = zipfile.ZipInfo("weights.safetensors")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        packed.writestr(link, str(private / "private.npz"))
    with pytest.raises(BadInput, match="damaged"):
        archive.import_zip(store, out.getvalue())


def test_images_that_would_fill_the_memory_are_not_decoded(
    store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.npz"
    np.savez_compressed(path, images=np.arange(3 * 2**20, dtype=np.uint8).reshape(-1, 64, 64))
    config = with_settings(recipe("undercomplete").config, {"dataset": {"kind": "npz", "path": str(path)}})
    monkeypatch.setattr(run_data, "MAX_BYTES", 2 * 2**20)
    monkeypatch.setattr(Npz, "load", lambda *given: pytest.fail("it was decoded"))
    with pytest.raises(DataUnavailable, match="more than are opened for looking"):
        run_data.load_run_data(tmp_path, config, Status(state="finished"))


# --- memory and time -------------------------------------------------------------------------------------------------


def claims(good: Members, shape: tuple[int, int, int] = (1, 8, 8), **values: Any) -> Members:
    """A run with these settings for pictures of this shape, its weights left as they are."""
    config = with_settings(parse(json.loads(good["config.json"])), values)
    return change({**good, "config.json": config.json_text().encode()}, "status.json", shape=shape)


def conv(*widths: int) -> dict[str, Any]:
    return {"kind": "conv", "widths": widths}


GREYS = {"kind": "categorical", "levels": 64}
WIDE = {"kind": "mlp", "widths": [4096] * 8}
EXPENSIVE: dict[str, tuple[Callable[[Members], Members], str]] = {
    "deep and wide": (lambda m: claims(m, backbone=WIDE), "learned numbers"),
    "wide code": (lambda m: claims(m, (3, 128, 128), code_dim=4096, backbone={"kind": "mlp", "widths": []}), "learned"),
    "transformer": (
        lambda m: claims(m, backbone={"kind": "transformer", "width": 512, "depth": 12, "heads": 16}), "learned numbers"
    ),
    "huge pictures": (lambda m: claims(m, (1, 2048, 2048)), "128 × 128"),
    "many channels": (lambda m: claims(m, (4096, 4, 3)), "grey or colour"),
    "thousand rows": (lambda m: claims(m, (1, 4096, 2), backbone="gru"), "far too many steps"),
    "channels": (lambda m: claims(m, (3, 128, 128), backbone=conv(512, 8)), "between its layers"),
    "convolutions": (lambda m: claims(m, (1, 28, 28), backbone=conv(500, 500, 500, 500)), "operations"),
    "optimised codes": (
        lambda m: claims(m, backbone="dictionary", likelihood="gaussian", objective="predictive_sparse", code_dim=4096),
        "operations",
    ),
    "units": (lambda m: claims(m, (3, 128, 128), code_dim=400, backbone=conv(8, 8, 8, 8)), "pictures of its"),
    "grey levels": (
        lambda m: claims(m, (3, 64, 64), code_dim=1, backbone="linear", likelihood=GREYS, objective="reconstruction"),
        "between its layers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", EXPENSIVE)
def test_models_that_cost_too_much_are_refused_before_anything_is_unpacked(
    good: Members, store: RunStore, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    make, why = EXPENSIVE[case]
    members = make(good)
    monkeypatch.setattr(archive, "write_atomic", lambda *given: pytest.fail("a file was unpacked"))
    monkeypatch.setattr(checks, "load_model", lambda *given: pytest.fail("a model was built"))
    refused(store, members, why)


def test_a_model_of_a_hundred_million_numbers_is_refused_although_its_zip_is_small(
    good: Members, store: RunStore
) -> None:
    """The attack as it was made: weights of zeros compress to nothing."""
    config = with_settings(parse(json.loads(good["config.json"])), {"backbone": {"kind": "mlp", "widths": [4096] * 2}})
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in build(config, (1, 8, 8)).state_dict().items()}
    weights = safetensors.numpy.save({name: np.zeros(shape, np.float16) for name, shape in shapes.items()})
    members = {**good, "config.json": config.json_text().encode(), "weights.safetensors": weights}
    refused(store, {k: v for k, v in members.items() if not k.startswith("snapshots/")}, "learned numbers|200 times")


def test_weights_larger_than_the_settings_need_are_not_unpacked(good: Members, store: RunStore) -> None:
    refused(store, {**good, "weights.safetensors": os.urandom(2_000_000)}, "larger than the weights")


def test_a_run_without_measurements_does_no_work_when_it_is_opened(
    good: Members, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = {name: content for name, content in good.items() if name != "analysis.safetensors"}
    run_id = archive.import_zip(store, pack(members))
    monkeypatch.setattr(Session, "measure", lambda self: pytest.fail("it was measured on all images"))
    assert Session(store, run_id).codes.shape == (1, 3)


# --- numbers ---------------------------------------------------------------------------------------------------------

ANALYSIS = "analysis.safetensors"


def codes_of(members: Members) -> dict[str, np.ndarray]:
    return safetensors.numpy.load(members[ANALYSIS])


def full(members: Members, name: str, value: float) -> Members:
    return change_arrays(members, ANALYSIS, **{name: np.full_like(codes_of(members)[name], value)})


def scaled(members: Members, file: str, factor: float) -> Members:
    arrays = safetensors.numpy.load(members[file])
    return {**members, file: safetensors.numpy.save({k: (v * factor).astype(np.float32) for k, v in arrays.items()})}


def large_epoch(members: Members) -> Members:
    row = (ROW % (b"a", b"1")).replace(b": 1,", b": 1" + b"0" * 400 + b",", 1)
    return {**members, "history.jsonl": row}


ROW = b'{"epoch": 1, "stage": "%s", "seconds": 1, "train": {}, "validation_loss": 1, "validation_sse": %s}\n'
NUMBERS: dict[str, tuple[Callable[[Members], Members], str]] = {
    "codes": (lambda m: full(m, "codes", 3e38), "codes"),
    "quantiles": (lambda m: full(m, "quantiles", -3e38), "quantiles"),
    "falling quantiles": (lambda m: change_arrays(m, ANALYSIS, quantiles=-codes_of(m)["quantiles"]), "effects"),
    "effects": (lambda m: full(m, "effects", 3e38), "effects"),
    "effects below zero": (lambda m: full(m, "effects", -1), "effects"),
    "KL": (lambda m: full(m, "unit_kl", 3e38), "unit_kl"),
    "many figures": (lambda m: change_arrays(m, ANALYSIS, **{f"unit_{i}": np.zeros(3) for i in range(99)}), "size"),
    "weights": (lambda m: full_weights(m, 3e38), "too large to compute with"),
    "weights in sums": (lambda m: scaled(m, "weights.safetensors", 1e30), "too large to compute with"),
    "epoch": (large_epoch, "epoch"),
    "error": (lambda m: {**m, "history.jsonl": ROW % (b"a", b"1e308")}, "validation_sse"),
    "stage": (lambda m: {**m, "history.jsonl": ROW % (b"[x](http://evil)", b"1")}, "stage"),
    "stages": (lambda m: {**m, "history.jsonl": b"".join(ROW % (b"%d" % i, b"1") for i in range(99))}, "stages"),
    "rows": (lambda m: {**m, "history.jsonl": ROW % (b"a", b"1") * 20_001}, "lines|200 times"),
    "metric": (lambda m: change(m, "status.json", metrics={"test_sse": 1e308}), "figures"),
    "metric alone": (lambda m: change(m, "status.json", metrics={"test_sse": 1, "denoised_sse": 1}), "compare"),
    "epochs": (lambda m: change(m, "status.json", epochs=2**60), "impossible"),
}  # fmt: skip


def full_weights(members: Members, value: float) -> Members:
    arrays = safetensors.numpy.load(members["weights.safetensors"])
    return change_arrays(members, "weights.safetensors", **{k: np.full_like(v, value) for k, v in arrays.items()})


@pytest.mark.parametrize("case", NUMBERS)
def test_numbers_that_pages_cannot_compute_with_are_refused(good: Members, store: RunStore, case: str) -> None:
    make, why = NUMBERS[case]
    refused(store, make(good), why)


def test_codes_of_other_images_are_not_looked_up(good: Members, store: RunStore) -> None:
    """Positions beyond the dataset, whose hash the attacker knows."""
    count = len(codes_of(good)["indices"])
    members = change_arrays(good, ANALYSIS, indices=np.full(count, 2**62))
    session = Session(store, archive.import_zip(store, pack(members)))
    with pytest.raises(DataUnavailable, match="stored codes"):
        _ = session.data
    assert session.gallery(4).decoded


def test_pictures_of_another_size_than_the_data_are_not_mixed(good: Members, store: RunStore) -> None:
    config = with_settings(parse(json.loads(good["config.json"])), {"dataset": "digits"})
    status = Status.model_validate_json(good["status.json"]).model_copy(update={"shape": (1, 4, 16), "imported": True})
    with pytest.raises(DataUnavailable):
        run_data.load_run_data(store.root, config, status)


FLOATS = st.sampled_from([0.0, 1e-38, -1e-20, 1.0, -1e6, 1e11, -1e12, 9e12, 3e38, float("inf"), float("nan")])


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=ENV)
def test_what_is_taken_in_can_be_looked_at(good: Members, tmp_path: Path, data: st.DataObject) -> None:
    """Crafted arrays are refused, or everything that Walk and Maps compute of them is finite."""
    arrays = codes_of(good)
    n, k = data.draw(st.integers(1, 40)), 3
    codes = np.array(data.draw(st.lists(FLOATS, min_size=n * k, max_size=n * k)), np.float32).reshape(n, k)
    drawn = np.array(data.draw(st.lists(FLOATS, min_size=1, max_size=9)), np.float32)
    quantiles = np.sort(np.resize(drawn, (len(QUANTILES), k)), 0)
    labels = np.array(data.draw(st.lists(st.sampled_from([0, 1, 2, 77, 10**6]), min_size=n, max_size=n)))
    effects = np.array(data.draw(st.lists(FLOATS, min_size=k, max_size=k)), np.float32)
    kl = np.array(data.draw(st.lists(FLOATS, min_size=k, max_size=k)), np.float32)
    crafted = {"codes": codes, "quantiles": quantiles, "labels": labels, "effects": effects, "unit_kl": kl}
    crafted["indices"] = np.arange(n) + data.draw(st.sampled_from([0, 10**9]))
    members = {**good, ANALYSIS: safetensors.numpy.save({**{a: arrays[a] for a in arrays if a in crafted}, **crafted})}
    members = change(members, "status.json", data_hash=data.draw(st.sampled_from(["", "0" * 16])))
    store = RunStore(tmp_path / "home", tmp_path / "builtin")
    run_id = taken_in(store, members)
    if run_id is None:
        return
    session = Session(store, run_id)
    assert np.isfinite(session.code_mean).all()
    assert np.isfinite(session.code_std).all()
    assert np.isfinite(session.distance(session.codes[0]).value)
    assert np.isfinite(session.neighbour_distances).all()
    for unit in range(k):
        session.scale(unit, float(session.codes[0, unit]))
        assert np.isfinite(session.walk(session.codes[0], unit)[1]).all()
    found = [*directions.units(session), *directions.principal(session), *directions.attributes(session)]
    assert np.isfinite([[line.low, line.high, line.effect] for line in found]).all()
    if n > 4:
        spec = AtlasSpec((PanelSpec.parse("pca"), PanelSpec.parse("code")), 40)
        assert np.isfinite(atlas(session, spec).coordinates).all()


# --- arbitrary zips --------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=ENV)
def test_any_value_in_any_place_is_refused_in_one_line_or_opens(
    good: Members, tmp_path: Path, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(["config.json", "status.json"]))
    values = json.loads(good[name])
    field = data.draw(st.sampled_from(sorted(values)))
    if isinstance(values[field], dict) and values[field] and data.draw(st.booleans()):
        values[field] = {**values[field], data.draw(st.sampled_from(sorted(values[field]))): data.draw(JSON)}
    else:
        values[field] = data.draw(JSON)
    store = RunStore(tmp_path / "home", tmp_path / "builtin")
    run_id = taken_in(store, {**good, name: json.dumps(values).encode()})
    if run_id is not None:
        info = store.info(run_id)
        assert info.state in ("finished", "stopped", "failed")
        assert info.status.imported
        Session(store, run_id).gallery(2)


def test_what_the_page_offers_still_travels(store: RunStore) -> None:
    """Every recipe's model on the data it is made for is far below the limits."""
    for name in ("sequence", "masked_autoencoder", "course_denoising", "predictive_sparse", "grey_levels"):
        config: RunConfig = recipe(name).config
        shape = (1, 28, 28) if config.dataset.kind == "mnist" else (1, 8, 8)
        assert 0 < checks.affordable(config, Status(shape=shape)) < checks.MAX_PARAMETERS
