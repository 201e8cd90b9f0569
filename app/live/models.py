"""Where a browser finds a run's graphs."""

import threading
from collections import OrderedDict

from aecore.session import onnx_cache
from aecore.session.onnx_cache import Graph
from aecore.session.session import Session

KEPT = 256
"""Graphs whose names are remembered."""
_names: OrderedDict[tuple[str, str, str, str | None], str] = OrderedDict()
_turn = threading.Lock()


def address(session: Session, part: str, kind: str | None = None) -> str:
    """A graph's own address once it has been made, which a browser that has it need not ask for; until then that of the
    answer that makes it and says where it is. `kind` is a denoiser's corruption, or in digits a decoder's epoch.
    """
    name = _names.get(_key(session, part, kind))
    if name is not None and onnx_cache.find(name) is not None:
        return f"/live/model/{name}"
    return f"/live/model/{session.run_id}/{part}{f'-{kind}' if kind else ''}.json"


def made(session: Session, part: str, kind: str | None = None) -> Graph:
    """The graph, packed for the way, made unless it is kept; its name is remembered. Raises as `export.decoder`."""
    graph = (
        onnx_cache.exported(session, part, epoch=int(kind))
        if part == "decoder" and kind is not None
        else onnx_cache.exported(session, part, kind)
    )
    onnx_cache.compressed(graph)
    with _turn:
        _names[_key(session, part, kind)] = graph.name
        while len(_names) > KEPT:
            _names.popitem(last=False)
    return graph


def _key(session: Session, part: str, kind: str | None) -> tuple[str, str, str, str | None]:
    return session.run_id, session.weights_hash, part, kind
