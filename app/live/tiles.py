"""Small pictures of a run's dataset in blocks, fetched by a live part when it comes to show them."""

import functools

import numpy as np

from aecore.foundation.errors import BadInput
from aecore.pictures import sheets
from aecore.session.session import Session
from app import cache

BLOCK = 64
"""Images in a block: some 15 kB of digits."""
KEPT = 512
"""Blocks held in memory, some 8 MB of digits."""


def addresses(session: Session) -> str:
    """Where the blocks of a run's dataset are; `{}` stands for the block's number. Raises `DataUnavailable`."""
    return f"/live/images/{session.run_id}/{_name(session)}/{{}}.png"


def block(session: Session, data: str, number: int) -> bytes:
    """Images `BLOCK` · number and on as one PNG, see `pictures.tiles`. Raises `BadInput`, `DataUnavailable`."""
    if data != _name(session) or number * BLOCK >= len(session.data):
        raise BadInput("there is no such block of images; reload the page, which may be older than the data")
    return _block(session.run_id, data, number)


@functools.lru_cache(maxsize=KEPT)
def _block(run_id: str, _: str, number: int) -> bytes:
    # By names, so that what is kept here keeps no session alive.
    data = cache.session(run_id).data
    start = number * BLOCK
    return sheets.png(sheets.tiles(data.floats(np.arange(start, min(start + BLOCK, len(data))))))


def _name(session: Session) -> str:
    return session.data.hash[:16]
