"""A visitor who speaks Streamlit's own websocket protocol, so that no browser competes for the processor.

One `Visitor` is one browser with one cookie. It opens whole pages, moves a control, presses a button, uploads files,
leaves and comes back. Unlike a browser it keeps no cache of messages, and fetches neither scripts nor models.
"""

import asyncio
import http.client
import itertools
import json
import random
import re
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

XSRF_COOKIE = "_streamlit_xsrf"
PICTURE_ERROR = b'class="picture-error"'
"""What a page shows in place of a picture that cannot be drawn."""
PIECES = {"": re.compile(b'class="hero-picture"')} | {
    page: re.compile(rb"\$\$ID-\w+-" + key.encode())
    for page, key in {
        "denoise": "denoise_live", "walk": "walk_stage", "maps": "_map_scatter", "train": "_train_go",
        "runs": "compare_curves",
    }.items()
}  # fmt: skip
"""{page: what is in one of its messages once its main piece is drawn}; "" is Start."""
_CODES = ("digits-denoising", "digits-variational", "digits-deep", "digits-sequence", "patterns-variational")
MIX: dict[str, tuple[dict[str, str], ...]] = {
    "": ({}, {"run": "digits-variational"}),
    "denoise": tuple({"run": run} for run in (*_CODES, "mnist-course-denoising", "shapes-denoising")),
    "walk": tuple({"run": run} for run in (*_CODES, "mnist-variational", "digits-sparse")),
    "maps": tuple({"run": run} for run in _CODES[:4]),
    "train": tuple({"recipe": recipe, "job": "new"} for recipe in ("denoising", "variational", "sparse")),
    "runs": ({},),
}
"""{page: parameters of its links}: whole pages of every kind, with ready-made runs of several kinds."""


def mixed(dice: random.Random) -> tuple[str, dict[str, str]]:
    """Choose a page, and one of its links."""
    page = dice.choice(list(MIX))
    return page, dice.choice(MIX[page])


@dataclass
class Control:
    """A widget of the page: its id, the fragment that it belongs to, and what the server sent."""

    id: str
    fragment: str
    element: Any


class Visitor:
    """A browser with one cookie and at most one open tab; `errors` says what went wrong on its pages."""

    def __init__(self, url: str) -> None:
        self.url, self.cookies = url, dict[str, str]()
        self.errors: list[str] = []
        self.controls: dict[str, Control] = {}
        self.polls: dict[str, float] = {}
        """{fragment: seconds} of what the page asks its browser to run again by itself."""
        self.query, self.session_id, self._page_hash = "", "", ""
        self._socket: websockets.ClientConnection | None = None
        self._counts = itertools.count(1)

    async def __aenter__(self) -> "Visitor":
        await self.arrive()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None):
        await self.leave()

    # --- coming and going

    async def arrive(self) -> None:
        """Fetch the page and its cookies as a browser does, and open the websocket; no page is drawn yet."""
        if not self.cookies:
            for path in ("/", "/_stcore/health"):
                await asyncio.to_thread(self._http, "GET", path)
        self._socket = await websockets.connect(
            f"{self.url.replace('http', 'ws')}/_stcore/stream",
            subprotocols=[websockets.Subprotocol("streamlit")], origin=websockets.Origin(self.url),
            additional_headers={"Cookie": self._cookie()} if self.cookies else None,
            max_size=None, open_timeout=60,
        )  # fmt: skip

    async def leave(self) -> None:
        """Close the tab; the cookies stay."""
        if self._socket is not None:
            await self._socket.close()
        self._socket, self.controls, self.polls = None, {}, {}

    def _cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def _http(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> int:
        """Make a request with the visitor's cookies, keep the new ones, and return its status."""
        address = urllib.parse.urlsplit(self.url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
        try:
            own = {"Origin": self.url, **({"Cookie": self._cookie()} if self.cookies else {})}
            connection.request(method, path, body, {**own, **(headers or {})})
            answer = connection.getresponse()
            answer.read()
            for line in answer.headers.get_all("Set-Cookie") or []:
                name, _, value = line.split(";")[0].partition("=")
                self.cookies[name.strip()] = value.strip()
            return answer.status
        finally:
            connection.close()

    # --- pages

    async def open(
        self, page: str, parameters: dict[str, str] | None = None, seen: Callable[[bytes], None] | None = None
    ):
        """Open a link to a page, and wait until it is drawn; `seen` gets each message as it arrives."""
        self.query, self._page_hash = urllib.parse.urlencode(parameters or {}), ""
        message = BackMsg()
        message.rerun_script.page_name = page
        found = [False]

        def look(raw: bytes) -> None:
            found[0] = found[0] or PIECES[page].search(raw) is not None
            if seen is not None:
                seen(raw)

        await self._run(message, look)
        if not found[0]:
            self.errors.append(f"{page or 'start'}?{self.query}: without its main piece")

    async def change(self, key: str, **value: Any) -> None:
        """Give the control whose key ends with `key` a value, such as `double_value=3`, and wait for the answer."""
        control = self.control(key)
        message = BackMsg()
        message.rerun_script.fragment_id = control.fragment
        message.rerun_script.widget_states.widgets.append(widget_state(control.id, value))
        await self._run(message)

    async def poll(self) -> None:
        """Run again what the page asked to be run again by itself."""
        for fragment in list(self.polls):
            message = BackMsg()
            message.rerun_script.fragment_id = fragment
            message.rerun_script.is_auto_rerun = True
            await self._run(message)

    async def upload(self, name: str, content: bytes) -> None:
        """Upload a file with the page's own uploader, and wait for the page that follows."""
        control = self.control("_uploader", last=True)
        assert self._socket is not None
        message = BackMsg()
        message.file_urls_request.request_id = f"request {next(self._counts)}"
        message.file_urls_request.file_names.append(name)
        message.file_urls_request.session_id = self.session_id
        await self._socket.send(message.SerializeToString())
        while (forward := await self._receive()).WhichOneof("type") != "file_urls_response":
            pass
        (place,) = forward.file_urls_response.file_urls
        body, kind = multipart(name, content)
        headers = {"Content-Type": kind, "X-Xsrftoken": self.cookies.get(XSRF_COOKIE, "")}
        path = urllib.parse.urljoin("/", place.upload_url)
        status = await asyncio.to_thread(self._http, "PUT", path, body, headers)
        if status not in (200, 204):
            self.errors.append(f"upload refused with {status}")
            return
        state = WidgetState(id=control.id)
        info = state.file_uploader_state_value.uploaded_file_info.add(name=name, size=len(content))
        info.file_id = place.file_id
        info.file_urls.CopyFrom(place)
        message = BackMsg()
        message.rerun_script.fragment_id = control.fragment
        message.rerun_script.widget_states.widgets.append(state)
        await self._run(message)

    def control(self, key: str, last: bool = False) -> Control:
        """The control whose key ends with `key`, or holds it (`last`); `KeyError` if the page has none."""
        for name, control in self.controls.items():
            if name.endswith(key) or (last and key in name):
                return control
        raise KeyError(f"the page has no control {key}; it has {', '.join(self.controls)}")

    def data(self, key: str) -> dict[str, Any]:
        """What the server sent to a component."""
        element = self.control(key).element
        return json.loads(element.json or element.mixed.json or "{}")

    # --- the protocol

    async def _run(self, message: BackMsg, seen: Callable[[bytes], None] | None = None) -> None:
        """Ask for a run of the script and read until it is finished; one that asks for another is not."""
        assert self._socket is not None
        rerun = message.rerun_script
        rerun.query_string, rerun.page_script_hash = self.query, self._page_hash
        await self._socket.send(message.SerializeToString())
        while True:
            forward = await self._receive(seen)
            if forward.WhichOneof("type") == "script_finished":
                if forward.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                    self.errors.append("the script cannot be compiled")
                if forward.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    return

    async def _receive(self, seen: Callable[[bytes], None] | None = None) -> ForwardMsg:
        assert self._socket is not None
        raw = bytes(await self._socket.recv())
        if seen is not None:
            seen(raw)
        forward = ForwardMsg()
        forward.ParseFromString(raw)
        match forward.WhichOneof("type"):
            case "new_session":
                self.session_id = forward.new_session.initialize.session_id or self.session_id
                if not forward.metadata.run.fragment_ids:  # the whole page is drawn again
                    self.controls, self.polls = {}, {}
            case "navigation":
                self._page_hash = forward.navigation.page_script_hash
            case "page_info_changed":
                self.query = forward.page_info_changed.query_string
            case "auto_rerun":
                self.polls[forward.auto_rerun.fragment_id] = forward.auto_rerun.interval
            case "delta":
                self._element(forward, raw)
            case _:
                pass
        return forward

    def _element(self, forward: ForwardMsg, raw: bytes) -> None:
        element = forward.delta.new_element
        kind = element.WhichOneof("type")
        if kind == "exception":
            self.errors.append(f"{element.exception.type}: {element.exception.message}")
        elif PICTURE_ERROR in raw:
            self.errors.append(f"no picture: {element.html.body}")
        elif kind and (own := getattr(getattr(element, kind), "id", "")):
            key = own.split("-", 2)[-1]
            self.controls[own if key == "None" else key] = Control(
                own, forward.delta.fragment_id, getattr(element, kind)
            )


def widget_state(own: str, value: dict[str, Any]) -> WidgetState:
    """The state of a widget: `double_array_value=[0.3]`, `json_value={…}`, `trigger_value=True` and the like."""
    ((name, found),) = value.items()
    state = WidgetState(id=own)
    if name.endswith("array_value"):
        getattr(state, name).data.extend(found)
    else:
        setattr(state, name, json.dumps(found) if name.startswith("json") else found)
    return state


def multipart(name: str, content: bytes) -> tuple[bytes, str]:
    """A form with one file, and its content type."""
    edge = "visitor-" + random.Random(name).randbytes(12).hex()
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    body = f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + content + f"\r\n--{edge}--\r\n".encode()
    return body, f"multipart/form-data; boundary={edge}"


# --- a moved control of each page


async def move(visitor: Visitor, page: str, dice: random.Random) -> None:
    """Move the page's main control, as a hand does that lets go of it; the page is open."""
    count = next(visitor._counts)
    match page:
        case "denoise":
            data = visitor.data("denoise_live")
            view = {"kind": data["kind"], "level": round(dice.uniform(0.05, 0.95), 2), "seed": data["seed"]}
            view |= {"count": max(count, data["heard"] + 1), "token": data["token"]}
            await visitor.change("denoise_live", json_value={"view": view})
        case "walk":
            data = visitor.data("walk_stage")["place"]
            place = {"count": max(count, data["heard"] + 1), "token": data["token"], "added": {}, "along": 0}
            place["moved"] = {"0": round(dice.uniform(-2, 2), 2)}
            await visitor.change("walk_stage", json_value={"place": place})
        case "maps":
            await visitor.change("pictures", bool_value=dice.random() < 0.5)
        case "train":
            await visitor.change(".code_dim", double_value=dice.randint(4, 60))
        case "runs":
            control = visitor.control("_runs_noise")
            await visitor.change("_runs_noise", string_value=dice.choice(list(control.element.options)))
        case _:
            own = next(name for name, control in visitor.controls.items() if control.fragment)
            await visitor.change(own, trigger_value=True)
