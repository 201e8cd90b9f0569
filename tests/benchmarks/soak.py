"""A server under visitors for long: `python tests/benchmarks/soak.py [--visitors 30] [--minutes 30]`.

Each visitor, every few seconds: opens another page or run, moves a control, uploads small pictures, now and then trains
for three epochs and watches, leaves and comes back. Each minute: memory (RSS, and USS, what ending the server would
free), descriptors, threads, children, temporary files and errors. Bars: no error; RSS ≤ 700 MB, from the tenth minute
on growing by ≤ 1 MB a minute (least squares); descriptors, threads and temporary files flat. In less than 20 minutes,
the second half counts in place of what follows the tenth minute.
"""

import argparse
import asyncio
import contextlib
import io
import os
import random
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from gauge import MEGABYTE, cpu_seconds, say, server_of
from PIL import Image
from server import ROOT, server
from visitor import Visitor, mixed, move
from websockets.exceptions import WebSocketException

PAUSE = (2.0, 6.0)
"""Seconds between what a visitor does."""
AWAY = (2.0, 15.0)
"""Seconds for which a visitor is away."""
TRAINING_EVERY = 20.0
"""Seconds between the starts of trainings, of all visitors together."""
EPOCHS = 3
WATCHED = 40
"""Times that a visitor asks how a training is doing before going on."""
SAMPLE = 5.0
"""Seconds between two looks at the server; a minute's figures are their medians."""
WARM = 10.0
"""Minutes after which memory is to be flat."""
FLAT, NOISE = 1.1, 3
"""How many times as much the last third may have as the first, of what is to be flat, and how many more."""
ACTS = ("page", "page", "page", "page", "move", "move", "move", "upload", "leave", "train")


@dataclass
class Look:
    """The server at one moment."""

    minute: float
    rss: float
    uss: float
    descriptors: int
    threads: int
    children: int
    temporary: int


class Room:
    """The visitors of one server, what they did, and what went wrong."""

    def __init__(self, url: str, end: float) -> None:
        self.url, self.end = url, end
        self.done, self.errors = Counter[str](), list[str]()
        self._next_training = 0.0

    async def visit(self, dice: random.Random) -> None:
        """One visitor's stay; what goes wrong is noted, and the visitor comes back."""
        visitor = Visitor(self.url)
        while time.monotonic() < self.end:
            try:
                await self._stay(visitor, dice)
            except (OSError, WebSocketException, KeyError, TimeoutError) as error:
                self.errors.append(f"{type(error).__name__}: {error}")
                await asyncio.sleep(1)
            self.errors += visitor.errors
            visitor.errors.clear()
            with contextlib.suppress(OSError, WebSocketException):
                await visitor.leave()

    async def _stay(self, visitor: Visitor, dice: random.Random) -> None:
        """Arrive, do this and that, and leave for a while."""
        await visitor.arrive()
        page, link = mixed(dice)
        await visitor.open(page, link)
        while time.monotonic() < self.end:
            await asyncio.sleep(dice.uniform(*PAUSE))
            act = dice.choice(ACTS)
            if act == "leave":
                self.done["left"] += 1
                await visitor.leave()
                await asyncio.sleep(min(dice.uniform(*AWAY), max(0.0, self.end - time.monotonic())))
                return
            if act == "train" and time.monotonic() > self._next_training:
                self._next_training = time.monotonic() + TRAINING_EVERY
                await self._train(visitor)
            elif act == "upload":
                await self._upload(visitor, dice)
            elif act == "move" and page:
                await move(visitor, page, dice)
                self.done["moved"] += 1
                continue
            page, link = mixed(dice)
            await visitor.open(page, link)
            self.done["pages"] += 1

    async def _upload(self, visitor: Visitor, dice: random.Random) -> None:
        page = dice.choice(("denoise", "walk", "maps"))
        await visitor.open(page, {"run": "digits-denoising"})
        await visitor.upload(f"drawn {dice.randrange(1000)}.png", picture(dice))
        self.done["uploads"] += 1

    async def _train(self, visitor: Visitor) -> None:
        await visitor.open("train", {"recipe": "denoising", "dataset": "digits", "job": "new"})
        await visitor.change(".digits.epochs", double_value=EPOCHS)
        await visitor.change("_train_go", trigger_value=True)
        started = "job=denoising-digits" in visitor.query
        self.done["trainings" if started else "trainings refused"] += 1
        for _ in range(WATCHED):
            if not visitor.polls:
                break
            await asyncio.sleep(max(visitor.polls.values()))
            await visitor.poll()


def picture(dice: random.Random) -> bytes:
    """A small PNG of noise."""
    side, out = dice.choice((8, 28, 64)), io.BytesIO()
    Image.frombytes("L", (side, side), dice.randbytes(side * side)).save(out, "PNG")
    return out.getvalue()


# --- the server


def look(pid: int, begun: float, temporary: Path, home: Path) -> Look:
    """Read what the server has now; its trainings are its children."""
    process = server_of(pid)
    memory, children = process.memory_full_info(), 0
    with contextlib.suppress(psutil.NoSuchProcess):
        children = len(process.children(recursive=True))
    files = [path for path in temporary.rglob("*") if path.is_file()] + list(home.rglob(".*.tmp"))
    return Look(
        (time.monotonic() - begun) / 60, memory.rss / MEGABYTE, memory.uss / MEGABYTE, process.num_fds(),
        process.num_threads(), children, len(files),
    )  # fmt: skip


def median_of(looks: list[Look], name: str) -> float:
    return statistics.median(getattr(one, name) for one in looks)


def line(looks: list[Look], room: Room) -> str:
    """A minute in one line."""
    names = {"rss": "RSS MB", "uss": "USS MB", "descriptors": "fds", "threads": "threads", "children": "children"}
    figures = ", ".join(f"{words} {median_of(looks, name):.0f}" for name, words in names.items())
    done = ", ".join(f"{n} {what}" for what, n in sorted(room.done.items()))
    return f"     minute {looks[-1].minute:3.0f}: {figures}, temporary files {looks[-1].temporary}, " + (
        f"errors {len(room.errors)}; so far {done}"
    )


async def watch(room: Room, see: "list[Look]", pid: int, begun: float, temporary: Path, home: Path) -> None:
    """Look at the server until the end, and print each minute."""
    said = 1
    while time.monotonic() < room.end:
        await asyncio.sleep(SAMPLE)
        see.append(look(pid, begun, temporary, home))
        if see[-1].minute >= said:
            print(line([one for one in see if one.minute >= said - 1], room), flush=True)
            said += 1


async def soak(room: Room, visitors: int, *watched: object) -> list[Look]:
    looks: list[Look] = []
    seeds = [random.Random(i) for i in range(visitors)]
    await asyncio.gather(watch(room, looks, *watched), *(room.visit(dice) for dice in seeds))  # type: ignore[arg-type]
    return looks


def report(looks: list[Look], room: Room) -> bool:
    """Print the figures with bars; return whether all meet theirs."""
    last = looks[-1].minute
    late = [one for one in looks if one.minute >= (WARM if last >= 2 * WARM else last / 2)]
    slope = float(np.polyfit([one.minute for one in late], [one.rss for one in late], 1)[0])
    good = [
        say("errors", len(room.errors), 0, digits=0),
        say("RSS, most", max(one.rss for one in looks), 700, "MB", digits=0),
        say(f"RSS after minute {late[0].minute:.0f}, growth by least squares", slope, 1, "MB a minute", digits=2),
    ]
    third = max(1, len(late) // 3)
    for name in ("descriptors", "threads", "temporary"):
        first, end = median_of(late[:third], name), median_of(late[-third:], name)
        good.append(
            say(
                f"{name}, last third after {first:.0f} in the first",
                end,
                first * FLAT + NOISE if first else 0,
                digits=0,
            )
        )
    for error, count in Counter(room.errors).most_common(10):
        print(f"     {count} × {error[:200]}")
    return all(good)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home, temporary = Path(folder) / "home", Path(folder) / "temporary"
        home.mkdir()
        temporary.mkdir()
        env = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
        with server(home, env=env) as (url, pid):
            begun, before = time.monotonic(), cpu_seconds(pid)
            room = Room(url, begun + 60 * options.minutes)
            looks = asyncio.run(soak(room, options.visitors, pid, begun, temporary, home))
            cpu = cpu_seconds(pid) - before
            good = report(looks, room)
            share = cpu / (time.monotonic() - begun)
            say("processor time of server and trainings, of one core", 100 * share, unit="%", digits=0)
    raise SystemExit(not good)


if __name__ == "__main__":
    main()
