"""Closed forms of the one-dimensional moments of :mod:`initcore._gaussian.moments`: ``(q, alpha) -> value``.

Where a difference would cancel (small q, critical line) the form is rewritten, or summed as a series.
"""

import math
from collections.abc import Callable

import numpy as np

from .._types import Floats
from .special import RELU_FAMILY, SINE, erf, erfc

_SQRT_PI = math.sqrt(math.pi)
Forms = dict[str, Callable[[Floats, float], Floats]]


def inner_second(a: Floats) -> Floats:
    """``erf(a) - 2 a exp(-a^2)/sqrt(pi)`` = E[Z^2; |Z| < sqrt(2) a], without cancellation at small a."""
    a = np.asarray(a, dtype=float)
    small = np.minimum(a, 0.6)
    term, total = np.ones_like(small), np.ones_like(small)
    for k in range(1, 16):
        term = term * small ** 2 / (k + 1.5)
        total = total + term
    series = 4 / (3 * _SQRT_PI) * small ** 3 * np.exp(-small ** 2) * total
    return np.where(a < 0.6, series, erf(a) - 2 / _SQRT_PI * a * np.exp(-np.square(a)))


def _flat(value: Callable[[float], float]) -> Callable[[Floats, float], Floats]:
    return lambda q, a: np.full_like(q, value(a))


# phi(x) = x for x > 0, a x for x <= 0 (He et al. 2015, eq. 15).
_LEAKY: Forms = {
    "mean": lambda q, a: (1 - a) * np.sqrt(q / (2 * math.pi)),
    "second": lambda q, a: (1 + a * a) / 2 * q,
    "slope": _flat(lambda a: (1 + a) / 2),
    "slope2": _flat(lambda a: (1 + a * a) / 2),
    "growth": _flat(lambda a: (1 + a * a) / 2),
    "fourth": lambda q, a: 1.5 * (1 + a ** 4) * q * q,
    "slope4": _flat(lambda a: (1 + a ** 4) / 2),
    "spread": _flat(lambda a: (1 - a * a) ** 2 / 4),
    "excess": _flat(lambda a: 0.0),
}


def _log_ratio(t: Floats, f: Callable[[Floats], Floats], sign: float) -> Floats:
    """``1 - f(t)/t`` for f = arctan (sign -1) or tanh's like; series where t is small."""
    small = np.minimum(t, 0.1)
    series = sum(-(sign ** k) * small ** (2 * k) / (2 * k + 1) for k in range(1, 9))
    return np.where(t < 0.1, series, 1 - f(t) / np.where(t > 0, t, 1))


def _one_minus_tanh_ratio(u: Floats) -> Floats:
    """``1 - tanh(u)/u``; for small u from ``(u cosh u - sinh u)/(u cosh u)``, all terms positive."""
    small = np.minimum(u, 0.5)
    top = sum(2 * k * small ** (2 * k) / math.factorial(2 * k + 1) for k in range(1, 10))
    return np.where(u < 0.5, top / np.cosh(small), 1 - np.tanh(u) / np.where(u > 0, u, 1))


# Williams 1997; Poole et al. 2016.
_ERF: Forms = {
    "mean": _flat(lambda a: 0.0),
    "second": lambda q, a: 2 / math.pi * np.arctan2(2 * q, np.sqrt(1 + 4 * q)),
    "slope": lambda q, a: 2 / _SQRT_PI / np.sqrt(1 + 2 * q),
    "slope2": lambda q, a: 4 / math.pi / np.sqrt(1 + 4 * q),
    "growth": lambda q, a: 4 / math.pi / ((1 + 2 * q) * np.sqrt(1 + 4 * q)),
    "slope4": lambda q, a: 16 / math.pi ** 2 / np.sqrt(1 + 8 * q),
    "spread": lambda q, a: (16 / math.pi ** 2 * 16 * q * q
                            / ((1 + 4 * q) * np.sqrt(1 + 8 * q) * (1 + 4 * q + np.sqrt(1 + 8 * q)))),
    "excess": lambda q, a: 4 / math.pi / np.sqrt(1 + 4 * q) * q * _log_ratio(2 * q / np.sqrt(1 + 4 * q),
                                                                            np.arctan, -1.0),
}
_SIN: Forms = {
    "mean": _flat(lambda a: 0.0),
    "second": lambda q, a: -np.expm1(-2 * a * a * q) / 2,
    "slope": lambda q, a: a * np.exp(-a * a * q / 2),
    "slope2": lambda q, a: a * a * (1 + np.exp(-2 * a * a * q)) / 2,
    "growth": lambda q, a: a * a * np.exp(-2 * a * a * q),
    "fourth": lambda q, a: _sin_fourth(np.expm1(-2 * a * a * q)),
    "slope4": lambda q, a: a ** 4 * (3 + 4 * np.exp(-2 * a * a * q) + np.exp(-8 * a * a * q)) / 8,
    "spread": lambda q, a: a ** 4 * np.expm1(-4 * a * a * q) ** 2 / 8,
    "excess": lambda q, a: (1 + np.exp(-2 * a * a * q)) / 2 * a * a * q * _one_minus_tanh_ratio(a * a * q),
}


def _sin_fourth(m: Floats) -> Floats:
    """``(3 - 4 e + e^4)/8`` at e = 1 + m."""
    return m * m * (6 + 4 * m + m * m) / 8


def _edge(q: Floats, width: float = 1.0) -> Floats:
    """``width / sqrt(2 q)``, infinite at q = 0."""
    with np.errstate(divide="ignore"):
        return width / np.sqrt(2 * q)


def _inside(q: Floats, a: float) -> Floats:
    return erf(_edge(q))


def _hard_tanh_excess(q: Floats, a: float) -> Floats:
    e = _edge(q)
    with np.errstate(invalid="ignore"):
        return np.where(q > 0, np.sqrt(2 * q / math.pi) * np.exp(-np.square(e)) - erfc(e), 0.0)


_HARD_TANH: Forms = {
    "mean": _flat(lambda a: 0.0),
    "second": lambda q, a: q * _growth_hard_tanh(q, a) + erfc(_edge(q)),
    "slope": _inside, "slope2": _inside, "slope4": _inside,
    "growth": lambda q, a: _growth_hard_tanh(q, a),
    "spread": lambda q, a: erf(_edge(q)) * erfc(_edge(q)),
    "excess": _hard_tanh_excess,
}


def _growth_hard_tanh(q: Floats, a: float) -> Floats:
    e = np.minimum(_edge(q), 30.0)      # beyond, 1 to the last bit
    return inner_second(e)


# hard_sigmoid(x) = 1/2 + hard_tanh(x/3)/2.
_HARD_SIGMOID: Forms = {
    "mean": _flat(lambda a: 0.5),
    "second": lambda q, a: 0.25 + _HARD_TANH["second"](q / 9, a) / 4,
    "slope": lambda q, a: _inside(q / 9, a) / 6,
    "slope2": lambda q, a: _inside(q / 9, a) / 36,
    "slope4": lambda q, a: _inside(q / 9, a) / 1296,
    "growth": lambda q, a: _growth_hard_tanh(q / 9, a) / 36,
    "spread": lambda q, a: _HARD_TANH["spread"](q / 9, a) / 1296,
    "excess": lambda q, a: _hard_tanh_excess(q / 9, a) / 4 - 0.25,
}


def _gelu_parts(q: Floats) -> tuple[Floats, Floats]:
    """``F = E[Phi(x)^2]`` and ``D = E[pdf(x)^2]``; everything about GELU follows by Stein's identity."""
    return 0.25 + np.arctan2(q, np.sqrt(1 + 2 * q)) / (2 * math.pi), 1 / (2 * math.pi * np.sqrt(1 + 2 * q))


def _gelu_second(q: Floats, a: float) -> Floats:
    f, d = _gelu_parts(q)
    return q * f + 2 * q * q * d / (1 + q)


def _gelu_slope2(q: Floats, a: float) -> Floats:
    f, d = _gelu_parts(q)
    return f + 2 * q * d / (1 + q) + q * d / (1 + 2 * q)


def _gelu_growth(q: Floats, a: float) -> Floats:
    f, d = _gelu_parts(q)
    return f + d * (q / (1 + q) + 2 * q * (2 + q) / (1 + q) ** 2 - 2 * q * q / ((1 + q) * (1 + 2 * q)))


_GELU: Forms = {
    "mean": lambda q, a: q / np.sqrt(2 * math.pi * (1 + q)),
    "second": _gelu_second,
    "slope": _flat(lambda a: 0.5),
    "slope2": _gelu_slope2,
    "growth": _gelu_growth,
    "excess": lambda q, a: q * q * _gelu_parts(q)[1] / (1 + 2 * q),
}
CLOSED: dict[str, Forms] = {RELU_FAMILY: _LEAKY, "erf": _ERF, SINE: _SIN, "hard_tanh": _HARD_TANH,
                              "hard_sigmoid": _HARD_SIGMOID, "gelu": _GELU}
