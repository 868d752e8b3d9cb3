"""What the truncated normal kernel needs to know of its two bounds, the same on every machine.

The probabilities below define bits of stream v1, so they come from decimal arithmetic (exactly specified, 60
digits) and are rounded to float64 once; no C library's erfc, exp or log is asked.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError

if TYPE_CHECKING:
    from decimal import Decimal

_SQRT_2PI = "2.50662827463100050241576528481104525300698674060993831662992357634229365460784"
_DEEP = 5.0             # both bounds beyond this: work with log Q
_VERY_DEEP = 1e5        # beyond this: the tail is exponential to 1e-18
_NARROW = 1e-7          # bounds a hair apart: the density is all but linear between them
_WIDE = 0.05            # bounds closer than this: float64 inside, lest float32's last places gather at them
_FAR = 1e5              # -log of a probability ratio that is 0 in float64


def _context() -> Any:
    import decimal
    return decimal.localcontext(decimal.Context(prec=60, rounding=decimal.ROUND_HALF_EVEN, Emin=decimal.MIN_EMIN,
                                                Emax=decimal.MAX_EMAX, traps=[decimal.InvalidOperation]))


def _upper_tail(x: Decimal) -> Decimal:
    """Q(x) for x >= 0: a series of positive terms, or Laplace's continued fraction from 5 on."""
    from decimal import Decimal
    density = (-x * x / 2).exp() / Decimal(_SQRT_2PI)
    if x < 5:
        term = total = x
        n = 1
        while term > total * Decimal("1e-62"):
            n += 2
            term = term * x * x / n
            total += term
        return Decimal("0.5") - density * total
    fraction = x
    for n in range(300, 0, -1):
        fraction = x + n / fraction
    return density / fraction


def _tails(x: float) -> tuple[Decimal, Decimal]:
    """(Phi(x), Q(x)), each with its own relative accuracy."""
    from decimal import Decimal
    if abs(x) > 1e4:                            # far below the smallest float64
        small = Decimal(0)
    else:
        small = _upper_tail(Decimal(abs(x)))
    return (small, 1 - small) if x < 0 else (1 - small, small)


@functools.lru_cache(maxsize=256)
def plan(lower: float, upper: float, single: bool) -> tuple[int, tuple[float, ...]]:
    """(method, parameters) of the kernel for lower < upper; ``single``: the result is worked out in float32.

    Methods and parameters are those of src/variant/random: the bounds rounded inwards to the working precision, then
    0: 2**32 Phi(lower), 2**32 Q(upper), Phi(upper) - Phi(lower) for the float32 kernel; 1: the same unscaled, for
    the float64 kernel; 2: log Q(a), Q(b)/Q(a), 1 - Q(b)/Q(a), side where both bounds lie in one tail; 3: a
    instead of log Q(a).
    """
    from decimal import Decimal
    inner = _inwards(lower, upper) if single else (lower, upper)
    if inner[0] > inner[1] or (math.isinf(inner[0]) and inner[0] > 0) or (math.isinf(inner[1]) and inner[1] < 0):
        raise ArgumentError(f"no float32 value lies between lower={lower!r} and upper={upper!r}; "
                            "widen the bounds or ask for dtype='float64'.")
    if upper - lower < _NARROW and min(abs(lower), abs(upper)) < _VERY_DEEP:
        return 4, (*inner, lower, upper - lower, (upper - lower) * (lower + upper) / 2)
    near, far, side = (lower, upper, 1.0) if lower >= 0 else (-upper, -lower, -1.0)
    with _context():
        if near >= _DEEP:
            ratio = _ratio(near, far)
            first = near if near >= _VERY_DEEP else float(_upper_tail(Decimal(near)).ln())
            return (3 if near >= _VERY_DEEP else 2), (*inner, first, float(ratio), float(1 - ratio), side)
        below, above = _tails(lower), _tails(upper)
        share = above[0] - below[0] if side < 0 else below[1] - above[1]
        least = min(below[0], above[1]) + share * Decimal(2) ** -33
        if single and upper - lower > _WIDE and least > Decimal(2) ** -38:
            scale = 1 << 32
            return 0, (*inner, float(below[0] * scale), float(above[1] * scale), float(share))
        return 1, (*inner, float(below[0]), float(above[1]), float(share))


def _ratio(near: float, far: float) -> Decimal:
    """Q(far) / Q(near)."""
    from decimal import Decimal
    if math.isinf(far):
        return Decimal(0)
    a, b = Decimal(near), Decimal(far)
    exponent = (b - a) * (b + a) / 2
    if exponent > Decimal(_FAR):
        return Decimal(0)
    if near >= _VERY_DEEP:
        return (-exponent).exp() * a / b
    return _upper_tail(b) / _upper_tail(a)


def _inwards(lower: float, upper: float) -> tuple[float, float]:
    """The least float32 >= lower and the greatest <= upper."""
    with np.errstate(over="ignore"):
        a, b = np.float32(lower), np.float32(upper)
    if float(a) < lower:
        a = np.nextafter(a, np.float32(np.inf))
    if float(b) > upper:
        b = np.nextafter(b, np.float32(-np.inf))
    return float(a), float(b)
