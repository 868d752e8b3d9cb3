"""Keras's layers in the words of :mod:`initcore.program`: one entry each.

An entry takes the :class:`Layer` (what it writes with, its config, its variables) and the values it is called on; it
gives one value, or several. What it cannot say exactly is not understood, and opaque.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..._aten import TABLE, Build, NotUnderstood, single
from ...program import Parameter, Value
from ._held import Held
from ._keras_names import keras_name

Single = Callable[["Layer", list[Value]], Value]
Entry = Callable[["Layer", list[Value]], Value | list[Value]]
_UNMASKED = "Padding that Keras masks (mask_zero, Masking) is run like the rest: it says nothing of ties."
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
            return single(_ATEN[word], self.build, x)
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


def one(xs: Sequence[Value]) -> Value:
    """The one value that a layer is called on."""
    if len(xs) != 1:
        raise NotUnderstood
    return xs[0]


def _dense(la: Layer, xs: list[Value]) -> Value:
    x, w = one(xs), la.weight(0)
    out = la.build.contract(x, w, ((len(x.shape) - 1,), (0,)))
    if la.config.get("use_bias", True):
        out = la.build.binary("add", out, la.weight(1))
    return la.active(out)


def _einsum_dense(la: Layer, xs: list[Value]) -> Value:
    out = TABLE["einsum"](la.build, str(la.config["equation"]), [one(xs), la.weight(0)])
    if la.config.get("bias_axes"):
        out = la.build.binary("add", out, la.weight(1))
    return la.active(out)


def _unmasked(la: Layer) -> None:
    if _UNMASKED not in la.held.weights.notes:
        la.held.weights.notes.append(_UNMASKED)


def _masking(la: Layer, xs: list[Value]) -> Value:
    _unmasked(la)
    return one(xs)


def _embedding(la: Layer, xs: list[Value]) -> Value:
    x, table = one(xs), la.weight(0)
    if la.config.get("mask_zero"):
        _unmasked(la)
    return la.build.emit("look_up", table, x, shape=(*x.shape, *table.shape[1:]), dim=0)


def _axes(la: Layer, x: Value) -> tuple[int, ...]:
    given = la.config.get("axis", -1)
    return tuple(sorted(int(d) % len(x.shape) for d in (given if isinstance(given, list) else [given])))


def _gains(la: Layer) -> tuple[Value | None, Value | None, int]:
    """Scale, offset, and how many variables they take."""
    scale, center = bool(la.config.get("scale", True)), bool(la.config.get("center", True))
    return la.weight(0) if scale else None, la.weight(int(scale)) if center else None, scale + center


def _batch_norm(la: Layer, xs: list[Value]) -> Value:
    x = one(xs)
    (channel,) = _axes(la, x)
    gamma, beta, n = _gains(la)
    return la.build.emit("normalize", x, gamma, beta, la.weight(n, buffer=True), la.weight(n + 1, buffer=True),
                         shape=x.shape, method="batch", channel=channel, eps=float(la.config.get("epsilon", 1e-3)),
                         training=la.config.get("trainable") is not False)


def _layer_norm(la: Layer, xs: list[Value]) -> Value:
    x = one(xs)
    dims = _axes(la, x)
    if dims != tuple(range(dims[0], len(x.shape))):
        raise NotUnderstood
    method = "rms" if la.config.get("rms_scaling") else "layer"
    gamma, beta, _ = _gains(la)
    return la.build.emit("normalize", x, gamma, beta, None, None, shape=x.shape, method=method, dims=dims,
                         eps=float(la.config.get("epsilon", 1e-3)))


def _rms_norm(la: Layer, xs: list[Value]) -> Value:
    x = one(xs)
    return la.build.emit("normalize", x, la.weight(0), None, None, None, shape=x.shape, method="rms",
                         dims=_axes(la, x), eps=float(la.config.get("epsilon", 1e-6)))


def _group_norm(la: Layer, xs: list[Value]) -> Value:
    x = one(xs)
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
        x, rate = one(xs), float(la.config.get("rate", 0.0))
        la.has("noise_shape", None)
        dims = tuple(range(1, len(x.shape) - 1)) if shared else ()
        return la.build.emit("dropout", x, shape=x.shape, rate=rate, dims=dims) if rate else x
    return entry


def _flatten(la: Layer, xs: list[Value]) -> Value:
    x = one(xs)
    la.has("data_format", "channels_last", None)
    return la.build.reshape(x, (x.shape[0], math.prod(x.shape[1:])))


def _reshape(la: Layer, xs: list[Value]) -> Value:
    x = one(xs)
    return la.build.reshape(x, (x.shape[0], *(int(n) for n in la.config["target_shape"])))


def _repeat(la: Layer, xs: list[Value]) -> Value:
    x = one(xs)
    return la.build.expand(la.build.unsqueeze(x, 1), (x.shape[0], int(la.config["n"]), *x.shape[1:]))


def _relu(la: Layer, xs: list[Value]) -> Value:
    la.has("threshold", 0, 0.0, None)
    slope, most = la.config.get("negative_slope") or 0.0, la.config.get("max_value")
    if slope and most is not None:
        raise NotUnderstood
    if most is not None:
        return single("clamp", la.build, one(xs), 0.0, float(most))
    return la.build.activation(f"leaky_relu_{float(slope)!r}" if slope else "relu", one(xs))


def _leaky(la: Layer, xs: list[Value]) -> Value:
    slope = la.config.get("negative_slope", la.config.get("alpha", 0.3))
    return la.build.activation(f"leaky_relu_{float(slope)!r}", one(xs))


def _prelu(la: Layer, xs: list[Value]) -> Value:
    x, slope = one(xs), la.weight(0)
    return la.build.choose(la.build.binary("compare", x, 0.0, function="gt"), x,
                           la.build.binary("multiply", x, slope))


def _merge(kind: str) -> Single:
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
    scaled = la.build.binary("multiply", one(xs), float(la.config["scale"]))
    return la.build.binary("add", scaled, float(la.config.get("offset", 0.0)))


def _softmax(la: Layer, xs: list[Value]) -> Value:
    x = one(xs)
    return la.build.emit("softmax", x, shape=x.shape, dims=_axes(la, x), log=False)


def _same(la: Layer, xs: list[Value]) -> Value:
    return one(xs)


ENTRIES: dict[str, Entry] = {
    "Dense": _dense, "EinsumDense": _einsum_dense, "Embedding": _embedding,
    "BatchNormalization": _batch_norm, "LayerNormalization": _layer_norm, "RMSNormalization": _rms_norm,
    "GroupNormalization": _group_norm, "Masking": _masking, "Dropout": _dropout(False), "AlphaDropout": _dropout(False),
    **{f"SpatialDropout{k}D": _dropout(True) for k in (1, 2, 3)}, "Flatten": _flatten, "Reshape": _reshape,
    "Permute": lambda la, xs: la.build.permute(one(xs), (0, *(int(d) for d in la.config["dims"]))),
    "RepeatVector": _repeat, "ReLU": _relu, "LeakyReLU": _leaky, "PReLU": _prelu, "Softmax": _softmax,
    "ELU": lambda la, xs: TABLE["elu"](la.build, one(xs), la.config.get("alpha", 1.0)),
    "Activation": lambda la, xs: la.active(one(xs)), "Identity": _same, "ActivityRegularization": _same,
    "Add": _merge("add"), "Subtract": _merge("subtract"), "Multiply": _merge("multiply"), "Average": _average,
    "Maximum": _merge("maximum"), "Minimum": _merge("minimum"), "Concatenate": _concatenate, "Rescaling": _rescaling,
}
