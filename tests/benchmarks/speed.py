"""What training costs: `AECORE_MNIST=…/mnist.npz python tests/benchmarks/speed.py [ROW …] [--rounds N] [--threads N]`.
On a graphics card where there is one; `CUDA_VISIBLE_DEVICES=` hides it.

Prints figure and bar for each row. How soon a training is as good as the tutorials' loop is measured by
`time_to_result.py`.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from gauge import need_mnist

from aecore.model.autoencoder import build
from aecore.model.config import with_settings
from aecore.model.device import device
from aecore.model.recipes import recipe

UNITS = 1000
WHERE = device()


def timed(work: Callable[[], object]) -> float:
    """Seconds of wall time until the device has carried out `work`."""
    begun = now()
    work()
    return now() - begun


def now() -> float:
    if WHERE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def say(what: str, figure: float, bar: float, unit: str, more: str = "") -> None:
    print(f"{'ok  ' if figure >= bar else 'MISS'} {what}: {figure:.2f} {unit} (bar {bar:g}){more}", flush=True)


def contractive(rounds: int) -> None:
    """The contraction penalty of one batch and its gradient: closed form against a backward pass for each unit."""
    settings = {"dataset": "mnist", "code_dim": UNITS}
    encoder = build(with_settings(recipe("contractive").config, settings), (1, 28, 28)).encoder.to(WHERE)
    x = torch.rand(128, 1, 28, 28, device=WHERE)

    def closed() -> None:
        encoder.jacobian_squared_norm(x).mean().backward()

    def by_unit(units: int) -> None:
        image = x.clone().requires_grad_()
        h = encoder(image)[..., 0]
        total = torch.zeros((), device=WHERE)
        for k in range(units):
            (row,) = torch.autograd.grad(h[:, k].sum(), image, create_graph=True)
            total = total + row.square().sum() / len(x)
        total.backward()

    some = 50  # of the 1,000 units, which all cost the same
    closed(), by_unit(some)
    pairs = [(timed(closed), timed(lambda: by_unit(some)) * UNITS / some) for _ in range(rounds)]
    say("contractive, 1,000 units, batch 128", statistics.median(b / a for a, b in pairs), 50, "× autograd by unit")


MEMORY = """
import sys
from aecore.model.recipes import recipe; from aecore.model.config import with_settings
from aecore.parts.loading import load_data; from aecore.training.trainer import Trainer
import torch, aecore
torch.set_num_threads(int(sys.argv[1]))
config = with_settings(recipe("course_denoising").config, {"epochs": 1})
def resident(field): return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(field))
before = resident("VmRSS")
data = load_data(config.dataset)
trainer = Trainer(config, data); trainer.run()
weights = 4 * sum(p.numel() for p in trainer.model.parameters())
peak = torch.cuda.max_memory_reserved() / 2**20 if torch.cuda.is_available() else (resident("VmHWM") - before) / 1024
print(peak, data.images.nbytes / 2**20, weights / 2**20)
"""


def memory(rounds: int) -> None:
    """Peak memory of one epoch of the course's network, above that of the process after its imports; on a graphics card
    the memory that torch reserves. Allowed are the data, the weights, Adam's two copies of them, and 200 MiB.
    """
    need_mnist()
    command = [sys.executable, "-c", MEMORY, str(torch.get_num_threads())]
    peak, data, weights = map(float, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    allowed = data + 3 * weights + 200
    say("memory: allowed over taken", allowed / peak, 1, "×", f"; {peak:.0f} MiB of {allowed:.0f}")


ROWS = {f.__name__: f for f in (contractive, memory)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], help=f"some of: {', '.join(ROWS)}; default: all")
    parser.add_argument("--rounds", type=int, default=3, help="repetitions, of which the median counts")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name in options.rows or ROWS:
        ROWS[name](options.rounds)


if __name__ == "__main__":
    main()
