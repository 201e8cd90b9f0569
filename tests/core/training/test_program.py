"""A program does again what torch did: on the same memory, with less work."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from aecore.model.device import threads
from aecore.training.program import SHARED, Operation, Program, program
from aecore.training.replay import _Writer


def written(work) -> tuple[list[Operation], Program]:
    writer = _Writer()
    with torch.no_grad(), writer:
        work()
    assert writer.done is not None
    return writer.done, program(writer.done)


# --- random work: a chain of operations, each on results of those before, on two matrices that change from call to call

TWO = [
    torch.add, torch.sub, torch.mul, torch.maximum, lambda a, b: torch.add(a, b, alpha=0.5),
    lambda a, b: a @ b.t(), lambda a, b: a.t() @ b, lambda a, b: torch.addmm(a[0], a, b.t() @ b),
    lambda a, b: torch.addmm(a, a, b.t() @ b, beta=0.5, alpha=2), lambda a, b: torch.cat([a, b])[1:4],
    lambda a, b: torch.stack([a, b], 1)[:, 0], lambda a, b: torch.where(a > b, a, b), lambda a, b: a / (1 + b * b),
    lambda a, b: F.binary_cross_entropy_with_logits(a, b.sigmoid(), reduction="none"), lambda a, b: a.sub_(b * 0.1),
    lambda a, b: a.mul_(0.5).add_(b), lambda a, b: torch.lerp(a, b, 0.25), lambda a, b: a.copy_(b.flip(0)),
    lambda a, b: a @ b + b.t() @ a, lambda a, b: torch.add(a @ b, b @ b), lambda a, b: (a @ b).add(b @ a, alpha=2),
    lambda a, b: a.index_select(0, torch.tensor([2, 0, 1])), lambda a, b: a.addcmul_(b, b),
]  # fmt: skip
ONE = [
    torch.exp, torch.neg, torch.abs, torch.tanh, torch.relu, torch.square, F.gelu, lambda a: a.sgn(),
    lambda a: 1 - a, lambda a: a * 2, lambda a: a - 1, lambda a: a / 3, lambda a: a.t().contiguous().t(),
    lambda a: a.sum(0), lambda a: a.sum(1, keepdim=True), lambda a: a.sum(), lambda a: a.mean(0), lambda a: a**3,
    lambda a: a**1.0, lambda a: a @ a[0],
    lambda a: torch.ones_like(a), lambda a: torch.zeros_like(a).add_(a), lambda a: a[:, 1:].sum(1)[:, None],
    lambda a: torch.stack([a[0]]), lambda a: a.reshape(-1)[:9].view(3, 3), lambda a: a.double().float(),
    lambda a: a.softmax(1), lambda a: torch.full((3, 3), 2.0).mul_(a), lambda a: a.unsqueeze(0).squeeze_(0),
    lambda a: a.topk(2, 1).values[:, 1:], lambda a: a.flip(0).exp_(), lambda a: a.sqrt().nan_to_num_(0.0),
    lambda a: a.sigmoid(), lambda a: (a > 0).float(),
]  # fmt: skip
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(ONE), st.integers(0, 9)),
        st.tuples(st.sampled_from(TWO), st.integers(0, 9), st.integers(0, 9)),
    ),
    min_size=1,
    max_size=12,
)


def fitted(value: Tensor) -> Tensor:
    """Any result as three by three, for the next operation to take; within bounds, so that nothing overflows."""
    value = value.reshape(1, -1) if value.dim() < 2 else value
    return value.expand(3, 3).clamp(-3, 3) if value.shape != (3, 3) else value.clamp(-3, 3)


@given(STEPS, st.integers(0, 2**31), st.sampled_from([1, 2]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_random_work_comes_to_the_same_numbers(steps, seed, count, large):
    """Four times each, on matrices that every call changes; where they count as large, threads share the work."""
    ends = []
    for how in ("called", "written"):
        start = torch.Generator().manual_seed(seed)
        x, y, kept = (torch.randn(3, 3, generator=start) for _ in range(3))

        def work(x=x, y=y, kept=kept):
            known = [x, y]
            for step, *places in steps:
                known.append(fitted(step(*(known[place % len(known)] for place in places))))
            kept.copy_(sum(known[2:], known[0] * 0).clamp(-9, 9))
            x.mul_(0.5).add_(kept, alpha=0.1)
            y.add_(0.25 * kept.t()).clamp_(-2, 2)

        with torch.no_grad(), threads(count), pytest.MonkeyPatch.context() as patch:
            patch.setattr("aecore.training.program.SHARED", 0 if large else SHARED)
            again = work if how == "called" else written(work)[1]
            for _ in range(4 if how == "called" else 3):
                again()
        ends.append((x, y, kept))
    torch.testing.assert_close(*ends, rtol=2e-4, atol=2e-4, equal_nan=True)


# --- less work


def test_views_and_what_nobody_reads_cost_nothing():
    x, kept = torch.arange(12.0), torch.zeros(4)

    def work():
        a = x.view(3, 4).t()[1:].unbind(0)
        torch.exp(x).sum()  # in vain
        kept.copy_(torch.stack([part.sum() for part in a] + [x[0]]))

    done, run = written(work)
    assert {operation.name for operation in done} >= {"exp", "sum", "stack", "copy_"}
    assert len(run.calls) == 5  # three sums, stack, copy
    x += 1
    run()
    assert torch.equal(kept, torch.tensor([1.0 + 5 + 9, 2 + 6 + 10, 3 + 7 + 11, 1]) + torch.tensor([3.0, 3, 3, 0]))


def test_what_never_changes_is_computed_once_unless_somebody_writes_there():
    x, kept = torch.ones(3), torch.zeros(3)

    def work():
        same = torch.full((3,), 2.0).mul(3)
        own = torch.zeros(3)
        own[0] = 5
        own += x
        kept.copy_(own + same * torch.ones_like(x))

    _, run = written(work)
    x += 1
    run()
    run()
    assert kept.tolist() == [13, 8, 8]
    assert len(run.calls) <= 6  # zeros, fill, add, multiply at most, add, copy


def test_what_is_computed_twice_from_the_same_is_computed_once():
    x, w, kept = torch.randn(4, 3), torch.randn(3, 3), torch.zeros(())

    def work():
        one, two = (x @ w).tanh(), (x @ w).tanh()
        kept.copy_((one * 2 + two).sum())

    with threads(1):
        _, run = written(work)
    assert sum(getattr(call, "func", None) is np.dot for call in run.calls) == 1
    x += 1
    run()
    torch.testing.assert_close(kept, 3 * (x @ w).tanh().sum())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_second_of_two_large_products_is_added_as_it_is_computed(dtype):
    """But not where one of them, or what it was made of, is needed as it was."""
    g, h, x, y = (torch.randn(rows, 256).to(dtype) for rows in (256, 8, 8, 8))
    kept, other = torch.zeros(256, 256, dtype=dtype), torch.zeros(256, 256, dtype=dtype)

    def work():
        kept.copy_(h.t() @ y + y.t() @ h)
        first, second = x.t() @ x, h.t() @ h
        x.mul_(2)
        other.copy_((g @ g + first) * second + (g @ kept + second))

    with threads(2):
        _, run = written(work)
        assert sum(getattr(call, "func", None) is torch.ops.aten.addmm_.default for call in run.calls) == 1
        run()
    expected = kept.clone(), other.clone()
    x.mul_(0.5)
    work()
    for found, wanted in zip((kept, other), expected, strict=True):
        assert (found - wanted).norm() < (1e-2 if dtype == torch.bfloat16 else 1e-5) * wanted.norm()


def test_what_is_added_onto_a_product_that_never_changes_is_not_added_again_and_again():
    x, kept = torch.randn(2, 256), torch.zeros(256, 256)

    def work():
        same = torch.ones(256, 2) @ torch.ones(2, 256)
        kept.copy_((same + x.t() @ x) * 2)

    with threads(2):
        _, run = written(work)
        run()
        run()
    torch.testing.assert_close(kept, 4 + 2 * (x.t() @ x))


@pytest.mark.parametrize(
    "total",
    [
        lambda a, b: a[100:] + b[100:], lambda a, b: a[100:] + b[:200], lambda a, b: a.view(3, 100, 256)[1] + b[:100],
        lambda a, b: a[:200] + b[:200].bfloat16(), lambda a, b: a.t() + b.t(), lambda a, b: a[:256] + b[:256].t(),
    ],
)  # fmt: skip
def test_parts_of_products_and_other_views_are_added_as_they_are(total):
    x, y, w, v = torch.randn(300, 8), torch.randn(300, 8), torch.randn(8, 256), torch.randn(8, 256)
    with threads(2):
        expected = total(x @ w, y @ v)
        kept = torch.zeros_like(expected)
        _, run = written(lambda: kept.copy_(total(x @ w, y @ v)))
        kept.zero_()
        run()
    torch.testing.assert_close(kept, expected, rtol=1e-5, atol=1e-4)


def test_products_of_two_kinds_of_numbers_are_added_as_they_are():
    x, w, kept = torch.randn(256, 8), torch.randn(8, 256), torch.zeros(256, 256)
    with threads(2):
        _, run = written(lambda: kept.copy_((x.bfloat16() @ w.bfloat16()) + x @ w))
        kept.zero_()
        run()
    torch.testing.assert_close(kept, 2 * (x @ w), rtol=0.02, atol=0.1)


def test_a_sum_of_products_that_nobody_reads_is_not_computed():
    x, kept = torch.randn(256, 8), torch.zeros(())

    def work():
        x @ x.t() + x.exp() @ x.t()
        kept.add_(1)

    with threads(2):
        assert len(written(work)[1].calls) == 1


def test_the_same_operation_on_memory_changed_between_is_computed_again():
    x, kept = torch.zeros(2), torch.zeros(2, 2)

    def work():
        before = x * 2
        x.add_(1)
        kept.copy_(torch.stack([before, x * 2]))

    _, run = written(work)
    run()
    assert kept.tolist() == [[2, 2], [4, 4]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64, torch.int64])
def test_other_numbers_than_float32_go_to_torch(dtype):
    x, kept = torch.ones(3, dtype=dtype), torch.zeros(3, dtype=dtype)
    _, run = written(lambda: kept.copy_((x + x) * x))
    x += 1
    run()
    assert kept.tolist() == [8, 8, 8]
