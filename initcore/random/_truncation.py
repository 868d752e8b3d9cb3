"""What the truncated normal kernel needs to know of its two bounds, the same on every machine.

The probabilities below define bits of stream v1, so they come from decimal arithmetic (``_normal_tails``) and are
rounded to float64 once.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ArgumentError
from ._normal_tails import context, tails, upper_tail

if TYPE_CHECKING:
    from decimal import Decimal

_DEEP = 5.0             # both bounds beyond this: work with log Q
_VERY_DEEP = 1e5        # beyond this: the tail is exponential to 1e-18
_NARROW = 1e-7          # bounds a hair apart: the density is all but linear between them
_WIDE = 0.05            # bounds closer than this: float64 inside, lest float32's last places gather at them
_FAR = 1e5              # -log of a probability ratio that is 0 in float64


@functools.lru_cache(maxsize=256)
def plan(lower: float, upper: float, single: bool) -> tuple[int, tuple[float, ...]]:
    """(method, parameters) of the kernel for lower <= upper; ``single``: the result is worked out in float32.

    Methods and parameters are those of src/variant/random: the bounds rounded inwards to the working precision, then
    0: 2**32 Phi(lower), 2**32 Q(upper), Phi(upper) - Phi(lower) for the float32 kernel; 1: the same unscaled, for
    the float64 kernel; 2: log Q(a), Q(b)/Q(a), 1 - Q(b)/Q(a), side where both bounds lie in one tail; 3: a
    instead of log Q(a).
    """
    from decimal import Decimal
    if lower == upper:
        with np.errstate(all="ignore"):
            only = float(np.float32(lower)) if single else lower
        return 4, (only, only, lower, 0.0, 0.0)
    inner = _inwards(lower, upper) if single else (lower, upper)
    if inner[0] > inner[1] or (math.isinf(inner[0]) and inner[0] > 0) or (math.isinf(inner[1]) and inner[1] < 0):
        raise ArgumentError(f"no float32 value lies between lower={lower!r} and upper={upper!r}; "
                            "widen the bounds or ask for dtype='float64'.")
    if upper - lower < _NARROW and min(abs(lower), abs(upper)) < _VERY_DEEP:
        return 4, (*inner, lower, upper - lower, (upper - lower) * (lower + upper) / 2)
    near, far, side = (lower, upper, 1.0) if lower >= 0 else (-upper, -lower, -1.0)
    with context():
        if near >= _DEEP:
            ratio = _ratio(near, far)
            first = near if near >= _VERY_DEEP else float(upper_tail(Decimal(near)).ln())
            return (3 if near >= _VERY_DEEP else 2), (*inner, first, float(ratio), float(1 - ratio), side)
        below, above = tails(lower), tails(upper)
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
    return upper_tail(b) / upper_tail(a)


def _inwards(lower: float, upper: float) -> tuple[float, float]:
    """The least float32 >= lower and the greatest <= upper."""
    with np.errstate(all="ignore"):
        a, b = np.float32(lower), np.float32(upper)
        if float(a) < lower:
            a = np.nextafter(a, np.float32(np.inf))
        if float(b) > upper:
            b = np.nextafter(b, np.float32(-np.inf))
    return float(a), float(b)
