"""Closed forms over two correlated Gaussians: ReLU family (Cho and Saul 2009), erf (Williams 1997), sin, GELU.

Each is ``(q, c, alpha) -> (E phi(u1) phi(u2), its derivative in c)``; GELU: Tsuchida et al. 2021. The ``_drop`` forms
take ``delta = 1 - c`` and give what is lost, ``E phi^2`` less the covariance, however small delta is.
"""

import math
from collections.abc import Callable

import numpy as np

from .quadrature import panels
from .special import RELU_FAMILY, SINE


def _leaky(q: float, c: float, a: float) -> tuple[float, float]:
    root = math.sqrt(max(0.0, (1 - c) * (1 + c)))
    angle = math.atan2(root, -c)             # pi - acos c
    if angle < 0.3:                          # sin t - t cos t
        arc = sum((-1) ** (k + 1) * 2 * k / math.factorial(2 * k + 1) * angle ** (2 * k + 1) for k in range(1, 9))
    else:
        arc = root + c * angle
    return ((1 - a) ** 2 * q / (2 * math.pi) * arc + a * c * q,
            (1 - a) ** 2 * q / (2 * math.pi) * angle + a * q)


def _erf(q: float, c: float, alpha: float) -> tuple[float, float]:
    s = 2 * q / (1 + 2 * q)
    root = math.sqrt((1 + 2 * q * (1 - c)) * (1 + 2 * q * (1 + c)))
    return 2 / math.pi * math.atan2(s * c, root / (1 + 2 * q)), 4 * q / math.pi / root


def _sin(q: float, c: float, w: float) -> tuple[float, float]:
    p = w * w * q
    near, far = math.exp(-p * (1 - c)), math.exp(-p * (1 + c))
    even = (near + far) / 2
    odd = math.exp(-p) * math.sinh(p * c) if abs(p * c) < 1 else (near - far) / 2
    return odd, p * even


def _gelu(q: float, c: float, alpha: float) -> tuple[float, float]:
    u, v = 1 + q * (1 - c), 1 + q * (1 + c)
    root = math.sqrt(u * v)                                  # sqrt((1+q)^2 - (c q)^2)
    f = 0.25 + math.atan2(c * q, root) / (2 * math.pi)       # E Phi Phi
    d = 1 / (2 * math.pi * root)                             # E pdf pdf
    k = c * q * f + q * q * d * (1 + c * c * (1 - q) / (1 + q))
    return k, q * (f + 2 * c * q * d / (1 + q) + d * c * q / (u * v))


CLOSED: dict[str | None, Callable[[float, float, float], tuple[float, float]]] = {
    RELU_FAMILY: _leaky, "erf": _erf, SINE: _sin, "gelu": _gelu}


def _erf_drop(q: float, delta: float, alpha: float) -> tuple[float, float]:
    # asin x - asin y = asin((x^2 - y^2)/(x sqrt(1-y^2) + y sqrt(1-x^2)))
    c, s = 1 - delta, 2 * q / (1 + 2 * q)
    left, right = math.sqrt(1 - (s * c) ** 2), math.sqrt(1 + 4 * q) / (1 + 2 * q)
    sine = s * delta * (1 + c) / (left + c * right)
    cosine = left * right + s * s * c
    return 2 / math.pi * math.atan2(sine, cosine), _erf(q, c, alpha)[1]


def _sin_drop(q: float, delta: float, w: float) -> tuple[float, float]:
    p = w * w * q
    return -(1 + math.exp(-p * (2 - delta))) * math.expm1(-p * delta) / 2, _sin(q, 1 - delta, w)[1]


def _gelu_drop(q: float, delta: float, alpha: float) -> tuple[float, float]:
    # The integral of dK/dc over [1 - delta, 1]; panels halve towards 1 down to where the slope bends, 1/q.
    ends = [delta]
    while ends[-1] * max(q, 1e3) > 1:
        ends.append(ends[-1] / 2)
    x, w = panels(np.array([0.0, *ends[::-1]]))
    return sum(float(b) * _gelu(q, 1 - float(a), alpha)[1] for a, b in zip(x, w)), _gelu(q, 1 - delta, alpha)[1]


CLOSED_DROP: dict[str | None, Callable[[float, float, float], tuple[float, float]]] = {
    "erf": _erf_drop, SINE: _sin_drop, "gelu": _gelu_drop}
# An analytic covariance: its fixed point needs no Hermite series.
ANALYTIC = ("erf", SINE)
