"""Recorded operations as a list of calls on memory that stays where it is; on the processor, what `replay`
repeats.

Views cost nothing, nothing is allocated, what never changes is not computed again, and simple operations on float32 go
to numpy, a call of which takes a fraction of one of torch's.
"""

import collections
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

Call = Callable[[], object]
SHARED = 32768
"""Work on more values than these torch shares out among its threads."""


@dataclasses.dataclass(frozen=True, eq=False)
class Operation:
    """An operation of torch that was carried out: its overload, what it was given, and what it made or wrote."""

    overload: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    made: Any

    @property
    def name(self) -> str:
        return self.overload.overloadpacket.__name__

    @functools.cached_property
    def given(self) -> list[Tensor]:
        return list(tensors((self.args, self.kwargs)))

    @functools.cached_property
    def reads(self) -> set[int]:
        """Memory whose values matter to it."""
        only_shapes = self.name.endswith("_like") or self.name.startswith("new_")
        return set() if only_shapes else set(map(place, self.given))

    @functools.cached_property
    def writes(self) -> set[int]:
        return set(map(place, tensors(self.made))) | (set(map(place, self.given)) if self.in_place else set())

    @property
    def in_place(self) -> bool:
        return self.overload._schema.is_mutable

    @property
    def acts(self) -> bool:
        """Whether it does more than make a value: changes memory, or draws random numbers."""
        return self.in_place or torch.Tag.nondeterministic_seeded in self.overload.tags

    @property
    def nothing(self) -> bool:
        """Whether it computes nothing: a view, or memory of any content."""
        if self.in_place:
            return False
        return "empty" in self.name or self.writes <= set(map(place, self.given))


class Program:
    """Calls, one after the other."""

    def __init__(self, calls: list[Call]) -> None:
        self.calls = calls

    def __call__(self) -> None:
        with np.errstate(all="ignore"):  # as torch: the trainer itself looks for what is not a number
            for call in self.calls:
                call()


def program(done: list[Operation]) -> Program:
    """Does again what was done, on the same memory, but for what nobody reads and what comes out alike each time.

    Values agree with those of torch to rounding.
    """
    done = [operation for operation in done if not operation.nothing]
    changed = {where for operation in done if operation.in_place for where in operation.writes}
    made = {where for operation in done for where in operation.writes} - changed
    done = list(_once(done, changed))
    constant, varying = set[int](), list[Operation]()
    for operation in done:
        if not operation.acts and operation.reads <= constant and operation.writes <= made:
            constant |= operation.writes
        else:
            varying.append(operation)
    needed, kept = set[int](), list[Operation]()
    for operation in reversed(varying):
        if operation.acts or operation.writes & needed:
            needed |= operation.reads
            kept.append(operation)
    return Program([call for operation in _onto(kept[::-1], changed) for call in _calls(operation)])


def _once(done: list[Operation], changed: set[int]) -> Iterator[Operation]:
    """What is computed again from the same numbers is copied, so that what led to it twice is needed once."""
    first, same = dict[Any, Operation](), dict[int, int]()

    def key(value: Any) -> Any:
        if isinstance(value, Tensor):
            where = place(value)
            return same.get(where, where), value.storage_offset(), value.shape, value.stride(), value.dtype
        if isinstance(value, dict):
            value = list(value.items())
        return tuple(map(key, value)) if isinstance(value, list | tuple) else value

    for operation in done:
        if (
            not operation.acts
            and isinstance(operation.made, Tensor)
            and not (operation.reads | operation.writes) & changed
        ):
            known = first.setdefault((operation.overload, key(operation.args), key(operation.kwargs)), operation)
            if known is not operation and known.made.stride() == operation.made.stride():
                (to,), (of,) = operation.writes, known.writes
                same[to] = same.get(of, of)
                operation = Operation(torch.ops.aten.clone.default, (known.made,), {}, operation.made)
        yield operation


def _onto(done: list[Operation], changed: set[int]) -> list[Operation]:
    """The sum of two matrix products, such as the gradient of a weight used twice, is the second added onto the first
    as it is computed. Only where they are too large for numpy.
    """
    aten = torch.ops.aten
    readers = collections.Counter(where for operation in done for where in operation.reads)
    products = {place(one.made): index for index, one in enumerate(done) if one.overload == aten.mm.default}

    def product(value: Any, total: Tensor) -> int | None:
        """Where it is computed, if whole, for this sum alone and from numbers that are still there."""
        index = products.get(place(value)) if isinstance(value, Tensor) else None
        if index is None or readers[place(value)] > 1 or (done[index].reads | done[index].writes) & changed:
            return None
        alike = {(one.shape, one.stride(), one.dtype) for one in (value, done[index].made, total)}
        return index if len(alike) == 1 and _shared(total) else None

    changes = dict[int, Operation | None]()
    for index, one in enumerate(done):
        if one.overload == aten.add.Tensor and not one.kwargs:
            first, second = (product(value, one.made) for value in one.args)
            if first is not None and second is not None and first != second:
                changes[first] = dataclasses.replace(done[first], made=one.made)
                changes[second] = None
                changes[index] = Operation(aten.addmm_.default, (one.made, *done[second].args), {}, one.made)
    return [one for index, old in enumerate(done) if (one := changes.get(index, old)) is not None]


def _shared(tensor: Tensor) -> bool:
    return torch.get_num_threads() > 1 and tensor.numel() > SHARED


def tensors(value: Any) -> Iterator[Tensor]:
    """All tensors in lists, tuples and dictionaries of arguments."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from tensors(one)


def place(tensor: Tensor) -> int:
    """The memory that a tensor is a view of."""
    return tensor.untyped_storage().data_ptr()


def _calls(operation: Operation) -> list[Call]:
    """By numpy where that is quicker, else by torch: into the memory there is, or into new that is copied."""
    touched = [*operation.given, *tensors(operation.made)]
    if operation.overload in _QUICK and not any(map(_shared, touched)) and {one.dtype for one in touched} <= _DTYPES:
        found = _QUICK[operation.overload](_arrays(operation.made), *_arrays(operation.args), **operation.kwargs)
        if found:
            return found
    call = functools.partial(operation.overload, *operation.args, **operation.kwargs)
    if operation.in_place:
        return [call]
    made = list(tensors(operation.made))
    into = _into(operation.overload, len(made))
    if into:
        overload, names = into
        outs = dict(zip(names, made, strict=True))
        return [functools.partial(overload, *operation.args, **operation.kwargs, **outs)]

    def again() -> None:
        for old, new in zip(made, tensors(call()), strict=True):
            old.copy_(new)

    return [again]


@functools.cache
def _into(overload: Any, count: int) -> tuple[Any, list[str]] | None:
    """The variant that writes its results into memory given to it, and the names of those arguments."""
    wanted = [(argument.name, str(argument.type)) for argument in overload._schema.arguments]
    packet = overload.overloadpacket
    for other in (getattr(packet, name) for name in packet.overloads()):
        arguments = other._schema.arguments
        names = [argument.name for argument in arguments if argument.is_out]
        takes = [(argument.name, str(argument.type)) for argument in arguments if not argument.is_out]
        if len(names) == count and takes == wanted:
            return other, names
    return None


# --- numpy: each is given the array for the result and the operation's arguments, and may decline

_DTYPES = {torch.float32, torch.int64, torch.uint8, torch.bool}
Quick = Callable[..., list[Call] | None]


def _arrays(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().numpy()
    return type(value)(map(_arrays, value)) if isinstance(value, list | tuple) else value


def _floats(*values: Any) -> bool:
    return all(value.dtype == np.float32 for value in values if isinstance(value, np.ndarray))


def _ufunc(function: np.ufunc, in_place: bool = False) -> Quick:
    def calls(out: Any, *args: Any, alpha: int | float = 1) -> list[Call] | None:
        if alpha != 1 or not _floats(out, *args):
            return None
        return [functools.partial(function, *args, out=args[0] if in_place else out)]

    return calls


def _rsub(out: Any, a: Any, b: Any, alpha: int | float = 1) -> list[Call] | None:
    return _ufunc(np.subtract)(out, b, a, alpha=alpha)


def _power(out: Any, a: Any, exponent: int | float) -> list[Call] | None:
    if exponent not in (1, 2):
        return None
    return _ufunc(np.square if exponent == 2 else np.positive)(out, a)


def _relu(out: Any, a: Any) -> list[Call] | None:
    return _ufunc(np.maximum)(out, a, 0)


def _sum(out: Any, a: Any, axes: Any = None, keepdim: bool = False, dtype: Any = None) -> list[Call] | None:
    axis = tuple(axes) if axes else None
    return [functools.partial(np.add.reduce, a, axis=axis, out=out, keepdims=keepdim)] if _floats(out, a) else None


def _copied(out: Any, a: Any, **how: Any) -> list[Call]:
    return [functools.partial(np.copyto, out, a, casting="unsafe")]


def _copy(out: Any, a: Any, b: Any, non_blocking: bool = False) -> list[Call]:
    return _copied(a, b)


def _select(out: Any, a: Any, axis: int, chosen: Any) -> list[Call] | None:
    if not out.flags.c_contiguous:
        return None
    # Its own check of the indices would need another copy; they come from permutations, and torch checked the first.
    return [functools.partial(np.take, a, chosen, axis, out, "clip")]


def _stack(out: Any, parts: Any, axis: int = 0) -> list[Call] | None:
    return [functools.partial(np.copyto, out, np.expand_dims(parts[0], axis))] if len(parts) == 1 else None


def _cat(out: Any, parts: Any, axis: int = 0) -> list[Call] | None:
    alike = {(part.ndim, part.dtype) for part in parts} == {(out.ndim, out.dtype)}
    return [functools.partial(np.concatenate, parts, axis, out)] if alike else None


def _dot(out: Any, a: Any, b: Any) -> list[Call] | None:
    # Threads of numpy's library beside those of torch would be in each other's way.
    if torch.get_num_threads() > 1 or not _floats(out, a, b) or not out.flags.c_contiguous:
        return None
    return [functools.partial(np.dot, a, b, out)]


def _addmm(out: Any, bias: Any, a: Any, b: Any, beta: int | float = 1, alpha: int | float = 1) -> list[Call] | None:
    product = _dot(out, a, b) if (beta, alpha) == (1, 1) else None
    return product and [*product, functools.partial(np.add, out, bias, out)]


def _table() -> dict[Any, Quick]:
    aten = torch.ops.aten
    two = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}
    one = {
        "exp": np.exp, "neg": np.negative, "abs": np.absolute, "sqrt": np.sqrt, "sgn": np.sign,
        "reciprocal": np.reciprocal,
    }  # fmt: skip
    table: dict[Any, Quick] = {getattr(aten, name).default: _ufunc(function) for name, function in one.items()}
    for name, function in two.items():
        for overload in ("Tensor", "Scalar"):
            table[getattr(getattr(aten, name), overload)] = _ufunc(function)
            table[getattr(getattr(aten, f"{name}_"), overload)] = _ufunc(function, in_place=True)
    table |= dict.fromkeys((aten.clone.default, aten._to_copy.default), _copied)
    table |= dict.fromkeys((aten.sum.default, aten.sum.dim_IntList), _sum)
    return table | {
        aten.mm.default: _dot, aten.mv.default: _dot, aten.addmm.default: _addmm, aten.rsub.Scalar: _rsub,
        aten.relu.default: _relu, aten.index_select.default: _select,
        aten.pow.Tensor_Scalar: _power, aten.copy_.default: _copy, aten.stack.default: _stack, aten.cat.default: _cat,
    }  # fmt: skip


_QUICK = _table()
