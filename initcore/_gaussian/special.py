"""Special functions in float64 that NumPy has not: erf, erfc, digamma, trigamma."""

import math
from typing import Any

import numpy as np

from .._types import Floats

RELU_FAMILY = "leaky_relu"      # families with closed forms of their own: slope 1 above 0 and any below;
SINE = "sin"                    # periodic slopes
_libm_erf = np.frompyfunc(math.erf, 1, 1)
_libm_erfc = np.frompyfunc(math.erfc, 1, 1)


def erf(x: Floats) -> Floats:
    """erf, float64, one libm call an element."""
    return np.asarray(_libm_erf(x), dtype=float)


def erfc(x: Floats) -> Floats:
    """erfc, float64, accurate in the tail."""
    return np.asarray(_libm_erfc(x), dtype=float)


def log_square(slope: Floats) -> Floats:
    """``ln slope^2``, at least that of 1e-300."""
    # The floor keeps a node that meets a zero of the slope, or its underflow, from being all of the mean.
    return 2 * np.log(np.maximum(np.abs(slope), 1e-300))


def digamma_less_log(x: Floats) -> Floats:
    """``psi(x) - ln x``, x > 0: recurrence up to 10, then the asymptotic series (Abramowitz and Stegun 6.3.18)."""
    start = np.asarray(x, dtype=float)
    x, shift = _raise(start, lambda y: 1 / y)
    r = 1 / (x * x)
    tail = r * (1 / 12 - r * (1 / 120 - r * (1 / 252 - r * (1 / 240 - r * (1 / 132 - r * (691 / 32760 - r / 12))))))
    value: Floats = np.log(x / start) - 0.5 / x - tail - shift
    return value


def trigamma(x: Floats) -> Floats:
    """psi'(x), x > 0: recurrence up to 10, then the asymptotic series (Abramowitz and Stegun 6.4.12)."""
    x, shift = _raise(np.asarray(x, dtype=float), lambda y: 1 / (y * y))
    r = 1 / (x * x)
    tail = r / x * (1 / 6 - r * (1 / 30 - r * (1 / 42 - r * (1 / 30 - r * (5 / 66 - r * (691 / 2730 - r * 7 / 6))))))
    return 1 / x + 0.5 * r + tail + shift


def _raise(x: Floats, term: Any) -> tuple[Floats, Floats]:
    """x moved up by whole steps to at least 10, and the sum of the terms passed."""
    x = x.copy()
    total = np.zeros_like(x)
    for _ in range(10):
        low = x < 10
        total[low] += term(x[low])
        x[low] += 1
    return x, total
