"""Tails of the standard normal distribution in decimal arithmetic: exactly specified, 60 digits, the same everywhere.

Bits of stream v1 depend on them, so no C library's erfc, exp or log is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decimal import Decimal

SQRT_2PI = "2.50662827463100050241576528481104525300698674060993831662992357634229365460784"


def context() -> Any:
    import decimal
    return decimal.localcontext(decimal.Context(prec=60, rounding=decimal.ROUND_HALF_EVEN, Emin=decimal.MIN_EMIN,
                                                Emax=decimal.MAX_EMAX, traps=[decimal.InvalidOperation]))


def upper_tail(x: Decimal) -> Decimal:
    """Q(x) for x >= 0: a series of positive terms, or Laplace's continued fraction from 5 on."""
    from decimal import Decimal
    density = (-x * x / 2).exp() / Decimal(SQRT_2PI)
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


def tails(x: float) -> tuple[Decimal, Decimal]:
    """(Phi(x), Q(x)), each with its own relative accuracy."""
    from decimal import Decimal
    if abs(x) > 1e4:                            # far below the smallest float64
        small = Decimal(0)
    else:
        small = upper_tail(Decimal(abs(x)))
    return (small, 1 - small) if x < 0 else (1 - small, small)
