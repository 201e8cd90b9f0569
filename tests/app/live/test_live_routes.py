"""What a live page fetches: models and noise that equal the session's, and nothing that it must not.

Longer than other files, because every route stands here beside the attacks on it.
"""

import base64
import errno
import gzip
import io
import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin

import anyio
import cachetools
import numpy as np
import onnxruntime
import pytest
from PIL import Image
from server import END_SECONDS, ROOT, await_health, free_port
from starlette.applications import Starlette

from aecore.foundation.errors import AecoreError
from aecore.pictures import sheets
from aecore.session import onnx_cache, onnx_model
from app import cache, routes
from app.live import blobs, library, models, tiles

T = TypeVar("T")
FOREVER = "public, max-age=31536000, immutable"
MODEL = "private, max-age=31536000, immutable"
OWN = "private, max-age=3600"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> str:
        """A refusal: one line, which no browser keeps."""
        assert self.headers["cache-control"] == "no-store"
        assert self.headers["content-type"].startswith("text/plain")
        (line,) = self.body.decode().splitlines()
        return line


def run(function: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """Runs an async function in a thread of its own: this one may have the event loop of the browser tests."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(anyio.run, function, *arguments).result()


def get(path: str, accept: str = "gzip, br", base: str = "") -> Answer:
    """What the routes answer, byte for byte: no client that would unpack or follow anything."""
    return run(asked, Starlette(routes=routes.routes(base)), path, accept)


async def asked(app: Starlette, path: str, accept: str) -> Answer:
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"",
        "headers": [(b"accept-encoding", accept.encode())] if accept else [],
    }  # fmt: skip
    sent: list[dict] = []

    async def receive() -> dict:
        return await anyio.sleep_forever()

    async def send(message: dict) -> None:
        sent.append(message)

    await app(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))


def where(run_id: str, part: str) -> dict:
    answer = get(f"/live/model/{run_id}/{part}.json")
    assert answer.status == 200, answer.body
    assert answer.headers["cache-control"] == "no-store", "a run's next graph may be another"
    return json.loads(answer.body)


# --- models


@pytest.mark.parametrize("part", ["decoder", "encoder", "denoiser", "denoiser-gaussian"])
def test_a_model_comes_by_its_content_and_is_what_the_core_exports(run_ids, part):
    about = where(run_ids["denoising"], part)
    session = cache.session(run_ids["denoising"])
    name, _, kind = part.partition("-")
    graph = onnx_cache.exported(session, name, kind or None)
    assert about["url"] == f"/live/model/{graph.name}"
    assert about["size"] == graph.size
    assert about["part"] == name
    assert about["shape"] == [1, 8, 8]
    assert about["code_dim"] == session.code_dim
    packed, plain = get(about["url"]), get(about["url"], accept="")
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(packed.body) == plain.body == graph.path.read_bytes()
    assert len(packed.body) == int(packed.headers["content-length"]) < len(plain.body)
    for answer in (packed, plain):
        assert answer.headers["cache-control"] == MODEL
        assert answer.headers["vary"] == "Accept-Encoding"


def test_a_decoder_comes_as_it_was_after_an_epoch(run_ids):
    session = cache.session(run_ids["variational"])
    epoch = session.snapshots[0]
    url = where(session.run_id, f"decoder-{epoch}")["url"]
    assert url == f"/live/model/{onnx_cache.exported(session, 'decoder', epoch=epoch).name}"
    assert models.address(session, "decoder", str(epoch)) == url != where(session.run_id, "decoder")["url"]
    for part in ("decoder-99999", "decoder-last", "encoder-0"):
        assert get(f"/live/model/{session.run_id}/{part}.json").status == 404


def test_what_walk_needs_of_a_run_comes_by_its_content(run_ids):
    session = cache.session(run_ids["variational"])
    before = f"/live/library/{session.run_id}.json"
    way = get(before)
    assert (way.status, way.headers["cache-control"]) == (307, "no-store"), "a run's next library may be another"
    named = library.address(session)
    assert urljoin(before, way.headers["location"]) == named, "from now on a page says so itself"
    assert urljoin(f"/a/path{before}", way.headers["location"]) == f"/a/path{named}"
    old = get(f"/live/library/{session.run_id}/0123456789abcdef.json")
    assert urljoin(f"/live/library/{session.run_id}/old.json", old.headers["location"]) == named
    packed = get(named)
    assert (packed.status, packed.headers["content-encoding"]) == (200, "gzip")
    assert (packed.headers["cache-control"], packed.headers["vary"]) == (OWN, "Accept-Encoding, Cookie")
    told = json.loads(gzip.decompress(packed.body))
    assert json.loads(get(named, accept="").body) == told
    assert told["run"] == session.run_id
    assert [one["id"] for one in told["directions"]][: session.code_dim] == [f"u{k}" for k in session.units_by_effect()]
    codes = np.frombuffer(base64.b64decode(told["codes"]), "<f4").reshape(-1, session.code_dim)
    assert np.isin(codes, session.codes).all()


def test_no_more_libraries_are_kept_than_there_is_room_for(run_ids, monkeypatch):
    monkeypatch.setattr(library, "_libraries", cachetools.LRUCache(1))
    sessions = [cache.session(run_ids[name]) for name in ("variational", "denoising")]
    first, other = (library.content(session) for session in sessions)
    assert library.address(sessions[1]).endswith(f"/{other[1]}.json")
    assert library.address(sessions[0]) == f"/live/library/{sessions[0].run_id}.json"
    assert library.content(sessions[0]) == first, "made anew, the same"


def test_a_model_that_was_made_is_named_by_its_content_as_long_as_it_is_kept(run_ids, monkeypatch, tmp_path):
    monkeypatch.setattr(onnx_cache, "folder", lambda: tmp_path)
    session = cache.session(run_ids["denoising"])
    asked = {part: f"/live/model/{session.run_id}/{part}.json" for part in ("decoder", "denoiser-gaussian")}
    for part, described in asked.items():
        name, _, kind = part.partition("-")
        assert models.address(session, name, kind or None) == described
        graph = where(session.run_id, part)["url"]
        assert models.address(session, name, kind or None) == graph
        (tmp_path / Path(graph).name).unlink()
        assert models.address(session, name, kind or None) == described


def test_a_denoiser_plays_the_seed_s_own_noise(run_ids):
    about = where(run_ids["denoising"], "denoiser-salt_and_pepper")
    assert about["kind"] == "salt_and_pepper"
    assert about["level"] == 0.4
    assert about["random"] is True
    field = get(about["field"] + "/3/11")
    assert field.headers["cache-control"] == OWN
    session = cache.session(run_ids["denoising"])
    images = session.gallery(3).images
    drawn = np.frombuffer(field.body, "<f4").reshape(3, 1, 8, 8)
    player = onnxruntime.InferenceSession(get(about["url"], accept="").body)
    feeds = {"images": images, "field": drawn, "level": np.array(0.25, np.float32)}
    found = dict(zip([out.name for out in player.get_outputs()], player.run(None, feeds), strict=True))
    wanted = session.denoise(images, "salt_and_pepper", 0.25, seed=11)
    assert np.array_equal(found["corrupted"], wanted.corrupted)
    assert np.allclose(found["reconstruction"], wanted.reconstruction, atol=1e-4)
    assert np.allclose(found["sse_after"], wanted.sse_after, rtol=1e-4)


def test_of_many_first_visitors_one_model_is_made(run_ids, monkeypatch, tmp_path):
    monkeypatch.setattr(onnx_cache, "folder", lambda: tmp_path)
    makers: list[str] = []
    make = onnx_model.onnx_bytes

    def counted(*arguments: object) -> bytes:
        makers.append(threading.current_thread().name)
        return make(*arguments)

    monkeypatch.setattr(onnx_model, "onnx_bytes", counted)
    app, found = Starlette(routes=routes.routes()), list[Answer]()

    async def visit() -> None:
        found.append(await asked(app, f"/live/model/{run_ids['variational']}/decoder.json", "gzip"))

    async def all_at_once() -> None:
        async with anyio.create_task_group() as visitors:
            for _ in range(30):
                visitors.start_soon(visit)

    run(all_at_once)
    assert len(makers) == 1
    assert makers[0].startswith("aecore-live"), "never in the thread that answers everybody"
    assert len({answer.body for answer in found}) == 1
    assert all(answer.status == 200 for answer in found)


# --- refusals


@pytest.mark.parametrize(
    "path",
    [
        "no-such-run/decoder.json", "..%2F..%2Fetc/decoder.json", "RUN/../decoder.json", "RUN/eye.json",
        "RUN/decoder-masking.json", "RUN/denoiser-fog.json", "RUN/denoiser-__class__.json", "RUN/.json",
        "Ünïcode/decoder.json", "digits\n/decoder.json", "x" * 500 + "/decoder.json", "0123456789abcdef.onnx",
        "../../store.py", "0123456789abcdef.onnx.gz", "0123456789abcdef.key", "%2e%2e%2f.onnx",
    ],
)  # fmt: skip
def test_other_models_there_are_none(run_ids, path):
    answer = get("/live/model/" + path.replace("RUN", run_ids["denoising"]))
    assert answer.status == 404
    assert len(answer.body.splitlines()) == 1


@pytest.mark.parametrize(
    "path",
    ["no-such-run/masking/1/0", "RUN/fog/1/0", "RUN/masking/0/0", "RUN/masking/65/0", "RUN/masking/-1/0",
     "RUN/masking/1/-1", "RUN/masking/1e3/0", "RUN/masking/1/" + "9" * 19, "RUN/masking/1/" + "9" * 5000,
     "RUN/masking/1/٣", "RUN/masking/1/0/0", "RUN/masking/nan/0"],
)  # fmt: skip
def test_other_noise_there_is_none(run_ids, path):
    assert get("/live/field/" + path.replace("RUN", run_ids["denoising"])).status == 404


def test_a_field_is_no_larger_than_it_may_be(run_ids):
    answer = get(f"/live/field/{run_ids['denoising']}/none/64/{2**63 - 1}")
    assert len(answer.body) == 64 * 64 * 4


def test_a_model_that_cannot_be_exported_says_why(run_ids, monkeypatch):
    def refuse(*_: object) -> onnx_cache.Graph:
        raise AecoreError("this run cannot be exported:\nno such operation")

    monkeypatch.setattr(onnx_cache, "exported", refuse)
    answer = get(f"/live/model/{run_ids['denoising']}/decoder.json")
    assert answer.status == 422
    assert answer.said == "this run cannot be exported: no such operation"


def test_a_full_disk_is_said(run_ids, monkeypatch, tmp_path):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(onnx_cache, "folder", lambda: tmp_path)
    monkeypatch.setattr(onnx_cache, "write_atomic", full)
    answer = get(f"/live/model/{run_ids['denoising']}/encoder.json")
    assert answer.status == 500
    assert "the disk is full; make room" in answer.said
    assert str(tmp_path) not in answer.said


@pytest.mark.parametrize("harm", ["weights", "status", "config"])
def test_a_run_that_is_damaged_is_not_found(empty_home, harm):
    folder = empty_home / "runs" / "broken"
    folder.mkdir(parents=True)
    for name, content in {"status.json": "{}", "config.json": "{}", "weights.safetensors": ""}.items():
        if not name.startswith(harm):
            (folder / name).write_text(content)
    answer = get("/live/model/broken/decoder.json")
    assert answer.status == 404
    assert "broken" in answer.said


# --- the component's files


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A built component in a folder of its own, and beside it what is nobody's business."""
    folder = tmp_path / "dist"
    (folder / "runtime").mkdir(parents=True)
    (folder / "walk-0a1b.js").write_text("export const answer = 42;\n" * 100)
    (folder / "runtime" / "ort.mjs").write_text("export default 1;\n" * 100)
    (folder / "runtime" / "ort.wasm.gz").write_bytes(gzip.compress(os.urandom(2000)))
    (folder / "notes.txt").write_text("private")
    (folder / ".hidden.js").write_text("private")
    (tmp_path / "secret.js").write_text("private")
    monkeypatch.setattr(routes, "DIST", folder)
    return folder


@pytest.mark.parametrize(("path", "type_"), [("dist/walk-0a1b.js", "text/javascript"),
                                             ("runtime/ort.mjs", "text/javascript")])  # fmt: skip
def test_scripts_come_compressed_and_are_kept_for_ever(dist, path, type_):
    packed, plain = get(f"/live/{path}"), get(f"/live/{path}", accept="")
    assert gzip.decompress(packed.body) == plain.body == (dist / path.removeprefix("dist/")).read_bytes()
    assert len(packed.body) < len(plain.body)
    for answer in (packed, plain):
        assert answer.headers["content-type"].split(";")[0] == type_
        assert answer.headers["cache-control"] == FOREVER
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_packed_runtime_is_left_to_the_browser_to_unpack(dist):
    answer = get("/live/runtime/ort.wasm.gz")
    assert answer.body == (dist / "runtime" / "ort.wasm.gz").read_bytes()
    assert "content-encoding" not in answer.headers
    assert answer.headers["content-type"] == "application/gzip", "which Streamlit does not compress once more"


def test_a_rebuilt_file_is_sent_anew(dist):
    get("/live/dist/walk-0a1b.js")
    (dist / "walk-0a1b.js").write_text("export const answer = 43;\n" * 101)
    assert b"43" in gzip.decompress(get("/live/dist/walk-0a1b.js").body)


@pytest.mark.parametrize(
    "path",
    ["dist/", "dist", "dist/notes.txt", "dist/.hidden.js", "dist/../secret.js", "dist/..", "dist/%2e%2e/secret.js",
     "dist/runtime", "dist/runtime/ort.mjs", "runtime/../walk-0a1b.js", "dist/walk-0a1b.js\x00", "dist/walk.js",
     "dist/" + "x" * 300 + ".js", "", "else", "runtime/walk-0a1b.js"],
)  # fmt: skip
def test_no_other_file_is_served(dist, path):
    answer = get(f"/live/{path}")
    assert answer.status in (404, 307)
    assert b"private" not in answer.body


# --- a whole server, below a base path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, set[str]]]:
    """The address of the real app, served below the path `some/where`, and the modules that its start imported."""
    home, port = tmp_path_factory.mktemp("below"), free_port()
    imported = home / "imported.txt"
    url = f"http://127.0.0.1:{port}/some/where"
    command = [sys.executable, "-P", "-X", "importtime", "-m", "streamlit", "run", str(ROOT / "app" / "asgi.py")]
    with imported.open("w") as stderr:
        child = subprocess.Popen(
            [*command, "--server.port", str(port), "--server.baseUrlPath", "/some/where/", "--server.headless", "true"],
            cwd=home, env={**os.environ, "PYTHONPATH": str(ROOT), "AECORE_HOME": str(home)},
            stdout=subprocess.DEVNULL, stderr=stderr,
        )  # fmt: skip
    try:
        await_health(url, child)
        yield url, {line.rpartition("|")[2].strip() for line in imported.read_text().splitlines()}
    finally:
        child.terminate()
        child.wait(timeout=END_SECONDS)


def fetched(url: str) -> tuple[dict[str, str], bytes]:
    with urllib.request.urlopen(
        urllib.request.Request(url, headers={"Accept-Encoding": "gzip"}), timeout=120
    ) as answer:
        return {name.lower(): value for name, value in answer.headers.items()}, answer.read()


def test_the_server_answers_below_its_base_path_too(server):
    below, _ = server
    for base in (below, below.removesuffix("/some/where")):
        about = json.loads(fetched(f"{base}/live/model/digits-variational/decoder.json")[1])
        headers, body = fetched(base + about["url"])
        assert headers["content-encoding"] == "gzip"
        assert headers["cache-control"] == MODEL
        assert int(headers["content-length"]) == len(body), "sent as it lies there, not compressed at each request"
        player = onnxruntime.InferenceSession(gzip.decompress(body))
        (picture,) = player.run(None, {"code": np.zeros((2, 10), np.float32)})
        assert picture.shape == (2, 1, 8, 8)


def test_starting_the_server_loads_no_exporter(server):
    _, imported = server
    assert "torch" in imported
    assert not imported & {"onnx", "onnxruntime", "torch.onnx._internal.torchscript_exporter.utils"}


# --- what pages put aside


def test_a_blob_comes_back_whole_packed_where_it_can_be_and_is_kept_for_ever():
    numbers = np.arange(3_000, dtype="<i2").tobytes()
    address = blobs.put(numbers)
    assert address == blobs.put(numbers), "the same content has the same address"
    packed = get(address)
    assert packed.status == 200
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["cache-control"] == OWN
    assert gzip.decompress(packed.body) == numbers
    assert len(packed.body) < len(numbers)
    plain = get(address, accept="")
    assert plain.body == numbers
    assert "content-encoding" not in plain.headers


def test_a_blob_of_another_kind_is_another_one():
    assert blobs.put(b"same", "image/png") != blobs.put(b"same")
    assert get(blobs.put(b"same", "image/png")).headers["content-type"] == "image/png"


@pytest.mark.parametrize("name", ["0" * 32, "..", "%2e%2e", "a/b"])
def test_what_was_never_put_aside_is_refused(name):
    assert get(f"/live/blob/{name}").status == 404


def test_blobs_are_bounded_and_the_latest_stay(monkeypatch):
    monkeypatch.setattr(blobs, "_blobs", blobs.bounded(5_000))
    rng = np.random.default_rng(0)
    first, *_, last = (blobs.put(rng.bytes(2_000)) for _ in range(4))
    assert blobs.get(first.rsplit("/", 1)[1]) is None
    assert blobs.get(last.rsplit("/", 1)[1]) is not None
    assert "reload" in get(first).said


def test_blocks_of_images_are_the_dataset_in_order(run_ids):
    session = cache.session(run_ids["denoising"])
    address = tiles.addresses(session)
    answer = get(address.format(1))
    assert answer.status == 200
    assert answer.headers["cache-control"] == OWN
    picture = np.asarray(Image.open(io.BytesIO(answer.body)).convert("L"), np.float32) / 255
    wanted = session.data.floats(np.arange(64, 128))[:, 0]
    places = [(i // sheets.TILE_COLUMNS * 8, i % sheets.TILE_COLUMNS * 8) for i in range(64)]
    shown = [picture[y : y + 8, x : x + 8] for y, x in places]
    np.testing.assert_allclose(np.stack(shown), wanted, atol=0.5 / 255 + 1e-6)
    assert get(address.format(len(session.data) // 64)).status == 200, "the last block, not a whole one"


@pytest.mark.parametrize("block", ["29", "99999", "-1", "1.5", "x"])
def test_a_block_beyond_the_data_is_refused_in_a_line(run_ids, block):
    session = cache.session(run_ids["denoising"])
    answer = get(tiles.addresses(session).format(block))
    assert answer.status == 404
    assert answer.said


def test_a_block_of_older_data_is_refused(run_ids):
    session = cache.session(run_ids["denoising"])
    assert "reload" in get(f"/live/images/{session.run_id}/{'0' * 16}/0.png").said
