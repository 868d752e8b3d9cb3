"""Operations on each element: activations, functions, two values broadcast against each other, choices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import activations
from .._types import Array
from ..program import Op
from ._op import Attributes, Back, Entry, refuse

_ROOT_PI = math.sqrt(math.pi)
_ERF = activations.get("erf")
# name -> (f, slope from x and f(x)); None: the slope is 0 everywhere
_FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any] | None]] = {
    "neg": (np.negative, lambda x, y: -np.ones_like(x)), "abs": (np.abs, lambda x, y: np.sign(x)),
    "square": (np.square, lambda x, y: 2 * x), "exp": (np.exp, lambda x, y: y),
    "expm1": (np.expm1, lambda x, y: y + 1), "log": (np.log, lambda x, y: 1 / x),
    "log1p": (np.log1p, lambda x, y: 1 / (1 + x)), "sqrt": (np.sqrt, lambda x, y: 0.5 / y),
    "rsqrt": (lambda x: 1 / np.sqrt(x), lambda x, y: -0.5 * y / x),
    "reciprocal": (np.reciprocal, lambda x, y: -y * y), "cos": (np.cos, lambda x, y: -np.sin(x)),
    "sin": (np.sin, lambda x, y: np.cos(x)), "tan": (np.tan, lambda x, y: 1 + y * y),
    "sinh": (np.sinh, lambda x, y: np.cosh(x)), "cosh": (np.cosh, lambda x, y: np.sinh(x)),
    "asin": (np.arcsin, lambda x, y: 1 / np.sqrt(1 - x * x)), "acos": (np.arccos, lambda x, y: -1 / np.sqrt(1 - x * x)),
    "atan": (np.arctan, lambda x, y: 1 / (1 + x * x)), "asinh": (np.arcsinh, lambda x, y: 1 / np.sqrt(1 + x * x)),
    "acosh": (np.arccosh, lambda x, y: 1 / np.sqrt(x * x - 1)), "atanh": (np.arctanh, lambda x, y: 1 / (1 - x * x)),
    "erf": (_ERF.phi, lambda x, y: _ERF.dphi(x)),
    "erfc": (lambda x: 1 - _ERF.phi(x), lambda x, y: -2 / _ROOT_PI * np.exp(-x * x)),
    "sign": (np.sign, None), "floor": (np.floor, None), "ceil": (np.ceil, None), "round": (np.round, None),
    "trunc": (np.trunc, None), "isnan": (np.isnan, None), "isinf": (np.isinf, None), "isfinite": (np.isfinite, None),
    "not": (np.logical_not, None), "logit": (lambda x: np.log(x / (1 - x)), lambda x, y: 1 / (x * (1 - x))),
}
_COMPARE = {name: f for f, names in {
    np.less: ("lt", "less"), np.less_equal: ("le", "less_equal"), np.greater: ("gt", "greater"),
    np.greater_equal: ("ge", "greater_equal"), np.equal: ("eq", "equal"), np.not_equal: ("ne", "not_equal")}.items()
    for name in names}
_LOGICAL = {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}


def _activation(a: Attributes, op: Op, z: Array) -> tuple[tuple[Array, ...], Back]:
    phi = activations.get(a["activation"])
    return (phi.phi(z),), lambda g: (g * phi.dphi(z),)


def _elementwise(a: Attributes, op: Op, x: Array) -> tuple[tuple[Array, ...], Back]:
    name = a["function"]
    if name == "cast":
        return (np.asarray(x),), lambda g: (g,)
    if name == "scale":
        return (x * a["factor"],), lambda g: (g * a["factor"],)
    if name == "shift":
        return (x + a["offset"],), lambda g: (g,)
    if name == "clamp":
        low, high = (np.inf * s if a.get(k) is None else a[k] for s, k in ((-1, "low"), (1, "high")))
        return (np.clip(x, low, high),), lambda g: (g * ((x >= low) & (x <= high)),)
    if name == "power":
        n = a["exponent"]
        return (x ** n,), lambda g: (g * n * x ** (n - 1),)
    if name not in _FUNCTIONS:
        raise refuse(op, name)
    f, slope = _FUNCTIONS[name]
    y = f(x)
    return (y,), None if slope is None else lambda g: (g * slope(x, y),)


def _edge(f: Callable[[Any, Any], Any]) -> Entry:
    """Maximum and minimum; equal ones share the gradient."""
    def entry(a: Attributes, op: Op, x: Array, y: Array) -> tuple[tuple[Array, ...], Back]:
        z = f(x, y)
        def back(g: Array) -> tuple[Any, ...]:
            first, second = x == z, y == z
            both = np.maximum(first.astype(g.dtype) + second, 1)
            return g * first / both, g * second / both
        return (z,), back
    return entry


def _power(a: Attributes, op: Op, x: Array, y: Array) -> tuple[tuple[Array, ...], Back]:
    z = x ** y

    def back(g: Array) -> tuple[Any, ...]:
        return g * y * x ** (y - 1), g * np.where(x > 0, z * np.log(np.where(x > 0, x, 1)), 0)
    return (z,), back


def _divide(a: Attributes, op: Op, x: Array, y: Array) -> tuple[tuple[Array, ...], Back]:
    z = x / y
    return (z,), lambda g: (g / y, -g * z / y)


def _choose(a: Attributes, op: Op, which: Array, x: Array, y: Array) -> tuple[tuple[Array, ...], Back]:
    taken = which.astype(bool)
    return (np.where(taken, x, y),), lambda g: (None, np.where(taken, g, 0), np.where(taken, 0, g))


def _logical(a: Attributes, op: Op, x: Array, y: Array | None = None) -> tuple[tuple[Array, ...], Back]:
    return (np.logical_not(x) if y is None else _LOGICAL[a["function"]](x, y),), None


ENTRIES: dict[str, Entry] = {
    "activation": _activation, "elementwise": _elementwise, "choose": _choose, "logical": _logical,
    "add": lambda a, op, x, y: ((x + y,), lambda g: (g, g)),
    "subtract": lambda a, op, x, y: ((x - y,), lambda g: (g, -g)),
    "multiply": lambda a, op, x, y: ((x * y,), lambda g: (g * y, g * x)), "divide": _divide, "power": _power,
    "maximum": _edge(np.maximum), "minimum": _edge(np.minimum),
    "remainder": lambda a, op, x, y: ((np.remainder(x, y),), lambda g: (g, -g * np.floor_divide(x, y))),
    "arctan2": lambda a, op, x, y: ((np.arctan2(x, y),), lambda g: (g * y / (x * x + y * y), -g * x / (x * x + y * y))),
    "compare": lambda a, op, x, y: ((_COMPARE[a["function"]](x, y),), None),
}
