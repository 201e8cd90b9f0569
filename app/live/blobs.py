"""Content-addressed bytes for a page's components: fetched by URL instead of sent with every redraw of the page.

The name is a hash of the content, so a browser fetches it once and every visitor shares it.
"""

import gzip
import hashlib
import threading
from dataclasses import dataclass

import cachetools

MAX_BYTES = 64 * 2**20
"""All blobs together, compressed; the least recently used are dropped first."""
MIN_COMPRESSED = 1024
"""Bytes from which compression is worthwhile."""


@dataclass(frozen=True)
class Blob:
    """Content of a media type; `packed` if it is compressed with gzip."""

    content: bytes
    media_type: str
    packed: bool

    @property
    def plain(self) -> bytes:
        return gzip.decompress(self.content) if self.packed else self.content


def bounded(max_bytes: int) -> cachetools.LRUCache[str, Blob]:
    """Make a table of blobs that holds `max_bytes`; a single larger blob is held too, as the only one."""
    return cachetools.LRUCache(max_bytes, lambda blob: min(len(blob.content), max_bytes))


_blobs = bounded(MAX_BYTES)
_lock = threading.Lock()


def put(content: bytes, media_type: str = "application/octet-stream") -> str:
    """Store `content` and return its URL below the app's base. Pictures, already compressed, are stored as they are."""
    name = hashlib.sha256(media_type.encode() + b"\0" + content).hexdigest()[:32]
    if get(name) is None:
        packed = len(content) >= MIN_COMPRESSED and not media_type.startswith("image/")
        blob = Blob(gzip.compress(content, 6, mtime=0) if packed else content, media_type, packed)
        with _lock:
            _blobs[name] = blob
    return f"/live/blob/{name}"


def get(name: str) -> Blob | None:
    """Return the blob of this name, the last part of its URL; None if it was dropped or never stored."""
    with _lock:
        return _blobs.get(name)
