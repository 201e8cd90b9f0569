"""Which names this server answers to, and which pages may talk to it. No name is ever looked up."""

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import NamedTuple

import psutil

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?\.?)(?::([0-9]{1,5}))?")
_ORIGIN = re.compile(r"(https?)://([^/?#@\\\s]+)", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
WILDCARDS = ("", "0.0.0.0", "::")
"""Addresses that listen on every interface; "" is Streamlit's default."""


class Host(NamedTuple):
    """A name or address in lower case, without brackets and final dot, and the port if one was given."""

    name: str
    port: int | None


class Origin(NamedTuple):
    """The page that sent a request."""

    scheme: str
    host: Host

    @property
    def port(self) -> int:
        return self.host.port if self.host.port is not None else _DEFAULT_PORTS[self.scheme]


def parse_host(text: str) -> Host | None:
    """Return the host of a `Host` header; None if it is malformed."""
    found = _HOST.fullmatch(text)
    if found is None:
        return None
    name, port = found[1].lower(), None if found[2] is None else int(found[2])
    if port is not None and not 1 <= port <= 65535:
        return None
    if name.startswith("["):
        try:
            return Host(ipaddress.IPv6Address(name[1:-1]).compressed, port)
        except ValueError:
            return None
    return Host(name.removesuffix("."), port)


def parse_origin(text: str) -> Origin | None:
    """Return the origin of an `Origin` header; None if it is malformed, `null`, or no web page's."""
    found = _ORIGIN.fullmatch(text)
    host = None if found is None else parse_host(found[2])
    return None if found is None or host is None else Origin(found[1].lower(), host)


def same_origin(origin: Origin, host: Host, scheme: str) -> bool:
    """True if a page of `origin` belongs to the server that was addressed as `host` by `scheme`.

    A request that came by http may have been sent by https to a proxy before this server, so only http is refused
    where the server knows that it was asked by https.
    """
    if scheme == "https" and origin.scheme != "https":
        return False
    port = host.port if host.port is not None else _DEFAULT_PORTS[origin.scheme]
    return (origin.host.name, origin.port) == (host.name, port)


def is_loopback(address: str) -> bool:
    """True if only this machine reaches a server that listens at `address`."""
    if address.lower() == "localhost":
        return True
    try:
        found = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback


def normal_name(name: str) -> str | None:
    """Return a name as browsers send it in `Host`, without its port; None if it is no host's name."""
    bare = f"[{name}]" if name.count(":") > 1 and not name.startswith("[") else name
    try:
        found = parse_host(bare if bare.isascii() else bare.encode("idna").decode())
    except UnicodeError:
        return None
    return None if found is None else found.name


class AllowedHosts:
    """The names by which this server may be addressed; a page whose name was made to point here has another one."""

    def __init__(self, address: str, named: Iterable[str] = ()) -> None:
        """`address` is where the server listens, `named` what its owner allows besides."""
        names = {*_LOOPBACK, *(normal_name(name) for name in (address, *named) if name)}
        self._everywhere = address in WILDCARDS
        if self._everywhere:
            own = socket.gethostname().lower()
            names |= {own, f"{own.partition('.')[0]}.local"}  # the second is how the machine is found without a server
        self._names = {name for name in names if name and name not in WILDCARDS}

    def __contains__(self, host: Host) -> bool:
        if host.name not in self._names and self._everywhere:
            self._names |= _own_addresses()  # read anew for a name not known yet: a laptop's address changes
        return host.name in self._names


def _own_addresses() -> set[str]:
    return {
        one.address.partition("%")[0].lower()
        for addresses in psutil.net_if_addrs().values()
        for one in addresses
        if one.family in (socket.AF_INET, socket.AF_INET6)
    }
