"""A home that cannot be used: read-only, full, a file, gone, or with one folder that may not be entered.

The program starts, shows what it can, says once and without any path what is wrong, and goes on when it is mended.
"""

import contextlib
import ctypes
import errno
import logging
import os
import shutil
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from aecore.cli.parser import main as command_line
from aecore.foundation import files
from aecore.foundation.errors import AecoreError, words_of
from aecore.foundation.home import cache_home, server_cache
from aecore.maps.queue import MapJobs
from aecore.maps.spec import AtlasSpec, PanelSpec
from aecore.model.config import parse
from aecore.parts.embeddings._compile import compiled
from aecore.session import onnx_cache
from aecore.session.session import Session
from aecore.store.archive import export_zip, import_zip
from aecore.store.folder import RunFolder
from aecore.store.store import RunStore
from aecore.training import queue
from aecore.training.run import train
from app import cache

pytestmark = pytest.mark.skipif(os.name != "posix", reason="rights as POSIX has them")
MAIN = Path(__file__).parents[2] / "app" / "main.py"
READY_MADE = "digits-variational"
SMALL = {
    "dataset": "digits", "corruption": "none", "likelihood": "bernoulli", "code_dim": 4, "procedure": "joint",
    "backbone": {"kind": "mlp", "widths": [16]}, "objective": "reconstruction", "training": {"epochs": 1, "threads": 1},
}  # fmt: skip


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    root = tmp_path_factory.mktemp("origin")
    return root, train(parse(SMALL), RunStore(root))


@pytest.fixture
def home(origin: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home with a finished run and a deleted one; the pages' caches are emptied around it."""
    shutil.copytree(origin[0], tmp_path / "home")
    shutil.copytree(origin[0] / "runs", tmp_path / "home" / "trash")
    (tmp_path / "home" / "trash" / origin[1]).rename(tmp_path / "home" / "trash" / "deleted")
    monkeypatch.setenv("AECORE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AECORE_CACHE", raising=False)
    cache.forget()
    yield tmp_path / "home"
    cache.forget()


@pytest.fixture
def store(home: Path) -> RunStore:
    return RunStore(home)


@pytest.fixture
def plain_user() -> Iterator[None]:
    """Takes from this thread, and those that it starts, what lets root write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root may write anywhere here")
    libc = ctypes.CDLL(None, use_errno=True)
    header = struct.pack("=Ii", 0x20080522, 0)
    before = ctypes.create_string_buffer(24)
    assert libc.capget(header, before) == 0
    words = list(struct.unpack("=6I", before.raw))
    words[0] &= ~0b1111  # CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
    if libc.capset(header, struct.pack("=6I", *words)) != 0:
        pytest.skip("root may write anywhere here")
    yield
    libc.capset(header, before.raw)


@contextlib.contextmanager
def rights(place: Path, mode: int) -> Iterator[None]:
    """Gives a folder and all below it these rights."""
    folders = [Path(found) for found, _, _ in os.walk(place)]
    for folder in reversed(folders):
        folder.chmod(mode)
    try:
        yield
    finally:
        for folder in folders:
            folder.chmod(0o755)


@contextlib.contextmanager
def running(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """A server's queue that never waits; yields a function that waits for so many more rounds of it."""
    monkeypatch.setattr(queue, "TICK_SECONDS", 0.001)
    runner, rounds, real = queue.Runner(store), [0], queue.Runner._log

    def log(self: queue.Runner, *words: object) -> None:
        rounds[0] += 1
        real(self, *words)

    monkeypatch.setattr(queue.Runner, "_log", log)
    runner.start()

    def wait(more: int) -> None:
        begun, limit = rounds[0], time.monotonic() + 30
        while rounds[0] < begun + more:
            assert time.monotonic() < limit
            threading.Event().wait(0.005)

    try:
        yield wait
    finally:
        runner.close()


def lines(caplog: pytest.LogCaptureFixture, home: Path) -> list[str]:
    """What was logged, in which there is neither a traceback nor a path."""
    found = [record for record in caplog.records if record.name.startswith("aecore")]
    assert not any(record.exc_info for record in found)
    assert not any(str(home) in record.getMessage() for record in found)
    return [record.getMessage() for record in found]


def opened(name: str, **parameters: str) -> AppTest:
    page = AppTest.from_file(MAIN, default_timeout=60)
    for key, value in parameters.items():
        page.query_params[key] = value
    if name != "start":
        page._page_hash = calc_hash(name)
    page.run()
    assert not page.exception
    return page


# --- a home that may not be written to


def test_a_read_only_home_is_said_once_and_taken_up_again_when_mended(
    store: RunStore, plain_user: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (store.root / "queue.lock").touch()
    with rights(store.root, 0o555), caplog.at_level(logging.WARNING):
        (store.root / "queue.lock").chmod(0o444)
        with running(store, monkeypatch) as wait:
            wait(5)
            [said] = lines(caplog, store.root)
            assert "no permission" in said
            assert "no permission" in queue.why_paused(store)
            (store.root / "queue.lock").chmod(0o644)
            wait(5)
            assert lines(caplog, store.root)[1:] == ["the queue of trainings goes on"]
            assert queue.why_paused(store) == ""


def test_whoever_writes_into_a_read_only_home_is_told_what_to_do_without_its_path(
    store: RunStore, plain_user: None
) -> None:
    run_id = next(info.run_id for info in store.runs() if not info.builtin)
    data = export_zip(store, run_id)
    acts: list[Callable[[], object]] = [
        lambda: queue.submit(store, parse(SMALL)), lambda: import_zip(store, data), lambda: store.delete(run_id),
        lambda: store.rename(run_id, "new"), lambda: store.restore("deleted"),
    ]  # fmt: skip
    with rights(store.root, 0o555):
        for act in acts:
            with pytest.raises((AecoreError, OSError)) as refused:
                act()
            words = words_of(refused.value)
            assert str(store.root) not in words
            assert "no permission" in words
            assert "--home" in words
            assert "make room" not in words
        store.empty_trash()
        assert store.trash() == ["deleted"]
        assert Session(store, run_id).decode(np.zeros((1, 4), np.float32)).shape == (1, 1, 8, 8)


def test_pages_on_a_read_only_home_show_everything_and_advise_rightly(store: RunStore, plain_user: None) -> None:
    with rights(store.root, 0o555), server_cache():
        run_id = next(info.run_id for info in store.runs() if not info.builtin)
        assert cache_home().parent != store.root
        assert onnx_cache.decoder(Session(store, READY_MADE)).path.is_file(), "ready-made runs can be walked"
        opened("walk", run=run_id)
        page = opened("runs")
        next(button for button in page.button if button.key == "_runs_back_deleted").click().run()
        assert not page.exception
        [toast] = page.toast
        assert "no permission" in toast.value
        assert str(store.root) not in toast.value
    assert (store.root / "runs" / run_id).is_dir()
    assert cache_home() == store.root / "cache"


def test_the_temporary_cache_of_a_killed_server_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECORE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AECORE_CACHE", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path / "aecore-cache-pid4194303.1-0.0123abcd-x"
    left.mkdir()
    with server_cache(read_only=True):
        [folder] = tmp_path.glob("aecore-cache-*")
        assert folder == cache_home() != left
        with server_cache():
            assert cache_home() == folder
    assert list(tmp_path.iterdir()) == []


# --- a home that is no folder


@pytest.mark.parametrize("below", ["", "home"])
def test_a_home_that_is_a_file_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    monkeypatch.setenv("AECORE_HOME", "")
    (tmp_path / "file").write_text("")
    assert command_line(["--home", str(tmp_path / "file" / below), "app", "--no-browser"]) in (1, 2)
    assert "is a file" in capsys.readouterr().err.splitlines()[-1]


def test_a_home_that_is_a_file_keeps_the_server_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    store = RunStore(tmp_path / "file")
    with caplog.at_level(logging.WARNING), running(store, monkeypatch) as wait:
        wait(5)
    assert len(lines(caplog, tmp_path)) == 1
    assert {info.builtin for info in store.runs()} == {True}


def test_a_home_that_vanishes_is_made_anew(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), running(store, monkeypatch) as wait:
        wait(2)
        store.root.rename(store.root.with_name("moved"))
        wait(5)
        assert (store.root / "queue.lock").exists()
        assert {info.builtin for info in store.runs()} == {True}
    said = lines(caplog, store.root)
    assert len(said) == 2
    assert "deleted or moved" in said[0]
    assert "goes on" in said[1]


def test_a_run_that_may_not_be_entered_is_damaged_and_nothing_else(store: RunStore, plain_user: None) -> None:
    run_id = next(info.run_id for info in store.runs() if not info.builtin)
    shutil.copytree(store.folder(run_id), store.root / "runs" / "closed")
    with rights(store.root / "runs" / "closed", 0o000):
        states = {info.run_id: info for info in RunStore(store.root).runs() if not info.builtin}
        assert (states[run_id].state, states["closed"].state) == ("finished", "damaged")
        assert "no permission" in states["closed"].reason
        assert str(store.root) not in states["closed"].reason
        opened("walk", run="closed")
    with rights(store.root, 0o000):
        assert Session(store, READY_MADE).code_dim
        assert {info.builtin for info in RunStore(store.root).runs()} == {True}
        opened("runs")


def test_one_training_that_cannot_start_does_not_hold_up_the_others(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = queue.submit(store, parse(SMALL)), queue.submit(store, parse(SMALL))
    started: list[str] = []

    def start(store: RunStore, run_id: str, env: object) -> None:
        if run_id == first:
            raise PermissionError(errno.EACCES, "Permission denied", str(store.folder(first) / "log.txt"))
        started.append(run_id)

    monkeypatch.setattr(queue, "start", start)
    queue.Runner(store).tick()
    assert started == [second]


# --- a full disk


def full(*arguments: object, **more: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "/somewhere")


def test_a_full_disk_starts_no_process_in_vain_and_says_so_on_the_page(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = queue.submit(store, parse(SMALL))
    processes: list[object] = []
    monkeypatch.setattr(queue, "start_module", lambda *arguments, **more: processes.append(arguments))
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        with caplog.at_level(logging.WARNING), running(store, monkeypatch) as wait:
            wait(5)
            page = opened("train", job=run_id)
        assert lines(caplog, store.root) == [f"the queue of trainings had to pause: {words_of(error_of(full))}"]
    assert processes == []
    assert store.info(run_id).state == "queued"
    assert "the disk is full; make room" in page.get("progress")[0].proto.text


def error_of(act: Callable[[], None]) -> OSError:
    with pytest.raises(OSError) as raised:  # noqa: PT011 (its words are what is asked for)
        act()
    return raised.value


def _squared(x: np.ndarray) -> None:
    for i in range(len(x)):
        x[i] *= x[i]


@pytest.mark.parametrize("when", ["saving", "reading"])
def test_a_full_disk_at_the_first_compile_costs_only_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    from numba.core import caching, config

    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.setenv("AECORE_CACHE", str(tmp_path))
    monkeypatch.setattr(caching.IndexDataCacheFile, {"saving": "save", "reading": "load"}[when], full)
    kernel = compiled(_squared)()
    for values in (np.full(3, 2.0), np.full(3, 2.0, np.float32)):
        kernel(values)
        np.testing.assert_array_equal(values, 4)


def test_maps_that_cannot_be_started_fail_in_words(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aecore.maps.queue.start_module", full)
    jobs = MapJobs(store)
    job = jobs.ask(READY_MADE, AtlasSpec((PanelSpec.parse("pca"),), 20, 0))
    limit = time.monotonic() + 30
    while not job.ended and time.monotonic() < limit:
        threading.Event().wait(0.005)
    jobs.close()
    assert (job.state, job.error) == ("failed", f"The maps could not be made: {words_of(error_of(full))}.")


def test_a_training_that_can_no_longer_write_says_so_without_a_path(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: RunFolder, *arguments: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder.path))

    monkeypatch.setattr(RunFolder, "add_history", refuse)
    with pytest.raises(PermissionError):
        train(parse(SMALL), store)
    [reason] = [info.reason for info in store.runs() if info.state == "failed"]
    assert "no permission" in reason
    assert str(store.root) not in reason


@pytest.mark.parametrize("number", [*errno.errorcode, None])
def test_no_error_of_the_system_is_told_with_a_path(number: int | None) -> None:
    error = OSError("odd") if number is None else OSError(number, os.strerror(number), "/home/somebody/aecore", None)
    words = words_of(error)
    assert "/home" not in words
    assert len(words) > 5
