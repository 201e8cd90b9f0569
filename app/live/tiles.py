"""Small pictures of a run's dataset in blocks, which a live part fetches when it shows them."""

import functools

import numpy as np

from aecore.foundation.errors import BadInput
from aecore.pictures import sheets
from aecore.session.session import Session
from app import cache

BLOCK = 64
"""Images in a block: about 15 kB of digits."""
MAX_BLOCKS = 512
"""Blocks held in memory, about 8 MB of digits."""


def addresses(session: Session) -> str:
    """The address of the blocks of a run's dataset, with `{}` for the block's number. Raises `DataUnavailable`."""
    return f"/live/images/{session.run_id}/{_name(session)}/{{}}.png"


def block(session: Session, data: str, number: int) -> bytes:
    """`BLOCK` images from position `BLOCK` · number as one PNG, see `sheets.tiles`.

    Raises `BadInput` if there is no such block, `DataUnavailable` without the dataset.
    """
    if data != _name(session) or number * BLOCK >= len(session.data):
        raise BadInput("there is no such block of images; reload the page, which may be older than the data")
    return _block(session.run_id, data, number)


@functools.lru_cache(maxsize=MAX_BLOCKS)
def _block(run_id: str, _: str, number: int) -> bytes:
    # The cache is keyed by ids, because a session as key would stay in memory.
    data = cache.session(run_id).data
    start = number * BLOCK
    return sheets.png(sheets.tiles(data.floats(np.arange(start, min(start + BLOCK, len(data))))))


def _name(session: Session) -> str:
    return session.data.hash[:16]
