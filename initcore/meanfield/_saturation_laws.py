"""Saturation laws of one unit or many: flat-slope and large-output shares, mean slopes, ``E|phi~|``.

``x ~ N(mean, q)``; every function broadcasts ``q`` and ``mean`` and returns a float for numbers, else an array.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from .._checks import number, quiet, real_numbers
from .._gaussian.moments import moments
from .._gaussian.profile import profile
from .._gaussian.shares import crossings, mass, share, share_sin
from .._gaussian.special import SINE
from .._gaussian.units import gaussian_moments
from .._types import Array
from ..activations import Activation, get
from ..errors import ArgumentError


@quiet
def slope_share(activation: Any, q: Any, r: float, mean: Any = 0.0) -> Any:
    """``P(|phi'(x)| < r max|phi'|)``: the share of units whose slope has fallen below r of its largest value.

    tanh: ``[erfc((a - m)/sqrt(2 q)) + erfc((a + m)/sqrt(2 q))]/2`` with ``a = acosh(1/sqrt r)``; sigmoid twice that a.
    ``r`` : share of the largest slope, >= 0. Arguments and errors: :mod:`initcore.meanfield`.

    >>> round(slope_share("tanh", 1.0, 0.01), 12)
    0.002760481055
    """
    a, level = get(activation), number("r", r, low=0.0)
    return _over(q, mean, lambda m, s: share(a, level, m, s))


@quiet
def output_share(activation: Any, q: Any, t: float, mean: Any = 0.0) -> Any:
    """``P(|phi~(x)| > t)``, phi~ the output rescaled from its range to [-1, 1] (sigmoid: ``2 y - 1``), t in [0, 1].

    The law of the lesson: fan-in n, weight std s, input second moment m give ``q = n s^2 m`` and for tanh the share
    ``erfc(atanh t/(s sqrt(2 n m)))``, which grows with n. Raises ArgumentError for an unbounded activation, else as
    :mod:`initcore.meanfield`.

    >>> round(output_share("tanh", 100 * 1.0 ** 2, 0.99), 12)
    0.791267356331
    """
    a, level = get(activation), number("t", t, low=0.0, high=1.0)
    if not (math.isfinite(a.low) and math.isfinite(a.high)):
        raise ArgumentError(f"activation {a.name} has no bounded output range [{a.low:g}, {a.high:g}], so no share of "
                            "it; use slope_share.")
    if a.family == SINE:
        return _over(q, mean, lambda m, s: share_sin(a.alpha, math.sqrt((1 - level) * (1 + level)), m, s))
    return _over(q, mean, lambda m, s: mass(_beyond(a, level), m, s))


@quiet
def mean_slope(activation: Any, q: Any, mean: Any = 0.0) -> Any:
    """``E phi'(x)``: the slope of a unit on average.

    Arguments and errors: :mod:`initcore.meanfield`.

    >>> round(mean_slope("sigmoid", 1.0), 12)
    0.206620964142
    """
    return _moment(activation, q, mean, "slope")


@quiet
def mean_square_slope(activation: Any, q: Any, mean: Any = 0.0) -> Any:
    """``E phi'(x)^2``: times sigma_w2 it is chi, the mean-square gradient factor.

    Arguments and errors: :mod:`initcore.meanfield`.

    >>> round(mean_square_slope("tanh", 1.0), 12)
    0.464402902448
    """
    return _moment(activation, q, mean, "slope2")


@quiet
def log_slope(activation: Any, q: Any, mean: Any = 0.0) -> Any:
    """``E ln phi'(x)^2``; the typical unit's gradient factor is ``exp(log_slope/2)``. -inf where slopes are exactly 0.

    Arguments and errors: :mod:`initcore.meanfield`.

    >>> round(log_slope("tanh", 100.0), 2)
    -29.27
    """
    return _column(activation, q, mean, "log_slope")


@quiet
def rakitianskaia(activation: Any, q: Any, mean: Any = 0.0) -> Any:
    """``E|phi~(x)|``: the limit of the saturation measure of Rakitianskaia and Engelbrecht 2015, any even bin count.

    0.5 for uniform outputs, towards 1 when saturated. NaN where phi is unbounded.
    Arguments and errors: :mod:`initcore.meanfield`.

    >>> round(rakitianskaia("tanh", 25.0), 8)
    0.89078405
    """
    return _column(activation, q, mean, "output")


def _moment(activation: Any, q: Any, mean: Any, key: str) -> Any:
    if not real_numbers("mean", mean).shape and mean == 0:
        x = _variances(q)
        p = profile(activation, reach=max(64.0, 20 * math.sqrt(float(x.max(initial=0.0)))))
        out = moments(p, x.ravel(), (key,))[key].reshape(x.shape)
        return float(out) if out.ndim == 0 else out
    return _column(activation, q, mean, key)


def _column(activation: Any, q: Any, mean: Any, field: str) -> Any:
    out = getattr(gaussian_moments(activation, mean, _variances(q)), field)
    return float(out) if out.ndim == 0 else out


def _variances(q: Any) -> Array:
    x = real_numbers("q", q)
    if not np.isfinite(x).all() or (x < 0).any():
        raise ArgumentError(f"q must be finite and >= 0, got {q!r}.")
    return x


def _over(q: Any, mean: Any, f: Callable[[Array, Array], Array]) -> Any:
    x, m = np.broadcast_arrays(_variances(q), real_numbers("mean", mean))
    out = f(m.ravel(), np.sqrt(x.ravel())).reshape(x.shape)
    return float(out) if out.ndim == 0 else out


def _beyond(a: Activation, t: float) -> list[tuple[float, float]]:
    """The x where the rescaled output exceeds t in size."""
    if t >= 1:
        return []
    if a.output_inverse is not None:
        edge = a.output_inverse(t)
        return [(-math.inf, -edge), (edge, math.inf)]

    def large(x: Array) -> Array:
        beyond: Array = np.abs((a.phi(x) - a.center) / a.half_range) > t
        return beyond

    ends = [-math.inf, *crossings(large, 64.0, a.kinks), math.inf]
    middles = [(max(low, -80.0) + min(high, 80.0)) / 2 for low, high in pairwise(ends)]
    inside = large(np.array(middles))
    return [(low, high) for low, high, yes in zip(ends, ends[1:], inside) if yes]
