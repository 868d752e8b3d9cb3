"""What the tables write with: operations of the vocabulary, with shapes worked out, on values.

Every method is one operation of :mod:`initcore.program` (or a few), takes dims as PyTorch does (negative ones count
from the end) and writes them as non-negative ints. A method that cannot say what PyTorch means raises
:class:`NotUnderstood`; the call it belongs to then becomes opaque.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..program import Op, Parameter, Place, Program, Value

Number = int | float | bool
Dims = Sequence[int]
MOST_PARTS = 1 << 14        # of one value


class NotUnderstood(Exception):
    """A call that the table has no exact words for."""


def dim_of(dim: int, rank: int) -> int:
    """The dim counted from the front."""
    if not -max(rank, 1) <= dim < max(rank, 1):
        raise NotUnderstood
    return dim % max(rank, 1)


def dims_of(dims: Dims | int | None, rank: int) -> tuple[int, ...]:
    """Sorted dims counted from the front; None or none: all."""
    if dims is None or (not isinstance(dims, int) and not len(dims)):
        return tuple(range(rank))
    return tuple(sorted(dim_of(d, rank) for d in ([dims] if isinstance(dims, int) else dims)))


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """As NumPy and PyTorch do."""
    try:
        return tuple(int(n) for n in np.broadcast_shapes(*shapes))
    except ValueError:
        raise NotUnderstood from None


def many(x: Any, k: int) -> tuple[int, ...]:
    """A number for each of k dims, where one may stand for all."""
    several = (x,) if isinstance(x, int) else tuple(x)
    return several * k if len(several) == 1 else several


class Build:
    """The operations of one program as they are written; ``place`` and ``source`` are the current call's.

    room : bytes that constants may take (None: any number).
    """

    def __init__(self, room: int | None = None) -> None:
        self._room = room
        self.ops: list[Op] = []
        self.constants: dict[Value, np.ndarray[Any, Any]] = {}
        self.place, self.source = Place(), ""

    def emit(self, kind: str, *inputs: Value | None, shape: Dims, dtype: str | None = None, **attributes: Any) -> Value:
        """One operation with one output, of the dtype of its first input unless told."""
        if kind in ("reshape", "broadcast"):
            attributes["shape"] = tuple(int(n) for n in shape)
        return self.several(kind, *inputs, outputs=((shape, dtype),), **attributes)[0]

    def several(self, kind: str, *inputs: Value | None, outputs: Sequence[tuple[Dims, str | None]],
                **attributes: Any) -> tuple[Value, ...]:
        """One operation with several outputs, (shape, dtype) each."""
        like = next((x.dtype for x in inputs if x is not None), "float32")
        made = tuple(Value(tuple(int(n) for n in shape), dtype or like) for shape, dtype in outputs)
        self.ops.append(Op(kind, inputs, made, attributes, self.place, self.source))
        return made

    def program(self, inputs: Sequence[Value], parameters: Iterable[Parameter], outputs: Sequence[Value], *,
                idle: bool = False) -> Program:
        """What reaches the outputs. idle : parameters that do not are kept too."""
        wanted, kept = set(outputs), []
        for op in reversed(self.ops):
            if any(v in wanted for v in op.outputs):
                kept.append(op)
                wanted.update(v for v in op.inputs if v is not None)
        constants = {v: a for v, a in self.constants.items() if v in wanted}
        return Program(inputs, [p for p in parameters if idle or p.value in wanted], constants, kept[::-1], outputs)

    # constants

    def constant(self, array: Any, dtype: str) -> Value:
        """A literal tensor."""
        data = np.asarray(array)
        if self._room is not None:
            self._room -= data.nbytes
            if self._room < 0:
                raise NotUnderstood
        value = Value(data.shape, dtype)
        self.constants[value] = data
        return value

    def operand(self, x: Value | Number, like: Value) -> Value:
        """A value, or a number as a constant of shape ()."""
        if isinstance(x, Value):
            return x
        if isinstance(x, (bool, int, float)):
            whole = isinstance(x, int) and "float" not in like.dtype
            return self.constant(x, "int64" if whole else "float32" if like.dtype in ("bool", "int64") else like.dtype)
        raise NotUnderstood

    # elementwise

    def binary(self, kind: str, a: Value | Number, b: Value | Number, **attributes: Any) -> Value:
        """An operation of two, broadcast against each other; one may be a number."""
        like = a if isinstance(a, Value) else b
        if not isinstance(like, Value):
            raise NotUnderstood
        a, b = self.operand(a, like), self.operand(b, like)
        dtype = "bool" if kind in ("compare", "logical") else _promoted(a, b)
        return self.emit(kind, a, b, shape=broadcast_shapes(a.shape, b.shape), dtype=dtype, **attributes)

    def elementwise(self, function: str, x: Value, dtype: str | None = None, **attributes: Any) -> Value:
        """One function on every element."""
        return self.emit("elementwise", x, shape=x.shape, dtype=dtype, function=function, **attributes)

    def activation(self, name: str, x: Value) -> Value:
        """An activation of initcore's table."""
        return self.emit("activation", x, shape=x.shape, activation=name)

    def cast(self, x: Value, dtype: str | None) -> Value:
        """The same numbers in another type; the value itself where it has it already."""
        return x if dtype is None or dtype == x.dtype else self.elementwise("cast", x, dtype=dtype)

    def choose(self, condition: Value, a: Value | Number, b: Value | Number) -> Value:
        """``a`` where the condition holds, else ``b``."""
        like = a if isinstance(a, Value) else b if isinstance(b, Value) else condition
        a, b = self.operand(a, like), self.operand(b, like)
        return self.emit("choose", condition, a, b, shape=broadcast_shapes(condition.shape, a.shape, b.shape),
                         dtype=_promoted(a, b))

    # shapes

    def reshape(self, x: Value, shape: Dims) -> Value:
        """The elements in their order in another shape, one size of which may be -1."""
        size, known = math.prod(x.shape), math.prod(n for n in shape if n != -1)
        new = tuple(size // max(known, 1) if n == -1 else int(n) for n in shape)
        if math.prod(new) != size:
            raise NotUnderstood
        return x if new == x.shape else self.emit("reshape", x, shape=new)

    def permute(self, x: Value, dims: Dims) -> Value:
        """Dim k of the result is dim ``dims[k]`` of x."""
        dims = tuple(dim_of(d, len(x.shape)) for d in dims)
        if dims == tuple(range(len(x.shape))):
            return x
        return self.emit("permute", x, shape=[x.shape[d] for d in dims], dims=dims)

    def expand(self, x: Value, shape: Dims) -> Value:
        """Broadcast to the shape, in which -1 keeps a size."""
        lead = len(shape) - len(x.shape)
        new = tuple(x.shape[k - lead] if n == -1 else int(n) for k, n in enumerate(shape))
        return self.place_dims(x, new, range(lead, len(new)))

    def place_dims(self, x: Value, shape: Dims, dims: Dims) -> Value:
        """Broadcast so that dim k of x is dim ``dims[k]`` of the result."""
        new, dims = tuple(shape), tuple(dims)
        return x if new == x.shape else self.emit("broadcast", x, shape=new, dims=dims)

    def slice(self, x: Value, dim: int, start: int | None, stop: int | None, step: int = 1) -> Value:
        """``x[..., start:stop:step, ...]`` as Python slices."""
        dim = dim_of(dim, len(x.shape))
        first, last, step = slice(start, stop, step).indices(x.shape[dim])
        count = max(0, -(-(last - first) // step))
        if count == x.shape[dim] and step == 1:
            return x
        rank = len(x.shape)
        starts, steps = [0] * rank, [1] * rank
        stops, shape = list(x.shape), list(x.shape)
        starts[dim], steps[dim], stops[dim], shape[dim] = first, step, max(first, last), count
        return self.emit("slice", x, shape=shape, starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))

    def select(self, x: Value, dim: int, index: int) -> Value:
        """``x[..., index, ...]``."""
        dim = dim_of(dim, len(x.shape))
        index = dim_of(index, x.shape[dim])
        part = self.slice(x, dim, index, index + 1)
        return self.reshape(part, x.shape[:dim] + x.shape[dim + 1:])

    def split(self, x: Value, sizes: Dims, dim: int) -> list[Value]:
        """Parts of those sizes, one after the other."""
        if len(sizes) > MOST_PARTS:
            raise NotUnderstood
        ends = np.cumsum([0, *sizes])
        return [self.slice(x, dim, int(a), int(b)) for a, b in zip(ends[:-1], ends[1:], strict=True)]

    def concatenate(self, xs: Sequence[Value], dim: int) -> Value:
        """Joined along a dim; PyTorch leaves out one-dimensional empty ones."""
        parts = [x for x in xs if x.shape != (0,)] or list(xs[:1])
        if not parts:
            raise NotUnderstood
        if len(parts) == 1:
            return parts[0]
        dim = dim_of(dim, len(parts[0].shape))
        shape = list(parts[0].shape)
        shape[dim] = sum(x.shape[dim] for x in parts)
        return self.emit("concatenate", *parts, shape=shape, dim=dim)

    def unsqueeze(self, x: Value, dim: int) -> Value:
        """One more dim of size one."""
        dim = dim_of(dim, len(x.shape) + 1)
        return self.reshape(x, (*x.shape[:dim], 1, *x.shape[dim:]))

    # sums of products

    def contract(self, a: Value, b: Value, over: tuple[Dims, Dims], batch: tuple[Dims, Dims] = ((), ())) -> Value:
        """Sum over pairs of dims; the result's dims are the batch, what is left of a, what is left of b."""
        rest = [[n for d, n in enumerate(x.shape) if d not in (*o, *k)] for x, o, k in zip((a, b), over, batch)]
        if any(a.shape[i] != b.shape[j] for s in (over, batch) for i, j in zip(*s, strict=True)):
            raise NotUnderstood
        return self.emit("contract", a, b, shape=[*(a.shape[d] for d in batch[0]), *rest[0], *rest[1]],
                         contracting=tuple(map(tuple, over)), batch=tuple(map(tuple, batch)))

    def reduce(self, x: Value, function: str, dims: Dims | int | None = None, keep: bool = False,
               dtype: str | None = None, **attributes: Any) -> Value:
        """Sum, mean, max ... over dims, all where none are given."""
        over = dims_of(dims, len(x.shape))
        shape = [1 if d in over else n for d, n in enumerate(x.shape) if keep or d not in over]
        return self.emit("reduce", x, shape=shape, dtype=dtype, function=function, dims=over, keep=bool(keep),
                         **attributes)


_ORDER = ("bool", "uint8", "int8", "int16", "int32", "int64", "float8", "bfloat16", "float16", "float32", "float64",
          "complex64", "complex128")


def _promoted(a: Value, b: Value) -> str:
    """The wider dtype; a value of shape () counts only by its kind."""
    def rank(v: Value) -> int:
        return next((k for k, name in enumerate(_ORDER) if v.dtype.startswith(name)), len(_ORDER))
    if not a.shape and b.shape and not ("float" in a.dtype and "float" not in b.dtype):
        return b.dtype
    if not b.shape and a.shape and not ("float" in b.dtype and "float" not in a.dtype):
        return a.dtype
    return max((a, b), key=rank).dtype
