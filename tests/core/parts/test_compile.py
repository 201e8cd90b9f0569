"""Compiled loops: cached on disk where possible, run in threads that end with the work, and their distances."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from numba.core import config

import aecore
from aecore.foundation import geometry
from aecore.parts.embeddings._compile import compiled, cores, shared
from aecore.parts.embeddings._pairs import cross_distances, equal_shares, packed_distances, packed_matrix, padded

ROOT = Path(aecore.__file__).parents[1]


def _doubled(x: np.ndarray) -> None:
    for i in range(len(x)):
        x[i] *= 2


def doubled_by_a_new_kernel() -> None:
    x = np.ones(3)
    compiled(_doubled)()(x)
    np.testing.assert_array_equal(x, 2)


def cached(folder: Path) -> dict[Path, int]:
    """{file of machine code: when it was written}."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.nb[ci]")}


@pytest.fixture(autouse=True)
def no_named_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where `NUMBA_CACHE_DIR` is not set."""
    monkeypatch.setattr(config, "CACHE_DIR", "")


def test_code_is_compiled_once_and_then_found_in_the_home_folder(own_home):
    beside = cached(Path(__file__).parent)
    doubled_by_a_new_kernel()
    code = cached(own_home / "cache" / "numba")
    assert code
    doubled_by_a_new_kernel()
    assert cached(own_home / "cache" / "numba") == code
    assert cached(Path(__file__).parent) == beside, "nothing is written beside the program"
    assert config.CACHE_DIR == "", "other users of numba keep their folder"


def test_a_folder_that_a_person_named_is_used(own_home, tmp_path, monkeypatch):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "named"))
    doubled_by_a_new_kernel()
    assert cached(tmp_path / "named")
    assert not own_home.exists()


def test_where_nothing_can_be_written_kernels_are_still_compiled(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("AECORE_HOME", str(tmp_path / "file" / "home"))
    doubled_by_a_new_kernel()


def test_numba_is_not_loaded_when_the_app_starts(tmp_path):
    code = "import sys\nfrom app import asgi, preload\nprint([n for n in ('numba', 'umap') if n in sys.modules])"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "AECORE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-P", "-c", code], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_threads_end_with_the_work_and_carry_errors_out():
    before = threading.active_count()
    x = np.ones((5, 3))
    with shared() as run:
        run(compiled(_doubled)(), [(row,) for row in x])
        np.testing.assert_array_equal(x, 2)
        with pytest.raises(ZeroDivisionError):
            run(lambda i: 1 // i, [(1,), (0,)])
    assert threading.active_count() == before
    assert cores() >= 1


# --- packed distances


@pytest.mark.parametrize(("n", "f"), [(1, 3), (2, 1), (3, 40), (4, 3), (5, 1), (8, 40), (17, 3), (130, 1), (301, 40)])
def test_packed_distances_are_those_of_the_differences(n, f):
    x = np.random.default_rng(n).normal(size=(n, f)).astype(np.float32)
    delta = geometry.distances(x.astype(np.float64))
    with shared() as run:
        packed = packed_distances(x, run)
        crossed = cross_distances(x[: n // 2 + 1], padded(x), run)[:, :n]
    np.testing.assert_allclose(packed.square(), delta, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(crossed, delta[: n // 2 + 1], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(packed_matrix(delta).square(), delta.astype(np.float32))
    assert packed.sum_of_squares() == pytest.approx((delta**2).sum() / 2, rel=1e-5, abs=1e-12)
    i, j = (side.ravel() for side in np.meshgrid(np.arange(n), np.arange(n)))
    np.testing.assert_array_equal(packed.between(i, j).reshape(n, n), packed.square())


def test_near_duplicates_far_from_the_origin_keep_their_distance():
    x = np.zeros((2, 784), np.float32) + 1
    x[1, 5] += 1e-5
    with shared() as run:
        assert packed_distances(x, run).square()[0, 1] == pytest.approx(1e-5, rel=0.02)


@pytest.mark.parametrize("groups", [1, 2, 3, 100, 2500])
def test_shares_cover_a_triangle_once_and_are_about_equal(groups):
    cuts = equal_shares(groups, 8 * groups**2)
    assert [q for low, high in cuts for q in range(low, high)] == list(range(groups))
    if groups >= 100:
        areas = [high**2 - low**2 for low, high in cuts]
        assert max(areas) < 1.2 * min(areas)


def test_the_result_does_not_depend_on_the_number_of_threads(monkeypatch):
    from aecore.parts.embeddings import Mds

    x = np.random.default_rng(0).normal(size=(500, 20)).astype(np.float32)
    one = Mds().fit(x)
    monkeypatch.setattr("aecore.parts.embeddings._compile.cores", lambda: 5)
    np.testing.assert_array_equal(Mds().fit(x).coordinates, one.coordinates)
