"""A browser's tab for figures of its memory: Chromium keeps all that a page fetches for whoever watches its network, as
Playwright does, and a process then grows that would not grow in front of a visitor.
"""

import asyncio
import contextlib
import itertools
import json
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import websockets
from hand import ARGS

CHROMIUM = "/usr/bin/chromium"
MEBIBYTE = 2**20
_FIND = """const find = (selector, root = document) => [...root.querySelectorAll(selector),
  ...[...root.querySelectorAll('*')].flatMap(e => e.shadowRoot ? find(selector, e.shadowRoot) : [])];"""


class Tab:
    """Spoken to by the devtools' protocol, of which only commands are used that make Chromium keep nothing."""

    def __init__(self, socket: websockets.ClientConnection, chromium: subprocess.Popen[bytes]) -> None:
        self.socket, self.chromium, self.session = socket, chromium, ""
        self._ids, self._waiting = itertools.count(), dict[int, asyncio.Future[dict[str, Any]]]()

    async def hear(self) -> None:
        async for text in self.socket:
            said = json.loads(text)
            if (asker := self._waiting.pop(said.get("id"), None)) is not None:
                asker.set_result(said)

    async def send(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        asked = {"id": next(self._ids), "method": method, "params": params or {}}
        self._waiting[asked["id"]] = asyncio.get_running_loop().create_future()
        await self.socket.send(json.dumps(asked | ({"sessionId": self.session} if self.session else {})))
        said = await self._waiting[asked["id"]]
        if "error" in said:
            raise RuntimeError(f"{method}: {said['error']}")
        return said["result"]

    async def evaluate(self, expression: str) -> Any:
        """The value in the page; `find(selector)` finds elements in shadow roots too."""
        wrapped = f"(() => {{ {_FIND} return {expression}; }})()"
        said = await self.send("Runtime.evaluate", {"expression": wrapped, "returnByValue": True})
        if "exceptionDetails" in said:
            raise RuntimeError(f"{expression}: {said['exceptionDetails']}")
        return said["result"].get("value")

    async def until(self, expression: str, seconds: float = 30) -> Any:
        """The value, once it is true."""
        deadline = time.monotonic() + seconds
        while not (found := await self.evaluate(expression)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {seconds:g} s: {expression}")
            await asyncio.sleep(0.03)
        return found

    async def box(self, element: str) -> dict[str, float]:
        """Where an element is, once it is there; given as an expression."""
        return await self.until(f"({element})?.getBoundingClientRect().toJSON()")

    async def click(self, element: str) -> None:
        box = await self.box(element)
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", {"type": kind, **at, "button": "left", "clickCount": 1})

    async def memory(self) -> tuple[float, float]:
        """MiB of the page's heap, and of its whole process: heap, WebAssembly, worker, canvases, decoded pictures."""
        await self.send("HeapProfiler.collectGarbage")
        heap = await self.evaluate("performance.memory.usedJSHeapSize")
        family = psutil.Process(self.chromium.pid).children(recursive=True)
        pages = [process for process in family if "--type=renderer" in process.cmdline()]
        return heap / MEBIBYTE, max(page.memory_info().rss for page in pages) / MEBIBYTE


@contextlib.asynccontextmanager
async def tab(address: str) -> AsyncIterator[Tab]:
    """The one tab of a browser of its own, opened at `address`."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        chromium = subprocess.Popen(
            [
                CHROMIUM, *ARGS, "--headless=new", "--no-first-run", "--window-size=1280,800",
                "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with websockets.connect(await _devtools(Path(profile)), max_size=None) as socket:
                page = Tab(socket, chromium)
                hearing = asyncio.create_task(page.hear())
                targets = (await page.send("Target.getTargets"))["targetInfos"]
                blank = next(target["targetId"] for target in targets if target["type"] == "page")
                attached = await page.send("Target.attachToTarget", {"targetId": blank, "flatten": True})
                page.session = attached["sessionId"]
                await page.send("Page.navigate", {"url": address})
                yield page
                hearing.cancel()
        finally:
            chromium.terminate()
            chromium.wait(20)


async def _devtools(profile: Path) -> str:
    """The address that Chromium writes down when it listens."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            port, path = (profile / "DevToolsActivePort").read_text().split()
            return f"ws://127.0.0.1:{port}{path}"
        await asyncio.sleep(0.05)
    raise TimeoutError("Chromium did not start")
