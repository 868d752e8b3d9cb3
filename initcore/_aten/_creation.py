"""The table's new tensors: filled, counted, drawn, copied."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..program import Value
from ._build import Build, NotUnderstood, Number, broadcast_shapes

Entry = Callable[..., Any]
_MOST_CONSTANT = 1 << 20                # elements of a mask that is written out


def _copy(b: Build, self: Value, src: Value | Number, non_blocking: bool = False) -> Value:
    x = b.operand(src, self)
    return b.cast(b.expand(x, self.shape), self.dtype)


def _filled(b: Build, shape: tuple[int, ...], number: Number, dtype: str) -> Value:
    return b.expand(b.constant(number, dtype), shape)


def _full(b: Build, size: Any, fill_value: Any, dtype: str | None = None, **_: Any) -> Value:
    if isinstance(fill_value, Value):
        return b.expand(fill_value, tuple(size))
    default = "bool" if isinstance(fill_value, bool) else "int64" if isinstance(fill_value, int) else "float32"
    return _filled(b, tuple(size), fill_value, dtype or default)


def _zeros(number: Number) -> Entry:
    return lambda b, size, dtype=None, **_: _filled(b, tuple(size), number, dtype or "float32")


def _like(number: Number) -> Entry:
    return lambda b, self, dtype=None, **_: _filled(b, self.shape, number, dtype or self.dtype)


def _new(number: Number) -> Entry:
    return lambda b, self, size, dtype=None, **_: _filled(b, tuple(size), number, dtype or self.dtype)


def _fill(b: Build, self: Value, value: Value | Number) -> Value:
    return b.expand(b.operand(value, self), self.shape)


def _arange(b: Build, end: Number, start: Number = 0, step: Number = 1, dtype: str | None = None, **_: Any) -> Value:
    kind = dtype or ("int64" if all(isinstance(x, int) for x in (start, end, step)) else "float32")
    count = max(0, math.ceil((end - start) / step))
    return b.emit("arange", shape=(count,), dtype=kind, start=start, step=step)


def _linspace(b: Build, start: Number, end: Number, steps: int, dtype: str | None = None, **_: Any) -> Value:
    step = (end - start) / (steps - 1) if steps > 1 else 0.0
    return b.emit("arange", shape=(steps,), dtype=dtype or "float32", start=float(start), step=step)


def _random(b: Build, size: Any, dtype: str | None = None, **_: Any) -> Value:
    return b.emit("random", shape=tuple(size), dtype=dtype or "float32")


def _random_like(b: Build, self: Value, dtype: str | None = None, **_: Any) -> Value:
    return b.emit("random", shape=self.shape, dtype=dtype or self.dtype)


def _random_fill(b: Build, self: Value, *_: Any, **__: Any) -> Value:
    return b.emit("random", shape=self.shape, dtype=self.dtype)


def _triangle(lower: bool) -> Entry:
    def entry(b: Build, self: Value, diagonal: int = 0) -> Value:
        rows, columns = self.shape[-2:]
        if rows * columns > _MOST_CONSTANT:
            raise NotUnderstood
        mask = np.tri(rows, columns, diagonal if lower else diagonal - 1, dtype=bool)
        return b.choose(b.constant(mask if lower else ~mask, "bool"), self, _zero(self))
    return entry


def _zero(x: Value) -> Number:
    return False if x.dtype == "bool" else 0.0 if "float" in x.dtype else 0


def _eye(b: Build, n: int, m: int | None = None, dtype: str | None = None, **_: Any) -> Value:
    m = n if m is None else m
    if n * m > _MOST_CONSTANT:
        raise NotUnderstood
    return b.constant(np.eye(n, m), dtype or "float32")


def _meshgrid(b: Build, tensors: list[Value], indexing: str = "ij") -> list[Value]:
    if indexing != "ij":
        raise NotUnderstood
    shape = tuple(t.shape[0] if t.shape else 1 for t in tensors)
    return [b.place_dims(b.reshape(t, (-1,)), shape, (k,)) for k, t in enumerate(tensors)]


def _broadcast_all(b: Build, tensors: list[Value]) -> list[Value]:
    shape = broadcast_shapes(*(t.shape for t in tensors))
    return [b.expand(t, shape) for t in tensors]


ENTRIES: dict[str, Entry] = {
    "copy": _copy, "fill": _fill, "zero": lambda b, self: _fill(b, self, _zero(self)),
    "full": _full, "zeros": _zeros(0), "ones": _zeros(1), "empty": _zeros(0), "zeros_like": _like(0),
    "ones_like": _like(1), "empty_like": _like(0), "new_zeros": _new(0), "new_ones": _new(1), "new_empty": _new(0),
    "full_like": lambda b, self, fill_value, dtype=None, **_: _full(b, self.shape, fill_value, dtype or self.dtype),
    "new_full": lambda b, self, size, fill_value, dtype=None, **_: _full(b, size, fill_value, dtype or self.dtype),
    "scalar_tensor": lambda b, s, dtype=None, **_: b.constant(s, dtype or "float32"),
    "arange": _arange, "linspace": _linspace, "eye": _eye, "meshgrid": _meshgrid, "broadcast_tensors": _broadcast_all,
    "tril": _triangle(True), "triu": _triangle(False),
    "rand": _random, "randn": _random, "rand_like": _random_like, "randn_like": _random_like,
    "bernoulli": _random_fill, "normal": _random_fill, "uniform": _random_fill, "exponential": _random_fill,
}
