"""Names in `Host` and `Origin`: what is parsed, what is the same, what this server answers to. Nothing is looked up."""

import socket
import string
from types import SimpleNamespace

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.guard.hosts import AllowedHosts, Host, Origin, is_loopback, normal_name, parse_host, parse_origin, same_origin

LABELS = some.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)
NAMES = some.lists(LABELS, min_size=1, max_size=4).map(".".join)
PORTS = some.integers(1, 65535)
DEFAULTS = {"http": 80, "https": 443}


@pytest.fixture(autouse=True)
def no_look_ups(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        pytest.fail(f"looked up {arguments}")

    for name in ("getaddrinfo", "gethostbyname", "gethostbyaddr", "getfqdn"):
        monkeypatch.setattr(socket, name, refuse)


@given(NAMES, PORTS, some.booleans())
def test_names_and_ports_are_found(name, port, final_dot):
    dot = "." if final_dot else ""
    assert parse_host(f"{name}{dot}:{port}") == parse_host(f"{name.upper()}{dot}:{port}") == Host(name, port)
    assert parse_host(f"{name}{dot}") == Host(name, None)


@given(some.ip_addresses(v=6), PORTS)
def test_addresses_are_found_however_they_are_written(address, port):
    for written in (address.compressed, address.exploded, address.exploded.upper()):
        assert parse_host(f"[{written}]:{port}") == Host(address.compressed, port)
        assert normal_name(written) == address.compressed


@given(some.text(max_size=40))
def test_any_text_is_a_host_or_none(text):
    found = parse_host(text)
    if found is not None:
        assert text.isascii()
        assert not set(text) & set("/?#@\\ \t\r\n,'\"<>%")
        assert found.name == found.name.lower() != ""
        assert found.port is None or 1 <= found.port <= 65535


@pytest.mark.parametrize(
    "text",
    ["", ".", ":80", "a:", "a:0", "a:65536", "a:٣", "a:80:80", "user@a", "a/b", "a b", "[::1", "::1", "[x]", "a%00",
     "-a", "a..", "1.2.3.4:+80", "a\n", "[::1]x", "[fe80::1%eth0]", "café"],
)  # fmt: skip
def test_malformed_hosts_are_none(text):
    assert parse_host(text) is None


@given(some.sampled_from(["http", "https"]), NAMES, some.none() | PORTS)
def test_a_page_is_of_the_server_whose_name_and_port_it_has(scheme, name, port):
    origin = parse_origin(f"{scheme}://{name}" + (f":{port}" if port else ""))
    assert origin == Origin(scheme, Host(name, port))
    assert same_origin(origin, Host(name, port), "http")
    assert same_origin(origin, Host(name, origin.port), scheme)
    assert same_origin(origin, Host(name, None), "http") == (origin.port == DEFAULTS[scheme])
    assert not same_origin(origin, Host(f"x{name}", port), scheme)
    assert not same_origin(origin, Host(name, origin.port % 65535 + 1), scheme)
    assert same_origin(origin, Host(name, port), "https") == (scheme == "https"), "known to be encrypted"


@pytest.mark.parametrize(
    "text",
    ["", "null", "file://", "http://", "https:///x", "http://a/b", "http://u@a", "ws://a", "http://a b", "//a", "a"],
)
def test_what_is_no_page_s_origin_is_none(text):
    assert parse_origin(text) is None


@pytest.mark.parametrize(
    ("address", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("::ffff:127.0.0.1", True),
     ("", False), ("0.0.0.0", False), ("::", False), ("192.168.1.5", False), ("::ffff:10.0.0.1", False),
     ("localhost.evil", False)],
)  # fmt: skip
def test_only_loopback_is_loopback(address, loopback):
    assert is_loopback(address) == loopback


def test_a_server_on_loopback_has_its_names_only():
    allowed = AllowedHosts("127.0.0.1")
    for text in ("localhost", "LOCALHOST:1", "127.0.0.1:8501", "[::1]:8501", "[0:0:0:0:0:0:0:1]", "localhost."):
        assert parse_host(text) in allowed, text
    for text in ("evil.example", "0.0.0.0", "127.0.0.2", "localhost.evil.example", socket.gethostname() + "x"):
        assert parse_host(text) not in allowed, text


def test_what_is_allowed_is_added_and_nothing_besides():
    allowed = AllowedHosts("192.168.7.7", ["School.Example", "schüle.example", "fe80::5", "0.0.0.0"])
    for text in (
        "192.168.7.7:1",
        "school.example",
        "school.example.:443",
        "schüle.example".encode("idna").decode(),
        "[fe80::5]",
        "localhost",
    ):
        assert parse_host(text) in allowed, text
    for text in ("x.school.example", "192.168.7.8", "0.0.0.0"):
        assert parse_host(text) not in allowed, text


def test_a_server_on_every_interface_has_the_machine_s_names_and_addresses(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "Room-5.school")
    address = SimpleNamespace(family=socket.AF_INET, address="10.1.2.3")
    other = SimpleNamespace(family=socket.AF_INET6, address="FE80::7%eth0")
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: {"eth0": [address, other]})
    for listening in ("0.0.0.0", "::", ""):
        allowed = AllowedHosts(listening)
        for text in ("room-5.school:8501", "room-5.local", "10.1.2.3", "[fe80::7]:80", "localhost"):
            assert parse_host(text) in allowed, text
        for text in ("10.1.2.4", "0.0.0.0", "room-5", "evil.example"):
            assert parse_host(text) not in allowed, text
