"""Pictures from NumPy files and folders: every layout is read, and what is wrong with a file is said."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aecore.foundation.errors import BadInput, DataUnavailable
from aecore.parts.datasets import (
    Folder,
    Npz,
)
from aecore.pictures import arrays


def pictures(folder: Path, count: int, colour: tuple[int, int, int] = (200, 10, 10)) -> None:
    folder.mkdir(parents=True)
    for index in range(count):
        Image.new("RGB", (20 + index, 30), colour).save(folder / f"{index}.png")


def npz(path: Path, **arrays: np.ndarray) -> Npz:
    np.savez(path, **arrays)
    return Npz(path=path)


RAMP = np.arange(5 * 6 * 7, dtype=np.uint8).reshape(5, 6, 7)


@pytest.mark.parametrize("name", ["images", "x", "anything"])
def test_npz_layouts_and_types(tmp_path: Path, name: str):
    assert np.array_equal(npz(tmp_path / "a.npz", **{name: RAMP}).load().images, RAMP[:, None])
    colour = np.stack([RAMP, RAMP // 2, RAMP // 3], 1)
    for array in (
        colour,
        colour.transpose(0, 2, 3, 1),
        np.asfortranarray(colour),
        colour / 255,
        colour.astype(np.int64),
    ):
        assert np.array_equal(npz(tmp_path / "b.npz", **{name: array}).load().images, colour)
    assert npz(tmp_path / "c.npz", **{name: RAMP > 100}).load().images.max() == 255


def test_npz_labels_of_any_kind(tmp_path: Path):
    words = npz(tmp_path / "a.npz", x=RAMP, y=np.array(["cat", "ant/bee", "cat", "dog", "cat"])).load()
    assert words.label_names == ("ant/bee", "cat", "dog")
    assert words.labels.tolist() == [1, 0, 1, 2, 1]
    numbers = npz(tmp_path / "b.npz", images=RAMP, labels=np.array([[7], [3], [7], [7], [3]])).load()
    assert numbers.label_names == ("3", "7")
    assert numbers.labels.tolist() == [1, 0, 1, 1, 0]


def test_npz_keras_layout_keeps_its_test_set(tmp_path: Path):
    data = npz(tmp_path / "k.npz", x_train=RAMP, y_train=np.arange(5), x_test=RAMP[:2], y_test=np.arange(2)).load()
    assert data.split[5:].tolist() == [2, 2]
    assert sorted(data.split[:5]) == [0, 0, 0, 0, 1]


def test_npz_keras_layout_without_a_test_set_is_divided(tmp_path: Path):
    many, labels = np.concatenate([RAMP] * 4), np.arange(20) % 2
    data = npz(tmp_path / "k.npz", x_train=many, y_train=labels).load()
    assert np.bincount(data.split).tolist() == [14, 3, 3]
    assert data.labels.tolist() == labels.tolist()
    assert npz(tmp_path / "l.npz", x_train=many).load().labels is None
    both = npz(tmp_path / "m.npz", x_train=many, x_test=RAMP).load()
    assert both.labels is None
    assert both.split[20:].tolist() == [2] * 5


def with_nan() -> np.ndarray:
    array = RAMP / 255
    array[2, 3, 4] = np.nan
    return array


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"images": with_nan()}, "not finite"),
        ({"images": np.full((4, 5, 6), np.inf)}, "not finite"),
        ({"images": np.zeros((4, 5, 6), np.uint8)}, "Every pixel has the value 0"),
        ({"images": RAMP[:1]}, r"1 picture\(s\).*at least 3"),
        ({"images": RAMP[0]}, r"shape \(6, 7\)"),
        ({"images": np.zeros((4, 2, 5, 6), np.uint8)}, r"shape \(4, 2, 5, 6\)"),
        ({"images": RAMP[:, :3]}, "at least 4 × 4"),
        ({"images": RAMP[:0]}, "holds no picture"),
        ({"images": RAMP * 1.0}, "scale them to 0 to 1"),
        ({"images": -RAMP.astype(np.int16)}, "scale them to 0 to 255"),
        ({"images": RAMP * 1j}, "complex"),
        ({"images": np.array([{"a": 1}] * 3, dtype=object)}, "pickled"),
        ({"images": RAMP, "labels": np.array([None] * 5)}, "pickled"),
        ({"images": RAMP, "labels": np.arange(4)}, "one class each"),
        ({"a": RAMP, "b": RAMP}, "No array is called 'images'"),
        ({"x_train": RAMP, "y_train": np.arange(5), "x_test": RAMP, "y_test": np.arange(3)}, "differ in length"),
        ({"x_train": RAMP, "y_train": np.arange(5), "x_test": RAMP[:, 1:], "y_test": np.arange(5)}, "make them equal"),
        ({"x_train": RAMP, "y_train": np.arange(5), "x_test": RAMP}, "differ in length"),
        ({"x_train": RAMP, "y_train": np.arange(5), "x_test": RAMP, "y_test": np.array(["a"] * 5)}, "different types"),
        ({"x_test": RAMP, "y_test": np.arange(5)}, "No array is called 'images'"),
        ({"images": np.zeros(5, [("a", "u1")])}, "shape"),
    ],
)
def test_npz_refusals(tmp_path: Path, arrays: dict[str, np.ndarray], reason: str):
    with pytest.raises(BadInput, match=reason) as caught:
        npz(tmp_path / "bad.npz", **arrays).load()
    assert "\n" not in str(caught.value)


def test_npz_that_is_damaged_or_lies(tmp_path: Path):
    whole = io.BytesIO()
    np.savez_compressed(whole, images=RAMP)
    path = tmp_path / "d.npz"
    for content in (b"", b"PK", whole.getvalue()[:-30], whole.getvalue()[:100], b"\x80\x04\x95pickle"):
        path.write_bytes(content)
        with pytest.raises(BadInput, match=r"not a whole \.npz file"):
            Npz(path=path).load()
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**6, 10**4, 100)})
    for body in (
        header.getvalue(),
        header.getvalue() + b"1234",
        b"\x93NUMPY\x01\x00\x10\x00{'descr': (((((",
        b"no array",
    ):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("images.npy", body)
        with pytest.raises(BadInput):
            Npz(path=path).load()


def test_npz_says_its_size_before_it_is_read(tmp_path: Path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, images=np.zeros((100, 64, 64)), labels=np.arange(100))
    assert 100 * 64 * 64 * 8 < Npz(path=path).unpacked_bytes() < 100 * 64 * 64 * 8 + 2000
    assert path.stat().st_size < 10_000
    assert Npz(path=tmp_path / "none.npz").unpacked_bytes() == 0
    pictures(tmp_path / "p", 4)
    assert Folder(path=tmp_path / "p", size=16, colour=True).unpacked_bytes() == 4 * 16 * 16 * 3


def test_large_arrays_are_converted_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(arrays, "CONVERTED_AT_ONCE", 100)
    monkeypatch.setattr(arrays, "READ_AT_ONCE", 64)
    reals = np.random.default_rng(0).random((50, 6, 7))
    assert np.array_equal(npz(tmp_path / "a.npz", images=reals).load().images[:, 0], np.rint(reals * 255))
    assert np.array_equal(npz(tmp_path / "b.npz", images=np.asfortranarray(RAMP)).load().images[:, 0], RAMP)


def test_npz_path_is_relative_to_the_run(tmp_path: Path):
    npz(tmp_path / "images.npz", images=RAMP)
    with pytest.raises(DataUnavailable, match=r"There is no file nowhere\.npz"):
        Npz(path=tmp_path / "nowhere.npz").load()
    assert len(Npz().resolved(tmp_path).load()) == 5
    assert Npz(path=tmp_path / "x").resolved(Path("/elsewhere")).path == tmp_path / "x"
    assert Folder(path=Path("p")).resolved(tmp_path).path == tmp_path / "p"


# --- folders


def test_folder_with_classes_and_bad_files(tmp_path: Path):
    pictures(tmp_path / "p" / "red", 3)
    pictures(tmp_path / "p" / "blue", 2, (10, 10, 200))
    (tmp_path / "p" / "red" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    (tmp_path / "p" / "red" / "notes.txt").write_text("no picture")
    (tmp_path / "p" / "beside.png").write_bytes((tmp_path / "p" / "red" / "0.png").read_bytes())
    data = Folder(path=tmp_path / "p", size=16, colour=True).load()
    assert data.images.shape == (5, 3, 16, 16)
    assert data.label_names == ("blue", "red")
    assert data.images[:, :, 8, 8].tolist() == [[10, 10, 200]] * 2 + [[200, 10, 10]] * 3
    assert "1 unreadable file(s) skipped, first broken.png" in data.source
    assert str(tmp_path) not in data.source


def test_flat_folder_has_no_classes(tmp_path: Path):
    pictures(tmp_path / "p", 4)
    data = Folder(path=tmp_path / "p", size=8).load()
    assert data.labels is None
    assert data.images.shape == (4, 1, 8, 8)
    assert np.unique(data.images).tolist() == [round(0.299 * 200 + 0.701 * 10)]


def test_folder_refusals(tmp_path: Path):
    with pytest.raises(DataUnavailable, match="There is no folder"):
        Folder(path=tmp_path / "nowhere").load()
    (tmp_path / "p").mkdir()
    with pytest.raises(BadInput, match="holds 0 readable"):
        Folder(path=tmp_path / "p").load()
    for name in "abcd":
        (tmp_path / "p" / f"{name}.jpg").write_bytes(b"")
    with pytest.raises(BadInput, match=r"4 cannot be read \(a.jpg: It is empty"):
        Folder(path=tmp_path / "p").load()
