"""Training photographs of another visitor, asked for at every address of the server and every link of a page.

The owner visits each door first: what the server then holds in its caches must not reach the other visitor either.
"""

import re
import shutil
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import anyio
import numpy as np
import pytest
from starlette.applications import Starlette
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from aecore.foundation.errors import NotAllowed
from aecore.model.config import with_settings
from aecore.model.recipes import recipe
from aecore.parts.datasets import Npz
from aecore.parts.datasets.npz import save_npz
from aecore.store import archive
from aecore.store.access import OPERATOR, Quotas, Visitor
from aecore.store.folder import RunFolder
from aecore.store.owners import owned_bytes
from aecore.store.store import RunStore
from aecore.training import queue
from aecore.training.run import train
from app import cache, routes

T = TypeVar("T")
ANNA, BEN, READER = Visitor("a" * 16, "guest"), Visitor("b" * 16, "guest"), Visitor("c" * 16, "reader")
STRANGERS = [BEN, READER, Visitor("", "guest")]
NAME = "Annas holiday photographs"
MAIN = Path(__file__).parents[2] / "app" / "main.py"
READY = "digits-variational"


@pytest.fixture(scope="module")
def photographed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A home with a run of Anna's, trained on her own pictures; (home, run id)."""
    home = tmp_path_factory.mktemp("photographs")
    store = RunStore(home, who=ANNA)
    small = {"epochs": 1, "threads": 1, "backbone.widths": [8], "code_dim": 4}
    config = with_settings(recipe("denoising").config, small).model_copy(
        update={"dataset": Npz(path=Path("images.npz"))}
    )
    pictures = np.random.default_rng(0).integers(0, 255, (40, 1, 8, 8), np.uint8)
    run_id = queue.submit(store, config, NAME, save_npz(pictures))
    train(config, RunStore(home), run_id=run_id)
    return home, run_id


@pytest.fixture
def run_id(photographed: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The run in a home of this test alone, on a shared server."""
    shutil.copytree(photographed[0], tmp_path / "home")
    monkeypatch.setenv("AECORE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("app.visitor.access", lambda: "shared")
    cache.forget()
    yield photographed[1]
    cache.forget()


@pytest.fixture
def visit_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[Visitor], None]:
    return lambda who: monkeypatch.setattr("app.visitor.current", lambda: who)


# --- addresses


def run(function: Callable[..., Awaitable[T]], *arguments: object) -> T:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(anyio.run, function, *arguments).result()


async def asked(path: str) -> tuple[int, bytes]:
    return (await answered(path))[:2]


async def answered(path: str) -> tuple[int, bytes, dict[str, str]]:
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"", "headers": [],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await Starlette(routes=routes.routes())(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent), headers


def test_no_address_answers_a_stranger(run_id: str, visit_as: Callable[[Visitor], None]):
    visit_as(ANNA)
    data = cache.session(run_id).data.hash[:16]
    addresses = {
        f"/live/images/{run_id}/{data}/0.png": 200,
        f"/live/library/{run_id}.json": 307,
        f"/live/library/{run_id}/0123456789abcdef.json": 307,
        f"/live/model/{run_id}/decoder.json": 200,
        f"/live/model/{run_id}/encoder.json": 200,
        f"/live/model/{run_id}/denoiser.json": 200,
        f"/live/field/{run_id}/masking/4/0": 200,
    }
    named = {route.path for mount in routes.routes() for route in mount.routes or [] if "run_id" in route.path}
    tried = {re.sub(r"^/(\w+).*", r"\1", path.removeprefix("/live")) for path in addresses}
    assert tried == {path.split("/")[1] for path in named}, "an address with a run's id that is not tried here"
    for path, status in addresses.items():
        visit_as(ANNA)
        assert run(asked, path)[0] == status, path
        for who in STRANGERS:
            visit_as(who)
            answer, body = run(asked, path)
            assert answer == 404, path
            assert b"there is no run" in body, path


# --- pages


def opened(page: str, links: dict[str, str]) -> AppTest:
    found = AppTest.from_file(MAIN, default_timeout=60)
    for name, value in links.items():
        found.query_params[name] = value
    if page != "start":
        found._page_hash = calc_hash(page)
    return found.run()


def all_that_is_drawn(page: AppTest) -> str:
    """Every message to the browser, but not the words that there is no such run."""
    assert not page.exception
    drawn = "\n".join(str(element.proto) for element in page if getattr(element, "proto", None) is not None)
    return re.sub(
        r"(?i)there is no run \S+ it may have been deleted", "", drawn.replace("&#x27;", "").replace("\\'", "")
    )


DOORS = [
    ("start", {"run": "{}"}),
    ("denoise", {"run": "{}"}),
    ("walk", {"run": "{}"}),
    ("maps", {"run": "{}"}),
    ("denoise", {"run": READY, "second": "{}"}),
    ("train", {"job": "{}"}),
    ("runs", {"compare": "{}," + READY}),
]


@pytest.mark.parametrize(("page", "links"), DOORS, ids=[f"{page} {list(links)[-1]}" for page, links in DOORS])
def test_no_link_of_a_page_leads_a_stranger_to_them(
    run_id: str, visit_as: Callable[[Visitor], None], page: str, links: dict[str, str]
):
    links = {name: value.format(run_id) for name, value in links.items()}
    visit_as(ANNA)
    if "second" not in links:  # the page names it in a list alone
        assert run_id in all_that_is_drawn(opened(page, links)) or NAME in all_that_is_drawn(opened(page, links))
    for who in STRANGERS:
        visit_as(who)
        drawn = all_that_is_drawn(opened(page, links))
        assert NAME not in drawn
        assert run_id not in drawn


def test_a_shared_run_opens_for_all_until_it_is_shared_no_longer(run_id: str, visit_as: Callable[[Visitor], None]):
    visit_as(ANNA)
    data = cache.session(run_id).data.hash[:16]
    path = f"/live/images/{run_id}/{data}/0.png"
    for shared, status in ((True, 200), (False, 404)):
        visit_as(ANNA)
        cache.store().share(run_id, shared)
        visit_as(BEN)
        assert run(asked, path)[0] == status
        assert (NAME in all_that_is_drawn(opened("denoise", {"run": run_id}))) == shared


def asked_maps(page: AppTest) -> tuple[str, ...]:
    """The maps that the page has shown last, as in its link."""
    return tuple(panel.text for panel in page.session_state["_maps_shown"][1].panels)


def test_a_map_of_a_link_shows_no_code_of_a_strangers_run(run_id: str, visit_as: Callable[[Visitor], None]):
    """A run of the same images, whose code would be drawn beside that of a ready-made run."""
    store = cache.all_runs()
    shutil.copytree(store.folder(READY), store.root / "runs" / "annas-digits")
    RunFolder(store.root / "runs" / "annas-digits").update(owner=ANNA.name, name=NAME)
    links = {"run": "digits-undercomplete", "maps": "code@annas-digits"}
    visit_as(ANNA)
    own = opened("maps", links)
    assert asked_maps(own) == ("code@annas-digits",)
    for who in STRANGERS:
        visit_as(who)
        found = opened("maps", links)
        assert asked_maps(found) != ("code@annas-digits",)
        assert NAME not in all_that_is_drawn(found)


def test_another_run_under_a_known_id_shows_nothing_of_the_first(run_id: str, visit_as: Callable[[Visitor], None]):
    """A zip names the id under which its run was exported, and what is kept of a run is found by its id."""
    visit_as(ANNA)
    session = cache.session(run_id)
    photographs = cache.gallery(session.info.token, run_id, 64).images
    zipped = archive.export_zip(cache.store(), run_id, include_images=True)
    cache.store().delete(run_id)
    cache.store().empty_trash()
    visit_as(BEN)
    assert archive.import_zip(cache.store(), zipped) != run_id
    visit_as(OPERATOR)
    assert archive.import_zip(cache.store(), zipped) == run_id
    again = cache.session(run_id)
    assert cache.gallery(again.info.token, run_id, 64).images is not photographs
    assert again.info.token != session.info.token


def test_imports_at_once_do_not_exceed_a_visitors_space(run_id: str, tmp_path: Path):
    home = RunStore(tmp_path / "home")
    zipped = archive.export_zip(home, run_id)
    kept = owned_bytes(home.root, ANNA.name)
    few = Visitor("d" * 16, "guest", Quotas(megabytes=1))
    store = RunStore(tmp_path / "other", tmp_path / "none", few)
    with ThreadPoolExecutor(8) as pool:
        tries = [pool.submit(archive.import_zip, store, zipped) for _ in range(2 * 10**6 // kept)]
    refused = [found.exception() for found in tries if found.exception()]
    assert refused
    assert {type(error) for error in refused} == {NotAllowed}
    assert owned_bytes(store.root, few.name) <= 10**6
    with pytest.raises(NotAllowed, match="parameters"):
        archive.import_zip(store.seen_by(Visitor("e" * 16, "guest", Quotas(parameters=10))), zipped)


def test_no_cache_on_the_way_keeps_what_only_some_may_see(run_id: str, visit_as: Callable[[Visitor], None]):
    visit_as(ANNA)
    data = cache.session(run_id).data.hash[:16]
    for path in (f"/live/images/{run_id}/{data}/0.png", f"/live/field/{run_id}/masking/4/0"):
        status, _, headers = run(answered, path)
        assert status == 200
        assert headers["cache-control"].startswith("private")
        assert "cookie" in headers["vary"].lower()
