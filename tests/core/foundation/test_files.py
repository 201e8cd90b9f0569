"""Files are whole or absent, and mapped arrays are read without trusting them."""

import io
import os
from pathlib import Path

import numpy as np
import pytest

from aecore.foundation.errors import RunUnavailable
from aecore.foundation.files import atomic_file, mapped_array, prune, write_mapped


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, array, allow_pickle=False)
    return out.getvalue()


def zipped() -> bytes:
    out = io.BytesIO()
    np.savez(out, np.ones(3))
    return out.getvalue()


def test_a_mapped_array_is_read_only_and_stays_on_the_disk(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.float32).reshape(6, 2)
    write_mapped(tmp_path / "a.npy", array[::2])
    found = mapped_array(tmp_path / "a.npy")
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, array[::2])
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80\x04pickle", npy(np.ones((7, 2)))[:-5], npy(np.ones(3))[:40], zipped(), zipped()[:50]],
    ids=["empty", "foreign", "cut off", "cut header", "zip", "broken zip"],
)
def test_a_damaged_array_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(RunUnavailable, match="damaged"):
        mapped_array(tmp_path / "a.npy")


def test_python_objects_and_missing_files_are_refused(tmp_path: Path) -> None:
    header = npy(np.zeros(2)).replace(b"<f8", b"|O ")
    (tmp_path / "a.npy").write_bytes(header)
    for name in ("a.npy", "none.npy"):
        with pytest.raises(RunUnavailable):
            mapped_array(tmp_path / name)


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(TypeError), atomic_file(path) as file:
        print("new", file=file)
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [b"old"]


def test_two_writers_of_one_file_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with atomic_file(path) as one, atomic_file(path) as other:
        one.write(b"1" * 9)
        other.write(b"2" * 3)
    assert path.read_bytes() == b"1" * 9
    assert len(list(tmp_path.iterdir())) == 1


def test_pruning_deletes_the_least_recently_touched(tmp_path: Path) -> None:
    for i, name in enumerate("abc"):
        (tmp_path / name).write_bytes(b"x" * 10)
        os.utime(tmp_path / name, (i, i))
    prune(tmp_path, 20)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "c"]
