"""Kill the program 40 times at random moments, and count what is lost: `python tests/benchmarks/kills.py [KILLS]`.

Each kill is a `SIGKILL` of a trainer, of a server (the queue of trainings and the maps' queue, as in `app.asgi`, but
without the pages), or of both, in a training of one stage or of several (`stacked_denoising`), or in the middle of
imports, exports, deletions and maps. Then a server starts again, and once the queue is empty:

lost        finished runs that are no longer there, or no longer byte for byte what they were
ended       what became of the killed training; promised: it resumes where it has several stages or had not begun, it
            goes on where only the server was killed, and else keeps its best weights as a stopped run
leftovers   temporary files, incomplete folders, weights to resume from, maps that cannot be read, and processes

The seed is fixed, but the moments are those of a busy machine. About four minutes.
"""

import argparse
import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import safetensors
from server import ROOT

import aecore
from aecore.foundation.files import mapped_array
from aecore.foundation.home import cache_home
from aecore.maps.queue import MapJobs
from aecore.maps.spec import AtlasSpec, PanelSpec
from aecore.model.config import parse
from aecore.store.archive import export_zip, import_zip
from aecore.store.folder import RunInfo
from aecore.store.store import RunStore
from aecore.training import queue

KILLS = 40
SECONDS = 90.0
"""Time for anything awaited."""
JOINT = {
    "recipe": "denoising", "dataset": "digits", "corruption": "masking", "likelihood": "bernoulli",
    "backbone": {"kind": "mlp", "widths": [64]}, "objective": "reconstruction", "procedure": "joint", "code_dim": 8,
    "training": {"epochs": 150, "threads": 1},
}  # fmt: skip
GREEDY = {
    **JOINT, "recipe": "stacked_denoising", "backbone": {"kind": "mlp", "widths": [64, 32]},
    "procedure": {"kind": "greedy", "layer_epochs": 40, "levels": [0.1, 0.2, 0.3]},
    "training": {"epochs": 40, "threads": 1},
}  # fmt: skip


# --- what is killed: `python kills.py ROLE HOME`


def serve(store: RunStore) -> None:
    """The server's two queues. Each line of standard input is a seed of maps to make."""
    runner, maps = queue.Runner(store), MapJobs(store)
    runner.start()
    print("ready", flush=True)
    for line in sys.stdin:
        maps.ask(run_of(store).run_id, spec(int(line)))
    runner.close()


def run_of(store: RunStore) -> RunInfo:
    return next(info for info in store.runs() if info.name == "kept" and info.state == "finished")


def spec(seed: int) -> AtlasSpec:
    return AtlasSpec((PanelSpec.parse("pca"), PanelSpec.parse("mds")), 300, seed)


def import_again(store: RunStore) -> None:
    import_zip(store, export_zip(store, run_of(store).run_id))


def export_again(store: RunStore) -> None:
    export_zip(store, run_of(store).run_id)


def delete_again(store: RunStore) -> None:
    """Deletes a copy of a run, half of them for good."""
    copy = import_zip(store, export_zip(store, run_of(store).run_id))
    store.rename(copy, "copy")
    store.delete(copy)
    if random.random() < 0.5:
        store.empty_trash()


ACTS: dict[str, Callable[[RunStore], None]] = {
    "import": import_again, "export": export_again, "delete": delete_again,
}  # fmt: skip


# --- killing


@contextlib.contextmanager
def child(role: str, home: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of this file in one of its roles, once it is ready; killed at the end."""
    env = {**os.environ, "AECORE_HOME": str(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, role, str(home)]
    with (home / "log.txt").open("ab") as log:
        made = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
    try:
        assert made.stdout is not None
        made.stdout.readline()
        yield made
    finally:
        made.kill()
        made.communicate()


def until(done: Callable[[], bool]) -> bool:
    limit = time.monotonic() + SECONDS
    while not done():
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


def kill_training(store: RunStore, kind: str, target: str, moment: float) -> str:
    """Kills a training, its server or both, `moment` seconds after the training was started; returns its id."""
    with child("serve", store.root) as server:
        run_id = queue.submit(store, parse(GREEDY if kind == "greedy" else JOINT), "training")
        until(lambda: store.info(run_id).state != "queued")
        time.sleep(moment)
        pid = store.info(run_id).status.pid
        if target in ("server", "both"):
            server.kill()
        if target in ("trainer", "both") and pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: target == "server" or pid is None or not psutil.pid_exists(pid))
    return run_id


def kill_map(store: RunStore, target: str, moment: float, seed: int) -> None:
    """Kills the process that makes maps, or its server."""
    with child("serve", store.root) as server:
        assert server.stdin is not None
        server.stdin.write(b"%d\n" % seed)
        server.stdin.flush()
        until(lambda: bool(processes(store.root, "aecore.maps.queue")))
        time.sleep(moment)
        victims = processes(store.root, "aecore.maps.queue") if target == "child" else [psutil.Process(server.pid)]
        for victim in victims:
            with contextlib.suppress(psutil.Error):
                victim.kill()


def kill_act(store: RunStore, act: str, moment: float) -> None:
    with child(act, store.root):
        time.sleep(moment)


def processes(home: Path, module: str = "") -> list[psutil.Process]:
    """The processes of this home, but for this one."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if str(home) in words and (not module or module in words) and process.pid != os.getpid():
            found.append(process)
    return found


# --- what must be


def content(folder: Path) -> str:
    """A hash of every file of a run."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def finished(store: RunStore) -> dict[str, str]:
    return {i.run_id: content(i.folder) for i in store.runs() if i.state == "finished" and not i.builtin}


def leftovers(store: RunStore) -> list[str]:
    """What a kill left, in words."""
    found = [name for _, inside, names in os.walk(store.root) for name in (*inside, *names) if name.startswith(".")]
    found += [path.name for path in store.root.glob("runs/*/stage-*") if not resumable(store, path.parent.name)]
    found += [path.name for path in (*store.root.glob("runs/*/stop"), *store.root.glob("staging/*"))]
    found += [info.run_id for info in store.runs() if info.state == "damaged"]
    maps = cache_home() / "maps"
    for path in maps.iterdir() if maps.is_dir() else ():
        try:
            if path.suffix == ".npy":
                mapped_array(path)
            else:
                safetensors.safe_open(path, framework="np").__enter__()
        except Exception as error:
            found.append(f"{path.name} ({error})")
    return found


def resumable(store: RunStore, run_id: str) -> bool:
    return store.info(run_id).resumable


def promised(kind: str, target: str, began: bool, state: str, explorable: bool, epochs: int) -> bool:
    if target == "server" or kind == "greedy" or not began:
        return state == "finished"
    return state == "finished" or (state == "stopped" and (explorable or epochs < 2))


def plan(number: int) -> tuple[str, str]:
    """What to do, and what to kill."""
    kinds = [
        ("joint", "trainer"), ("joint", "server"), ("joint", "both"), ("greedy", "trainer"), ("greedy", "server"),
        ("greedy", "both"), ("import", "it"), ("export", "it"), ("delete", "it"), ("map", "child"), ("map", "server"),
        ("import", "it"), ("delete", "it"),
    ]  # fmt: skip
    return kinds[number % len(kinds)]


def one_kill(store: RunStore, number: int, rng: random.Random) -> bool:
    """Kills once, starts a server again, prints a line of the table, and returns whether all was as promised."""
    before, (kind, target) = finished(store), plan(number)
    run_id, moment = "", rng.uniform(0.0, 6.0 if kind in ("joint", "greedy") else 1.5)
    if kind in ("joint", "greedy"):
        run_id = kill_training(store, kind, target, moment)
    elif kind == "map":
        kill_map(store, target, moment, number)
    else:
        kill_act(store, kind, moment)
    status = store.info(run_id).status if run_id else None
    with child("serve", store.root) as server:
        calm = until(lambda: not queue.queue(store) and not leftovers(store))
        gone = until(lambda: {process.pid for process in processes(store.root)} <= {server.pid})
    after = finished(store)
    # Deleted runs are copies; those that were there before and are not deleted must be as they were.
    lost = [found for found, digest in before.items() if after.get(found) != digest and found not in store.trash()]
    info = store.info(run_id) if run_id else None
    good = info is None or status is None or promised(
        kind, target, status.started is not None, info.state, info.explorable, status.epoch
    )  # fmt: skip
    left = [*leftovers(store), *([] if calm else ["not calm"]), *([] if gone else ["a process"])]
    ended = "-" if info is None else f"{info.state}{', resumed' if info.status.resumed else ''}"
    ok = good and not lost and not left
    print(
        f"{'ok  ' if ok else 'MISS'} {number + 1:2d} {kind:7s} {target:8s} {moment:4.1f} s   lost {len(lost)}   "
        f"{ended:18s} leftovers {', '.join(left) or 'none'}",
        flush=True,
    )
    return ok


def main(kills: int) -> int:
    begun, rng = time.monotonic(), random.Random(15)
    with tempfile.TemporaryDirectory(prefix="aecore-kills-") as folder:
        home = Path(folder)
        os.environ["AECORE_HOME"] = folder
        aecore.train("undercomplete", dataset="digits", epochs=3, name="kept")
        store = RunStore(home, home / "none")
        good = sum(one_kill(store, number, rng) for number in range(kills))
    seconds = time.monotonic() - begun
    print(f"{'ok  ' if good == kills else 'MISS'} {good} of {kills} kills as promised (bar: all), {seconds:.0f} s")
    return 0 if good == kills else 1


if __name__ == "__main__":
    if len(sys.argv) < 3:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("kills", type=int, nargs="?", default=KILLS)
        sys.exit(main(parser.parse_args().kills))
    role, chosen = sys.argv[1], RunStore(Path(sys.argv[2]), Path(sys.argv[2]) / "none")
    if role == "serve":
        serve(chosen)
    else:
        print("ready", flush=True)
        while True:
            ACTS[role](chosen)
