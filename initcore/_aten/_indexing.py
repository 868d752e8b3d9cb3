"""The table's indexing: rows and elements read and written where indices say."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..program import Value
from ._build import Build, NotUnderstood, Number, broadcast_shapes, dim_of

Entry = Callable[..., Any]


def look_up(b: Build, table: Value, indices: Value, dim: int) -> Value:
    """The dim of the table replaced by the dims of the indices."""
    dim = dim_of(dim, len(table.shape))
    shape = (*table.shape[:dim], *indices.shape, *table.shape[dim + 1:])
    return b.emit("look_up", table, indices, shape=shape, dim=dim)


def _embedding(b: Build, weight: Value, indices: Value, padding_idx: int = -1, scale_grad_by_freq: bool = False,
               sparse: bool = False) -> Value:
    return look_up(b, weight, indices, 0)


def _index_select(b: Build, self: Value, dim: int, index: Value) -> Value:
    return look_up(b, self, b.reshape(index, (-1,)), dim)


def _index(b: Build, self: Value, indices: list[Value | None]) -> Value:
    """One array of indices, or several beside each other: then they count the merged dims."""
    at = [k for k, x in enumerate(indices) if x is not None]
    found = [x for x in indices if x is not None]
    if not at or at != list(range(at[0], at[-1] + 1)) or any("int" not in x.dtype for x in found):
        raise NotUnderstood
    if len(at) == 1:
        return look_up(b, self, found[0], at[0])
    first, last = at[0], at[-1] + 1
    flat = None
    for size, index in zip(self.shape[first:last], found, strict=True):
        wrapped = b.choose(b.binary("compare", index, 0, function="lt"), b.binary("add", index, size), index)
        flat = wrapped if flat is None else b.binary("add", b.binary("multiply", flat, size), wrapped)
    merged = b.reshape(self, (*self.shape[:first], math.prod(self.shape[first:last]), *self.shape[last:]))
    if flat is None:
        raise NotUnderstood
    return look_up(b, merged, flat, first)


def _gather(b: Build, self: Value, dim: int, index: Value, sparse_grad: bool = False) -> Value:
    if not self.shape or any(index.shape[d] > n for d, n in enumerate(self.shape)
                             if d != dim_of(dim, len(self.shape))):
        raise NotUnderstood
    return b.emit("gather", self, index, shape=index.shape, dim=dim_of(dim, len(self.shape)))


def _take_along(b: Build, self: Value, indices: Value, dim: int | None = None) -> Value:
    if dim is None:
        return b.emit("gather", b.reshape(self, (-1,)), b.reshape(indices, (-1,)), shape=(math.prod(indices.shape),),
                      dim=0)
    dim = dim_of(dim, len(self.shape))
    def wide(x: Value, y: Value) -> Value:
        shape = broadcast_shapes(*(tuple(1 if d == dim else n for d, n in enumerate(v.shape)) for v in (x, y)))
        return b.expand(x, [x.shape[d] if d == dim else n for d, n in enumerate(shape)])
    index = wide(indices, self)
    return b.emit("gather", wide(self, indices), index, shape=index.shape, dim=dim)


def _scatter(function: str) -> Entry:
    def entry(b: Build, self: Value, dim: int, index: Value, src: Value | None = None,
              value: Number | None = None) -> Value:
        source = b.expand(b.operand(value, self), index.shape) if src is None and value is not None else src
        if source is None or not self.shape:
            raise NotUnderstood
        return b.emit("scatter", self, index, source, shape=self.shape, dim=dim_of(dim, len(self.shape)),
                      function=function)
    return entry


def _scatter_reduce(b: Build, self: Value, dim: int, index: Value, src: Value, reduce: str,
                    include_self: bool = True) -> Value:
    function = {"sum": "add", "add": "add", "amax": "max", "amin": "min"}.get(reduce)
    if function is None or not include_self:
        raise NotUnderstood
    return b.emit("scatter", self, index, src, shape=self.shape, dim=dim_of(dim, len(self.shape)), function=function)


def _index_add(b: Build, self: Value, dim: int, index: Value, source: Value, alpha: Number = 1) -> Value:
    x = source if alpha == 1 else b.binary("multiply", source, alpha)
    return _along(b, self, dim, index, x, "add")


def _along(b: Build, self: Value, dim: int, index: Value, source: Value, function: str) -> Value:
    """Rows of the source set or added where a one-dimensional index says."""
    if not self.shape or len(index.shape) != 1:
        raise NotUnderstood
    dim = dim_of(dim, len(self.shape))
    return b.emit("scatter", self, b.place_dims(index, source.shape, (dim,)), source, shape=self.shape, dim=dim,
                  function=function)


def _index_put(b: Build, self: Value, indices: list[Value | None], values: Value, accumulate: bool = False) -> Value:
    found = [(k, x) for k, x in enumerate(indices) if x is not None]
    if len(found) != 1 or len(found[0][1].shape) != 1 or "int" not in found[0][1].dtype:
        raise NotUnderstood
    dim, index = found[0]
    shape = (*self.shape[:dim], *index.shape, *self.shape[dim + 1:])
    return _along(b, self, dim, index, b.expand(values, shape), "add" if accumulate else "set")


def _slice_scatter(b: Build, self: Value, src: Value, dim: int = 0, start: int | None = None, end: int | None = None,
                   step: int = 1) -> Value:
    dim = dim_of(dim, len(self.shape))
    first, last, step = slice(start, end, step).indices(self.shape[dim])
    if step != 1:
        raise NotUnderstood
    parts = [b.slice(self, dim, 0, first), b.expand(src, [max(0, last - first) if d == dim else n
                                                          for d, n in enumerate(self.shape)]),
             b.slice(self, dim, max(first, last), None)]
    return b.concatenate([p for p in parts if p.shape[dim]], dim)


def _select_scatter(b: Build, self: Value, src: Value, dim: int, index: int) -> Value:
    dim = dim_of(dim, len(self.shape))
    at = index % self.shape[dim]
    return _slice_scatter(b, self, b.unsqueeze(src, dim), dim, at, at + 1)


def _one_hot(b: Build, self: Value, num_classes: int = -1) -> Value:
    if num_classes < 0:
        raise NotUnderstood
    return b.emit("one_hot", self, shape=(*self.shape, num_classes), dtype="int64", classes=num_classes)


ENTRIES: dict[str, Entry] = {
    "embedding": _embedding, "index_select": _index_select, "index": _index, "gather": _gather,
    "take_along_dim": _take_along, "scatter": _scatter("set"), "scatter_add": _scatter("add"),
    "scatter_reduce": _scatter_reduce, "index_add": _index_add, "index_copy": lambda b, self, dim, index, source:
        _along(b, self, dim, index, source, "set"),
    "index_put": _index_put, "slice_scatter": _slice_scatter, "select_scatter": _select_scatter, "one_hot": _one_hot,
}
