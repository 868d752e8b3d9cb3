"""The table's activations; those that initcore has no name for are written out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..program import Value
from ._build import Build, NotUnderstood, Number

Entry = Callable[..., Any]


def _activation(name: str) -> Entry:
    return lambda b, self: b.activation(name, self)


def clamp(b: Build, self: Value, min: Value | Number | None = None, max: Value | Number | None = None) -> Value:
    if isinstance(min, Value) or isinstance(max, Value):
        out = self if min is None else b.binary("maximum", self, min)
        return out if max is None else b.binary("minimum", out, max)
    low, high = (None if edge is None else float(edge) for edge in (min, max))
    return b.elementwise("clamp", self, low=-math.inf if low is None else low, high=math.inf if high is None else high)


def _hardtanh(b: Build, self: Value, min_val: Number = -1, max_val: Number = 1) -> Value:
    return b.activation("hard_tanh", self) if (min_val, max_val) == (-1, 1) else b.elementwise(
        "clamp", self, low=float(min_val), high=float(max_val), named=True)


def _gelu(b: Build, self: Value, approximate: str = "none") -> Value:
    return b.activation("gelu" if approximate == "none" else "gelu_tanh", self)


def _leaky_relu(b: Build, self: Value, negative_slope: Number = 0.01) -> Value:
    return b.activation(f"leaky_relu_{float(negative_slope)!r}", self)


def _elu(b: Build, self: Value, alpha: Number = 1, scale: Number = 1, input_scale: Number = 1) -> Value:
    if scale != 1 or input_scale != 1:
        raise NotUnderstood
    return b.activation("elu" if alpha == 1 else f"elu_{float(alpha)!r}", self)


def _celu(b: Build, self: Value, alpha: Number = 1) -> Value:
    """alpha elu(x / alpha)."""
    return scaled(b, b.activation("elu", scaled(b, self, 1 / alpha)), alpha)


def scaled(b: Build, x: Value, factor: Number) -> Value:
    return x if factor == 1 else b.binary("multiply", x, factor)


def _softplus(b: Build, self: Value, beta: Number = 1, threshold: Number = 20) -> Value:
    """ln(1 + exp(beta x)) / beta; linear beyond the threshold, which float32 cannot tell from the formula at 20."""
    if threshold < 20:
        raise NotUnderstood
    return scaled(b, b.activation("softplus", scaled(b, self, beta)), 1 / beta)


def _glu(b: Build, self: Value, dim: int = -1) -> Value:
    half = self.shape[dim] // 2
    a, gate = b.split(self, (half, half), dim)
    return b.binary("multiply", a, b.activation("sigmoid", gate))


def _prelu(b: Build, self: Value, weight: Value) -> Value:
    if len(weight.shape) == 1 and len(self.shape) > 2:
        weight = b.reshape(weight, (weight.shape[0], *[1] * (len(self.shape) - 2)))
    return b.choose(b.binary("compare", self, 0.0, function="gt"), self, b.binary("multiply", self, weight))


def _shrunk(b: Build, self: Value, lambd: Number = 0.5) -> Value:
    return b.binary("subtract", self, clamp(b, self, -lambd, lambd))


def _hardshrunk(b: Build, self: Value, lambd: Number = 0.5) -> Value:
    return b.choose(b.binary("compare", b.elementwise("abs", self), lambd, function="gt"), self, 0.0)


def _logit(b: Build, self: Value, eps: Number | None = None) -> Value:
    x = self if eps is None else clamp(b, self, eps, 1 - eps)
    return b.elementwise("log", b.binary("divide", x, b.binary("subtract", 1.0, x)))


ENTRIES: dict[str, Entry] = {
    **{name: _activation(name) for name in ("relu", "tanh", "sigmoid", "silu", "selu", "mish", "erf", "sin")},
    "atan": _activation("arctan"), "arctan": _activation("arctan"), "hardsigmoid": _activation("hard_sigmoid"),
    "special_expit": _activation("sigmoid"), "special_erf": _activation("erf"),
    "gelu": _gelu, "leaky_relu": _leaky_relu, "elu": _elu, "celu": _celu, "softplus": _softplus, "hardtanh": _hardtanh,
    "relu6": lambda b, self: _hardtanh(b, self, 0, 6), "glu": _glu, "prelu": _prelu, "_prelu_kernel": _prelu,
    "hardswish": lambda b, self: b.binary("multiply", self, b.activation("hard_sigmoid", self)),
    "log_sigmoid": lambda b, self: b.elementwise("neg", b.activation("softplus", b.elementwise("neg", self))),
    "tanhshrink": lambda b, self: b.binary("subtract", self, b.activation("tanh", self)),
    "softshrink": _shrunk, "hardshrink": _hardshrunk,
    "threshold": lambda b, self, threshold, value: b.choose(b.binary("compare", self, threshold, function="gt"),
                                                            self, value),
    "clamp": clamp, "clip": clamp, "clamp_min": lambda b, self, min: clamp(b, self, min),
    "clamp_max": lambda b, self, max: clamp(b, self, None, max), "logit": _logit,
}
