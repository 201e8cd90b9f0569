"""The cache of exported graphs: each is made once, named by its content, and made anew when damaged."""

import hashlib
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from aecore.foundation.errors import AecoreError
from aecore.parts.contracts import Corruption
from aecore.parts.registry import members
from aecore.session import onnx_cache, onnx_model
from aecore.session.session import Session

KINDS = list(members("corruptions", Corruption))


usual_folder = onnx_cache.folder


# --- the cache


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setattr(onnx_cache, "folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The parts that were made, one entry each time."""
    parts: list[str] = []
    make = onnx_model.onnx_bytes

    def count(network: onnx_model.Network, *rest: object) -> bytes:
        parts.append(network.part)
        return make(network, *rest)

    monkeypatch.setattr(onnx_model, "onnx_bytes", count)
    return parts


def test_the_cache_lies_in_the_home_folder(own_home):
    assert usual_folder() == own_home / "cache" / "graphs"


def test_a_graph_is_named_by_its_content_and_made_once(session, trained, empty, made):
    first = onnx_cache.decoder(session)
    assert first.name == hashlib.sha256(first.path.read_bytes()).hexdigest()[:16] + ".onnx"
    assert first.size == first.path.stat().st_size
    assert onnx_cache.decoder(Session(*trained)) == first == onnx_cache.find(first.name)
    assert made == ["decoder"]
    assert onnx_cache.encoder(session) != first
    assert len({onnx_cache.denoiser(session, kind).name for kind in KINDS}) == len(KINDS)
    assert not list(empty.glob("*.tmp")) + list(empty.glob(".*"))


def test_equal_weights_give_equal_files_in_another_folder(session, empty, tmp_path, monkeypatch):
    names = [onnx_cache.denoiser(session, "masking").name]
    monkeypatch.setattr(onnx_cache, "folder", lambda: tmp_path / "other")
    assert [onnx_cache.denoiser(session, "masking").name] == names


@pytest.mark.parametrize("harm", ["gone", "cut", "changed", "no key", "a key to elsewhere", "a key of no letters"])
def test_what_is_damaged_is_made_anew(session, empty, made, harm):
    graph = onnx_cache.decoder(session)
    (key,) = empty.glob("*.key")
    match harm:
        case "gone":
            graph.path.unlink()
        case "cut":
            graph.path.write_bytes(graph.path.read_bytes()[:-1])
        case "changed":
            content = bytes(255 - byte for byte in graph.path.read_bytes())
            graph.path.unlink()
            graph.path.write_bytes(content)
        case "no key":
            key.unlink()
        case "a key to elsewhere":
            key.write_text("../../weights.safetensors")
        case _:
            key.write_bytes(b"\xff\xfe")
    again = onnx_cache.decoder(session)
    assert again == graph
    assert again.path.read_bytes()[:2] == b"\x08\x08"
    assert made == ["decoder", "decoder"]


@pytest.mark.parametrize("name", ["", "x", "../store.py", "0123456789abcdef.onnx/", "0123456789ABCDEF.onnx",
                                  "0123456789abcdef.onnx\n", "0123456789abcdef.onnx"])  # fmt: skip
def test_only_names_of_graphs_are_found(empty, name):
    assert onnx_cache.find(name) is None


def test_the_cache_stays_within_its_bound(session, empty, monkeypatch):
    first = onnx_cache.decoder(session)
    monkeypatch.setattr(onnx_cache, "CACHE_BYTES", 4 * onnx_cache.denoiser(session, "salt_and_pepper").size + 4000)
    for kind in KINDS:
        graph = onnx_cache.denoiser(session, kind)
        assert onnx_cache.compressed(graph).is_file()
        assert graph.path.is_file(), "what was just made stays"
        assert sum(path.stat().st_size for path in empty.iterdir()) <= onnx_cache.CACHE_BYTES
    assert not first.path.is_file()
    assert onnx_cache.decoder(session) == first, "and what went is made again"


def test_a_model_too_large_to_be_sent_is_said_and_still_written_to_a_file(session, empty, monkeypatch):
    monkeypatch.setattr(onnx_cache, "CACHE_BYTES", 4000)
    with pytest.raises(AecoreError, match=r"0 MB, more than a browser is sent; aecore export"):
        onnx_cache.decoder(session)
    assert not empty.exists()
    assert onnx_cache.signature(onnx_cache.content(session, "decoder")) == "code (n, 6) → picture (n, 1, 8, 8)"


def test_of_many_that_want_a_graph_one_makes_it(trained, empty, made):
    start, found = threading.Barrier(8), list[onnx_cache.Graph]()

    def want() -> None:
        session = Session(*trained)
        start.wait()
        found.append(onnx_cache.decoder(session))

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert made == ["decoder"]


def test_a_session_is_not_changed_by_being_exported(session, empty):
    before = {name: value.clone() for name, value in session.model.state_dict().items()}
    codes = session.codes[:5]
    picture = session.decode(codes)
    onnx_cache.denoiser(session)
    assert all(torch.equal(value, before[name]) for name, value in session.model.state_dict().items())
    assert np.array_equal(session.decode(codes), picture)
    assert not session.model.training


def test_a_cache_that_cannot_be_written_is_said(session, empty):
    empty.write_text("a file where the folder should be")
    with pytest.raises(OSError, match="cache"):
        onnx_cache.decoder(session)
