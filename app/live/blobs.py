"""Bytes that a page's live part fetches by their content's name: made while the page is drawn, the same for everybody.

What is sent by a message comes anew with each redraw; what has an address comes once, and the browser keeps it.
"""

import gzip
import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass

MOST_BYTES = 64 * 2**20
"""Of all blobs together, compressed; those not asked for longest go first."""
_SIZE = 1024
"""Bytes from which compressing is worth its while."""


@dataclass(frozen=True)
class Blob:
    """`packed` where `content` is compressed (gzip)."""

    content: bytes
    media_type: str
    packed: bool

    @property
    def plain(self) -> bytes:
        return gzip.decompress(self.content) if self.packed else self.content


_blobs: OrderedDict[str, Blob] = OrderedDict()
_lock = threading.Lock()


def put(content: bytes, media_type: str = "application/octet-stream") -> str:
    """Keeps `content` and returns its address below the app's base; pictures are compressed already."""
    name = hashlib.sha256(media_type.encode() + b"\0" + content).hexdigest()[:32]
    address = f"/live/blob/{name}"
    with _lock:
        if name in _blobs:
            _blobs.move_to_end(name)
            return address
    packed = len(content) >= _SIZE and not media_type.startswith("image/")
    blob = Blob(gzip.compress(content, 6, mtime=0) if packed else content, media_type, packed)
    with _lock:
        _blobs[name] = blob
        while sum(len(kept.content) for kept in _blobs.values()) > MOST_BYTES and len(_blobs) > 1:
            _blobs.popitem(last=False)
    return address


def get(name: str) -> Blob | None:
    """The blob of that name (the last part of its address); None when there is none any more."""
    with _lock:
        if name in _blobs:
            _blobs.move_to_end(name)
        return _blobs.get(name)
