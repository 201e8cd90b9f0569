"""What pages draw for the visitors of a shared and a read-only server, and the teacher's Server page."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from reading import button, drawn, press, words

from aecore.maps.queue import MapJobs
from aecore.maps.spec import AtlasSpec
from aecore.model.config import with_settings
from aecore.model.recipes import RECIPES
from aecore.parts.datasets import Mnist
from aecore.store.access import OPERATOR, Quotas, Visitor
from aecore.store.folder import RunFolder
from aecore.store.store import RunStore
from aecore.training import queue
from app import cache
from app.views.train.setup import OWN

ANNA, BEN = Visitor("a" * 16, "guest"), Visitor("b" * 16, "guest")
READER = Visitor("c" * 16, "reader")
CONFIG = with_settings(RECIPES["linear"].config, {"epochs": 5})
PAGES = ("start", "denoise", "walk", "maps", "train", "runs")
VisitAs = Callable[..., None]


@pytest.fixture
def own_home(home: Path, empty_home: Path) -> Path:
    """A copy of the tiny runs that a test may change."""
    shutil.copytree(home / "runs", empty_home / "runs")
    return empty_home


@pytest.fixture
def visit_as(monkeypatch: pytest.MonkeyPatch) -> VisitAs:
    def visit(who: Visitor) -> None:
        monkeypatch.setattr("app.visitor.access", lambda: "read-only" if who.role == "reader" else "shared")
        monkeypatch.setattr("app.visitor.current", lambda: who)

    return visit


def labels(page) -> set[str]:
    return {found.label for found in page.button}


# --- what the server is open for


@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_once_what_the_server_is_open_for(home: Path, open_page, visit_as: VisitAs, name: str):
    assert 'class="situation"' not in drawn(open_page(name)), "nobody else, nothing to say"
    for who, short in ((ANNA, "Shared server · guest"), (OPERATOR, "Shared server · teacher"), (READER, "For looking")):
        visit_as(who)
        page = open_page(name)
        assert not page.exception
        assert drawn(page).count('class="situation"') == 1
        assert short in drawn(page)


def test_a_reader_only_looks(own_home: Path, open_page, visit_as: VisitAs):
    for info in RunStore(own_home).runs():
        if not info.builtin:
            RunFolder(info.folder).update(shared=True)
    shared = next(info.run_id for info in RunStore(own_home).runs() if not info.builtin)
    visit_as(READER)
    page = open_page("train")
    assert "install the program on your own machine" in words(page)
    assert not page.button
    page = open_page("runs")
    assert not page.exception
    assert not page.file_uploader
    press(page, "more", shared)
    assert "Walk" in labels(page)
    assert not labels(page) & {"Rename", "Delete", "Share", "Stop sharing"}
    assert not [found for found in page.get("download_button") if found.proto.label == "Run, ZIP"]
    assert "Train another" not in labels(open_page("train", job=shared))


# --- guests


def test_a_guest_shares_a_run_after_reading_what_that_shows(own_home: Path, open_page, visit_as: VisitAs):
    store = RunStore(own_home)
    run_id = next(info.run_id for info in store.runs() if not info.builtin)
    RunFolder(store.folder(run_id)).update(owner=ANNA.name)
    visit_as(ANNA)
    page = open_page("runs")
    assert "**Your runs**" in words(page)
    press(page, "more", run_id)
    assert "the images it was trained on" in words(page)
    button(page, "Share").click().run()
    assert not page.exception
    assert store.info(run_id).status.shared
    assert "· shared" in drawn(page)

    visit_as(BEN)
    page = open_page("runs")
    assert "**Shared by others**" in words(page)
    assert ANNA.name[:4] not in drawn(page)
    press(page, "more", run_id)
    assert "only they can export" in words(page)
    assert not labels(page) & {"Rename", "Delete", "Stop sharing"}
    assert not page.get("download_button")

    visit_as(OPERATOR)
    page = open_page("runs")
    assert "visitor aaaa…" in drawn(page)
    press(page, "more", run_id)
    button(page, "Stop sharing").click().run()
    assert not store.info(run_id).status.shared


def test_alone_nothing_of_it_is_drawn(own_home: Path, open_page):
    run_id = next(info.run_id for info in RunStore(own_home).runs() if not info.builtin)
    RunFolder(RunStore(own_home).folder(run_id)).update(owner=ANNA.name, shared=True)  # of an earlier, shared server
    page = open_page("runs")
    press(page, "more", run_id)
    said = words(page)
    assert "Trained here" in said
    assert not any(
        found in said for found in ("visitor aaaa", "· shared", "Shared by others", "Everybody on this server")
    )
    assert not labels(page) & {"Share", "Stop sharing"}


def test_quotas_are_said_before_they_are_hit(empty_home: Path, open_page, visit_as: VisitAs):
    visit_as(Visitor(ANNA.name, "guest", Quotas(epochs=40, parameters=20_000, waiting=1)))
    page = open_page("train", recipe="undercomplete")
    assert "40 epochs" in words(page)
    epochs = page.number_input(key="_train_undercomplete.digits.epochs")
    assert (epochs.value, epochs.max) == (40, 40)
    assert "20,000" not in words(page)
    assert "0.02 million parameters" in page.error[0].value
    assert button(page, "Train").disabled

    page = open_page("train", recipe="linear")
    button(page, "Train").click().run()
    (job,) = RunStore(empty_home).live()
    assert job.status.owner == ANNA.name
    page = open_page("train", recipe="linear", job="new")
    assert "stop one, or wait" in page.error[0].value
    assert button(page, "Train").disabled
    assert "person who runs this server" in words(open_page("train", dataset=OWN, job="new"))

    visit_as(Visitor(ANNA.name, "guest", Quotas(waiting=0)))
    page = open_page("train", job="new")
    assert "Visitors do not train" in words(page)
    assert not page.button


def test_a_guest_does_not_download_for_everybody(
    empty_home: Path, open_page, visit_as: VisitAs, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("AECORE_MNIST", raising=False)
    visit_as(ANNA)
    page = open_page("train", recipe="course_denoising")
    assert "Ask the person who runs the server to download it" in words(page)
    assert f"Download {Mnist.title}" not in labels(page)


def test_a_guest_sees_own_trainings_and_the_number_of_others(empty_home: Path, open_page, visit_as: VisitAs):
    store = RunStore(empty_home)
    theirs = [queue.submit(store.seen_by(BEN), CONFIG, f"Ben's {i}") for i in range(2)]
    visit_as(ANNA)
    page = open_page("train")
    assert "2 trainings of others run or wait" in words(page)
    mine = queue.submit(store.seen_by(ANNA), CONFIG, "Anna's")
    page = open_page("train", job="new")
    assert "1 training of others before yours" in words(page)
    assert "Ben" not in words(page)
    assert "Number 1 in the queue" in open_page("train", job=mine).get("progress")[0].proto.text
    button(page, "Remove Anna's").click().run()
    assert store.info(mine).state == "stopped"
    assert [info.run_id for info in queue.queue(store)] == theirs


def test_train_opens_no_training_of_somebody_else(empty_home: Path, open_page, visit_as: VisitAs):
    import os

    from aecore.foundation.children import identity

    store = RunStore(empty_home)
    run_id = queue.submit(store.seen_by(BEN), CONFIG)
    RunFolder(store.folder(run_id)).update(state="running", shape=(1, 8, 8), **identity(os.getpid()))
    for who, watched in ((ANNA, False), (OPERATOR, False), (BEN, True)):
        visit_as(who)
        assert ("Train another" in labels(open_page("train"))) == watched


# --- the teacher's page


def test_the_server_page_is_the_teachers_alone(empty_home: Path, open_page, visit_as: VisitAs):
    for who in (ANNA, READER):
        visit_as(who)
        page = open_page("server")
        assert "Limits of a guest" not in words(page)
        assert page.title[0].value != "Server"
    assert open_page("start").title[0].value != "Server"


def test_the_page_asks_again_who_looks(empty_home: Path, open_page, visit_as: VisitAs, monkeypatch: pytest.MonkeyPatch):
    """Even with the page in the navigation: the table of pages is not what protects it."""
    visit_as(OPERATOR)
    looks = iter([OPERATOR])
    monkeypatch.setattr("app.visitor.current", lambda: next(looks, ANNA))
    page = open_page("server")
    assert "Only the person who runs this server" in words(page)
    assert "Limits of a guest" not in words(page)


def test_the_teacher_stops_and_removes(own_home: Path, open_page, visit_as: VisitAs, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(MapJobs, "_loop", lambda self: None)
    store = RunStore(own_home)
    runs = [info for info in store.runs() if not info.builtin]
    kept, gone = runs[0].run_id, runs[1].run_id
    RunFolder(store.folder(gone)).update(owner=BEN.name)
    for who in (ANNA, BEN):
        queue.submit(store.seen_by(who), CONFIG, f"of {who.name[:1]}")
    visit_as(OPERATOR)
    jobs = [
        cache.map_jobs().ask("digits-variational", AtlasSpec(seed=seed), who) for seed, who in ((1, BEN), (2, OPERATOR))
    ]
    page = open_page("server")
    assert not page.exception
    said = words(page)
    for found in ("visitor aaaa…", "visitor bbbb…", "1 run · 1 in the queue", "free of", "Streamlit", "5,000,000"):
        assert found.lower() in said.lower(), found
    assert str(own_home) not in said

    page.button(key=f"_server_remove_yes_{BEN.name}").click().run()
    assert not page.exception
    assert {info.run_id for info in store.runs() if not info.builtin} >= {kept}
    assert store.live_of(BEN.name) == []
    assert not [info for info in store.runs() if info.status.owner == BEN.name]
    assert [job.ended for job in jobs] == [True, False]

    button(page, "Stop all trainings").click().run()
    assert store.live() == []
    assert "No training runs or waits." in words(page)
