"""How much of the server one visitor, and all of them, may hold: connections and uploads.

An upload is judged by the length that it announces, before a byte of it is read; from then on its bytes are reserved.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Generator

from app.guard import memory, sessions
from app.guard.identity import Identity
from app.state import uploads

MAX_CONNECTIONS, MAX_CONNECTIONS_OF_ONE, MAX_CONNECTIONS_OF_ADDRESS = 600, 8, 400
"""What a browser sent last is kept for each of its tabs, some 10 MB at worst, and its tabs take the others' turns. A
school may share one address, so an address is held to a large part of all only."""
MAX_UPLOADS_OF_ONE = 4
"""Uploads of one visitor that are received at once. Browsers start six, so the others wait."""
MAX_WAITING_OF_ONE = 32
UPLOAD_SECONDS, SLOWEST_BYTES_A_SECOND = 30.0, 40_000
"""A sender who takes longer than this holds room that others need."""
MB = 2**20


class Refused(Exception):
    """A request that is not served; `words` say what to do."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


class Connections:
    """Counts the open websockets."""

    def __init__(self, most_memory: float = memory.MOST) -> None:
        """`most_memory`: bytes that this process may hold when another websocket is let in."""
        self._most_memory = most_memory
        self._open, self._addresses = Counter[str](), Counter[str]()

    @contextlib.contextmanager
    def one(self, visitor: str, address: str) -> Generator[None]:
        """Hold a connection. Raises `Refused` where the visitor, the address, or everybody together, has too many."""
        if self._open[visitor] >= MAX_CONNECTIONS_OF_ONE:
            raise Refused(429, f"at most {MAX_CONNECTIONS_OF_ONE} tabs can be open in one browser; close some of them")
        if self._open.total() >= MAX_CONNECTIONS or self._addresses[address] >= MAX_CONNECTIONS_OF_ADDRESS:
            raise Refused(503, "this server is full; try again when somebody has left")
        if memory.used() > self._most_memory:
            raise Refused(503, "this server has no memory left for another visit; try again later")
        self._open[visitor] += 1
        self._addresses[address] += 1
        try:
            yield
        finally:
            _count_down(self._open, visitor)
            _count_down(self._addresses, address)


class Uploads:
    """Lets uploads in as far as there is room for them."""

    def __init__(self, file_megabytes: int, visitor_megabytes: int, all_megabytes: int) -> None:
        self._limits = (file_megabytes * MB, visitor_megabytes * MB, all_megabytes * MB)
        self._coming = Counter[str]()  # {visitor: bytes that are being received}
        self._waiting = Counter[str]()
        self._turns: dict[str, asyncio.Semaphore] = {}

    @contextlib.asynccontextmanager
    async def one(self, identity: Identity, session_id: str, length: str | None) -> AsyncGenerator[None]:
        """Hold the room of an upload while it is received. Raises `Refused`, also when it takes too long."""
        size = self._checked(identity, session_id, length)
        async with self._turn(identity.name):
            self._make_room(identity, size)
            self._coming[identity.name] += size
            try:
                async with asyncio.timeout(UPLOAD_SECONDS + size / SLOWEST_BYTES_A_SECOND):
                    yield
            except TimeoutError:
                raise Refused(408, "the upload took too long; try a smaller file or another network") from None
            finally:
                _count_down(self._coming, identity.name, size)

    def _checked(self, identity: Identity, session_id: str, length: str | None) -> int:
        """Return how long an upload to one's own session is."""
        if not sessions.owns(identity, session_id):
            raise Refused(403, "this upload belongs to no visit of yours; reload the page and try again")
        if length is None or not (length.isascii() and length.isdecimal() and len(length) < 16):
            raise Refused(411, "an upload says how long it is (Content-Length)")
        if int(length) > self._limits[0]:
            raise Refused(413, f"a file may have {self._limits[0] // MB} MB; upload a smaller one")
        return int(length)

    @contextlib.asynccontextmanager
    async def _turn(self, visitor: str) -> AsyncGenerator[None]:
        """Wait until fewer than `MAX_UPLOADS_OF_ONE` uploads of the visitor are received."""
        if self._waiting[visitor] >= MAX_UPLOADS_OF_ONE + MAX_WAITING_OF_ONE:
            raise Refused(429, "too many uploads at once; wait until some have arrived")
        self._waiting[visitor] += 1
        turn = self._turns.setdefault(visitor, asyncio.Semaphore(MAX_UPLOADS_OF_ONE))
        try:
            async with turn:
                yield
        finally:
            _count_down(self._waiting, visitor)
            if visitor not in self._waiting:
                self._turns.pop(visitor, None)

    def _make_room(self, identity: Identity, size: int) -> None:
        _, visitor, everybody = self._limits
        if self._coming[identity.name] + sum(map(_held, sessions.of(identity))) + size > visitor:
            raise Refused(413, f"a visitor may hold {visitor // MB} MB of files; remove some of yours first")
        if self._coming.total() + _held() + size > everybody:
            raise Refused(413, "the visitors of this server hold all the files it has room for; try again later")


def _held(session_id: str | None = None) -> int:
    return sessions.uploaded_bytes(session_id) + uploads.kept_bytes(session_id)


def _count_down(counter: Counter[str], key: str, by: int = 1) -> None:
    """Subtract, and forget a key whose count is 0: there is no end of visitors."""
    counter[key] -= by
    if counter[key] <= 0:
        del counter[key]
