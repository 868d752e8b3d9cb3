"""The table's elementwise half: activations, arithmetic, comparison, creation, types."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..program import Value
from ._build import Build, Number, NotUnderstood, broadcast_shapes

Entry = Callable[..., Any]
_MOST_CONSTANT = 1 << 20                # elements of a mask that is written out


def _activation(name: str) -> Entry:
    return lambda b, self: b.activation(name, self)


def _elementwise(function: str) -> Entry:
    return lambda b, self: b.elementwise(function, self, "float32" if "float" not in self.dtype
                                         and function in _FLOATS else None)


def _compare(function: str) -> Entry:
    return lambda b, self, other: b.binary("compare", self, other, function=function)


def _truth(b: Build, x: Value) -> Value:
    return x if x.dtype == "bool" else b.binary("compare", x, 0, function="ne")


def _logical(kind: str) -> Entry:
    def entry(b: Build, self: Value, other: Value) -> Value:
        return b.binary(kind, _truth(b, self), _truth(b, other))
    return entry


def _bitwise(kind: str) -> Entry:
    def entry(b: Build, self: Value, other: Value | bool) -> Value:
        if self.dtype != "bool" or (isinstance(other, Value) and other.dtype != "bool"):
            raise NotUnderstood
        return b.binary(kind, self, other)
    return entry


def _not(b: Build, self: Value) -> Value:
    return b.binary("compare", _truth(b, self), False, function="eq")


def _bitwise_not(b: Build, self: Value) -> Value:
    if self.dtype != "bool":
        raise NotUnderstood
    return _not(b, self)


def _xor(b: Build, self: Value, other: Value) -> Value:
    return b.binary("compare", _truth(b, self), _truth(b, other), function="ne")


def _scaled(b: Build, x: Value | Number, alpha: Number) -> Value | Number:
    return x if alpha == 1 else b.binary("multiply", x, alpha) if isinstance(x, Value) else x * alpha


def _add(b: Build, self: Value | Number, other: Value | Number, alpha: Number = 1) -> Value:
    return b.binary("add", self, _scaled(b, other, alpha))


def _sub(b: Build, self: Value | Number, other: Value | Number, alpha: Number = 1) -> Value:
    return b.binary("subtract", self, _scaled(b, other, alpha))


def _div(b: Build, self: Value | Number, other: Value | Number, rounding_mode: str | None = None) -> Value:
    out = b.binary("divide", self, other)
    return b.elementwise({"floor": "floor", "trunc": "trunc"}[rounding_mode], out) if rounding_mode else out


def _remainder(b: Build, self: Value | Number, other: Value | Number) -> Value:
    return b.binary("subtract", self, b.binary("multiply", _div(b, self, other, "floor"), other))


def _pow(b: Build, self: Value | Number, exponent: Value | Number) -> Value:
    if isinstance(self, Value) and not isinstance(exponent, Value):
        return b.elementwise("square", self) if exponent == 2 else \
            b.elementwise("power", self, exponent=float(exponent))
    return b.binary("power", self, exponent)


def _binary(kind: str) -> Entry:
    return lambda b, self, other: b.binary(kind, self, other)


def _clamp(b: Build, self: Value, min: Value | Number | None = None, max: Value | Number | None = None) -> Value:
    if isinstance(min, Value) or isinstance(max, Value):
        out = self if min is None else b.binary("maximum", self, min)
        return out if max is None else b.binary("minimum", out, max)
    low, high = (None if edge is None else float(edge) for edge in (min, max))
    return b.elementwise("clamp", self, low=-math.inf if low is None else low, high=math.inf if high is None else high)


def _hardtanh(b: Build, self: Value, min_val: Number = -1, max_val: Number = 1) -> Value:
    return b.activation("hard_tanh", self) if (min_val, max_val) == (-1, 1) else _clamp(b, self, min_val, max_val)


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
    return _scaled_value(b, b.activation("elu", _scaled_value(b, self, 1 / alpha)), alpha)


def _scaled_value(b: Build, x: Value, factor: Number) -> Value:
    return x if factor == 1 else b.binary("multiply", x, factor)


def _softplus(b: Build, self: Value, beta: Number = 1, threshold: Number = 20) -> Value:
    """ln(1 + exp(beta x)) / beta; linear beyond the threshold, which float32 cannot tell from the formula at 20."""
    if threshold < 20:
        raise NotUnderstood
    return _scaled_value(b, b.activation("softplus", _scaled_value(b, self, beta)), 1 / beta)


def _glu(b: Build, self: Value, dim: int = -1) -> Value:
    half = self.shape[dim] // 2
    a, gate = b.split(self, (half, half), dim)
    return b.binary("multiply", a, b.activation("sigmoid", gate))


def _prelu(b: Build, self: Value, weight: Value) -> Value:
    if len(weight.shape) == 1 and len(self.shape) > 2:
        weight = b.reshape(weight, (weight.shape[0], *[1] * (len(self.shape) - 2)))
    return b.choose(b.binary("compare", self, 0.0, function="gt"), self, b.binary("multiply", self, weight))


def _shrunk(b: Build, self: Value, lambd: Number = 0.5) -> Value:
    return b.binary("subtract", self, _clamp(b, self, -lambd, lambd))


def _hardshrunk(b: Build, self: Value, lambd: Number = 0.5) -> Value:
    return b.choose(b.binary("compare", b.elementwise("abs", self), lambd, function="gt"), self, 0.0)


def _masked_fill(b: Build, self: Value, mask: Value, value: Value | Number) -> Value:
    return b.choose(mask, value, self)


def _lerp(b: Build, self: Value, end: Value, weight: Value | Number) -> Value:
    return b.binary("add", self, b.binary("multiply", b.binary("subtract", end, self), weight))


def _add_product(kind: str) -> Entry:
    def entry(b: Build, self: Value, tensor1: Value, tensor2: Value, value: Number = 1) -> Value:
        return b.binary("add", self, _scaled_value(b, b.binary(kind, tensor1, tensor2), value))
    return entry


def _cast(b: Build, self: Value, dtype: str | None = None, **_: Any) -> Value:
    return b.cast(self, dtype)


def _same(b: Build, self: Value, **_: Any) -> Value:
    return self


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


_FLOATS = ("exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal cos tan sinh cosh asin acos asinh acosh atanh "
           "erfc erfinv lgamma digamma").split()

ENTRIES: dict[str, Entry] = {
    **{name: _activation(name) for name in ("relu", "tanh", "sigmoid", "silu", "selu", "mish", "erf", "sin")},
    "atan": _activation("arctan"), "arctan": _activation("arctan"), "hardsigmoid": _activation("hard_sigmoid"),
    "special_expit": _activation("sigmoid"), "special_erf": _activation("erf"),
    "gelu": _gelu, "leaky_relu": _leaky_relu, "elu": _elu, "celu": _celu, "softplus": _softplus, "hardtanh": _hardtanh,
    "relu6": lambda b, self: _clamp(b, self, 0, 6), "glu": _glu, "prelu": _prelu,
    "_prelu_kernel": lambda b, self, weight: _prelu(b, self, weight),
    "hardswish": lambda b, self: b.binary("multiply", self, b.activation("hard_sigmoid", self)),
    "log_sigmoid": lambda b, self: b.elementwise("neg", b.activation("softplus", b.elementwise("neg", self))),
    "tanhshrink": lambda b, self: b.binary("subtract", self, b.activation("tanh", self)),
    "softshrink": _shrunk, "hardshrink": _hardshrunk,
    "threshold": lambda b, self, threshold, value: b.choose(b.binary("compare", self, threshold, function="gt"),
                                                            self, value),
    **{name: _elementwise(name) for name in (*_FLOATS, "neg", "abs", "square", "sign", "floor", "ceil", "round", "trunc",
                                             "isnan", "isinf", "isfinite")},
    "negative": _elementwise("neg"), "absolute": _elementwise("abs"), "sgn": _elementwise("sign"),
    "clamp": _clamp, "clip": _clamp, "clamp_min": lambda b, self, min: _clamp(b, self, min),
    "clamp_max": lambda b, self, max: _clamp(b, self, None, max), "logit": lambda b, self, eps=None: _logit(b, self, eps),
    "add": _add, "sub": _sub, "subtract": _sub, "rsub": lambda b, self, other, alpha=1: _sub(b, other, self, alpha),
    "mul": _binary("multiply"), "multiply": _binary("multiply"), "div": _div, "divide": _div, "true_divide": _div,
    "floor_divide": lambda b, self, other: _div(b, self, other, "floor"), "remainder": _remainder,
    "pow": _pow, "float_power": _pow, "maximum": _binary("maximum"), "minimum": _binary("minimum"),
    "max.other": _binary("maximum"), "min.other": _binary("minimum"), "fmax": _binary("maximum"),
    "fmin": _binary("minimum"), "lerp": _lerp, "addcmul": _add_product("multiply"), "addcdiv": _add_product("divide"),
    **{name: _compare(name) for name in ("eq", "ne", "lt", "le", "gt", "ge")}, "not_equal": _compare("ne"),
    "greater": _compare("gt"), "less": _compare("lt"), "greater_equal": _compare("ge"), "less_equal": _compare("le"),
    "logical_and": _logical("minimum"), "logical_or": _logical("maximum"), "logical_xor": _xor, "logical_not": _not,
    "bitwise_and": _bitwise("minimum"), "__and__": _bitwise("minimum"), "bitwise_or": _bitwise("maximum"),
    "__or__": _bitwise("maximum"), "bitwise_not": _bitwise_not,
    "where": lambda b, condition, self, other: b.choose(condition, self, other), "masked_fill": _masked_fill,
    "to": _cast, "_to_copy": _cast, "type_as": lambda b, self, other: b.cast(self, other.dtype),
    "clone": _same, "contiguous": _same, "alias": _same, "lift_fresh_copy": _same, "lift_fresh": _same, "cpu": _same,
    "positive": _same, "resolve_conj": _same, "resolve_neg": _same, "copy": _copy, "fill": _fill,
    "requires_grad": _same,
    "detach": lambda b, self: b.emit("detach", self, shape=self.shape) if "float" in self.dtype else self,
    "zero": lambda b, self: _fill(b, self, _zero(self)),
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


def _logit(b: Build, self: Value, eps: Number | None) -> Value:
    x = self if eps is None else _clamp(b, self, eps, 1 - eps)
    return b.elementwise("log", b.binary("divide", x, b.binary("subtract", 1.0, x)))
