"""Visitors on mixed whole pages, by Streamlit's own websocket protocol: `python tests/benchmarks/load.py [OPTIONS]`.

--capacity            page runs a second on one core: server on the first core, visitors on the others, each asks for
                      the next page as soon as the last is there; with --base as a ratio to another checkout
--visitors 100 --every 4   each opens a whole page each 4 s: p95 ≤ 1.5 s from the moment it was due, no error
--runs 600            the same by 30 visitors with 600 finished own runs in the home, against none: p95 ≤ 1.2 ×
--moves               30 visitors move Denoise's level twice a second: p95 ≤ 100 ms, resident memory ≤ 600 MB

Pages: Start, Denoise, Walk, Maps, Train and Runs equally often, with ready-made runs of several kinds. With
`--base REF` a second server runs the code of that commit; the two take turns, and medians of the turns are compared.
Processor time of a page run says most on a machine that others use.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from gauge import MEGABYTE, cpu_seconds, need, on_cores, say, server_of
from server import ROOT, server
from visitor import MIX, Visitor, mixed, move

CLOSED = 8
"""Visitors who ask for one page after another to find the capacity."""
COPIED = ("digits-linear", "digits-top-k", "digits-recirculation", "digits-denoising")
"""Ready-made runs whose copies fill a home."""
EACH = 5
"""Times that each kind of page is opened for its processor time."""


@dataclass
class Turn:
    """What one server did in one turn."""

    took: list[float]
    seconds: float
    cpu: float
    errors: list[str]

    def figures(self) -> dict[str, float]:
        p50, p95 = (float(x) for x in np.percentile(self.took, [50, 95]))
        return {
            "runs a second": len(self.took) / self.seconds,
            "p50, s": p50,
            "p95, s": p95,
            "processor ms a run": 1000 * self.cpu / len(self.took),
        }


@dataclass
class Side:
    """One of the servers that are compared."""

    name: str
    url: str
    pid: int
    turns: list[Turn] = field(default_factory=list)
    warm_errors: list[str] = field(default_factory=list)

    def median(self, figure: str) -> float:
        return float(np.median([turn.figures()[figure] for turn in self.turns]))

    def errors(self) -> list[str]:
        return self.warm_errors + [error for turn in self.turns for error in turn.errors]

    def megabytes(self) -> float:
        return server_of(self.pid).memory_info().rss / MEGABYTE


# --- visitors


@contextlib.asynccontextmanager
async def crowd(url: str, size: int) -> AsyncIterator[list[Visitor]]:
    """So many visitors, who have arrived and opened nothing yet."""
    visitors = [Visitor(url) for _ in range(size)]
    await asyncio.gather(*(visitor.arrive() for visitor in visitors))
    try:
        yield visitors
    finally:
        await asyncio.gather(*(visitor.leave() for visitor in visitors))


async def turn(side: Side, size: int, act: Callable[[Visitor, random.Random, list[float]], Awaitable[None]]) -> None:
    """One turn of a server: every visitor acts, and what that took is kept."""
    took: list[float] = []
    async with crowd(side.url, size) as visitors:
        cpu, begun = cpu_seconds(side.pid), time.perf_counter()
        dice = [random.Random(f"{len(side.turns)} {i}") for i in range(size)]  # the same on either side
        await asyncio.gather(*(act(visitor, own, took) for visitor, own in zip(visitors, dice, strict=True)))
        seconds, cpu = time.perf_counter() - begun, cpu_seconds(side.pid) - cpu
        side.turns.append(Turn(took, seconds, cpu, [error for visitor in visitors for error in visitor.errors]))


async def ceaselessly(visitor: Visitor, dice: random.Random, took: list[float], seconds: float) -> None:
    """Open one page after another for so long."""
    end = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < end:
        await visitor.open(*mixed(dice))
        took.append(time.perf_counter() - begun)


async def every(visitor: Visitor, dice: random.Random, took: list[float], seconds: float, gap: float) -> None:
    """Open a page each `gap` seconds; time runs from the moment at which it was due."""
    begun = time.perf_counter()
    due = begun + dice.random() * gap
    while due < begun + seconds:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await visitor.open(*mixed(dice))
        took.append(time.perf_counter() - due)
        due += gap


async def moves(visitor: Visitor, dice: random.Random, took: list[float], seconds: float, gap: float) -> None:
    """Move Denoise's level each `gap` seconds, after all have opened the page."""
    await visitor.open("denoise", MIX["denoise"][0])
    begun = time.perf_counter() + 2
    due = begun + dice.random() * gap
    while due < begun + seconds:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await move(visitor, "denoise", dice)
        took.append(time.perf_counter() - due)
        due += gap


async def one_by_one(side: Side) -> dict[str, tuple[float, float]]:
    """Open each link once, which warms the server; then return {page: processor milliseconds of a whole page and of a
    moved control}, one after another.
    """
    found: dict[str, tuple[float, float]] = {}
    dice = random.Random(0)
    async with Visitor(side.url) as visitor:
        for page, links in MIX.items():
            for link in links:
                await visitor.open(page, link)
                await move(visitor, page, dice)
            whole = moved = 0.0
            for i in range(EACH):
                before = cpu_seconds(side.pid)
                await visitor.open(page, links[i % len(links)])
                between = cpu_seconds(side.pid)
                await move(visitor, page, dice)
                whole, moved = whole + between - before, moved + cpu_seconds(side.pid) - between
            found[page or "start"] = (1000 * whole / EACH, 1000 * moved / EACH)
        side.warm_errors += visitor.errors
    return found


# --- servers


@contextlib.contextmanager
def checkout(ref: str) -> Iterator[Path]:
    """A checkout of another commit, in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "base"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(path), ref], check=True)
        try:
            yield path
        finally:
            subprocess.run([*git, "remove", "--force", str(path)], check=True)


def fill(home: Path, count: int) -> None:
    """Put finished runs into a home: copies of ready-made ones, with ids, names and dates of their own."""
    for i in range(count):
        source = ROOT / "assets" / "runs" / COPIED[i % len(COPIED)]
        target = home / "runs" / f"copied-digits-20260101-{i:06x}"
        shutil.copytree(source, target)
        status = json.loads((target / "status.json").read_text(encoding="utf-8"))
        status |= {"name": f"Copy {i}", "created": 1.7e9 + i, "ended": 1.7e9 + i}
        (target / "status.json").write_text(json.dumps(status), encoding="utf-8")


@contextlib.contextmanager
def sides(options: argparse.Namespace) -> Iterator[list[Side]]:
    """The servers that take turns, warm: ours, and the one it is compared with."""
    with contextlib.ExitStack() as stack:
        wanted: list[tuple[str, Path, int]] = [("this checkout", ROOT, 0)]
        if options.runs:
            wanted = [(f"{options.runs} own runs", ROOT, options.runs), ("no own run", ROOT, 0)]
        elif options.base:
            wanted.append((options.base, stack.enter_context(checkout(options.base)), 0))
        found: list[Side] = []
        for name, code, count in wanted:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            fill(home, count)
            env = {**os.environ, "PYTHONPATH": str(code)}
            with on_cores({min(os.sched_getaffinity(0))} if options.capacity else os.sched_getaffinity(0)):
                url, pid = stack.enter_context(server(home, env=env))
            found.append(Side(name, url, pid))
        yield found


# --- what is measured


def measure(options: argparse.Namespace, found: list[Side]) -> None:
    """Warm the servers, then let them take turns; prints the processor time of each kind of page."""
    for side in found:
        pages = asyncio.run(one_by_one(side))
        words = ", ".join(f"{page} {whole:.0f} + {moved:.0f}" for page, (whole, moved) in pages.items())
        print(f"     {side.name}: processor ms of a whole page + of a moved control, one after another: {words}")
    acts: dict[str, Callable[[Visitor, random.Random, list[float]], Awaitable[None]]] = {
        "capacity": lambda *who: ceaselessly(*who, options.seconds),
        "moves": lambda *who: moves(*who, options.seconds, options.every),
        "pages": lambda *who: every(*who, options.seconds, options.every),
    }
    act = acts["capacity" if options.capacity else "moves" if options.moves else "pages"]
    for number in range(options.turns):
        for side in found[:: 1 if number % 2 == 0 else -1]:
            asyncio.run(turn(side, options.visitors, act))


def report(options: argparse.Namespace, found: list[Side]) -> bool:
    """Print the figures of each side, then those that have a bar; return whether all meet it."""
    ours, other = found[0], found[1] if len(found) > 1 else None
    names = list(ours.turns[0].figures())
    for side in found:
        figures = ", ".join(f"{name} {side.median(name):.3g}" for name in names)
        print(f"     {side.name}: {figures}, {side.megabytes():.0f} MB resident, {len(side.errors())} errors")
    if other is not None:
        ratios = ", ".join(f"{name} {ours.median(name) / other.median(name):.2f} ×" for name in names)
        print(f"     {ours.name} over {other.name}: {ratios}")
    for error in dict.fromkeys(error for side in found for error in side.errors()):
        print(f"     error: {error[:200]}")
    good = say("errors", len(ours.errors()), 0, digits=0)
    if options.capacity and other is not None:
        ratio = ours.median("runs a second") / other.median("runs a second")
        return say("page runs a second on one core, over the other checkout's", ratio, 2, "×", least=True) and good
    if options.runs and other is not None:
        ratio = ours.median("p95, s") / other.median("p95, s")
        return say(f"p95 with {options.runs} own runs, over that without", ratio, 1.2, "×", digits=2) and good
    if options.moves:
        good = say("p95 of a move", 1000 * ours.median("p95, s"), 100, "ms", digits=0) and good
        return say("resident", ours.megabytes(), 600, "MB", digits=0) and good
    return options.capacity or (say("p95 of a whole page", ours.median("p95, s"), 1.5, "s", digits=2) and good)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--capacity", action="store_true", help="page runs a second on one core")
    what.add_argument("--runs", type=int, default=0, help="own runs in the home, compared with none")
    what.add_argument("--moves", action="store_true", help="a moved control instead of whole pages")
    parser.add_argument("--base", metavar="REF", help="a commit whose server takes turns with this checkout's")
    parser.add_argument("--visitors", type=int, help=f"default 30; {CLOSED} with --capacity")
    parser.add_argument("--every", type=float, help="seconds between what a visitor does (4; with --moves 0.5)")
    parser.add_argument("--seconds", type=float, default=20, help="of a turn")
    parser.add_argument("--turns", type=int, help="of each server (1; where two are compared 3)")
    options = parser.parse_args()
    need(not (options.runs and options.base), "--runs compares homes, not checkouts: leave --base out.")
    options.visitors = options.visitors or (CLOSED if options.capacity else 30)
    options.every = options.every or (0.5 if options.moves else 4.0)
    options.turns = options.turns or (3 if options.base or options.runs else 1)
    print(f"     load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    with sides(options) as found:
        cores = os.sched_getaffinity(0)
        if options.capacity:
            need(len(cores) > 1, "--capacity needs two cores: one for the server, one for its visitors.")
        with on_cores(cores - {min(cores)} if options.capacity else cores):
            measure(options, found)
            good = report(options, found)
    raise SystemExit(not good)


if __name__ == "__main__":
    main()
