"""Cookies: a visitor is a random token, the teacher a visitor who opened the link with the secret."""

import contextlib
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cachetools

from aecore.store.access import visitor_name
from app.visitor import Access

SECRET = re.compile(r"[0-9a-f]{32}")
SECRET_FILE = "teacher-secret"
YEAR_SECONDS = 365 * 24 * 60 * 60
MAX_TRIES = 10
"""Wrong links a minute and address."""

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Identity:
    """Who sent a request; `token` is the cookie's content, `new` if the browser does not have it yet."""

    token: str
    role: str
    new: bool

    @property
    def name(self) -> str:
        """What pages and runs know of the visitor; the token cannot be found from it."""
        return visitor_name(self.token)


class Cookies:
    """Tells visitors apart by a cookie each; two servers on one host have cookies of different names."""

    def __init__(self, home: Path, access: Access, secret: str) -> None:
        mark = hashlib.sha256(str(home).encode()).hexdigest()[:8]
        self._visitor, self._teacher = f"aecore_visitor_{mark}", f"aecore_teacher_{mark}"
        self._access, self._secret = access, secret

    def identify(self, headers: Iterable[tuple[bytes, bytes]]) -> Identity:
        """Return who sent these headers; someone without a valid cookie gets a new token."""
        found = _cookies(headers)
        token = found.get(self._visitor, "")
        known = SECRET.fullmatch(token) is not None
        if not known:
            token = secrets.token_hex(16)
        if self._access == "read-only":
            role = "reader"
        elif self._access == "alone" or (known and self._is_teacher(token, found.get(self._teacher, ""))):
            role = "operator"
        else:
            role = "guest"
        return Identity(token, role, not known)

    def visitor(self, identity: Identity, secure: bool) -> tuple[bytes, bytes]:
        """The header that gives a visitor their token."""
        return _set_cookie(self._visitor, identity.token, YEAR_SECONDS, secure)

    def teacher(self, identity: Identity, secure: bool) -> tuple[bytes, bytes]:
        """The header that makes a visitor the teacher."""
        return _set_cookie(self._teacher, self._proof(identity.token), YEAR_SECONDS, secure)

    def no_teacher(self, secure: bool) -> tuple[bytes, bytes]:
        """The header that makes the teacher a guest again."""
        return _set_cookie(self._teacher, "", 0, secure)

    def _proof(self, token: str) -> str:
        return hmac.new(self._secret.encode(), token.encode(), hashlib.sha256).hexdigest()

    def _is_teacher(self, token: str, proof: str) -> bool:
        return bool(self._secret) and hmac.compare_digest(self._proof(token).encode(), proof.encode())


def _cookies(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    text = ";".join(value.decode("latin-1") for name, value in headers if name == b"cookie")
    pairs = (part.strip().partition("=") for part in text.split(";"))
    return {name: value for name, _, value in pairs}


def _set_cookie(name: str, value: str, seconds: int, secure: bool) -> tuple[bytes, bytes]:
    text = f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
    return b"set-cookie", text.encode()


def teacher_secret(home: Path) -> str:
    """Return the secret of the teacher's link: that of the home, made now if it has none.

    A home that cannot be written gets another secret at each start.
    """
    path, made = home / SECRET_FILE, secrets.token_hex(16)
    with contextlib.suppress(OSError, UnicodeDecodeError):
        home.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            # Nobody else may read it at any moment, and of two servers that start at once one makes it.
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                file.write(made)
            return made
        kept = path.read_text("ascii").strip()
        if SECRET.fullmatch(kept):
            with contextlib.suppress(OSError):
                path.chmod(0o600)
            return kept
        path.unlink()
        return teacher_secret(home)
    return made


class Tries:
    """Counts the links that were tried from each address within a minute, by the monotonic clock."""

    def __init__(self, most: int = MAX_TRIES) -> None:
        self._most = most
        self._tries: cachetools.TTLCache[str, int] = cachetools.TTLCache(1024, 60)

    def another(self, address: str) -> bool:
        """Count one more from an address; False if there were too many in the last minute."""
        tried = self._tries.get(address, 0)
        if tried >= self._most:
            return False
        self._tries[address] = tried + 1
        return True
