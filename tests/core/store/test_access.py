"""Visitors of a store: the kept list of runs, quotas, space, turns and what each owner keeps."""

import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aecore.foundation.children import identity
from aecore.foundation.errors import BadInput, NotAllowed, RunUnavailable
from aecore.model.config import with_settings
from aecore.model.recipes import recipe
from aecore.store.access import OPERATOR, Quotas, Visitor, in_turn, visitor_name
from aecore.store.folder import RunFolder
from aecore.store.listing import SETTLED_NS
from aecore.store.owners import owned_bytes, owners, remove_owner
from aecore.store.store import RunStore
from aecore.store.trash import TRASH_LIMIT
from aecore.training import queue

ANNA, BEN = Visitor("a" * 16, "guest"), Visitor("b" * 16, "guest")
CONFIG = with_settings(recipe("denoising").config, {"epochs": 2, "backbone.widths": [16], "code_dim": 4})


def settle(store):
    """Give the folder of runs a time of change that is long past, as it has when nobody trains."""
    past = time.time_ns() - 10 * SETTLED_NS
    os.utime(store.root / "runs", ns=(past, past))


def test_the_list_is_kept_until_any_process_changes_a_run(copied):
    store, run_id, folder = copied
    settle(store)
    first = store.runs()
    assert store.runs() is first
    assert store.seen_by(ANNA).runs() is store.seen_by(ANNA).runs()
    RunFolder(folder).update(name="another process gave it a name")
    assert store.runs()[0].name == "another process gave it a name"
    settle(store)
    store.runs()
    RunStore(store.root, store.builtin).delete(run_id)
    assert store.runs() == ()


def test_a_list_read_in_the_moment_of_a_change_is_read_again(copied):
    """Two changes within one tick of the kernel have the same time of change."""
    store, _, folder = copied
    before = store.runs()[0].name
    changed = (store.root / "runs").stat().st_mtime_ns
    status = RunFolder(folder).status()
    RunFolder(folder).write_status(status.model_copy(update={"name": "second"}))
    os.utime(store.root / "runs", ns=(changed, changed))
    assert store.runs()[0].name == "second" != before


def test_what_a_store_shows_belongs_to_its_visitor(copied):
    store, run_id, _ = copied
    anna, ben = store.seen_by(ANNA), store.seen_by(BEN)
    assert anna.runs() == ()  # the operator's
    with pytest.raises(RunUnavailable, match="there is no run"):
        anna.folder(run_id)
    store.share(run_id)
    assert [info.run_id for info in anna.runs()] == [run_id]
    with pytest.raises(NotAllowed, match="somebody else"):
        anna.rename(run_id, "mine")
    RunFolder(store.folder(run_id)).update(owner=ANNA.name, shared=False)
    assert [info.run_id for info in anna.runs()] == [run_id] != ben.runs()
    anna.delete(run_id)
    assert anna.trash() == [run_id]
    assert ben.trash() == []
    ben.empty_trash()
    with pytest.raises(RunUnavailable):
        ben.restore(run_id)
    anna.restore(run_id)
    assert store.info(run_id).status.owner == ANNA.name


def test_a_run_whose_status_is_unreadable_exists_for_the_operator_only(copied):
    store, run_id, folder = copied
    RunFolder(folder).update(owner=ANNA.name)
    (folder / "status.json").write_text("{")
    assert store.info(run_id).state == "damaged"
    assert store.seen_by(ANNA).runs() == ()


def test_each_owner_has_a_trash_of_ten(store):
    for visitor in (ANNA, BEN):
        mine = store.seen_by(visitor)
        for _ in range(TRASH_LIMIT + 1):
            run_id = mine.create(CONFIG)
            mine.finish(run_id, "stopped")
            mine.delete(run_id)
    assert len(store.seen_by(ANNA).trash()) == len(store.seen_by(BEN).trash()) == TRASH_LIMIT
    assert len(store.trash()) == 2 * TRASH_LIMIT


def test_quotas_hold_for_guests_and_not_for_the_operator(store):
    small = Quotas(waiting=1, epochs=3, parameters=50_000, megabytes=1, minutes=2.0)
    guest = store.seen_by(Visitor("a" * 16, "guest", small))
    run_id = queue.submit(guest, CONFIG)
    assert guest.info(run_id).status.max_seconds == 120
    with pytest.raises(NotAllowed, match="1 trainings in the queue"):
        queue.submit(guest, CONFIG)
    queue.stop(guest, run_id)
    with pytest.raises(NotAllowed, match="at most 3 epochs"):
        queue.submit(guest, with_settings(CONFIG, {"epochs": 4}))
    with pytest.raises(NotAllowed, match=r"0\.05 million parameters"):
        queue.submit(guest, with_settings(CONFIG, {"backbone.widths": [2000]}))
    with pytest.raises(NotAllowed, match="files of the server"):
        queue.submit(guest, with_settings(CONFIG, {"dataset": {"kind": "npz", "path": "/etc/passwd"}}))
    with pytest.raises(NotAllowed, match="1 MB"):
        guest.require_space(10**6)
    for _ in range(4):
        last = queue.submit(store, with_settings(CONFIG, {"epochs": 4, "backbone.widths": [2000]}))
    assert store.info(last).status.max_seconds is None
    reader = store.seen_by(Visitor("a" * 16, "reader"))
    with pytest.raises(NotAllowed, match="for looking only"):
        queue.submit(reader, CONFIG)


def test_a_guests_training_may_not_take_the_servers_memory(store):
    guest = store.seen_by(ANNA)
    conv = {"kind": "conv", "widths": [256, 16]}
    with pytest.raises((NotAllowed, BadInput), match=r"memory|more than"):
        queue.submit(guest, with_settings(CONFIG, {"dataset.kind": "patterns", "backbone": conv, "batch_size": 8192}))
    deep = {"kind": "transformer", "patch": 2, "width": 64, "depth": 12, "heads": 8}
    with pytest.raises((NotAllowed, BadInput), match=r"memory|more than|operations|parameters"):
        queue.submit(guest, with_settings(CONFIG, {"dataset.kind": "patterns", "backbone": deep, "batch_size": 8192}))


def test_trainings_start_in_turn(store):
    anna, ben = store.seen_by(ANNA), store.seen_by(BEN)
    first, second = queue.submit(anna, CONFIG), queue.submit(anna, CONFIG)
    third = queue.submit(ben, CONFIG)
    assert [info.run_id for info in queue.waiting(anna)] == [first, third, second]
    assert queue.place(anna, second) == 2
    assert [info.run_id for info in queue.queue(ben)] == [third]
    # While Anna's first one runs, her second one waits for Ben's first.
    RunFolder(store.folder(first)).update(state="running", **identity())
    assert [info.run_id for info in queue.waiting(store)] == [third, second]
    assert queue.clear(store, BEN.name) == 1
    with pytest.raises(NotAllowed):
        queue.clear(anna)


@given(st.lists(st.sampled_from("abc"), max_size=12))
def test_a_turn_never_gives_a_second_before_anothers_first(submitted):
    jobs = [f"{owner}{number}" for number, owner in enumerate(submitted)]
    order = in_turn(jobs, lambda job: job[0])
    assert sorted(order) == sorted(jobs)
    rounds = [sum(earlier[0] == job[0] for earlier in order[:place]) for place, job in enumerate(order)]
    assert rounds == sorted(rounds)


def test_the_operator_sees_what_each_owner_keeps_and_removes_it(store):
    anna = store.seen_by(ANNA)
    kept = [anna.create(CONFIG) for _ in range(3)]
    for run_id in kept[:2]:
        anna.finish(run_id, "stopped")
    anna.delete(kept[0])
    own = store.create(CONFIG)
    rows = {row.owner: row for row in owners(OPERATOR, store.root)}
    assert (rows[ANNA.name].ended, rows[ANNA.name].deleted, rows[ANNA.name].live) == (1, 1, 1)
    assert rows[ANNA.name].bytes == owned_bytes(store.root, ANNA.name) > 0
    assert remove_owner(OPERATOR, store.root, ANNA.name) == 2
    assert remove_owner(OPERATOR, store.root, "") == 0
    assert {info.run_id for info in store.runs()} >= {kept[2], own}
    for only_the_operators in (lambda: owners(ANNA, store.root), lambda: remove_owner(ANNA, store.root, BEN.name)):
        with pytest.raises(NotAllowed, match="the person who runs this server"):
            only_the_operators()


def test_a_visitors_name_does_not_give_the_token_away():
    token = "0123456789abcdef" * 2
    assert visitor_name(token) == visitor_name(token) != visitor_name(token[::-1])
    assert len(visitor_name(token)) == 16
    assert token[:8] not in visitor_name(token)


def test_a_live_run_is_not_shared(store):
    with pytest.raises(BadInput, match="when it has ended"):
        store.share(store.create(CONFIG))
