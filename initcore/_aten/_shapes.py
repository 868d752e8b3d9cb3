"""The table's shapes: views, parts, joining."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..program import Value
from ._build import MOST_PARTS, Build, NotUnderstood, Number, dim_of

Entry = Callable[..., Any]


def _flatten(b: Build, self: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
    rank = len(self.shape)
    if not rank:
        return b.reshape(self, (1,))
    first, last = dim_of(start_dim, rank), dim_of(end_dim, rank)
    return b.reshape(self, (*self.shape[:first], math.prod(self.shape[first:last + 1]), *self.shape[last + 1:]))


def _unflatten(b: Build, self: Value, dim: int, sizes: Sequence[int], names: Any = None) -> Value:
    dim = dim_of(dim, len(self.shape))
    known = math.prod(n for n in sizes if n != -1)
    new = [self.shape[dim] // max(known, 1) if n == -1 else n for n in sizes]
    return b.reshape(self, (*self.shape[:dim], *new, *self.shape[dim + 1:]))


def _squeeze(b: Build, self: Value, dim: int | Sequence[int] | None = None) -> Value:
    rank = len(self.shape)
    at = range(rank) if dim is None else [dim_of(d, rank) for d in ([dim] if isinstance(dim, int) else dim)]
    return b.reshape(self, [n for d, n in enumerate(self.shape) if not (d in at and n == 1)])


def _transpose(b: Build, self: Value, dim0: int, dim1: int) -> Value:
    dims = list(range(len(self.shape)))
    if not dims:
        return self
    i, j = dim_of(dim0, len(dims)), dim_of(dim1, len(dims))
    dims[i], dims[j] = dims[j], dims[i]
    return b.permute(self, dims)


def _movedim(b: Build, self: Value, source: Any, destination: Any) -> Value:
    rank = len(self.shape)
    frm = [dim_of(d, rank) for d in ([source] if isinstance(source, int) else source)]
    to = [dim_of(d, rank) for d in ([destination] if isinstance(destination, int) else destination)]
    rest = iter(d for d in range(rank) if d not in frm)
    return b.permute(self, [frm[to.index(k)] if k in to else next(rest) for k in range(rank)])


def _t(b: Build, self: Value) -> Value:
    return b.permute(self, range(len(self.shape))[::-1])


def _split(b: Build, self: Value, split_size: Any, dim: int = 0) -> list[Value]:
    if not isinstance(split_size, int):
        return b.split(self, split_size, dim)
    size = self.shape[dim_of(dim, len(self.shape))]
    whole, rest = divmod(size, split_size) if split_size else (0, 0)
    if not 0 <= whole <= MOST_PARTS:
        raise NotUnderstood
    return b.split(self, [split_size] * whole + [rest] * bool(rest) or [0], dim)


def _chunk(b: Build, self: Value, chunks: int, dim: int = 0) -> list[Value]:
    size = self.shape[dim_of(dim, len(self.shape))]
    return _split(b, self, max(1, -(-size // chunks)), dim)


def _unbind(b: Build, self: Value, dim: int = 0) -> list[Value]:
    count = self.shape[dim_of(dim, len(self.shape))]
    if count > MOST_PARTS:
        raise NotUnderstood
    return [b.select(self, dim, k) for k in range(count)]


def _slice(b: Build, self: Value, dim: int = 0, start: int | None = None, end: int | None = None,
           step: int = 1) -> Value:
    return b.slice(self, dim, start, end, step)


def _stack(b: Build, tensors: list[Value], dim: int = 0) -> Value:
    rank = len(tensors[0].shape)
    at = dim_of(dim, rank + 1)
    if len(tensors) == 1:
        return b.unsqueeze(tensors[0], at)
    return b.concatenate([b.unsqueeze(t, at) for t in tensors], at)


def _repeat(b: Build, self: Value, repeats: Sequence[int]) -> Value:
    """Every dim by itself after a new dim that counts the copies."""
    lead = len(repeats) - len(self.shape)
    shape = (1,) * lead + self.shape
    if all(n == 1 or r == 1 for n, r in zip(shape, repeats, strict=True)):
        return b.expand(b.reshape(self, shape), [n * r for n, r in zip(shape, repeats, strict=True)])
    wide = [x for n, r in zip(shape, repeats, strict=True) for x in (r, n)]
    dims = [2 * k + 1 for k in range(lead, len(shape))]
    return b.reshape(b.place_dims(self, wide, dims), [n * r for n, r in zip(shape, repeats, strict=True)])


def _repeat_each(b: Build, self: Value, repeats: Any, dim: int | None = None, output_size: int | None = None) -> Value:
    if not isinstance(repeats, int):
        raise NotUnderstood
    x, dim = (b.reshape(self, (-1,)), 0) if dim is None else (self, dim_of(dim, len(self.shape)))
    wide = (*x.shape[:dim + 1], repeats, *x.shape[dim + 1:])
    more = b.place_dims(x, wide, [d for d in range(len(wide)) if d != dim + 1])
    return b.reshape(more, (*x.shape[:dim], x.shape[dim] * repeats, *x.shape[dim + 1:]))


def _flip(b: Build, self: Value, dims: Sequence[int]) -> Value:
    return b.emit("flip", self, shape=self.shape, dims=tuple(sorted(dim_of(d, len(self.shape)) for d in dims)))


def _roll(b: Build, self: Value, shifts: Any, dims: Any = ()) -> Value:
    if isinstance(dims, int) or dims:
        at = [dims] if isinstance(dims, int) else list(dims)
        by = [shifts] if isinstance(shifts, int) else list(shifts)
        return b.emit("roll", self, shape=self.shape, shifts=tuple(by),
                      dims=tuple(dim_of(d, len(self.shape)) for d in at))
    raise NotUnderstood


def _pad(b: Build, self: Value, pad: Sequence[int], mode: str = "constant", value: Number | None = None) -> Value:
    rank = len(self.shape)
    low, high = [0] * rank, [0] * rank
    for k in range(len(pad) // 2):
        low[rank - 1 - k], high[rank - 1 - k] = pad[2 * k], pad[2 * k + 1]
    shape = [n + i + j for n, i, j in zip(self.shape, low, high, strict=True)]
    return b.emit("pad", self, shape=shape, low=tuple(low), high=tuple(high), function=mode, value=float(value or 0))


def _pad_with(mode: str) -> Entry:
    return lambda b, self, padding: _pad(b, self, padding, mode)


def _diff(b: Build, self: Value, n: int = 1, dim: int = -1, prepend: Value | None = None,
          append: Value | None = None) -> Value:
    if n > 64:
        raise NotUnderstood
    x = b.concatenate([v for v in (prepend, self, append) if v is not None], dim)
    for _ in range(n):
        upper, lower = b.slice(x, dim, 1, None), b.slice(x, dim, None, -1)
        x = b.binary("subtract", upper, lower) if x.dtype != "bool" else \
            b.binary("compare", upper, lower, function="ne")
    return x


def _pixel_shuffle(b: Build, self: Value, upscale_factor: int) -> Value:
    *lead, c, h, w = self.shape
    r, k = upscale_factor, len(lead)
    x = b.reshape(self, (*lead, c // (r * r), r, r, h, w))
    x = b.permute(x, (*range(k), k, k + 3, k + 1, k + 4, k + 2))
    return b.reshape(x, (*lead, c // (r * r), h * r, w * r))


def _pixel_unshuffle(b: Build, self: Value, downscale_factor: int) -> Value:
    *lead, c, h, w = self.shape
    r, k = downscale_factor, len(lead)
    x = b.reshape(self, (*lead, c, h // r, r, w // r, r))
    x = b.permute(x, (*range(k), k, k + 2, k + 4, k + 1, k + 3))
    return b.reshape(x, (*lead, c * r * r, h // r, w // r))


def _channel_shuffle(b: Build, self: Value, groups: int) -> Value:
    n, c, *rest = self.shape
    x = b.permute(b.reshape(self, (n, groups, c // groups, *rest)), (0, 2, 1, *range(3, 3 + len(rest))))
    return b.reshape(x, self.shape)


def _no_words(*_: Any, **__: Any) -> Value:
    raise NotUnderstood


ENTRIES: dict[str, Entry] = {
    "view": lambda b, self, size: b.reshape(self, size), "_unsafe_view": lambda b, self, size: b.reshape(self, size),
    "reshape": lambda b, self, shape: b.reshape(self, shape), "ravel": lambda b, self: b.reshape(self, (-1,)),
    "view.dtype": _no_words, "view_as": lambda b, self, other: b.reshape(self, other.shape),
    "reshape_as": lambda b, self, other: b.reshape(self, other.shape),
    "flatten": _flatten, "unflatten": _unflatten, "unsqueeze": lambda b, self, dim: b.unsqueeze(self, dim),
    "squeeze": _squeeze, "transpose": _transpose, "swapaxes": _transpose, "swapdims": _transpose, "t": _t,
    "numpy_T": _t, "mT": lambda b, self: _transpose(b, self, -1, -2), "movedim": _movedim, "moveaxis": _movedim,
    "matrix_H": _t, "adjoint": lambda b, self: _transpose(b, self, -1, -2),
    "permute": lambda b, self, dims: b.permute(self, dims),
    "expand": lambda b, self, size, implicit=False: b.expand(self, size),
    "expand_as": lambda b, self, other: b.expand(self, other.shape),
    "broadcast_to": lambda b, self, size: b.expand(self, size),
    "repeat": _repeat, "tile": lambda b, self, dims: _repeat(b, self, [1] * (len(self.shape) - len(dims)) + list(dims)),
    "repeat_interleave": _repeat_each,
    "split": _split, "split_with_sizes": lambda b, self, split_sizes, dim=0: b.split(self, split_sizes, dim),
    "unsafe_split": _split, "chunk": _chunk, "unsafe_chunk": _chunk, "unbind": _unbind,
    "slice": _slice, "select": lambda b, self, dim, index: b.select(self, dim, index),
    "narrow": lambda b, self, dim, start, length: b.slice(self, dim, start, start + length),
    "cat": lambda b, tensors, dim=0: b.concatenate(tensors, dim), "stack": _stack,
    "concat": lambda b, tensors, dim=0: b.concatenate(tensors, dim),
    "concatenate": lambda b, tensors, dim=0: b.concatenate(tensors, dim),
    "flip": _flip, "roll": _roll, "pad": _pad, "constant_pad_nd": lambda b, self, pad, value=0:
        _pad(b, self, pad, "constant", value),
    **{f"{mode}_pad{k}d": _pad_with(word) for k in (1, 2, 3)
       for mode, word in (("reflection", "reflect"), ("replication", "replicate"))},
    "diff": _diff, "pixel_shuffle": _pixel_shuffle, "pixel_unshuffle": _pixel_unshuffle,
    "channel_shuffle": _channel_shuffle,
}
