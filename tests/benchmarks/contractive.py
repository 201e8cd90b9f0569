"""The contraction penalty in closed form against automatic differentiation, a unit at a time.

`python tests/benchmarks/contractive.py`: 784 inputs, 1,000 sigmoid units, batch 128; the penalty and its gradient, both
ways alternately on the same weights and images; prints the median of the ratios and the bar. One thread.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from aecore.parts.backbones import Mlp
from aecore.parts.contracts import Encoder

BAR = 50


def by_unit(encoder: Encoder, x: Tensor) -> Tensor:
    """Σ_k ‖∂h_k/∂x‖² per image: one backward pass through the graph for each unit, as it is commonly written."""
    x = x.clone().requires_grad_()
    h = encoder(x)[..., 0]
    total = torch.zeros(len(x))
    for k in range(h.shape[1]):
        (slope,) = torch.autograd.grad(h[:, k].sum(), x, create_graph=True)
        total = total + slope.flatten(1).square().sum(1)
    return total


def timed(penalty: Callable[[], Tensor], encoder: Encoder) -> tuple[float, Tensor]:
    encoder.zero_grad()
    begun = time.perf_counter()
    value = penalty()
    value.mean().backward()
    return time.perf_counter() - begun, value.detach()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    encoder = Mlp(widths=(), code_activation="sigmoid").build((1, 28, 28), 1000, 1, 1)[0]
    x = torch.rand(128, 1, 28, 28)
    weights = list(encoder.parameters())
    timed(lambda: encoder.jacobian_squared_norm(x), encoder)
    ratios: list[float] = []
    for _ in range(options.rounds):
        theirs, expected = timed(lambda: by_unit(encoder, x), encoder)
        gradients = [weight.grad.clone() for weight in weights if weight.grad is not None]
        ours, found = timed(lambda: encoder.jacobian_squared_norm(x), encoder)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
        for weight, gradient in zip(weights, gradients, strict=True):
            torch.testing.assert_close(weight.grad, gradient, rtol=1e-3, atol=1e-6)
        ratios.append(theirs / ours)
        print(
            f"     a unit at a time {theirs:.2f} s, closed form {1000 * ours:.2f} ms: {theirs / ours:.0f} ×", flush=True
        )
    median = statistics.median(ratios)
    print(f"{'ok  ' if median >= BAR else 'MISS'} contractive, median of ratios: {median:.0f} × (bar {BAR} ×)")


if __name__ == "__main__":
    main()
