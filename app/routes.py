"""Read-only addresses for the live components: their built files, the runtime, models, noise and images.

    /live/dist/NAME, /live/runtime/NAME       files of `app/live/dist`, whose names change with their content
    /live/library/RUN[/HASH].json             a run's directions and a sample of its codes, for Walk
    /live/model/RUN/PART.json                 the address of a run's graph: decoder, decoder-EPOCH, encoder, denoiser
                                              or denoiser-KIND
    /live/model/HASH.onnx                     the graph
    /live/field/RUN/KIND/N/SEED               the noise of N images, little-endian float32 (N, F, H, W)
    /live/blob/NAME                           data that a page stored for its live part (`app.live.blobs`)
    /live/images/RUN/DATA/BLOCK.png           64 consecutive images of a run's dataset; DATA is the hash of its content

A few threads of their own export and read graphs, so that no other visitor waits.
"""

import asyncio
import contextvars
import functools
import gzip
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from aecore.foundation.errors import AecoreError, BadInput, RunUnavailable, words_of
from aecore.session import onnx_cache
from aecore.session.session import Session
from aecore.store.folder import RUN_ID
from app import cache
from app.live import blobs, library, models, tiles

DIST = Path(__file__).parent / "live" / "dist"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
NUMBER = re.compile(r"[0-9]{1,19}")
TEXTS = {
    ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".json": "application/json",
    ".map": "application/json",
}  # fmt: skip
"""Files that are sent compressed."""
TYPES = {**TEXTS, ".wasm": "application/wasm", ".gz": "application/gzip"}
BYTES = "application/octet-stream"
CACHED = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
OWN = {**CACHED, "Cache-Control": "private, max-age=3600", "Vary": "Accept-Encoding, Cookie"}
"""For what only some visitors may see: no cache between them and the server keeps it, theirs for an hour."""
MODEL = {**CACHED, "Cache-Control": "private, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
"""For a model, whose name is a hash of it."""
NOT_CACHED = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_threads = ThreadPoolExecutor(4, "aecore-live")

Answer = Callable[[Request], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


def routes(base: str = "") -> list[BaseRoute]:
    """The routes, also below `base` where the server has a base path (`server.baseUrlPath`)."""
    inner = [
        Route("/dist/{name}", _threaded(_dist)),
        Route("/runtime/{name}", _threaded(_runtime)),
        Route("/library/{run_id}.json", _threaded(_library)),
        Route("/library/{run_id}/{name}.json", _threaded(_library)),
        Route("/model/{name}", _threaded(_graph)),
        Route("/model/{run_id}/{part}.json", _threaded(_where)),
        Route("/field/{run_id}/{kind}/{n}/{seed}", _threaded(_field)),
        Route("/blob/{name}", _threaded(_blob)),
        Route("/images/{run_id}/{data}/{block}.png", _threaded(_images)),
    ]
    paths = {"/live", f"/{base.strip('/')}/live" if base.strip("/") else "/live"}
    return [Mount(path, routes=inner) for path in sorted(paths)]


def _threaded(answer: Answer) -> Endpoint:
    """An endpoint that answers in a thread; errors become a line of text."""

    async def endpoint(request: Request) -> Response:
        # A copy of the context, so that the answer's thread knows whose request it is (`app.visitor.current`).
        inside = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(_threads, lambda: inside.run(_safely, answer, request))

    return endpoint


def _safely(answer: Answer, request: Request) -> Response:
    try:
        return answer(request)
    except (RunUnavailable, BadInput) as error:
        return _refusal(404, str(error))
    except AecoreError as error:
        return _refusal(422, str(error))
    except OSError as error:
        return _refusal(500, words_of(error))


def _refusal(status: int, words: str) -> Response:
    return PlainTextResponse(" ".join(words.split()) + "\n", status, NOT_CACHED)


def _gzipped(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")


# --- the component's own files


def _dist(request: Request) -> Response:
    return _file(request, DIST)


def _runtime(request: Request) -> Response:
    return _file(request, DIST / "runtime")


def _file(request: Request, folder: Path) -> Response:
    name = request.path_params["name"]
    path = folder / name
    if not NAME.fullmatch(name) or path.suffix not in TYPES or not path.is_file():
        return _refusal(404, "there is no such file; reload the page, which may be older than the program")
    if path.suffix not in TEXTS or not _gzipped(request):
        return FileResponse(path, headers=CACHED, media_type=TYPES[path.suffix])
    stat = path.stat()
    body = _compressed(str(path), stat.st_mtime_ns, stat.st_size)
    return Response(body, headers={**CACHED, **_ENCODED}, media_type=TYPES[path.suffix])


_ENCODED = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}


@functools.lru_cache(maxsize=32)
def _compressed(path: str, changed: int, size: int) -> bytes:
    """A built file, compressed once; the server would compress it for each request."""
    return gzip.compress(Path(path).read_bytes(), mtime=0)


# --- models


def _session(request: Request) -> Session:
    run_id = request.path_params["run_id"]
    if not RUN_ID.fullmatch(run_id):
        raise BadInput("there is no such run")
    try:
        return cache.session(run_id)
    except OSError:
        raise RunUnavailable(f"run {run_id} cannot be opened; it may just have been deleted") from None


def _caching(session: Session) -> dict[str, str]:
    """Everybody may keep what belongs to a ready-made run."""
    return {**CACHED, "Vary": "Accept-Encoding"} if session.info.builtin else OWN


def _library(request: Request) -> Response:
    """Serve the library under its hash, so that browsers cache it; redirect other names and old hashes to it."""
    session = _session(request)
    body, name = library.content(session)
    asked = request.path_params.get("name")
    if asked != name:
        folder = f"{request.path_params['run_id']}/" if asked is None else ""
        return Response(status_code=307, headers={**NOT_CACHED, "Location": f"{folder}{name}.json"})
    headers = _caching(session)
    if _gzipped(request):
        return Response(body, headers={**headers, "Content-Encoding": "gzip"}, media_type=TYPES[".json"])
    return Response(gzip.decompress(body), headers=headers, media_type=TYPES[".json"])


def _where(request: Request) -> Response:
    session = _session(request)
    part, _, kind = request.path_params["part"].partition("-")
    if kind and part != "denoiser" and not (part == "decoder" and NUMBER.fullmatch(kind)):
        raise BadInput(f"only a denoiser has a kind of noise, and a decoder an epoch, not the {part}")
    graph = models.export(session, part, kind or None)
    about = {"url": f"/live/model/{graph.name}", "size": graph.size, "part": part, "shape": session.shape,
             "code_dim": session.code_dim}  # fmt: skip
    if part == "denoiser":
        corruption = session.corruption(kind or None)
        about |= {"kind": corruption.kind, "level": corruption.level, "random": corruption.random,
                  "field": f"/live/field/{session.run_id}/{corruption.kind}"}  # fmt: skip
    return JSONResponse(about, headers=NOT_CACHED)


def _graph(request: Request) -> Response:
    graph = onnx_cache.find(request.path_params["name"])
    if graph is None:
        return _refusal(404, "this model is no longer in the cache; reload the page to export it again")
    if not _gzipped(request):
        return FileResponse(graph.path, headers=MODEL, media_type=BYTES)
    return FileResponse(onnx_cache.compressed(graph), headers={**MODEL, "Content-Encoding": "gzip"}, media_type=BYTES)


def _field(request: Request) -> Response:
    n, seed = (request.path_params[name] for name in ("n", "seed"))
    if not all(NUMBER.fullmatch(number) for number in (n, seed)):
        raise BadInput("the number of images and the seed are whole numbers")
    session = _session(request)
    drawn = onnx_cache.field(session, request.path_params["kind"], int(n), int(seed))
    return Response(drawn.astype("<f4").tobytes(), headers=_caching(session), media_type=BYTES)


# --- data that pages stored


def _blob(request: Request) -> Response:
    found = blobs.get(request.path_params["name"])
    if found is None:
        return _refusal(404, "this is no longer in the cache; reload the page to get it again")
    if found.packed and _gzipped(request):
        return Response(found.content, headers={**OWN, "Content-Encoding": "gzip"}, media_type=found.media_type)
    return Response(found.plain, headers=OWN, media_type=found.media_type)


def _images(request: Request) -> Response:
    block, data = request.path_params["block"], request.path_params["data"]
    if not NUMBER.fullmatch(block):
        raise BadInput("a block of images is named by a whole number")
    session = _session(request)
    return Response(tiles.block(session, data, int(block)), headers=_caching(session), media_type="image/png")
