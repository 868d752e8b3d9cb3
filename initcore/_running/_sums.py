"""Operations over dims: reductions, softmax, normalisation, pooling, resampling, running sums."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from .._types import Array
from ..program import Op
from ._op import Attributes, Back, Entry, bounded, refuse

Results = tuple[tuple[Array, ...], Back]
_MOST_TAPS = 1 << 12


def _reduce(a: Attributes, op: Op, x: Array) -> Results:
    dims = tuple(range(x.ndim)) if a.get("dims") is None else tuple(a["dims"])
    keep, name = bool(a.get("keep", False)), a["function"]
    n = math.prod(x.shape[d] for d in dims)
    wide = [1 if d in dims else m for d, m in enumerate(x.shape)]

    def of(y: Array, slope: Any) -> Results:
        out = y if keep else y.reshape([m for d, m in enumerate(x.shape) if d not in dims])
        return (out,), None if slope is None else lambda g: (g.reshape(wide) * slope(),)

    if name in ("sum", "mean"):
        y = x.sum(dims, keepdims=True) / (1 if name == "sum" else max(n, 1))
        return of(y, lambda: np.full(x.shape, 1 if name == "sum" else 1 / max(n, 1), x.dtype))
    if name in ("max", "amax", "min", "amin"):
        y = (np.max if "max" in name else np.min)(x, dims, keepdims=True)
        return of(y, lambda: (x == y) / np.maximum((x == y).sum(dims, keepdims=True), 1))
    if name in ("any", "all", "count"):
        count = np.count_nonzero(x, axis=dims, keepdims=True)
        return of(count if name == "count" else count > 0 if name == "any" else count == n, None)
    if name in ("argmax", "argmin"):
        flat = np.moveaxis(x, dims, range(-len(dims), 0)).reshape(*(m for d, m in enumerate(x.shape) if d not in dims),
                                                                  -1)
        return of((np.argmax if name == "argmax" else np.argmin)(flat, -1).reshape(wide), None)
    if name == "logsumexp":
        high = x.max(dims, keepdims=True)
        y = high + np.log(np.exp(x - high).sum(dims, keepdims=True))
        return of(y, lambda: np.exp(x - y))
    if name == "norm" and a.get("ord", 2.0) == 2:
        y = np.sqrt((x * x).sum(dims, keepdims=True))
        return of(y, lambda: x / np.where(y > 0, y, 1))
    if name in ("var", "std"):
        rest = max(n - a.get("correction", 1.0), 1e-30)
        off = x - x.mean(dims, keepdims=True)
        var = (off * off).sum(dims, keepdims=True) / rest
        if name == "var":
            return of(var, lambda: 2 * off / rest)
        return of(np.sqrt(var), lambda: off / rest / np.sqrt(np.where(var > 0, var, 1)))
    if name == "prod":
        y = x.prod(dims, keepdims=True)
        return of(y, lambda: y / np.where(x != 0, x, 1) * (x != 0))
    raise refuse(op, name)


def _softmax(a: Attributes, op: Op, x: Array) -> Results:
    dims = tuple(a["dims"])
    z = x - x.max(dims, keepdims=True)
    log = z - np.log(np.exp(z).sum(dims, keepdims=True))
    p = np.exp(log)
    if a.get("log", False):
        return (log,), lambda g: (g - p * g.sum(dims, keepdims=True),)
    return (p,), lambda g: (p * (g - (g * p).sum(dims, keepdims=True)),)


def normalize(a: Attributes, op: Op, x: Array, gamma: Array | None = None, beta: Array | None = None,
              mean: Array | None = None, var: Array | None = None) -> Results:
    """``gamma (x - mean) / sqrt(var + eps) + beta``, with the statistics of the method."""
    method, eps, channel = a["method"], a.get("eps", 1e-5), a.get("channel", 0)
    groups = a.get("groups", 1) if method == "group" else 0
    y = x.reshape(*x.shape[:channel], groups, -1, *x.shape[channel + 1:]) if groups else x
    if method in ("layer", "rms"):
        over = own = tuple(a.get("dims") or (x.ndim - 1,))
    else:
        own = (channel,)
        over = tuple(d for d in range(y.ndim) if d != channel and (method == "batch" or d > 0))
    wide = [n if d in own else 1 for d, n in enumerate(x.shape)]
    fixed = method == "batch" and not a.get("training", True) and mean is not None and var is not None
    if fixed:
        centre, spread = mean.reshape(wide), var.reshape(wide)  # type: ignore[union-attr]
    else:
        centre = 0 if method == "rms" else y.mean(over, keepdims=True)
        spread = ((y - centre) ** 2).mean(over, keepdims=True)
    r = 1 / np.sqrt(spread + eps)
    unit = ((y - centre) * r).reshape(x.shape)
    out = unit if gamma is None else unit * gamma.reshape(wide)

    def back(g: Array) -> tuple[Any, ...]:
        rest = tuple(d for d in range(x.ndim) if d not in own)
        gu = g if gamma is None else g * gamma.reshape(wide)
        inner, at = gu.reshape(y.shape), unit.reshape(y.shape)
        gx = inner * r
        if not fixed:
            gx = r * (inner - (0 if method == "rms" else inner.mean(over, keepdims=True))
                      - at * (inner * at).mean(over, keepdims=True))
        return (gx.reshape(x.shape), None if gamma is None else (g * unit).sum(rest).reshape(gamma.shape),
                None if beta is None else g.sum(rest).reshape(beta.shape), None, None)
    return (out if beta is None else out + beta.reshape(wide),), back


def _pool(a: Attributes, op: Op, x: Array) -> Results:
    dims, how, out = tuple(a["dims"]), a.get("function", "max"), op.outputs[0].shape
    if how not in ("max", "mean"):
        raise refuse(op, how)
    if a.get("adaptive"):
        if all(x.shape[d] % max(out[d], 1) == 0 for d in dims):
            step = tuple(x.shape[d] // out[d] for d in dims)
            return _windows(op, x, dims, how, step, step, [(0, 0)] * len(dims), (1,) * len(dims), True)
        if how == "max":
            raise refuse(op, "windows of several sizes")
        return _linear(x, dims, [_adaptive(x.shape[d], out[d]) for d in dims])
    window = tuple(a["window"])
    stride, dilation = tuple(a.get("stride") or window), tuple(a.get("dilation") or (1,) * len(dims))
    edges = [tuple(p) if isinstance(p, (tuple, list)) else (p, p) for p in a.get("padding") or (0,) * len(dims)]
    return _windows(op, x, dims, how, window, stride, edges, dilation, a.get("count_padding", True))


def _windows(op: Op, x: Array, dims: Any, how: str, window: Any, stride: Any, edges: Any, dilation: Any,
             count_padding: bool) -> Results:
    if math.prod(window) > _MOST_TAPS:
        raise refuse(op, "a window that large")
    out = [op.outputs[0].shape[d] for d in dims]
    wide = [(0, 0)] * x.ndim
    for k, d in enumerate(dims):                                             # a last window may hang over (ceil)
        reach = (out[k] - 1) * stride[k] + (window[k] - 1) * dilation[k] + 1
        wide[d] = (edges[k][0], max(edges[k][1], reach - x.shape[d] - edges[k][0]))
    bounded(op, [n + lo + hi for n, (lo, hi) in zip(x.shape, wide)])
    inner = tuple(slice(lo, lo + n) for (lo, _), n in zip(wide, x.shape))
    whole = np.pad(x, wide, constant_values=-np.inf if how == "max" else 0)

    def at(tap: tuple[int, ...]) -> tuple[slice, ...]:
        found = [slice(None)] * x.ndim
        for k, d in enumerate(dims):
            first = tap[k] * dilation[k]
            found[d] = slice(first, first + stride[k] * (out[k] - 1) + 1, stride[k])
        return tuple(found)
    taps = list(itertools.product(*map(range, window)))
    if how == "max":
        y = whole[at(taps[0])].copy()
        for tap in taps[1:]:
            np.maximum(y, whole[at(tap)], out=y)
        count: Any = sum((whole[at(tap)] == y).astype(x.dtype) for tap in taps)
    else:
        valid = np.zeros([whole.shape[d] if d in dims else 1 for d in range(x.ndim)], x.dtype)
        counted = [(e[0], n + sum(e)) if count_padding else (0, n) for e, n in zip(edges, (x.shape[d] for d in dims))]
        where = [slice(None)] * x.ndim
        for d, (lead, n) in zip(dims, counted):
            where[d] = slice(wide[d][0] - lead, wide[d][0] - lead + n)
        valid[tuple(where)] = 1
        count = np.maximum(sum(valid[at(tap)] for tap in taps), 1)
        y = sum(whole[at(tap)] for tap in taps) / count

    def back(g: Array) -> tuple[Any, ...]:
        gs = np.zeros(whole.shape, g.dtype)
        share = g / np.maximum(count, 1)
        for tap in taps:
            gs[at(tap)] += share * (whole[at(tap)] == y) if how == "max" else share
        return (gs[inner],)
    return (y,), back


def _linear(x: Array, dims: Any, matrices: list[Array]) -> Results:
    """A matrix ``(out, in)`` along each dim."""
    def along(y: Array, ms: list[Array]) -> Array:
        for d, m in zip(dims, ms):
            y = np.moveaxis(np.moveaxis(y, d, -1) @ m.T.astype(y.dtype), -1, d)
        return y
    return (along(x, matrices),), lambda g: (along(g, [m.T for m in matrices]),)


def _adaptive(n: int, m: int) -> Array:
    a = np.zeros((m, n))
    for i in range(m):
        a[i, i * n // m:-(-(i + 1) * n // m)] = 1
    shares: Array = a / a.sum(1, keepdims=True)
    return shares


def _resample(a: Attributes, op: Op, x: Array) -> Results:
    dims, out = tuple(a["dims"]), op.outputs[0].shape
    name = a.get("function", "linear")
    if name not in ("nearest", "linear", "bilinear", "trilinear"):
        raise refuse(op, name)
    return _linear(x, dims, [_sampled(x.shape[d], out[d], name == "nearest", bool(a.get("align"))) for d in dims])


def _sampled(n: int, m: int, nearest: bool, align: bool) -> Array:
    i = np.arange(m)
    found = np.zeros((m, n))
    if nearest:
        found[i, np.minimum(i * n // m, n - 1)] = 1
        return found
    at = i * ((n - 1) / (m - 1) if m > 1 else 0) if align else np.clip((i + 0.5) * n / m - 0.5, 0, n - 1)
    low = np.minimum(np.floor(at).astype(int), n - 1)
    np.add.at(found, (i, low), 1 - (at - low))
    np.add.at(found, (i, np.minimum(low + 1, n - 1)), at - low)
    return found


def _cumulate(a: Attributes, op: Op, x: Array) -> Results:
    if a.get("function", "sum") != "sum":
        raise refuse(op, a["function"])
    d = a["dim"]
    return (np.cumsum(x, d),), lambda g: (np.flip(np.cumsum(np.flip(g, d), d), d),)


ENTRIES: dict[str, Entry] = {"reduce": _reduce, "softmax": _softmax, "normalize": normalize, "pool": _pool,
                             "resample": _resample, "cumulate": _cumulate}
