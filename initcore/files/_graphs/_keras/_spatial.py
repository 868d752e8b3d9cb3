"""Keras's layers over space in the words of :mod:`initcore.program`: convolutions, pools, sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...._aten import TABLE, NotUnderstood
from ....program import Value
from ._layer import Entry, Layer, one


def _edges(la: Layer, size: Sequence[int], taps: Sequence[int], stride: Sequence[int]) -> list[tuple[int, int]]:
    word = la.config.get("padding", "valid")
    if word == "same":
        total = [max((-(-n // s) - 1) * s + t - n, 0) for n, t, s in zip(size, taps, stride, strict=True)]
        return [(p // 2, p - p // 2) for p in total]
    if word == "causal" and len(size) == 1:
        return [(taps[0] - 1, 0)]
    if word != "valid":
        raise NotUnderstood
    return [(0, 0)] * len(size)


def _convolved(la: Layer, x: Value, w: Value, w_dims: tuple[int, ...], groups: int) -> Value:
    """A convolution of (batch, *spatial, channels)."""
    k = len(x.shape) - 2
    la.has("data_format", "channels_last", None)
    stride, dilation = la.spatial("strides", k), la.spatial("dilation_rate", k)
    taps = [d * (w.shape[at] - 1) + 1 for d, at in zip(dilation, w_dims[2:], strict=True)]
    edges = _edges(la, x.shape[1:-1], taps, stride)
    size = [(n + lo + hi - t) // s + 1 for n, (lo, hi), t, s in zip(x.shape[1:-1], edges, taps, stride, strict=True)]
    if w.shape[w_dims[1]] * groups != x.shape[-1] or min(size, default=1) < 1:
        raise NotUnderstood
    return la.build.emit("convolve", x, w, shape=(x.shape[0], *size, w.shape[w_dims[0]]),
                         x_dims=(0, k + 1, *range(1, k + 1)), w_dims=w_dims, groups=groups, transposed=False,
                         stride=stride, dilation=dilation, padding=tuple(edges))


def _biased(la: Layer, out: Value, number: int) -> Value:
    return la.active(la.build.binary("add", out, la.weight(number)) if la.config.get("use_bias", True) else out)


def _conv(la: Layer, xs: list[Value]) -> Value:
    x = one(xs)
    k = len(x.shape) - 2
    return _biased(la, _convolved(la, x, la.weight(0), (k + 1, k, *range(k)), int(la.config.get("groups", 1))), 1)


def _depthwise(la: Layer, x: Value) -> Value:
    w = la.weight(0)
    k = len(x.shape) - 2
    flat = la.build.reshape(w, (*w.shape[:k], 1, w.shape[k] * w.shape[k + 1]))
    return _convolved(la, x, flat, (k + 1, k, *range(k)), w.shape[k])


def _depthwise_conv(la: Layer, xs: list[Value]) -> Value:
    return _biased(la, _depthwise(la, one(xs)), 1)


def _separable_conv(la: Layer, xs: list[Value]) -> Value:
    x = _depthwise(la, one(xs))
    w = la.weight(1)
    out = la.build.contract(x, la.build.reshape(w, w.shape[-2:]), ((len(x.shape) - 1,), (0,)))
    return _biased(la, out, 2)


def _conv_transpose(la: Layer, xs: list[Value]) -> Value:
    x, w = one(xs), la.weight(0)
    k = len(x.shape) - 2
    la.has("data_format", "channels_last", None)
    la.has("output_padding", None)
    stride, taps = la.spatial("strides", k), w.shape[:k]
    if la.spatial("dilation_rate", k) != (1,) * k or any(t < s for t, s in zip(taps, stride, strict=True)):
        raise NotUnderstood
    size = [(n - 1) * s + t for n, s, t in zip(x.shape[1:-1], stride, taps, strict=True)]
    out = la.build.emit("convolve", x, w, shape=(x.shape[0], *size, w.shape[k]), x_dims=(0, k + 1, *range(1, k + 1)),
                        w_dims=(k, k + 1, *range(k)), groups=1, transposed=True, stride=stride, dilation=(1,) * k,
                        padding=((0, 0),) * k)
    if la.config.get("padding") == "same":
        for d, (n, s, t) in enumerate(zip(x.shape[1:-1], stride, taps, strict=True)):
            out = la.build.slice(out, d + 1, (t - s) // 2, (t - s) // 2 + n * s)
    return _biased(la, out, 1)


def _first(la: Layer, x: Value, name: str, *arguments: Any) -> Value:
    """An operation of ATen, which has its channels second."""
    k = len(x.shape) - 2
    la.has("data_format", "channels_last", None)
    y = TABLE[name](la.build, la.build.permute(x, (0, k + 1, *range(1, k + 1))), *arguments)
    return la.build.permute(y, (0, *range(2, k + 2), 1))


def _pool(function: str) -> Entry:
    def entry(la: Layer, xs: list[Value]) -> Value:
        x = one(xs)
        k = len(x.shape) - 2
        window = la.spatial("pool_size", k)
        stride = window if la.config.get("strides") is None else la.spatial("strides", k)
        edges = _edges(la, x.shape[1:-1], window, stride)
        if any(lo or hi for lo, hi in edges):
            raise NotUnderstood
        return _first(la, x, f"{function}_pool{k}d", list(window), list(stride))
    return entry


def _global(function: str) -> Entry:
    def entry(la: Layer, xs: list[Value]) -> Value:
        la.has("data_format", "channels_last", None)
        x = one(xs)
        return la.build.reduce(x, function, range(1, len(x.shape) - 1), bool(la.config.get("keepdims", False)))
    return entry


def _upsampling(la: Layer, xs: list[Value]) -> Value:
    la.has("interpolation", "nearest")
    x = one(xs)
    k = len(x.shape) - 2
    size = la.spatial("size", k)
    return _first(la, x, f"upsample_nearest{k}d", [n * s for n, s in zip(x.shape[1:-1], size, strict=True)])


def _zero_padding(la: Layer, xs: list[Value]) -> Value:
    la.has("data_format", "channels_last", None)
    x, given = one(xs), la.config["padding"]
    k = len(x.shape) - 2
    pairs = [tuple(p) if isinstance(p, (list, tuple)) else (p, p) for p in ([given] if k == 1 else given)]
    low, high = ((0, *(int(p[side]) for p in pairs), 0) for side in (0, 1))
    if min((*low, *high)) < 0:
        raise NotUnderstood
    return la.build.emit("pad", x, shape=[n + i + j for n, i, j in zip(x.shape, low, high, strict=True)], low=low,
                         high=high, function="constant", value=0.0)


ENTRIES: dict[str, Entry] = {
    **{f"Conv{k}D": _conv for k in (1, 2, 3)}, **{f"Conv{k}DTranspose": _conv_transpose for k in (1, 2, 3)},
    **{f"DepthwiseConv{k}D": _depthwise_conv for k in (1, 2)},
    **{f"SeparableConv{k}D": _separable_conv for k in (1, 2)},
    **{f"MaxPooling{k}D": _pool("max") for k in (1, 2, 3)}, **{f"AveragePooling{k}D": _pool("avg") for k in (1, 2, 3)},
    **{f"GlobalMaxPooling{k}D": _global("amax") for k in (1, 2, 3)},
    **{f"GlobalAveragePooling{k}D": _global("mean") for k in (1, 2, 3)},
    **{f"UpSampling{k}D": _upsampling for k in (1, 2, 3)}, **{f"ZeroPadding{k}D": _zero_padding for k in (1, 2, 3)},
}
