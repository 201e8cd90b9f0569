"""Every public action of the core, tried in every role on a run of one's own, another visitor's, a shared and a
ready-made one. The table says what must come of it; an action that is not in the table fails a test.
"""

import dataclasses
import inspect
import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from aecore.foundation.errors import AecoreError, BadInput, NotAllowed, RunUnavailable
from aecore.maps.queue import MapJob, MapJobs
from aecore.maps.spec import AtlasSpec, PanelSpec
from aecore.model.config import with_settings
from aecore.model.recipes import recipe
from aecore.parts.datasets import Mnist, Npz
from aecore.parts.datasets.npz import save_npz
from aecore.parts.download import Download
from aecore.session import onnx_cache, render
from aecore.session.session import Session
from aecore.store import archive, owners
from aecore.store.access import OPERATOR, Quotas, Visitor
from aecore.store.folder import RunFolder
from aecore.store.store import RunStore
from aecore.training import queue
from aecore.training.run import train

ANNA, BEN = Visitor("a" * 16, "guest"), Visitor("b" * 16, "guest")
ROLES = {
    "operator": OPERATOR,
    "owner": ANNA,
    "other guest": BEN,
    "reader": Visitor("c" * 16, "reader"),
    "guest without a name": Visitor("", "guest"),
}
RUNS = ("private", "shared", "ready")
"""Anna's run, a run that Anna shares, a ready-made one."""
CONFIG = with_settings(recipe("denoising").config, {"epochs": 2, "threads": 1, "backbone.widths": [8], "code_dim": 2})
OUTCOMES: dict[type[AecoreError], str] = {NotAllowed: "n", RunUnavailable: "g", BadInput: "b"}


@dataclasses.dataclass
class World:
    """A home with Anna's two runs, the store of a visitor, and a queue of maps."""

    store: RunStore
    jobs: MapJobs
    zip: bytes

    @property
    def who(self) -> Visitor:
        return self.store.who


Act = Callable[[World, str], object]

ON_A_RUN: dict[str, tuple[Act, str, str, str]] = {
    # action: what is done, and its outcome on a private, a shared and a ready-made run, a letter for each role in the
    # order of ROLES. y: done; n: not allowed; g: as if there were no such run; b: refused for everybody who may.
    "RunStore.info": (lambda w, run: w.store.info(run), "yyggg", "yyyyy", "yyyyy"),
    "RunStore.folder": (lambda w, run: w.store.folder(run), "yyggg", "yyyyy", "yyyyy"),
    "RunStore.own": (lambda w, run: w.store.own(run), "yyggg", "yynnn", "bbbnn"),
    "RunStore.rename": (lambda w, run: w.store.rename(run, "x"), "yyggg", "yynnn", "bbbnn"),
    "RunStore.share": (lambda w, run: w.store.share(run), "yyggg", "yynnn", "bbbnn"),
    "RunStore.share off": (lambda w, run: w.store.share(run, False), "yyggg", "yynnn", "bbbnn"),
    "RunStore.delete": (lambda w, run: w.store.delete(run), "yyggg", "yynnn", "bbbnn"),
    "RunStore.resume": (lambda w, run: w.store.resume(run), "bbggg", "bbnnn", "bbbnn"),
    "queue.resume": (lambda w, run: queue.resume(w.store, run), "bbggg", "bbnnn", "bbbnn"),
    "queue.stop": (lambda w, run: queue.stop(w.store, run), "yyggg", "yynnn", "bbbnn"),
    "queue.place": (lambda w, run: queue.place(w.store, run), "yyyyy", "yyyyy", "yyyyy"),
    "archive.export_zip": (lambda w, run: archive.export_zip(w.store, run), "yyggg", "yynnn", "yyyyy"),
    "archive.export_zip with images": (
        lambda w, run: archive.export_zip(w.store, run, True), "yyggg", "yynnn", "yyyyy",
    ),
    "MapJobs.ask": (lambda w, run: w.jobs.ask(run, AtlasSpec(), w.who), "yyggg", "yyyyy", "yyyyy"),
    "MapJobs.ask beside a ready-made run": (
        lambda w, run: w.jobs.ask("ready", AtlasSpec((PanelSpec.parse(f"code@{run}"),)), w.who),
        "yyggg", "yyyyy", "yyyyy",
    ),
    "Session": (lambda w, run: Session(w.store, run), "yyggg", "yyyyy", "yyyyy"),
    "onnx_cache.exported": (
        lambda w, run: onnx_cache.exported(Session(w.store, run), "decoder"), "yyggg", "yyyyy", "yyyyy",
    ),
    "render.reconstructions_png": (
        lambda w, run: render.reconstructions_png(Session(w.store, run), 4), "yyggg", "yyyyy", "yyyyy",
    ),
    "render.codes_csv": (lambda w, run: render.codes_csv(Session(w.store, run), 4), "yyggg", "yyyyy", "yyyyy"),
    "render.codes_npy": (lambda w, run: render.codes_npy(Session(w.store, run), 4), "yyggg", "yyyyy", "yyyyy"),
    "render.walk_gif": (lambda w, run: render.walk_gif(Session(w.store, run), units=1), "yyggg", "yyyyy", "yyyyy"),
}  # fmt: skip

WITHOUT_A_RUN: dict[str, tuple[Callable[[World], object], str]] = {
    "RunStore.runs": (lambda w: w.store.runs(), "yyyyy"),
    "RunStore.live": (lambda w: w.store.live(), "yyyyy"),
    "RunStore.trash": (lambda w: w.store.trash(), "yyyyy"),
    "RunStore.create": (lambda w: w.store.create(CONFIG), "yyynn"),
    "RunStore.require_space": (lambda w: w.store.require_space(), "yyynn"),
    "RunStore.restore": (lambda w: w.store.restore("deleted"), "yygnn"),
    "RunStore.empty_trash": (lambda w: w.store.empty_trash(), "yyynn"),
    "queue.submit": (lambda w: queue.submit(w.store, CONFIG), "yyynn"),
    "queue.queue": (lambda w: queue.queue(w.store), "yyyyy"),
    "queue.others_before": (lambda w: queue.others_before(w.store), "yyyyy"),
    "queue.clear": (lambda w: queue.clear(w.store), "ynnnn"),
    "archive.import_zip": (lambda w: archive.import_zip(w.store, w.zip), "yyynn"),
    "owners.owners": (lambda w: owners.owners(w.who, w.store.root), "ynnnn"),
    "owners.remove_owner": (lambda w: owners.remove_owner(w.who, w.store.root, ANNA.name), "ynnnn"),
    "owners.machine_of": (lambda w: owners.machine_of(w.who, w.store.root), "ynnnn"),
    "owners.start_download": (lambda w: owners.start_download(w.who, Mnist()), "ynnnn"),
    "MapJobs.live": (lambda w: w.jobs.live(w.who), "yyyyy"),
    "MapJobs.clear": (lambda w: w.jobs.clear(w.who), "ynnnn"),
}

NO_DOOR = {
    "RunStore.seen_by": "names the visitor; only the server's own code calls it, with whom the guard found",
    "RunStore.live_of": "counts a visitor's trainings for the quotas",
    "RunStore.finish": "ends a training, called by its own process",
    "RunStore.settle": "moves ended trainings, called by the listing",
    "RunStore.turn": "a lock",
    "queue.waiting": "the order of starting, for the process that starts trainings",
    "queue.why_paused": "words for a page that shows a waiting training",
    "archive.is_run_zip": "looks at a file of whoever calls it",
    "queue.claim": "called by the command line, which is the operator's",
    "queue.start": "called by the process that starts trainings",
    "queue.main": "the training's own process",
    "owners.owner_of": "reads a folder that the caller has",
    "owners.owned_bytes": "adds up for the quotas",
    "owners.own_images": "counts in a folder that the caller was shown",
    "MapJobs.find": "how far maps are, for a page that has opened their run",
    "MapJobs.close": "called when the server ends",
    **{f"MapJob.{name}": "of a job that the caller has asked for" for name in ("run", "fail")},
    "MapJob.stop": "tested below: nobody else's wait is ended",
}
"""Public functions through which no visitor comes to anything, and why."""
OF_A_SESSION = "takes a session, which only somebody who sees the run can open"


def of_module(module: ModuleType, name: str) -> set[str]:
    return {
        f"{name}.{key}" for key, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not key.startswith("_")
    }  # fmt: skip


def of_class(cls: type) -> set[str]:
    return {f"{cls.__name__}.{key}" for key, value in vars(cls).items() if key[0] != "_" and inspect.isfunction(value)}


def test_every_public_action_is_in_the_table():
    there = of_class(RunStore) | of_class(MapJobs) | of_class(MapJob)
    there |= of_module(archive, "archive") | of_module(queue, "queue") | of_module(owners, "owners")
    listed = {name.split(" ")[0] for name in (*ON_A_RUN, *WITHOUT_A_RUN)} | set(NO_DOOR)
    assert there - listed == set(), "a new public function: say in the table who may use it"
    assert listed - there == {name for name in listed if name.split(".")[0] in ("Session", "onnx_cache", "render")}


@pytest.mark.parametrize("module", [render, onnx_cache])
def test_what_makes_files_of_a_run_takes_a_session(module: ModuleType):
    """`Session` is the door; a function that took a run's id or folder would be another one."""
    for name in of_module(module, "x"):
        names = set(inspect.signature(getattr(module, name[2:])).parameters)
        assert not names & {"run_id", "store", "folder", "info"}, f"{name}: {OF_A_SESSION}"


# --- the world


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A home with one run of Anna's, trained on her own pictures, and the run as a zip."""
    root = tmp_path_factory.mktemp("anna")
    store = RunStore(root, root / "none", ANNA)
    pictures = np.random.default_rng(0).integers(0, 255, (24, 1, 8, 8), np.uint8)
    config = CONFIG.model_copy(update={"dataset": Npz(path=Path("images.npz"))})
    run_id = queue.submit(store, config, "Anna's", save_npz(pictures))
    train(config, RunStore(root, root / "none"), run_id=run_id)
    assert store.info(run_id).state == "finished"
    return store.folder(run_id), archive.export_zip(store, run_id, include_images=True)


@pytest.fixture(scope="module")
def template(made: tuple[Path, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with Anna's runs, a private, a shared and a deleted one; beside it in `assets` a ready-made one."""
    root = tmp_path_factory.mktemp("template")
    for place, name in (("runs", "private"), ("runs", "shared"), ("assets", "ready"), ("trash", "deleted")):
        shutil.copytree(made[0], root / place / name)
        owner = "" if name == "ready" else ANNA.name
        RunFolder(root / place / name).update(shared=name == "shared", owner=owner)
    return root


@pytest.fixture
def worlds(
    made: tuple[Path, bytes], template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], World]:
    """A new world for a role: `worlds("owner")`."""
    monkeypatch.setenv("AECORE_HOME", str(tmp_path / "cache"))  # of exported graphs
    monkeypatch.setattr(Download, "start", lambda self: None)
    monkeypatch.setattr(MapJobs, "_loop", lambda self: None)
    numbers = itertools.count()

    def new(role: str) -> World:
        root = tmp_path / str(next(numbers))
        shutil.copytree(template, root, copy_function=os.link)  # files of a run are replaced, never written into
        store = RunStore(root, root / "assets")
        return World(store.seen_by(ROLES[role]), MapJobs(store), made[1])

    return new


def outcome(act: Callable[[], object]) -> str:
    try:
        act()
    except AecoreError as error:
        return OUTCOMES[type(error)]
    return "y"


# --- the walk


@pytest.mark.parametrize("name", ON_A_RUN)
def test_who_may_do_what_with_a_run(worlds: Callable[[str], World], name: str):
    act, *expected = ON_A_RUN[name]
    for run, outcomes in zip(RUNS, expected, strict=True):
        for role, wanted in zip(ROLES, outcomes, strict=True):
            world = worlds(role)
            before = {path: path.read_bytes() for path in (world.store.root / "runs").rglob("*.json")}
            found = outcome(lambda world=world, run=run: act(world, run))
            assert found == wanted, f"{name} of a {run} run by the {role}"
            if found != "y":
                after = {path: path.read_bytes() for path in (world.store.root / "runs").rglob("*.json")}
                assert after == before, f"{name} of a {run} run by the {role} was refused, and changed something"


@pytest.mark.parametrize("name", WITHOUT_A_RUN)
def test_who_may_do_what_without_a_run(worlds: Callable[[str], World], name: str):
    act, outcomes = WITHOUT_A_RUN[name]
    for role, wanted in zip(ROLES, outcomes, strict=True):
        world = worlds(role)
        assert outcome(lambda world=world: act(world)) == wanted, f"{name} by the {role}"


def test_the_lists_hold_what_one_may_see(worlds: Callable[[str], World]):
    seen = {"operator": {*RUNS}, "owner": {*RUNS}}
    for role in ROLES:
        store = worlds(role).store
        queue.submit(store.seen_by(ANNA), CONFIG)
        ids = {info.run_id for info in store.runs() if info.state == "finished"}
        assert ids == seen.get(role, {"shared", "ready"}), role
        may = role in seen
        assert store.trash() == (["deleted"] if may else []), role
        assert len(queue.queue(store)) == len(store.live()) == may, role


def test_emptying_the_bin_leaves_that_of_others(worlds: Callable[[str], World]):
    for role, left in (("other guest", True), ("owner", False), ("operator", False)):
        store = worlds(role).store
        store.empty_trash()
        assert (store.root / "trash" / "deleted").is_dir() == left, role


def test_nobody_ends_the_maps_for_which_another_waits(worlds: Callable[[str], World]):
    spec = AtlasSpec()
    for role in ("other guest", "reader", "guest without a name"):
        world = worlds(role)
        job = world.jobs.ask("ready", spec, OPERATOR)
        assert world.jobs.live(world.who) == []
        job.stop(world.who)
        assert not job.ended, role
        assert world.jobs.ask("ready", spec, world.who) is job
        job.stop(OPERATOR if role == "reader" else world.who)
        assert job.ended == (role == "reader"), role
    jobs = worlds("operator").jobs
    mine, theirs = jobs.ask("ready", spec, ANNA), jobs.ask("shared", spec, BEN)
    assert jobs.clear(OPERATOR, ANNA.name) == 1
    assert (mine.ended, theirs.ended) == (True, False)


def test_guests_without_a_name_share_one_quota(worlds: Callable[[str], World]):
    world = worlds("guest without a name")
    for seed in range(Quotas().maps):
        world.jobs.ask("ready", AtlasSpec(seed=seed), world.who)
    with pytest.raises(NotAllowed, match="wait for their end"):
        world.jobs.ask("ready", AtlasSpec(seed=9), world.who)
    world.jobs.ask("ready", AtlasSpec(seed=9), OPERATOR)


def test_others_before_count_without_naming(worlds: Callable[[str], World]):
    store = worlds("owner").store
    ben = store.seen_by(BEN)
    assert queue.others_before(store) == 0
    queue.submit(ben, CONFIG)
    queue.submit(ben, CONFIG)
    assert queue.others_before(store) == 2  # Anna has none: all of them
    mine = queue.submit(store, CONFIG)
    assert queue.others_before(store) == queue.place(store, mine) == 1  # Ben's second comes after Anna's first
    assert [info.run_id for info in queue.queue(store)] == [mine]


def test_own_pictures_are_counted(made: tuple[Path, bytes], worlds: Callable[[str], World]):
    store = worlds("owner").store
    assert owners.own_images(store.info("private")) == 24
    (store.folder("private") / "images.npz").unlink()
    assert owners.own_images(store.info("private")) == 0
    (store.folder("private") / "images.npz").write_bytes(b"PK not really")
    assert owners.own_images(store.info("private")) == 0
