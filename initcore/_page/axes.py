"""Axes: from a quantity to a place on the paper, with round ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Axis:
    """A linear or logarithmic axis from ``low`` to ``high``. ``zero``: its lower end stands for 0 too;
    ``whole``: what it counts comes in whole numbers."""

    low: float
    high: float
    log: bool = False
    zero: bool = False
    whole: bool = False

    def at(self, value: float) -> float:
        """The place of a value, 0 to 1; what lies outside is put at the end, NaN stays NaN.

        >>> Axis(1.0, 100.0, log=True).at(10.0), Axis(1.0, 100.0, log=True).at(0.0)
        (0.5, 0.0)
        """
        if math.isnan(value):
            return value
        if self.log:
            value = min(max(value, self.low), self.high)
            return math.log(value / self.low) / math.log(self.high / self.low)
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def ticks(self, most: int = 5) -> list[tuple[float, str]]:
        """Round values inside, with their words."""
        if not self.log:
            return [(v, f"{v:.6g}") for v in round_values(self.low, self.high, most) if not self.whole or v == int(v)]
        low, high = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        step = max(1, -(-(high - low + 1) // most))
        first = -(-low // step) * step
        ends = [(self.low, "0")] if self.zero else []
        return ends + [(10.0 ** k, power(k)) for k in range(first, high + 1, step)
                       if not (self.zero and self.at(10.0 ** k) < 0.08)]


def power(k: int) -> str:
    """A power of ten in three characters or so.

    >>> power(0), power(2), power(-7)
    ('1', '100', '10⁻⁷')
    """
    return f"{10.0 ** k:g}" if -2 <= k <= 3 else "10" + str(k).translate(_RAISED)


def round_values(low: float, high: float, most: int) -> list[float]:
    """At most ``most`` + 1 multiples of 1, 2 or 5 times a power of ten in [low, high]."""
    raw = (high - low) / most
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(m * size for m in (1, 2, 5, 10) if m * size >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) + 0.0 for k in range(first, math.floor(high / step + 1e-9) + 1)]


def linear(values: Iterable[float]) -> Axis:
    """A linear axis that holds the values.

    >>> linear([0, 3]).ticks()
    [(0.0, '0'), (1.0, '1'), (2.0, '2'), (3.0, '3')]
    """
    given = list(values)
    seen = [v for v in given if math.isfinite(v)]
    a, b = min(seen, default=0.0), max(seen, default=1.0)
    if not b > a:
        a, b = a - 0.5, a + 0.5
    return Axis(a, b, whole=all(isinstance(v, int) for v in given))


def decades(values: Iterable[float]) -> Axis:
    """A logarithmic axis of whole decades that holds the positive values; zeros stand at its foot."""
    given = list(values)
    seen = [v for v in given if v > 0 and math.isfinite(v)]
    a, b = math.floor(math.log10(min(seen, default=0.1))), math.ceil(math.log10(max(seen, default=10.0)))
    if b <= a:
        b = a + 1
    zero = any(v == 0 for v in given)
    a, b = max(a - zero * max(1, (b - a) // 8), -307), min(b, 307)
    return Axis(10.0 ** a, 10.0 ** b, True, zero)
