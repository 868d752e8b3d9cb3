"""The fixed point of the correlation map below 1, and the names of what a pair of fixed points is: phase, depth scale.

The map is a power series with non-negative coefficients, hence convex on [0, 1]: Newton from the left (series) or, in
1 - c, from the right, cannot miss the one fixed point below 1.
"""

import math

from .._gaussian.pair_forms import ANALYTIC
from .._gaussian.pairs import SERIES, covariance, decorrelation, hermite, series
from .._gaussian.profile import Profile, family


def correlation(p: Profile, q: float, sw2: float, sb2: float) -> tuple[float, float]:
    """``(c*, C'(c*))`` of the fixed point below 1 of a chaotic correlation map, ``q = V(q)`` and chi > 1."""
    squares = None if family(p)[0] in ANALYTIC else hermite(p, q)[0] ** 2
    if squares is not None and squares[0] < 1e-29 * q:
        squares[0] = 0.0          # a mean of 0 (SELU at q = 1) but for rounding

    def step(c: float) -> tuple[float, float]:
        k, dk = covariance(p, q, c) if squares is None else series(squares, c)
        return (sw2 * k + sb2) / q, sw2 * dk / q

    value, slope = step(SERIES)
    if value < SERIES:
        c = 0.0
        for _ in range(100):
            value, slope = step(c)
            new = c + (value - c) / (1 - slope)
            if abs(new - c) <= 1e-17 + 2e-16 * abs(c):
                break
            c = new
        return new, step(new)[1]
    delta, best = 1 - SERIES, math.inf
    for _ in range(60):
        drop, slope = decorrelation(p, q, delta)
        value, slope = sw2 * drop / q, sw2 * slope / q
        new = delta - (value - delta) / (slope - 1)
        if not 0 < new < 1 or slope >= 1:
            new = value           # plain iteration is monotone here
        change = abs(new - delta)
        if change <= 1e-15 * delta or change >= best or new < 1e-40:      # chi infinite, c = 1 all the same
            break
        delta, best = new, change
    return 1 - delta, slope


def depth_scale(factor: float) -> float:
    """``-1/ln factor`` layers; 0 for a factor of 0, infinite for 1 and above."""
    size = abs(factor)
    if size >= 1:
        return math.inf
    return -1 / math.log(size) if size > 0 else 0.0


def phase_of(q: float, v_prime: float, chi: float) -> str:
    """ "none", "critical", "ordered" or "chaotic" from the fixed point (NaN: none) and chi there."""
    if math.isnan(q):
        return "none"
    # At a half-stable point q is only known to the root of the rounding, and so is chi.
    loose = 1e-6 if abs(v_prime - 1) < 1e-6 and q > 1e-3 else 1e-13
    if abs(chi - 1) <= loose:
        return "critical"
    return "ordered" if chi < 1 else "chaotic"
