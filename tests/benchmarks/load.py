"""30 visitors change the noise level twice a second: `python tests/benchmarks/load.py [--sessions 30] [--seconds 20]`.

Speaks Streamlit's own websocket protocol, so no browser competes for the processor. Latency runs from the moment a
change was due to `script_finished`. Bars: p95 ≤ 100 ms, no error, resident memory ≤ 600 MB in one process.
"""

import argparse
import asyncio
import random
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import websockets
from server import server
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

RUN = "digits-denoising"


class Visitor:
    """One websocket session on the Denoise page."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket, self.page, self.slider, self.fragment, self.errors = socket, "", "", "", 0

    async def run(self, page: str = "", slider: float | None = None) -> None:
        """Asks for a script run (of the slider's fragment, once it is known) and reads until it is finished."""
        message = BackMsg()
        rerun = message.rerun_script
        rerun.query_string = f"run={RUN}"
        rerun.page_name = page
        if slider is not None:
            rerun.fragment_id = self.fragment
            rerun.page_script_hash = self.page
            state = rerun.widget_states.widgets.add()
            state.id = self.slider
            state.double_array_value.data.append(slider)
        await self.socket.send(message.SerializeToString())
        while True:
            forward = ForwardMsg()
            forward.ParseFromString(bytes(await self.socket.recv()))
            kind = forward.WhichOneof("type")
            if kind == "new_session":
                self.page = forward.new_session.page_script_hash or self.page
            elif kind == "delta":
                element = forward.delta.new_element
                if element.WhichOneof("type") == "exception":
                    self.errors += 1
                if element.WhichOneof("type") == "slider" and element.slider.id.endswith("level"):
                    self.slider, self.fragment = element.slider.id, forward.delta.fragment_id or self.fragment
            elif kind == "script_finished":
                return


async def visit(url: str, begin: float, seconds: float, latencies: list[float], errors: list[int]) -> None:
    address = url.replace("http", "ws") + "/_stcore/stream"
    async with websockets.connect(
        address, subprotocols=[websockets.Subprotocol("streamlit")], max_size=None, origin=websockets.Origin(url)
    ) as socket:
        visitor = Visitor(socket)
        await visitor.run(page="denoise")
        if not visitor.slider or not visitor.fragment:
            raise SystemExit(
                f"the noise level's slider was not found (slider {visitor.slider!r}, fragment {visitor.fragment!r})"
            )
        due = begin + random.random() * 0.5
        while due < begin + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await visitor.run(slider=round(random.uniform(0.05, 0.95), 2))
            latencies.append(1000 * (time.perf_counter() - due))
            due += 0.5
        errors.append(visitor.errors)


async def load(url: str, sessions: int, seconds: float) -> tuple[list[float], int]:
    latencies: list[float] = []
    errors: list[int] = []
    begin = time.perf_counter() + 3 + sessions * 0.1
    await asyncio.gather(*(visit(url, begin, seconds, latencies, errors) for _ in range(sessions)))
    return latencies, sum(errors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, server(Path(home)) as (url, pid):
        latencies, errors = asyncio.run(load(url, options.sessions, options.seconds))
        program = psutil.Process(pid)  # what starts the server, and the server itself
        memory = max(process.memory_info().rss for process in program.children(recursive=True)) / 1e6
    p50, p95 = np.percentile(latencies, [50, 95])
    print(f"{options.sessions} sessions, {len(latencies)} changes, p50 {p50:.0f} ms")
    print(f"{'ok  ' if p95 <= 100 else 'MISS'} p95 {p95:.0f} ms (bar ≤ 100)")
    print(f"{'ok  ' if errors == 0 else 'MISS'} {errors} errors (bar 0)")
    print(f"{'ok  ' if memory <= 600 else 'MISS'} {memory:.0f} MB resident (bar ≤ 600)")


if __name__ == "__main__":
    main()
