"""Every dataset keeps its contract: split, hash, downloads, and one copy in memory."""

import io
import os
import threading
import urllib.error
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aecore.foundation.errors import BadInput, DataUnavailable
from aecore.foundation.progress import OnProgress
from aecore.parts.data import SPLITS, Data, Dataset
from aecore.parts.datasets import (
    Digits,
    FashionMnist,
    Folder,
    Mnist,
    Npz,
    Olivetti,
    Patterns,
    Shapes,
    _downloads,
    olivetti,
)
from aecore.parts.datasets._split import divide
from aecore.parts.loading import DataCache, load_data
from aecore.parts.registry import members

REAL_MNIST = os.environ.get("AECORE_MNIST", "")
needs_mnist = pytest.mark.skipif(not Path(REAL_MNIST).is_file(), reason="AECORE_MNIST names no file")
ON_DEMAND = {"mnist": Mnist(), "fashion_mnist": FashionMnist(), "olivetti": Olivetti()}


@pytest.fixture
def no_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty `AECORE_HOME`, and no local file named."""
    for variable in ("AECORE_MNIST", "AECORE_FASHION_MNIST", "AECORE_OLIVETTI"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AECORE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def pictures(folder: Path, count: int, colour: tuple[int, int, int] = (200, 10, 10)) -> None:
    folder.mkdir(parents=True)
    for index in range(count):
        Image.new("RGB", (20 + index, 30), colour).save(folder / f"{index}.png")


def npz(path: Path, **arrays: np.ndarray) -> Npz:
    np.savez(path, **arrays)
    return Npz(path=path)


def small(kind: str, folder: Path) -> Dataset:
    """A quick instance of every dataset that needs no network."""
    if kind == "npz":
        return npz(folder / "a.npz", images=np.random.default_rng(0).random((12, 5, 6)), labels=np.arange(12) % 3)
    if kind == "folder":
        for name in ("b", "a"):
            pictures(folder / "pictures" / name, 4)
        return Folder(path=folder / "pictures", size=8)
    return {"digits": Digits(), "shapes": Shapes(count=300), "patterns": Patterns(count=300)}[kind]


# --- the registry ----------------------------------------------------------------------------------------------------


def test_every_member_says_where_its_pictures_are_and_names_its_units():
    found = members("datasets", Dataset)
    assert set(found) == {"digits", "shapes", "patterns", "mnist", "fashion_mnist", "olivetti", "npz", "folder"}
    for kind, cls in found.items():
        assert cls.on_demand == (kind in ON_DEMAND)
        assert cls.local_path == (kind in ("npz", "folder"))
        assert all(name == "kind" or "unit" in field.json_schema_extra for name, field in cls.model_fields.items())


@pytest.mark.parametrize("kind", ["digits", "shapes", "patterns", "npz", "folder"])
def test_contract(kind: str, tmp_path: Path):
    dataset = small(kind, tmp_path)
    assert dataset.available()
    data, again = dataset.load(), dataset.load()
    assert data.images.dtype == np.uint8
    assert data.images.flags.c_contiguous
    assert data.hash == again.hash
    assert data.name
    assert data.source
    assert data.licence
    parts = [data.indices(name) for name in SPLITS]
    assert all(len(part) for part in parts)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(data)))
    assert len(parts[0]) >= len(parts[1]) == len(parts[2])
    assert data.labels is not None
    assert set(data.labels) == set(range(len(data.label_names)))
    for name, factor in data.factors.items():
        assert factor.shape == (len(data),), name
        assert np.isfinite(factor).all()
    floats = data.floats(slice(None))
    assert floats.min() >= 0
    assert floats.max() <= 1


# --- the split -------------------------------------------------------------------------------------------------------


def test_split_is_exact_stratified_and_stable():
    labels = np.repeat(np.arange(4), [400, 300, 200, 100])
    split = divide(labels, 100, 200)
    assert np.bincount(split).tolist() == [700, 100, 200]
    for label in range(4):
        share = np.bincount(split[labels == label], minlength=3) / np.sum(labels == label)
        assert share == pytest.approx([0.7, 0.1, 0.2], abs=0.01)
    assert np.array_equal(split, divide(labels, 100, 200))
    assert sorted(divide(np.zeros(3, np.int64), 1, 1)) == [0, 1, 2]
    # Pinned, so that results of earlier trainings stay comparable: a change here moves everybody's test set.
    assert divide(np.zeros(12, np.int64), 3, 3).tolist() == PINNED


PINNED = [0, 1, 0, 1, 0, 1, 0, 2, 0, 0, 2, 2]


# --- on demand -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ON_DEMAND)
def test_absent_data_say_what_to_do(kind: str, no_files: Path):
    dataset = ON_DEMAND[kind]
    assert not dataset.available()
    with pytest.raises(DataUnavailable, match="not on this machine; allow the download"):
        dataset.load()


@pytest.mark.parametrize("kind", ON_DEMAND)
def test_no_network(kind: str, no_files: Path, monkeypatch: pytest.MonkeyPatch):
    def unreachable(*args: object, **settings: object) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("sklearn.datasets.fetch_openml", unreachable)
    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    with pytest.raises(DataUnavailable, match=r"could not be downloaded.*check the network"):
        ON_DEMAND[kind].load(fetch=True)
    assert not list(no_files.glob("**/*.npz*"))


def test_named_file_that_is_absent(no_files: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AECORE_MNIST", str(no_files / "nowhere.npz"))
    assert not Mnist().available()
    with pytest.raises(DataUnavailable, match=r"AECORE_MNIST names .*nowhere\.npz"):
        Mnist().load(fetch=True)


def test_named_file_that_is_something_else(no_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    np.savez(tmp_path / "m.npz", images=np.arange(64, dtype=np.uint8).reshape(4, 4, 4))
    monkeypatch.setenv("AECORE_MNIST", str(tmp_path / "m.npz"))
    with pytest.raises(BadInput, match="is not MNIST"):
        Mnist().load()


def openml_answer(*args: object, **settings: object) -> object:
    from sklearn.utils import Bunch

    assert settings["parser"] == "liac-arff"
    assert not settings["as_frame"]
    data = np.zeros((70_000, 784), np.uint8)
    data[:, 0] = np.arange(70_000) % 256
    return Bunch(data=data, target=np.array([str(i % 10) for i in range(70_000)], dtype=object))


def test_fetch_once_then_local(no_files: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sklearn.datasets.fetch_openml", openml_answer)
    shares: list[float] = []
    data = FashionMnist().load(lambda share, words: shares.append(share), fetch=True)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert (no_files / "datasets" / "fashion_mnist.npz").is_file()
    assert FashionMnist().available()
    monkeypatch.undo()
    monkeypatch.setenv("AECORE_HOME", str(no_files))
    assert FashionMnist().load().hash == data.hash
    assert np.bincount(data.split).tolist() == [55_000, 5_000, 10_000]
    assert np.array_equal(data.indices("test"), np.arange(60_000, 70_000))
    assert len(data.label_names) == 10


def test_download_checks_the_hash(monkeypatch: pytest.MonkeyPatch, no_files: Path):
    class Answer(io.BytesIO):
        headers = {"Content-Length": "5"}

    monkeypatch.setattr("urllib.request.urlopen", lambda *args, **settings: Answer(b"other"))
    with pytest.raises(DataUnavailable, match="SHA-256 is not the published one"):
        Olivetti().load(fetch=True)


def test_faces_are_turned_upright_and_split_by_person(no_files: Path):
    upright = np.random.default_rng(0).integers(0, 256, (400, 64, 64)).astype(np.uint8)
    stored = upright.transpose(0, 2, 1).reshape(400, 4096).T
    fetched = olivetti.faces(stored)
    assert np.array_equal(fetched["images"], upright)
    path = no_files / "datasets" / "olivetti.npz"
    path.parent.mkdir(parents=True)
    np.savez(path, **fetched)
    data = Olivetti().load()
    for part, share in enumerate((6, 2, 2)):
        assert np.bincount(data.labels[data.split == part]).tolist() == [share] * 40


@needs_mnist
def test_real_mnist():
    data = Mnist().load()
    assert data.images.shape == (70_000, 1, 28, 28)
    assert data.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(data.split).tolist() == [55_000, 5_000, 10_000]
    assert np.bincount(data.labels[60_000:]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    shares = np.bincount(data.labels[data.split == 1]) / np.bincount(data.labels[:60_000])
    assert shares == pytest.approx(5 / 60, abs=1e-3)


# --- the cache -------------------------------------------------------------------------------------------------------


class Counted(Dataset):
    """Counts its loads, slowly enough for threads to meet."""

    kind: str = "counted"
    number: int = 0

    def load(self, progress: OnProgress | None = None, fetch: bool = False) -> Data:
        LOADS.append(self.number)
        GATE.wait(5)
        if self.number < 0:
            raise DataUnavailable("never there")
        return Data(np.zeros((1, 1, 100, 100), np.uint8), np.zeros(1, np.uint8))


LOADS: list[int] = []
GATE = threading.Event()


@pytest.fixture
def cache() -> DataCache:
    LOADS.clear()
    GATE.set()
    return DataCache(25_000)


def test_threads_that_ask_at_once_load_once(cache: DataCache):
    GATE.clear()
    got: list[Data] = []
    threads = [threading.Thread(target=lambda: got.append(cache.load(Counted(), None, False))) for _ in range(6)]
    for thread in threads:
        thread.start()
    GATE.set()
    for thread in threads:
        thread.join()
    assert LOADS == [0]
    assert len({id(data) for data in got}) == 1


def test_cache_is_bounded_and_drops_the_longest_unused(cache: DataCache):
    for number in (0, 1, 0, 2, 0, 1):
        cache.load(Counted(number=number), None, False)
    assert LOADS == [0, 1, 2, 1]


def test_data_larger_than_the_cache_is_kept_alone():
    LOADS.clear()
    GATE.set()
    small = DataCache(10)
    for number in (0, 0, 1, 1, 0):
        small.load(Counted(number=number), None, False)
    assert LOADS == [0, 1, 0]


def test_failures_are_not_remembered(cache: DataCache):
    for _ in range(2):
        with pytest.raises(DataUnavailable):
            cache.load(Counted(number=-1), None, False)
    assert LOADS == [-1, -1]


def test_loaded_arrays_are_read_only_and_shared():
    data = load_data(Shapes(count=60))
    assert load_data(Shapes(count=60)) is data
    for array in (data.images, data.split, data.labels, data.factors["x"]):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_changed_files_are_loaded_anew(tmp_path: Path):
    ramp = np.arange(5 * 6 * 7, dtype=np.uint8).reshape(5, 6, 7)
    dataset = npz(tmp_path / "a.npz", images=ramp)
    first = load_data(dataset)
    assert load_data(dataset) is first
    npz(tmp_path / "a.npz", images=np.concatenate([ramp, ramp]))
    assert len(load_data(dataset)) == 10
    pictures(tmp_path / "p", 4)
    folder = Folder(path=tmp_path / "p", size=8)
    assert len(load_data(folder)) == 4
    (tmp_path / "p" / "3.png").unlink()
    assert len(load_data(folder)) == 3


def test_download_reports_progress_and_bounds_the_answer(monkeypatch: pytest.MonkeyPatch):
    class Answer(io.BytesIO):
        headers = {"Content-Length": str(2**18)}

    monkeypatch.setattr("urllib.request.urlopen", lambda *args, **settings: Answer(bytes(2**18)))
    shares: list[float] = []
    with pytest.raises(ValueError, match="more than 200000 bytes"):
        _downloads.download_bytes(
            "https://example.org", "", "it", lambda share, words: shares.append(share), max_bytes=200_000
        )
    assert shares == [0.25, 0.5, 0.75]
