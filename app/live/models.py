"""The URLs of a run's ONNX graphs."""

import threading

import cachetools

from aecore.session import onnx_cache
from aecore.session.onnx_cache import Graph
from aecore.session.session import Session

MAX_NAMES = 256
_names: cachetools.LRUCache[tuple[str, str, str, str | None], str] = cachetools.LRUCache(MAX_NAMES)
"""{(run, hash of its weights, part, kind): name of the exported graph}."""
_lock = threading.Lock()


def address(session: Session, part: str, kind: str | None = None) -> str:
    """Return the URL of a graph, which the browser caches, if the graph is on the disk; otherwise the URL of a
    description, whose request exports the graph and names its URL. `kind` is the corruption of a denoiser, or the
    epoch of a decoder in decimal digits.
    """
    with _lock:
        name = _names.get(_key(session, part, kind))
    if name is not None and onnx_cache.find(name) is not None:
        return f"/live/model/{name}"
    return f"/live/model/{session.run_id}/{part}{f'-{kind}' if kind else ''}.json"


def export(session: Session, part: str, kind: str | None = None) -> Graph:
    """Return the graph, exported and compressed unless it is on the disk. Raises as `onnx_cache.exported` does."""
    graph = (
        onnx_cache.exported(session, part, epoch=int(kind))
        if part == "decoder" and kind is not None
        else onnx_cache.exported(session, part, kind)
    )
    onnx_cache.compressed(graph)
    with _lock:
        _names[_key(session, part, kind)] = graph.name
    return graph


def _key(session: Session, part: str, kind: str | None) -> tuple[str, str, str, str | None]:
    return session.run_id, session.weights_hash, part, kind
