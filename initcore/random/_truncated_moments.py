"""Moments of the truncated standard normal, and how far the stream's normals reach.

The standard deviation scales weights whose bits are promised on every machine, so like the bounds' probabilities
(``_normal_tails``) it comes from decimal arithmetic and is rounded to float64 once.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

from ._normal_tails import SQRT_2PI, context, tails

if TYPE_CHECKING:
    from decimal import Decimal

# The largest |z| of stream v1: Phi^-1 of 2^-33 (one 32-bit word) and of 2^-65 (float64), not rounded up.
_REACH = {"float64": 9.1, "float32": 6.338, "float16": 6.338, "bfloat16": 6.338}
_TAIL = 5.0             # both bounds beyond this: relative to the nearer one's tail
_NOTHING = 100_000      # e to minus this is 0 beside anything


def reach(dtype: str) -> float:
    """The largest |z| a standard normal of this dtype takes in stream v1."""
    return _REACH[dtype]


@functools.lru_cache(maxsize=256)
def truncated_moments(lower: float, upper: float) -> tuple[float, float]:
    """Mean and standard deviation of N(0, 1) cut to ``[lower, upper]``, lower < upper, to the last digit of float64.

    With ``Z = Phi(b) - Phi(a)`` and phi the density: mean ``m = (phi(a) - phi(b))/Z``, variance
    ``1 + (a phi(a) - b phi(b))/Z - m^2``. The cancellation in a far tail (a^4) and for bounds close together (the
    gap squared) is paid for in digits.

    >>> truncated_moments(-2.0, 2.0)                # the constant of JAX and Keras
    (0.0, 0.8796256610342398)
    """
    from decimal import Decimal
    if (upper - lower) * max(1.0, abs(lower)) < 1e-8:           # uniform to 1e-16
        return lower + (upper - lower) / 2, (upper - lower) / math.sqrt(12)
    near, far, side = (lower, upper, 1) if lower >= 0 else (-upper, -lower, -1)
    with context() as digits:
        a, b = Decimal(near), Decimal(far)
        if near >= _TAIL:
            digits.prec += 4 * a.adjusted()
            # phi(a) : phi(b) : Z as hazard(a) : hazard(a) decay : 1 - Q(b)/Q(a)
            rise = _hazard(a)
            exponent = (b - a) * (b + a) / 2 if math.isfinite(far) else Decimal(_NOTHING)
            decay = (-exponent).exp() if exponent < _NOTHING else Decimal(0)
            at_a, at_b = rise, rise * decay
            share = 1 - at_b / _hazard(b) if decay else Decimal(1)
        else:
            (below_a, above_a), (_, above_b) = tails(near), tails(far)
            share = above_a - above_b if near >= 0 else 1 - below_a - above_b
            at_a, at_b = _density(a), _density(b)
        mean = (at_a - at_b) / share
        second = sum((end * at for end, at in ((a, at_a), (-b, at_b)) if at), Decimal(0))
        std = (1 + second / share - mean * mean).sqrt()
        return side * float(mean) + 0.0, float(std)


def _hazard(x: Decimal) -> Decimal:
    """phi(x)/Q(x) for x >= 5: Laplace's continued fraction."""
    fraction = x
    for n in range(300, 0, -1):
        fraction = x + n / fraction
    return fraction


def _density(x: Decimal) -> Decimal:
    """phi(x), 0 where it is nothing beside a probability."""
    from decimal import Decimal
    return (-x * x / 2).exp() / Decimal(SQRT_2PI) if x * x < _NOTHING else Decimal(0)


def truncated_std(lower: float, upper: float) -> float:
    """Standard deviation of N(0, 1) cut to ``[lower, upper]``."""
    return truncated_moments(float(lower), float(upper))[1]
