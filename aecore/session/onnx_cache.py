"""Export a run's model as ONNX files, for browsers and other programs; kept in a bounded cache.

    graphs/<content>.onnx   a graph, named by the first 16 hex digits of its SHA-256, in the folder `cache_home`
    graphs/<key>.key        the name of the graph of these weights, part and corruption, once made

onnx and the exporter are imported only when a graph has to be made.

A graph runs without this program; after `aecore export digits-variational decoder.onnx`:

    import numpy as np
    import onnxruntime

    decoder = onnxruntime.InferenceSession("decoder.onnx")
    (pictures,) = decoder.run(None, {"code": np.random.default_rng(0).normal(size=(8, 10)).astype(np.float32)})

Numbers are float32, images (n, C, H, W) in [0, 1]; the results are within 1e-4 of the program's own. `--part encoder`
turns images into codes; `--part denoiser` turns images, a random field and a level into corrupted and reconstructed
images with their squared error and SSIM. Large weights are stored in 16 bits where that accuracy holds.
"""

import contextlib
import dataclasses
import functools
import gzip
import hashlib
import json
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from aecore.foundation import geometry, metrics
from aecore.foundation.errors import AecoreError, BadInput
from aecore.foundation.files import prune, touch, write_atomic
from aecore.foundation.home import cache_home
from aecore.foundation.version import __version__
from aecore.session import onnx_model
from aecore.session.session import Session

FORMAT = 1
"""Version of the graphs' inputs and outputs, in their metadata; graphs of other versions are made anew."""
CACHE_BYTES = 200 * 2**20
"""The size of the cache; the least recently used files are deleted first. A graph has at most a quarter of it, so that
a new graph is never deleted at once.
"""
MAX_FIELDS = 64
"""Most images for which noise is drawn at once."""
PARTS = ("decoder", "encoder", "denoiser")
EXAMPLES = 32
"""Examples of each sort, on which the effect of 16-bit weights is measured."""
NAME = re.compile(r"[0-9a-f]{16}\.onnx")
_turn = threading.Lock()
"""Held while a graph is made: one at a time, see `aecore.session.onnx_model.onnx_bytes`."""


@dataclasses.dataclass(frozen=True)
class Graph:
    """An ONNX file and its size in bytes. Equal names mean equal files, so a browser may cache them without limit."""

    path: Path
    size: int

    @property
    def name(self) -> str:
        return self.path.name


def decoder(session: Session) -> Graph:
    """Export `Session.decode`: code (n, K) → picture (n, C, H, W), in [0, 1] where the data are.

    All graphs have float32 inputs and outputs, any number of images n, and results within 1e-4 of the session's. They
    are made once for a run's weights. Raises `AecoreError` for a model that cannot be exported or is too large for a
    browser, OSError when the cache cannot be written.
    """
    return exported(session, "decoder")


def encoder(session: Session) -> Graph:
    """Export `Session.encode`: images (n, C, H, W) → code (n, K). Raises as `decoder` does."""
    return exported(session, "encoder")


def denoiser(session: Session, kind: str | None = None) -> Graph:
    """Export `Session.denoise` with the run's own corruption, or another `kind`.

    Inputs: images (n, C, H, W), field (n, F, H, W) as `field` draws it, level (). Outputs: corrupted and reconstruction
    (n, C, H, W), visible (n, 1, H, W) (1, or 0 where a pixel is hidden), and per image sse_before, sse_after,
    ssim_before, ssim_after (n,), of the corrupted images and of the reconstructions, as in `foundation.metrics`; no
    SSIM for pictures with a side below 3 pixels. Raises as `decoder` does, and `BadInput` for an unknown kind.
    """
    return exported(session, "denoiser", kind)


def exported(session: Session, part: str, kind: str | None = None, epoch: int | None = None) -> Graph:
    """Export one of `PARTS` by its name: a denoiser with the corruption `kind`, a decoder as it was after an `epoch` of
    `Session.snapshots`. Raises as the part does, and `BadInput` if no weights of that epoch are kept.
    """
    return _cached(session, _network(session, part, kind, epoch), epoch)


def content(session: Session, part: str, kind: str | None = None) -> bytes:
    """Export a part without the cache, of any size, and return the bytes. Raises `AecoreError`."""
    network = _network(session, part, kind)
    with _turn:
        return _content(session, network)


def field(session: Session, kind: str | None, n: int, seed: int) -> Float32[np.ndarray, "n f h w"]:
    """Draw the noise field that `Session.denoise` draws with `seed` for `n` images. Raises `BadInput`."""
    if not 1 <= n <= MAX_FIELDS:
        raise BadInput(f"noise is drawn for 1 to {MAX_FIELDS} images at once, not {n}")
    if not 0 <= seed < 2**63:
        raise BadInput("a seed is a whole number from 0 to 2⁶³ − 1")
    drawn = session.corruption(kind).field((n, *session.shape), torch.Generator().manual_seed(seed))
    return np.ascontiguousarray(drawn.numpy(), np.float32)


def find(name: str) -> Graph | None:
    """Find the graph called `name` in the cache; None if it is not there."""
    path = folder() / name
    with contextlib.suppress(OSError):
        if NAME.fullmatch(name) and path.is_file():
            return Graph(path, path.stat().st_size)
    return None


def compressed(graph: Graph) -> Path:
    """Compress the file by gzip, beside it, unless that has been done."""
    path = graph.path.with_suffix(".onnx.gz")
    if not path.is_file():
        with _turn:
            _write(path, gzip.compress(graph.path.read_bytes(), mtime=0))
    return path


def signature(content: bytes) -> str:
    """Describe inputs and outputs of an ONNX file, such as `code (n, 16) → picture (n, 1, 28, 28)`."""
    import onnx

    network = onnx.load_from_string(content).graph

    def described(values: Any) -> str:
        sizes = [[str(d.dim_param or d.dim_value) for d in value.type.tensor_type.shape.dim] for value in values]
        return ", ".join(f"{value.name} ({', '.join(size)})" for value, size in zip(values, sizes, strict=True))

    return f"{described(network.input)} → {described(network.output)}"


def folder() -> Path:
    """Return the folder of the cache."""
    return cache_home() / "graphs"


# --- making and caching ----------------------------------------------------------------------------------------------


def _network(session: Session, part: str, kind: str | None, epoch: int | None = None) -> onnx_model.Network:
    match part:
        case "decoder":
            return onnx_model.Decoding(session.model_at(epoch), session.bounded)
        case "encoder":
            return onnx_model.Encoding(session.model, session.bounded)
        case "denoiser":
            return onnx_model.Denoising(session.model, session.bounded, session.corruption(kind), session.shape)
        case _:
            raise BadInput(f"there is no part {part!r} to export; there are: {', '.join(PARTS)}")


def _cached(session: Session, network: onnx_model.Network, epoch: int | None) -> Graph:
    """Take the graph from the cache, or make it; of several threads that ask for one, the first makes it."""
    contents = [FORMAT, __version__, torch.__version__, network.about(), session.shape, session.weights_hash]
    contents += [] if epoch is None else [epoch]
    config = session.config.model_dump(mode="json")
    key = hashlib.sha256(json.dumps([contents, config], sort_keys=True).encode()).hexdigest()[:32]
    pointer = folder() / f"{key}.key"
    found = _pointed_at(pointer)
    if found is None:
        with _turn:
            found = _pointed_at(pointer) or _made(session, network, pointer)
    return found


def _made(session: Session, network: onnx_model.Network, pointer: Path) -> Graph:
    """Make the graph and its key."""
    content = _content(session, network)
    if len(content) > CACHE_BYTES // 4:
        size = f"{len(content) / 1e6:.0f} MB"
        raise AecoreError(f"this model takes {size}, more than a browser is sent; aecore export writes it to a file")
    path = folder() / f"{hashlib.sha256(content).hexdigest()[:16]}.onnx"
    _write(path, content)
    _write(pointer, path.name.encode())
    return Graph(path, len(content))


def _write(path: Path, content: bytes) -> None:
    """Write a file into the cache, and delete old ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, content)
    with contextlib.suppress(OSError):
        touch(path)
        prune(path.parent, CACHE_BYTES)


def _pointed_at(pointer: Path) -> Graph | None:
    """Find the graph that a key names; None if it is missing or damaged."""
    try:
        found = find(pointer.read_text("ascii"))
        if found is None or not _intact(str(found.path), found.path.stat().st_ino, found.size):
            return None
    except (OSError, ValueError):
        return None
    for path in (pointer, found.path):
        with contextlib.suppress(OSError):
            touch(path)
    return found


def _content(session: Session, network: onnx_model.Network) -> bytes:
    return onnx_model.onnx_bytes(network, network.ports(*_examples(session)), _about(session, network))


def _about(session: Session, network: onnx_model.Network) -> dict[str, str]:
    return {
        **network.about(),
        "format": str(FORMAT),
        "recipe": session.config.recipe,
        "shape": json.dumps(session.shape),
        "code_dim": str(session.code_dim),
    }


def _examples(session: Session) -> tuple[Tensor, Tensor]:
    """Choose example images and codes, the same on each machine.

    Codes: stored ones, those of pure noise, and random ones with twice their standard deviation. Images: pure noise,
    and a third of those codes, decoded.
    """
    noise = metrics.noise_images(session.shape, n=EXAMPLES)
    stored = session.codes[list(geometry.evenly(len(session.codes), EXAMPLES))]
    codes = np.concatenate([stored, session.encode(noise)])
    drawn = np.random.default_rng(0).normal(codes.mean(0), 2 * codes.std(0), (EXAMPLES, session.code_dim))
    codes = np.concatenate([codes, drawn.astype(np.float32)])
    images = np.concatenate([noise, session.decode(codes[::3])])
    return torch.from_numpy(images), torch.from_numpy(codes)


@functools.lru_cache(maxsize=512)
def _intact(path: str, inode: int, size: int) -> bool:
    """True if the hash of the file's content is its name; cached until the file is replaced."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest().startswith(Path(path).stem)
