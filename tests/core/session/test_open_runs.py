"""Opened runs are kept within a bound of bytes, one session a run however many ask."""

import gc
import shutil
import threading
import weakref

from aecore.session.open_runs import OpenRuns, held_bytes
from aecore.session.session import Session
from aecore.store.store import RunStore


def copies(store: RunStore, trained: tuple[RunStore, str], count: int) -> list[str]:
    """Copy the trained run so many times into `store`."""
    ids = [f"copy-{i}" for i in range(count)]
    for run_id in ids:
        shutil.copytree(trained[0].folder(trained[1]), store.root / "runs" / run_id)
    return ids


def test_sessions_are_kept_by_bytes_not_by_count(store: RunStore, trained: tuple[RunStore, str]) -> None:
    ids = copies(store, trained, 5)
    one = held_bytes(Session(store, ids[0]))
    parameters = Session(store, ids[0]).parameters
    assert one > 2 * 4 * parameters, "the weights, and those of a snapshot"
    runs = OpenRuns(3 * one)
    gone = weakref.ref(runs.open(store, ids[0]))
    kept = [runs.open(store, run_id) for run_id in ids[1:4]]
    gc.collect()
    assert gone() is None, "the least recently used"
    assert [runs.open(store, run_id) for run_id in ids[1:4]] == kept
    assert runs.bytes == 3 * one
    runs.open(store, ids[4])
    assert runs.open(store, ids[3]) is kept[2]
    assert runs.open(store, ids[1]) is not kept[0]
    assert runs.bytes <= 3 * one


def test_a_run_that_changed_is_opened_anew(store: RunStore, trained: tuple[RunStore, str]) -> None:
    (run_id,) = copies(store, trained, 1)
    runs = OpenRuns()
    before = runs.open(store, run_id)
    store.rename(run_id, "another name")
    after = runs.open(store, run_id)
    assert after is not before
    assert after.info.name == "another name"
    assert runs.bytes == held_bytes(after), "one version is kept"


def test_many_that_ask_at_once_get_one_session(store: RunStore, trained: tuple[RunStore, str]) -> None:
    (run_id,) = copies(store, trained, 1)
    runs, got = OpenRuns(), list[Session]()
    together = threading.Barrier(8)

    def ask() -> None:
        together.wait(30)
        got.append(runs.open(store, run_id))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len({id(session) for session in got}) == 1


def test_a_session_does_not_keep_its_data(store: RunStore, trained: tuple[RunStore, str]) -> None:
    """The cache of datasets does, which is bounded for all sessions together."""
    (run_id,) = copies(store, trained, 1)
    session = Session(store, run_id)
    assert session.data is session.data
    assert not [value for value in vars(session).values() if value is session.data]
