"""The table's reductions: sums, extremes, softmax, cumulated and sorted, pools."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..program import Value
from ._build import Build, NotUnderstood, Number, dim_of, many

Entry = Callable[..., Any]


def _reduce(function: str) -> Entry:
    def entry(b: Build, self: Value, dim: Any = None, keepdim: bool = False, dtype: str | None = None) -> Value:
        x = self if dtype is None else b.cast(self, dtype)
        if dtype is None and "float" not in x.dtype and function in ("sum", "prod"):
            dtype = "int64"
        return b.reduce(x, function, dim, keepdim, "bool" if function in ("any", "all") else dtype)
    return entry


def _extreme(function: str) -> Entry:
    """max and min along a dim: the values and where they are."""
    def entry(b: Build, self: Value, dim: int, keepdim: bool = False) -> list[Value]:
        return [b.reduce(self, function, dim, keepdim), b.reduce(self, f"arg{function}", dim, keepdim, "int64")]
    return entry


def _where(function: str) -> Entry:
    def entry(b: Build, self: Value, dim: int | None = None, keepdim: bool = False) -> Value:
        x = b.reshape(self, (-1,)) if dim is None else self
        return b.reduce(x, function, 0 if dim is None else dim, keepdim, "int64")
    return entry


def _spread(function: str) -> Entry:
    def entry(b: Build, self: Value, dim: Any = None, unbiased: bool = True, keepdim: bool = False,
              correction: Number | None = None) -> Value:
        if isinstance(dim, bool):                       # var.default(self, unbiased)
            dim, unbiased = None, dim
        less = float(unbiased) if correction is None else float(correction)
        return b.reduce(self, function, dim, keepdim, correction=less)
    return entry


def _with_mean(function: str) -> Entry:
    spread = _spread(function)
    return lambda b, self, dim=None, unbiased=True, keepdim=False, correction=None: [
        spread(b, self, dim, unbiased, keepdim, correction), b.reduce(self, "mean", dim, keepdim)]


def _vector_norm(b: Build, self: Value, ord: Number = 2, dim: Any = None, keepdim: bool = False,
                 dtype: str | None = None) -> Value:
    return b.reduce(b.cast(self, dtype), "norm", dim, keepdim, ord=float(ord))


def _norm_of(b: Build, self: Value, p: Number | None = 2, dim: Any = None, keepdim: bool = False,
             dtype: str | None = None) -> Value:
    return _vector_norm(b, self, 2 if p is None else p, dim, keepdim, dtype)


def _softmax(log: bool) -> Entry:
    def entry(b: Build, self: Value, dim: int, dtype: Any = None) -> Value:
        x = self if dtype is None or isinstance(dtype, bool) else b.cast(self, dtype)
        return b.emit("softmax", x, shape=x.shape, dims=(dim_of(dim, len(x.shape)),), log=log)
    return entry


def _cumulate(function: str) -> Entry:
    def entry(b: Build, self: Value, dim: int, dtype: str | None = None) -> Value:
        x = self if dtype is None else b.cast(self, dtype)
        whole = "int64" if dtype is None and "float" not in x.dtype else None
        return b.emit("cumulate", x, shape=x.shape, dtype=whole, dim=dim_of(dim, len(x.shape)), function=function)
    return entry


def _sort(b: Build, self: Value, dim: int = -1, descending: bool = False, stable: bool | None = None) -> Any:
    return b.several("sort", self, outputs=((self.shape, None), (self.shape, "int64")),
                     dim=dim_of(dim, len(self.shape)), descending=bool(descending))


def _topk(b: Build, self: Value, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    dim = dim_of(dim, len(self.shape))
    shape = [k if d == dim else n for d, n in enumerate(self.shape)]
    return b.several("topk", self, outputs=((shape, None), (shape, "int64")), dim=dim, k=k,
                     **({} if largest else {"largest": False}))


def _pool(k: int, function: str) -> Entry:
    def entry(b: Build, self: Value, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
              ceil_mode: bool = False) -> Value:
        return _pooled(b, self, k, function, kernel_size, stride, padding, dilation, ceil_mode, True)

    def mean(b: Build, self: Value, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
             count_include_pad: bool = True, divisor_override: int | None = None) -> Value:
        if divisor_override is not None:
            raise NotUnderstood
        return _pooled(b, self, k, function, kernel_size, stride, padding, 1, ceil_mode, count_include_pad)
    return mean if function == "mean" else entry


def _pooled(b: Build, x: Value, k: int, function: str, window: Any, stride: Any, padding: Any, dilation: Any,
            ceil: bool, count_pad: bool) -> Value:
    window, padding, dilation = many(window, k), many(padding, k), many(dilation, k)
    stride = window if stride is None or (not isinstance(stride, int) and not stride) else many(stride, k)
    size = []
    for n, w, s, p, d in zip(x.shape[-k:], window, stride, padding, dilation, strict=True):
        free = n + 2 * p - d * (w - 1) - 1
        count = (-(-free // s) if ceil else free // s) + 1
        size.append(count - (ceil and (count - 1) * s >= n + p))
    rank = len(x.shape)
    return b.emit("pool", x, shape=(*x.shape[:-k], *size), dims=tuple(range(rank - k, rank)), function=function,
                  window=window, stride=stride, padding=padding, dilation=dilation, ceil=bool(ceil),
                  count_padding=bool(count_pad))


def _adaptive(k: int, function: str) -> Entry:
    """To one pixel it is a reduction; to as many as there are nothing; else a pool."""
    def entry(b: Build, self: Value, output_size: Any) -> Value:
        rank = len(self.shape)
        dims = tuple(range(rank - k, rank))
        size = [n if want is None else want for n, want in zip(self.shape[-k:], many(output_size, k), strict=True)]
        if all(n == 1 for n in size):
            return b.reduce(self, function, dims, keep=True)
        if tuple(size) == self.shape[-k:]:
            return self
        return b.emit("pool", self, shape=(*self.shape[:-k], *size), dims=dims, function=function, adaptive=True)
    return entry


def _adaptive_max(k: int) -> Entry:
    """The maxima, and where they were, for which the vocabulary has no word."""
    pool = _adaptive(k, "max")

    def entry(b: Build, self: Value, output_size: Any) -> list[Value]:
        out = pool(b, self, output_size)
        return [out, b.emit("opaque", self, shape=out.shape, dtype="int64")]
    return entry


def _resample(method: str, k: int) -> Entry:
    def entry(b: Build, input: Value, output_size: Any = None, align_corners: bool = False,
              scale_factors: Any = None) -> Value:
        size = output_size or [math.floor(n * f) for n, f in zip(input.shape[-k:], scale_factors or (), strict=True)]
        rank = len(input.shape)
        return b.emit("resample", input, shape=(*input.shape[:-k], *size), dims=tuple(range(rank - k, rank)),
                      function=method, align=bool(align_corners))
    return entry


ENTRIES: dict[str, Entry] = {
    **{name: _reduce(name) for name in ("sum", "mean", "prod", "logsumexp", "any", "all")},
    "amax": _reduce("amax"), "amin": _reduce("amin"), "max": _reduce("max"), "min": _reduce("min"),
    "max.dim": _extreme("max"), "min.dim": _extreme("min"), "argmax": _where("argmax"), "argmin": _where("argmin"),
    "count_nonzero": lambda b, self, dim=None: b.reduce(self, "count", dim, False, "int64"),
    "var": _spread("var"), "std": _spread("std"), "var_mean": _with_mean("var"), "std_mean": _with_mean("std"),
    "linalg_vector_norm": _vector_norm, "norm": _norm_of,
    "softmax": _softmax(False), "log_softmax": _softmax(True), "_softmax": lambda b, self, dim, half_to_float:
        _softmax(False)(b, self, dim), "_log_softmax": lambda b, self, dim, half_to_float: _softmax(True)(b, self, dim),
    "cumsum": _cumulate("sum"), "cumprod": _cumulate("prod"), "logcumsumexp": _cumulate("logsumexp"),
    "sort": _sort, "topk": _topk, "argsort": lambda b, self, dim=-1, descending=False, stable=None:
        _sort(b, self, dim, descending)[1],
    **{f"{name}_pool{k}d": _pool(k, word) for k in (1, 2, 3) for name, word in (("max", "max"), ("avg", "mean"))},
    **{f"adaptive_avg_pool{k}d": _adaptive(k, "mean") for k in (1, 2, 3)},
    **{f"adaptive_max_pool{k}d": _adaptive_max(k) for k in (1, 2, 3)},
    **{f"upsample_{method}{k}d": _resample(method, k) for method, ks in
       (("nearest", (1, 2, 3)), ("linear", (1,)), ("bilinear", (2,)), ("bicubic", (2,)), ("trilinear", (3,)))
       for k in ks},
}
