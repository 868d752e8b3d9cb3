"""Keras's layers in the words of :mod:`initcore.program`: one entry each.

An entry takes the :class:`Layer` (what it writes with, its config, its variables) and the values it is called on; it
gives one value. What it cannot say exactly is not understood, and opaque.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..._aten import TABLE, Build, NotUnderstood
from ...program import Parameter, Value
from ._held import Held
from ._keras_names import keras_name

Entry = Callable[["Layer", list[Value]], Value]
_NAMES = {"linear": "identity", "relu": "relu", "tanh": "tanh", "sigmoid": "sigmoid", "gelu": "gelu", "silu": "silu",
          "swish": "silu", "elu": "elu", "selu": "selu", "softplus": "softplus", "softsign": "softsign", "mish": "mish",
          "hard_sigmoid": "hard_sigmoid", "leaky_relu": "leaky_relu_0.2", "hard_tanh": "hard_tanh"}
_ATEN = {"relu6": "relu6", "hard_silu": "hardswish", "hard_swish": "hardswish", "log_sigmoid": "log_sigmoid",
         "celu": "celu", "tanh_shrink": "tanhshrink"}


class Layer:
    """One call of a layer. ``folder``: where its variables lie; ``config``; ``options``: what it is called with."""

    def __init__(self, build: Build, held: Held, folder: str, config: dict[str, Any], options: dict[str, Any]) -> None:
        self.build, self.held, self.folder, self.config, self.options = build, held, folder, config, options
        self.taken: list[Parameter] = []

    def has(self, key: str, *allowed: Any) -> None:
        """What the config says must be one of these, or not be said."""
        if self.config.get(key, allowed[0]) not in allowed:
            raise NotUnderstood

    def variable(self, number: int, below: str = "", buffer: bool = False) -> Parameter:
        """The layer's variable of that number, or of a part of it."""
        frozen = self.config.get("trainable") is False
        found = self.held.get(keras_name(f"{self.folder}{below}/vars/{number}"), trainable=not frozen, buffer=buffer)
        self.taken.append(found)
        return found

    def weight(self, number: int, below: str = "", buffer: bool = False) -> Value:
        """The value of :meth:`variable`."""
        return self.variable(number, below, buffer).value

    def derived(self, whole: Parameter, key: Any, shape: tuple[int, ...], move: Callable[[Any], Any]) -> Value:
        """A variable as an operation of the vocabulary wants it."""
        self.taken.append(self.held.derived(whole, key, shape, move))
        return self.taken[-1].value

    def zeros(self, shape: tuple[int, ...], dtype: str) -> Value:
        """A bias that the layer lacks."""
        self.taken.append(self.held.zeros(shape, dtype))
        return self.taken[-1].value

    def active(self, x: Value, word: Any = None) -> Value:
        """The layer's activation, or another by Keras's name."""
        word = self.config.get("activation") if word is None else word
        if word is None or word == "linear":
            return x
        if word in _NAMES:
            return self.build.activation(_NAMES[word], x)
        if word in _ATEN:
            return TABLE[_ATEN[word]](self.build, x)
        if word == "softmax":
            return self.build.emit("softmax", x, shape=x.shape, dims=(len(x.shape) - 1,), log=False)
        if word == "exponential":
            return self.build.elementwise("exp", x)
        raise NotUnderstood

    def spatial(self, key: str, k: int) -> tuple[int, ...]:
        """A number for each of k dims."""
        given = self.config.get(key)
        several = (given,) * k if isinstance(given, int) else tuple(given or (1,) * k)
        if len(several) != k or not all(isinstance(n, int) and 0 < n < 1 << 20 for n in several):
            raise NotUnderstood
        return several


def _one(xs: Sequence[Value]) -> Value:
    if len(xs) != 1:
        raise NotUnderstood
    return xs[0]


def _dense(la: Layer, xs: list[Value]) -> Value:
    x, w = _one(xs), la.weight(0)
    out = la.build.contract(x, w, ((len(x.shape) - 1,), (0,)))
    if la.config.get("use_bias", True):
        out = la.build.binary("add", out, la.weight(1))
    return la.active(out)


def _einsum_dense(la: Layer, xs: list[Value]) -> Value:
    out = TABLE["einsum"](la.build, str(la.config["equation"]), [_one(xs), la.weight(0)])
    if la.config.get("bias_axes"):
        out = la.build.binary("add", out, la.weight(1))
    return la.active(out)


def _embedding(la: Layer, xs: list[Value]) -> Value:
    la.has("mask_zero", False)
    x, table = _one(xs), la.weight(0)
    return la.build.emit("look_up", table, x, shape=(*x.shape, *table.shape[1:]), dim=0)


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
    x = _one(xs)
    k = len(x.shape) - 2
    return _biased(la, _convolved(la, x, la.weight(0), (k + 1, k, *range(k)), int(la.config.get("groups", 1))), 1)


def _depthwise(la: Layer, x: Value) -> Value:
    w = la.weight(0)
    k = len(x.shape) - 2
    flat = la.build.reshape(w, (*w.shape[:k], 1, w.shape[k] * w.shape[k + 1]))
    return _convolved(la, x, flat, (k + 1, k, *range(k)), w.shape[k])


def _depthwise_conv(la: Layer, xs: list[Value]) -> Value:
    return _biased(la, _depthwise(la, _one(xs)), 1)


def _separable_conv(la: Layer, xs: list[Value]) -> Value:
    x = _depthwise(la, _one(xs))
    w = la.weight(1)
    out = la.build.contract(x, la.build.reshape(w, w.shape[-2:]), ((len(x.shape) - 1,), (0,)))
    return _biased(la, out, 2)


def _conv_transpose(la: Layer, xs: list[Value]) -> Value:
    x, w = _one(xs), la.weight(0)
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
        x = _one(xs)
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
        x = _one(xs)
        return la.build.reduce(x, function, range(1, len(x.shape) - 1), bool(la.config.get("keepdims", False)))
    return entry


def _upsampling(la: Layer, xs: list[Value]) -> Value:
    la.has("interpolation", "nearest")
    x = _one(xs)
    k = len(x.shape) - 2
    size = la.spatial("size", k)
    return _first(la, x, f"upsample_nearest{k}d", [n * s for n, s in zip(x.shape[1:-1], size, strict=True)])


def _zero_padding(la: Layer, xs: list[Value]) -> Value:
    la.has("data_format", "channels_last", None)
    x, given = _one(xs), la.config["padding"]
    k = len(x.shape) - 2
    pairs = [tuple(p) if isinstance(p, (list, tuple)) else (p, p) for p in ([given] if k == 1 else given)]
    low, high = ((0, *(int(p[side]) for p in pairs), 0) for side in (0, 1))
    if min((*low, *high)) < 0:
        raise NotUnderstood
    return la.build.emit("pad", x, shape=[n + i + j for n, i, j in zip(x.shape, low, high, strict=True)], low=low,
                         high=high, function="constant", value=0.0)


def _axes(la: Layer, x: Value) -> tuple[int, ...]:
    given = la.config.get("axis", -1)
    return tuple(sorted(int(d) % len(x.shape) for d in (given if isinstance(given, list) else [given])))


def _gains(la: Layer) -> tuple[Value | None, Value | None, int]:
    """Scale, offset, and how many variables they take."""
    scale, center = bool(la.config.get("scale", True)), bool(la.config.get("center", True))
    return la.weight(0) if scale else None, la.weight(int(scale)) if center else None, scale + center


def _batch_norm(la: Layer, xs: list[Value]) -> Value:
    x = _one(xs)
    (channel,) = _axes(la, x)
    gamma, beta, n = _gains(la)
    return la.build.emit("normalize", x, gamma, beta, la.weight(n, buffer=True), la.weight(n + 1, buffer=True),
                         shape=x.shape, method="batch", channel=channel, eps=float(la.config.get("epsilon", 1e-3)),
                         training=la.config.get("trainable") is not False)


def _layer_norm(la: Layer, xs: list[Value]) -> Value:
    x = _one(xs)
    dims = _axes(la, x)
    if dims != tuple(range(dims[0], len(x.shape))):
        raise NotUnderstood
    method = "rms" if la.config.get("rms_scaling") else "layer"
    gamma, beta, _ = _gains(la)
    return la.build.emit("normalize", x, gamma, beta, None, None, shape=x.shape, method=method, dims=dims,
                         eps=float(la.config.get("epsilon", 1e-3)))


def _rms_norm(la: Layer, xs: list[Value]) -> Value:
    x = _one(xs)
    return la.build.emit("normalize", x, la.weight(0), None, None, None, shape=x.shape, method="rms",
                         dims=_axes(la, x), eps=float(la.config.get("epsilon", 1e-6)))


def _group_norm(la: Layer, xs: list[Value]) -> Value:
    x = _one(xs)
    k = len(x.shape) - 2
    if _axes(la, x) != (k + 1,):
        raise NotUnderstood
    gamma, beta, _ = _gains(la)
    groups = int(la.config["groups"])
    first = la.build.permute(x, (0, k + 1, *range(1, k + 1)))
    y = la.build.emit("normalize", first, gamma, beta, None, None, shape=first.shape, method="group", channel=1,
                      groups=first.shape[1] if groups == -1 else groups, eps=float(la.config.get("epsilon", 1e-3)))
    return la.build.permute(y, (0, *range(2, k + 2), 1))


def _dropout(shared: bool) -> Entry:
    def entry(la: Layer, xs: list[Value]) -> Value:
        x, rate = _one(xs), float(la.config.get("rate", 0.0))
        la.has("noise_shape", None)
        dims = tuple(range(1, len(x.shape) - 1)) if shared else ()
        return la.build.emit("dropout", x, shape=x.shape, rate=rate, dims=dims) if rate else x
    return entry


def _flatten(la: Layer, xs: list[Value]) -> Value:
    x = _one(xs)
    la.has("data_format", "channels_last", None)
    return la.build.reshape(x, (x.shape[0], math.prod(x.shape[1:])))


def _reshape(la: Layer, xs: list[Value]) -> Value:
    x = _one(xs)
    return la.build.reshape(x, (x.shape[0], *(int(n) for n in la.config["target_shape"])))


def _repeat(la: Layer, xs: list[Value]) -> Value:
    x = _one(xs)
    return la.build.expand(la.build.unsqueeze(x, 1), (x.shape[0], int(la.config["n"]), *x.shape[1:]))


def _relu(la: Layer, xs: list[Value]) -> Value:
    la.has("threshold", 0, 0.0, None)
    slope, most = la.config.get("negative_slope") or 0.0, la.config.get("max_value")
    if slope and most is not None:
        raise NotUnderstood
    if most is not None:
        return TABLE["clamp"](la.build, _one(xs), 0.0, float(most))
    return la.build.activation(f"leaky_relu_{float(slope)!r}" if slope else "relu", _one(xs))


def _leaky(la: Layer, xs: list[Value]) -> Value:
    slope = la.config.get("negative_slope", la.config.get("alpha", 0.3))
    return la.build.activation(f"leaky_relu_{float(slope)!r}", _one(xs))


def _prelu(la: Layer, xs: list[Value]) -> Value:
    x, slope = _one(xs), la.weight(0)
    return la.build.choose(la.build.binary("compare", x, 0.0, function="gt"), x,
                           la.build.binary("multiply", x, slope))


def _merge(kind: str) -> Entry:
    def entry(la: Layer, xs: list[Value]) -> Value:
        out = xs[0]
        for x in xs[1:]:
            out = la.build.binary(kind, out, x)
        return out
    return entry


def _average(la: Layer, xs: list[Value]) -> Value:
    return la.build.binary("divide", _merge("add")(la, xs), float(len(xs)))


def _concatenate(la: Layer, xs: list[Value]) -> Value:
    return la.build.concatenate(xs, int(la.config.get("axis", -1)))


def _rescaling(la: Layer, xs: list[Value]) -> Value:
    scaled = la.build.binary("multiply", _one(xs), float(la.config["scale"]))
    return la.build.binary("add", scaled, float(la.config.get("offset", 0.0)))


def _softmax(la: Layer, xs: list[Value]) -> Value:
    x = _one(xs)
    return la.build.emit("softmax", x, shape=x.shape, dims=_axes(la, x), log=False)


def _same(la: Layer, xs: list[Value]) -> Value:
    return _one(xs)


ENTRIES: dict[str, Entry] = {
    "Dense": _dense, "EinsumDense": _einsum_dense, "Embedding": _embedding,
    **{f"Conv{k}D": _conv for k in (1, 2, 3)}, **{f"Conv{k}DTranspose": _conv_transpose for k in (1, 2, 3)},
    **{f"DepthwiseConv{k}D": _depthwise_conv for k in (1, 2)},
    **{f"SeparableConv{k}D": _separable_conv for k in (1, 2)},
    **{f"MaxPooling{k}D": _pool("max") for k in (1, 2, 3)}, **{f"AveragePooling{k}D": _pool("avg") for k in (1, 2, 3)},
    **{f"GlobalMaxPooling{k}D": _global("amax") for k in (1, 2, 3)},
    **{f"GlobalAveragePooling{k}D": _global("mean") for k in (1, 2, 3)},
    **{f"UpSampling{k}D": _upsampling for k in (1, 2, 3)}, **{f"ZeroPadding{k}D": _zero_padding for k in (1, 2, 3)},
    "BatchNormalization": _batch_norm, "LayerNormalization": _layer_norm, "RMSNormalization": _rms_norm,
    "GroupNormalization": _group_norm, "Dropout": _dropout(False), "AlphaDropout": _dropout(False),
    **{f"SpatialDropout{k}D": _dropout(True) for k in (1, 2, 3)}, "Flatten": _flatten, "Reshape": _reshape,
    "Permute": lambda la, xs: la.build.permute(_one(xs), (0, *(int(d) for d in la.config["dims"]))),
    "RepeatVector": _repeat, "ReLU": _relu, "LeakyReLU": _leaky, "PReLU": _prelu, "Softmax": _softmax,
    "ELU": lambda la, xs: TABLE["elu"](la.build, _one(xs), la.config.get("alpha", 1.0)),
    "Activation": lambda la, xs: la.active(_one(xs)), "Identity": _same, "ActivityRegularization": _same,
    "Add": _merge("add"), "Subtract": _merge("subtract"), "Multiply": _merge("multiply"), "Average": _average,
    "Maximum": _merge("maximum"), "Minimum": _merge("minimum"), "Concatenate": _concatenate, "Rescaling": _rescaling,
}
