"""Probabilities of flat slope and large output under ``x ~ N(mean, variance)``.

No integration: ``{x: |phi'(x)| < r max|phi'|}`` is a union of intervals that depends on the activation alone. They
come from the activation's ``cutoff`` where its slope is symmetric, else from a search, once for each activation and r.
"""

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import pairwise

import numpy as np

from .. import activations
from .._types import Array
from ..activations import Activation
from .quadrature import density
from .special import SINE, erfc

_ROOT_HALF = math.sqrt(0.5)


def segment(low: Array, high: Array) -> tuple[Array, Array, Array]:
    """``E[1], E[Z], E[Z^2]`` over low < Z < high, the mass from the nearer tail."""
    mirrored = low > 0
    a, b = np.where(mirrored, -high, low), np.where(mirrored, -low, high)
    inside = np.where(high > low, (erfc(-b * _ROOT_HALF) - erfc(-a * _ROOT_HALF)) / 2, 0.0)
    pa, pb = density(low), density(high)
    finite_a, finite_b = np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(high), high, 0.0)
    return inside, pa - pb, inside + finite_a * pa - finite_b * pb


def crossings(test: Callable[[Array], Array], span: float, kinks: tuple[float, ...]) -> list[float]:
    """Where a yes/no function of x changes on [-span, span], to the last bit."""
    grid = np.union1d(np.linspace(-span, span, 16385), [k + d for k in kinks for d in (-1e-9, 1e-9)])
    state = test(grid)
    places = np.flatnonzero(state[1:] != state[:-1])
    low, high, left = grid[places], grid[places + 1], state[places]
    for _ in range(80):
        middle = (low + high) / 2
        same = test(middle) == left
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return [float(v) for v in high]


def intervals(a: Activation, r: float) -> list[tuple[float, float]]:
    """The x where ``|phi'(x)| < r max|phi'|``, as open intervals."""
    if r <= 0:
        return []
    if a.cutoff is not None:
        c = a.cutoff(r) if r <= 1 else 0.0
        return [(-math.inf, -c), (c, math.inf)]
    return list(_found_intervals(a.code, a.alpha, r)) if a.code is not None else list(_search(a, r))


@lru_cache(maxsize=256)
def _found_intervals(code: int, alpha: float, r: float) -> tuple[tuple[float, float], ...]:
    return _search(activations.get(activations.names[code], alpha), r)


def _search(a: Activation, r: float) -> tuple[tuple[float, float], ...]:
    def flat(x: Array) -> Array:
        return np.abs(a.dphi(np.asarray(x))) < r * a.max_slope

    ends = [-math.inf, *crossings(flat, 64.0, a.kinks), math.inf]
    probes = [(-80.0 if low == -math.inf else low, 80.0 if high == math.inf else high)
              for low, high in pairwise(ends)]
    inside = flat(np.array([(low + high) / 2 for low, high in probes]))
    return tuple((low, high) for low, high, yes in zip(ends[:-1], ends[1:], inside) if yes)


@lru_cache(maxsize=256)
def zero_intervals(activation: Activation, dtype: str) -> tuple[tuple[float, float], ...]:
    """Where the slope is exactly 0 in ``dtype``, the slope of tanh and sigmoid computed as 1 - y y and y (1 - y).

    1 - y is 0 once 1 - phi <= 2^-(p+1), p = 24 or 53 bits: tanh beyond ln(2^(p+2) - 1)/2 (float32 9.0109, float64
    19.06), sigmoid above ln(2^(p+1) - 1) (17.3287, 37.43); its negative tail keeps a slope.
    """
    if activation.flat_from_output is not None:
        return activation.flat_from_output(24 if dtype == "float32" else 53)
    return slope_zero_intervals(activation, dtype)


@lru_cache(maxsize=256)
def slope_zero_intervals(activation: Activation, dtype: str) -> tuple[tuple[float, float], ...]:
    """Where the accurate slope itself is 0 in ``dtype``: flat pieces, or underflow."""
    def zero(z: Array) -> Array:
        with np.errstate(all="ignore"):
            flat: Array = np.asarray(activation.dphi(z.astype(dtype))) == 0
            return flat
    ends = [-math.inf, *crossings(zero, 1024.0, activation.kinks), math.inf]
    middles = [max(a, -2048.0) / 2 + min(b, 2048.0) / 2 for a, b in pairwise(ends)]
    return tuple(e for e, yes in zip(pairwise(ends), zero(np.array(middles))) if yes)


def share(a: Activation, r: float, m: Array, s: Array) -> Array:
    """``P(|phi'(x)| < r max|phi'|)``, ``x_j ~ N(m_j, s_j^2)``."""
    if a.family == SINE:
        return share_sin(a.alpha, r, m, s)
    return mass(intervals(a, r), m, s)


def mass(intervals: Iterable[tuple[float, float]], m: Array, s: Array) -> Array:
    """The probability of a union of disjoint intervals, ``x_j ~ N(m_j, s_j^2)``."""
    total = np.zeros_like(m)
    safe = np.where(s > 0, s, 1.0)
    for low, high in intervals:
        inside = segment((low - m) / safe, (high - m) / safe)[0]
        total += np.where(s > 0, inside, (m > low) & (m < high))
    return total


def share_sin(frequency: float, r: float, m: Array, s: Array) -> Array:
    """P(|cos(w x)| < r): the arcs around pi/2 + k pi, or their Fourier series where many lie under the density."""
    half = math.asin(min(max(r, 0.0), 1.0))
    t, sd = np.abs(frequency) * m, np.abs(frequency) * s
    wide = np.full_like(m, 2 * half / math.pi)
    for k in range(1, 40):
        wide += 2 / (math.pi * k) * math.sin(2 * k * half) * np.exp(-2.0 * k * k * sd ** 2) * np.cos(
            2 * k * t - k * math.pi)
    narrow = np.zeros_like(m)
    base = np.round(t / math.pi - 0.5)
    for k in range(-5, 6):
        centre = (base + k + 0.5) * math.pi
        safe = np.where(sd > 0, sd, 1.0)
        inside = segment((centre - half - t) / safe, (centre + half - t) / safe)[0]
        narrow += np.where(sd > 0, inside, np.abs(t - centre) < half)
    return np.where(sd > 1.2, wide, narrow)
