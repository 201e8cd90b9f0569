"""Attacks over the network on one shared server: foreign names and pages, stolen visits, floods of files and tabs."""

import contextlib
import http.client
import os
import re
import resource
import socket
import stat
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import websockets
from server import ROOT, server
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from app.guard.limits import MAX_CONNECTIONS_OF_ONE
from app.guard.sessions import MAX_NAMES, is_for_pages

MB = 2**20
SECONDS = 30
"""Within which a state must come about."""
HEADERS = {
    "content-security-policy", "x-frame-options", "x-content-type-options", "referrer-policy",
    "cross-origin-opener-policy", "cross-origin-resource-policy", "permissions-policy",
}  # fmt: skip


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    cookies: list[str]
    body: bytes

    @property
    def line(self) -> str:
        (line,) = self.body.decode().splitlines()
        return line


@dataclass
class Site:
    """The server under attack."""

    port: int
    pid: int
    home: Path
    log: Path
    asked: list[bytes]
    """What it asked of the proxy to which it would send every request that leaves the machine."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request; a name's "_" stands for "-". A `Content_Length` of its own announces a body that never comes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        with contextlib.closing(connection):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.putrequest(method, path, skip_host="Host" in named, skip_accept_encoding=True)
            for name, value in named.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            found = connection.getresponse()
            cookies = [value for name, value in found.getheaders() if name.lower() == "set-cookie"]
            return Answer(found.status, {k.lower(): v for k, v in found.getheaders()}, cookies, found.read())

    def healthy(self) -> bool:
        return self.ask("GET", "/_stcore/health").body == b"ok"


@dataclass
class Visitor:
    """A browser: its cookies, and its open visits."""

    site: Site
    cookies: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in ("/", "/_stcore/health"):  # as the client does: the page, then the health check with its XSRF token
            self.keep(self.site.ask("GET", path, Cookie=self.cookie))

    @property
    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def keep(self, answer: Answer) -> None:
        for text in answer.cookies:
            name, value = text.partition(";")[0].split("=", 1)
            self.cookies[name] = value

    def open(self, session: str = "", **headers: str) -> ClientConnection:
        protocols = ["streamlit", self.cookies.get("_streamlit_xsrf", "none"), session or "none"]
        return connect(
            f"ws://{self.site.host}/_stcore/stream", subprotocols=[websockets.Subprotocol(one) for one in protocols],
            additional_headers={"Cookie": self.cookie, **headers}, max_size=None, max_queue=None, ping_interval=None,
            open_timeout=SECONDS, proxy=None,
        )  # fmt: skip

    def upload(self, session: str, body: bytes | None = None, length: int | None = None) -> Answer:
        file = uuid.uuid4()
        form = (
            None
            if body is None
            else b'--x\r\nContent-Disposition: form-data; name="f"; filename="f.png"\r\n\r\n%b\r\n--x--\r\n'
        )
        headers = {"Cookie": self.cookie, "X_Xsrftoken": self.cookies["_streamlit_xsrf"]}
        headers["Content_Type"] = "multipart/form-data; boundary=x"
        if length is not None:
            headers["Content_Length"] = str(length)
        sent = form % body if form is not None and body is not None else None
        return self.site.ask("PUT", f"/_stcore/upload_file/{session}/{file}", sent, **headers)


def session_of(visit: ClientConnection) -> str:
    """Runs the page of a visit and returns its session's id."""
    message = BackMsg()
    message.rerun_script.SetInParent()
    visit.send(message.SerializeToString())
    while True:
        answer = ForwardMsg()
        answer.ParseFromString(visit.recv(SECONDS))
        if answer.WhichOneof("type") == "new_session":
            return answer.new_session.initialize.session_id


def until_closed(visit: ClientConnection) -> list[str]:
    """Returns the kinds of messages that come until the server has closed a visit."""
    kinds = list[str]()
    with contextlib.suppress(websockets.exceptions.ConnectionClosed):
        while True:
            answer = ForwardMsg()
            answer.ParseFromString(visit.recv(SECONDS))
            kinds.append(str(answer.WhichOneof("type")))
    return kinds


def until(state: object, what: str) -> None:
    """Waits until `state()` is true."""
    assert callable(state)
    limit = time.monotonic() + SECONDS
    while not state():
        assert time.monotonic() < limit, f"not within {SECONDS} s: {what}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A shared server that may have few files open at first, and sends what leaves the machine to a proxy of ours."""
    home = tmp_path_factory.mktemp("home")
    asked: list[bytes] = []
    proxy = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_record, args=(proxy, asked), daemon=True).start()
    address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
    outside = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), address)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        stack.callback(proxy.close)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        options = ["--shared", "--quota", "upload_megabytes=40", "--quota", "all_upload_megabytes=48"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "", "no_proxy": "", **outside}
        url, pid = stack.enter_context(server(home, log=home / "log", env=environment, options=options))
        (child,) = [one for one in psutil.Process(pid).children() if "streamlit" in " ".join(one.cmdline())]
        yield Site(int(url.rpartition(":")[2]), child.pid, home, home / "log", asked)


def _record(proxy: socket.socket, asked: list[bytes]) -> None:
    with contextlib.suppress(OSError):  # until it is closed
        while True:
            connection, _ = proxy.accept()
            asked.append(connection.recv(1000))
            connection.close()


@pytest.fixture
def visitor(site: Site) -> Visitor:
    return Visitor(site)


def refused(visitor: Visitor, **headers: str) -> tuple[int, str]:
    """The status and line with which a handshake is refused."""
    with pytest.raises(websockets.exceptions.InvalidStatus) as failed:
        visitor.open(**headers)
    response = failed.value.response
    return response.status_code, bytes(response.body or b"").decode().strip()


# --- foreign pages and names


def test_a_foreign_page_s_websocket_is_refused_without_a_look_up(site, visitor):
    for _ in range(10):
        status, line = refused(visitor, Origin="http://evil.example")
        assert status == 403
        assert "another site's page" in line
        assert site.healthy()
    assert site.asked == [], "the server asked the network for its own address"


@pytest.mark.parametrize(
    "origin", ["http://localhost:1", "http://127.0.0.1:1", "null", "http://127.0.0.1", "file://", "x"]
)
def test_another_port_and_no_page_are_foreign_too(site, visitor, origin):
    assert refused(visitor, Origin=origin)[0] == 403
    assert site.asked == []


def test_its_own_page_and_programs_may_connect(site, visitor):
    for headers in ({"Origin": f"http://{site.host}"}, {}):
        with visitor.open(**headers) as visit:
            assert session_of(visit)
    assert site.asked == []


def test_a_name_that_was_made_to_point_here_is_refused(site, visitor):
    """DNS rebinding: name and page are both the attacker's, so they agree with each other."""
    evil = {"Host": f"evil.example:{site.port}", "Origin": f"http://evil.example:{site.port}"}
    answer = site.ask("GET", "/", **evil)
    assert answer.status == 421
    assert "--allow-host evil.example" in answer.line
    with socket.create_connection(("127.0.0.1", site.port), SECONDS) as raw:
        lines = [
            "GET /_stcore/stream HTTP/1.1", *(f"{name}: {value}" for name, value in evil.items()), "Upgrade: websocket",
            "Connection: Upgrade", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13", "", "",
        ]  # fmt: skip
        raw.sendall("\r\n".join(lines).encode())
        assert raw.recv(1000).startswith(b"HTTP/1.1 421")
    assert site.asked == []


@pytest.mark.parametrize("host", ["", "evil@127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999", "127.0.0.1/x", "[::1"])
def test_a_malformed_name_is_refused(site, host):
    assert site.ask("GET", "/", Host=host).status == 400


def test_a_foreign_page_changes_nothing(site, visitor):
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}):
        answer = site.ask("PUT", "/_stcore/upload_file/a/b", b"", Cookie=visitor.cookie, **headers)
        assert answer.status == 403
    assert site.ask("POST", "/", b"").status == 405
    assert site.ask("OPTIONS", "/_stcore/health").status == 405


# --- what is open


@pytest.mark.parametrize(
    "path",
    ["/_stcore/metrics", "/_stcore/agent/openapi.json", "/_stcore/agent/interact", "/_stcore/script-health-check",
     "/_stcore", "/_stcore/", "/_stcore/bidi-components/a/b", "/walk/_stcore/metrics", "/auth/login", "/auth/logout",
     "/oauth2callback", "/component/a/b", "/_stcore/stream", "//_stcore/metrics", "/%5fstcore/metrics"],
)  # fmt: skip
def test_streamlit_s_other_addresses_answer_404(site, path):
    assert site.ask("GET", path).status in (404, 400), path


def test_every_answer_has_the_headers(site, visitor):
    index = site.ask("GET", "/walk")
    script = re.search(rb'src="\./(static/js/[^"]+)"', index.body)
    assert script is not None
    answers = [
        index, site.ask("GET", "/" + script[1].decode()), site.ask("GET", "/_stcore/health"),
        site.ask("GET", "/_stcore/metrics"), site.ask("GET", "/media/none.png"), site.ask("GET", "/live/blob/none"),
        site.ask("GET", "/live/dist/none"), site.ask("GET", "/../x"), site.ask("POST", "/", b""),
        site.ask("GET", "/", Host="evil.example"), site.ask("GET", "/teacher/none"), visitor.upload("none", b""),
        site.ask("GET", "/_stcore/health", Origin="http://evil.example"),
    ]  # fmt: skip
    for answer in answers:
        assert set(answer.headers) >= HEADERS, answer
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["x-frame-options"] == "DENY"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        scripts = policy.partition("script-src ")[2].partition(";")[0]
        assert "unsafe-inline" not in scripts
        assert "'unsafe-eval'" not in scripts
        assert "http:" not in policy


# --- visits of others


def test_a_stolen_session_is_not_resumed(site, visitor):
    broken = visitor.open()
    stolen = session_of(broken)
    thief = Visitor(site)
    with thief.open(stolen) as visit:
        assert session_of(visit) != stolen, "while its owner is connected"
    broken.socket.shutdown(socket.SHUT_RDWR)  # as when a network breaks: no word of farewell
    with thief.open(stolen, **{"X-Aecore-Visitor": "0" * 16, "X-Aecore-Role": "operator"}) as visit:
        assert session_of(visit) != stolen, "while its owner is away"
    with visitor.open(stolen) as visit:
        assert session_of(visit) == stolen, "its owner comes back"


def test_files_are_sent_to_one_s_own_visit_only(site, visitor):
    with visitor.open() as visit:
        session = session_of(visit)
        thief = Visitor(site)
        assert thief.upload(session, b"x").status == 403
        delete = site.ask("DELETE", f"/_stcore/upload_file/{session}/a", Cookie=thief.cookie,
                          X_Xsrftoken=thief.cookies["_streamlit_xsrf"])  # fmt: skip
        assert delete.status == 403
        assert visitor.upload(session, b"x").status == 204


def test_the_cookie_is_a_secret_of_the_browser(site):
    (cookie,) = site.ask("GET", "/maps").cookies
    assert re.fullmatch(
        r"aecore_visitor_[0-9a-f]{8}=[0-9a-f]{32}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax", cookie
    )
    name = cookie.partition("=")[0]
    assert site.ask("GET", "/maps", Cookie=cookie.partition(";")[0]).cookies == []
    for malformed in ("", "x", "0" * 31, "0" * 33, "G" * 32):
        assert len(site.ask("GET", "/maps", Cookie=f"{name}={malformed}").cookies) == 1
    assert site.ask("GET", "/live/dist/none").cookies == [], "a file of the page must not change who one is"


# --- floods


def test_a_flood_of_files_is_refused_before_it_is_read(site, visitor):
    with visitor.open() as visit:
        session = session_of(visit)
        before = psutil.Process(site.pid).memory_info().rss
        assert visitor.upload(session, length=None).status == 411
        assert visitor.upload(session, length=41 * MB).status == 413
        assert visitor.upload(session, bytes(30 * MB)).status == 204
        for _ in range(20):
            answer = visitor.upload(session, length=30 * MB)  # announced, never sent
            assert answer.status == 413
            assert "40 MB" in answer.line
        assert psutil.Process(site.pid).memory_info().rss - before < 150 * MB
        # Another visitor has what is left, and the whole once the first has gone.
        other = Visitor(site)
        with other.open() as theirs:
            second = session_of(theirs)
            assert other.upload(second, length=30 * MB).status == 413
            assert other.upload(second, bytes(MB)).status == 204
            visit.close()
            until(lambda: other.upload(second, bytes(30 * MB)).status == 204, "the room of a closed tab is free")


def test_a_browser_has_so_many_tabs_and_no_more(site, visitor):
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS_OF_ONE):
            stack.enter_context(visitor.open())
        status, line = refused(visitor)
        assert status == 429
        assert "close some" in line
        stack.enter_context(Visitor(site).open())


def test_a_visit_without_a_cookie_is_refused(site):
    """Each would be another visitor, with another share of the connections."""
    stranger = Visitor(site)
    stranger.cookies = {name: value for name, value in stranger.cookies.items() if name.startswith("_streamlit")}
    assert refused(stranger) == (403, "the visit has no cookie of this server; allow it cookies and reload the page")


def test_several_tabs_of_one_browser_share_the_room_for_files(site, visitor):
    with visitor.open() as one, visitor.open() as other:
        sessions = session_of(one), session_of(other)
        assert visitor.upload(sessions[0], bytes(30 * 2**20)).status == 204
        assert visitor.upload(sessions[1], length=30 * 2**20).status == 413


def test_nobody_empties_everybody_s_caches(site, visitor):
    """Streamlit does what these messages ask for, whoever sends them."""
    with visitor.open() as visit:
        session_of(visit)
        for name in ("clear_cache", "set_run_on_save", "debug_shutdown_runtime", "debug_disconnect_websocket"):
            visit.send(BackMsg(**{name: True}).SerializeToString())
        visit.send(b"no message at all")
        session_of(visit)  # the page still runs
    assert site.healthy()
    for name in ("clear_cache", "load_git_info", "set_run_on_save", "debug_shutdown_runtime"):
        assert not is_for_pages(BackMsg(**{name: True}).SerializeToString())
    assert is_for_pages(BackMsg(app_heartbeat=True).SerializeToString())


def test_visits_that_end_leave_nothing_open(site):
    process = psutil.Process(site.pid)
    soft, hard = process.rlimit(psutil.RLIMIT_NOFILE)
    assert soft == hard, "the server allows itself as many open files as it may"
    for visitor in (Visitor(site) for _ in range(3)):  # what the first visits load stays
        with visitor.open() as visit:
            session_of(visit)
    before = process.num_fds()
    with contextlib.ExitStack() as stack:
        visitors = [Visitor(site) for _ in range(4)]
        for visit in [stack.enter_context(visitors[n % 4].open()) for n in range(25)]:
            session_of(visit)
        assert process.num_fds() >= before + 25
    until(lambda: process.num_fds() <= before + 8, "the descriptors of closed tabs are free")


# --- the teacher


def test_the_teacher_s_link_is_a_secret(site):
    path = site.home / "teacher-secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = path.read_text()
    assert f"/teacher/{secret}" in site.log.read_text()
    assert "not encrypted" in site.log.read_text()
    teacher = Visitor(site)
    answer = site.ask("GET", f"/teacher/{secret}", Cookie=teacher.cookie)
    assert (answer.status, answer.headers["location"], answer.headers["cache-control"]) == (303, "/", "no-store")
    (cookie,) = answer.cookies
    assert re.fullmatch(
        r"aecore_teacher_[0-9a-f]{8}=[0-9a-f]{64}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax", cookie
    )
    assert secret not in cookie
    teacher.keep(answer)
    tried = [site.ask("GET", f"/teacher/{n:032x}").status for n in range(12)]
    assert tried == [404] * tried.count(404) + [429] * tried.count(429)
    assert 0 < tried.count(404) <= 10
    assert site.ask("GET", f"/teacher/{secret}", Cookie=teacher.cookie).status == 303, "wrong links lock nobody out"
    assert site.ask("GET", "/teacher/leave", Cookie=teacher.cookie, Sec_Fetch_Site="cross-site").cookies == []
    with teacher.open() as visit:
        session = session_of(visit)
        left = site.ask("GET", "/teacher/leave", Cookie=teacher.cookie)
        assert left.status == 303
        assert "Max-Age=0" in left.cookies[0]
        until_closed(visit)
    teacher.keep(left)
    with teacher.open(session) as visit:
        assert session_of(visit) != session, "a page that stayed open is a guest's now"


def test_what_a_page_sends_has_its_size(site, visitor):
    """A tab keeps what its widgets hold, many times as large as the message was."""
    with visitor.open() as visit:
        session_of(visit)
        message = BackMsg()
        message.file_urls_request.file_names.extend(["a"] * (MAX_NAMES + 1))
        visit.send(message.SerializeToString())
        message = BackMsg()
        state = message.rerun_script.widget_states.widgets.add()
        state.id, state.json_value = "$$ID-x-y", "[" + "1," * (MB // 2) + "1]"
        visit.send(message.SerializeToString())
        kinds = until_closed(visit)
        assert visit.close_code == 1009, "the message was too big"
        assert "file_urls_response" not in kinds


def test_the_server_logged_no_error(site):
    assert "Traceback" not in site.log.read_text()
