"""The table's arithmetic, comparisons and changes of type."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..program import Value
from ._activations import scaled
from ._build import Build, NotUnderstood, Number

Entry = Callable[..., Any]


def _elementwise(function: str) -> Entry:
    return lambda b, self: b.elementwise(function, self, "float32" if "float" not in self.dtype
                                         and function in _FLOATS else None)


def _compare(function: str) -> Entry:
    return lambda b, self, other: b.binary("compare", self, other, function=function)


def _truth(b: Build, x: Value) -> Value:
    return x if x.dtype == "bool" else b.binary("compare", x, 0, function="ne")


def _logical(function: str) -> Entry:
    def entry(b: Build, self: Value, other: Value) -> Value:
        return b.binary("logical", _truth(b, self), _truth(b, other), function=function)
    return entry


def _bitwise(function: str) -> Entry:
    def entry(b: Build, self: Value, other: Value | bool) -> Value:
        if self.dtype != "bool" or (isinstance(other, Value) and other.dtype != "bool"):
            raise NotUnderstood
        return b.binary("logical", self, other, function=function)
    return entry


def _not(b: Build, self: Value) -> Value:
    return b.emit("logical", _truth(b, self), shape=self.shape, function="not")


def _bitwise_not(b: Build, self: Value) -> Value:
    if self.dtype != "bool":
        raise NotUnderstood
    return _not(b, self)


def _scaled(b: Build, x: Value | Number, alpha: Number) -> Value | Number:
    return x if alpha == 1 else b.binary("multiply", x, alpha) if isinstance(x, Value) else x * alpha


def _add(b: Build, self: Value | Number, other: Value | Number, alpha: Number = 1) -> Value:
    return b.binary("add", self, _scaled(b, other, alpha))


def _sub(b: Build, self: Value | Number, other: Value | Number, alpha: Number = 1) -> Value:
    return b.binary("subtract", self, _scaled(b, other, alpha))


def _div(b: Build, self: Value | Number, other: Value | Number, rounding_mode: str | None = None) -> Value:
    out = b.binary("divide", self, other)
    return b.elementwise({"floor": "floor", "trunc": "trunc"}[rounding_mode], out) if rounding_mode else out


def _pow(b: Build, self: Value | Number, exponent: Value | Number) -> Value:
    if isinstance(self, Value) and not isinstance(exponent, Value):
        return b.elementwise("square", self) if exponent == 2 else \
            b.elementwise("power", self, exponent=float(exponent))
    return b.binary("power", self, exponent)


def _binary(kind: str) -> Entry:
    return lambda b, self, other: b.binary(kind, self, other)


def _masked_fill(b: Build, self: Value, mask: Value, value: Value | Number) -> Value:
    return b.choose(mask, value, self)


def _lerp(b: Build, self: Value, end: Value, weight: Value | Number) -> Value:
    return b.binary("add", self, b.binary("multiply", b.binary("subtract", end, self), weight))


def _add_product(kind: str) -> Entry:
    def entry(b: Build, self: Value, tensor1: Value, tensor2: Value, value: Number = 1) -> Value:
        return b.binary("add", self, scaled(b, b.binary(kind, tensor1, tensor2), value))
    return entry


def _cast(b: Build, self: Value, dtype: str | None = None, **_: Any) -> Value:
    return b.cast(self, dtype)


def _same(b: Build, self: Value, **_: Any) -> Value:
    return self


_FLOATS = ("exp expm1 log log1p sqrt rsqrt reciprocal cos tan sinh cosh asin acos asinh acosh atanh "
           "erfc erfinv lgamma digamma").split()
_PLAIN = ("neg", "abs", "square", "sign", "floor", "ceil", "round", "trunc", "isnan", "isinf", "isfinite")

ENTRIES: dict[str, Entry] = {
    **{name: _elementwise(name) for name in (*_FLOATS, *_PLAIN)},
    "exp2": lambda b, self: b.elementwise("exp", b.binary("multiply", self, math.log(2))),
    "log2": lambda b, self: b.binary("multiply", b.elementwise("log", self), 1 / math.log(2)),
    "log10": lambda b, self: b.binary("multiply", b.elementwise("log", self), 1 / math.log(10)),
    "negative": _elementwise("neg"), "absolute": _elementwise("abs"), "sgn": _elementwise("sign"),
    "add": _add, "sub": _sub, "subtract": _sub, "rsub": lambda b, self, other, alpha=1: _sub(b, other, self, alpha),
    "mul": _binary("multiply"), "multiply": _binary("multiply"), "div": _div, "divide": _div, "true_divide": _div,
    "floor_divide": lambda b, self, other: _div(b, self, other, "floor"), "remainder": _binary("remainder"),
    "atan2": _binary("arctan2"), "arctan2": _binary("arctan2"),
    "pow": _pow, "float_power": _pow, "maximum": _binary("maximum"), "minimum": _binary("minimum"),
    "max.other": _binary("maximum"), "min.other": _binary("minimum"), "fmax": _binary("maximum"),
    "fmin": _binary("minimum"), "lerp": _lerp, "addcmul": _add_product("multiply"), "addcdiv": _add_product("divide"),
    **{name: _compare(name) for name in ("eq", "ne", "lt", "le", "gt", "ge")}, "not_equal": _compare("ne"),
    "greater": _compare("gt"), "less": _compare("lt"), "greater_equal": _compare("ge"), "less_equal": _compare("le"),
    "logical_and": _logical("and"), "logical_or": _logical("or"), "logical_xor": _logical("xor"), "logical_not": _not,
    "bitwise_and": _bitwise("and"), "__and__": _bitwise("and"), "bitwise_or": _bitwise("or"), "__or__": _bitwise("or"),
    "bitwise_xor": _bitwise("xor"), "__xor__": _bitwise("xor"), "bitwise_not": _bitwise_not,
    "where": lambda b, condition, self, other: b.choose(condition, self, other), "masked_fill": _masked_fill,
    "to": _cast, "_to_copy": _cast, "type_as": lambda b, self, other: b.cast(self, other.dtype),
    **{name: _same for name in ("clone", "contiguous", "alias", "lift_fresh_copy", "lift_fresh", "cpu", "positive",
                                "resolve_conj", "resolve_neg", "requires_grad")},
    "detach": lambda b, self: b.emit("detach", self, shape=self.shape) if "float" in self.dtype else self,
}
