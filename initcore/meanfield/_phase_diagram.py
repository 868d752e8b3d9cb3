"""The phase diagram: fixed points on a whole grid of (sigma_w2, sigma_b2) at once.

Design
------
A. q, V' and chi as :mod:`initcore._fixed` computes them, all points together.
B. c* of the chaotic points depends on q only through smooth functions: the Hermite coefficients, and above c = 1/2
   the decorrelation, are computed at Chebyshev points of ln q (and sqrt(1 - c)) and interpolated. c is good to
   about 1e-6, where :func:`initcore.meanfield.fixed_point` gives 1e-12.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._checks import quiet, real_numbers
from .._gaussian.moments import moments
from .._gaussian.pairs import SERIES, decorrelation, hermite
from .._gaussian.profile import Profile, profile
from .._types import Array
from ..errors import ArgumentError
from ._fixed_correlation import correlation, phase_of
from ._fixed_length import smallest
from ._length_map import farthest, homogeneous_slope, slope_at_zero

_POINTS_Q = 32
_POINTS_DELTA = 14


@dataclass(frozen=True)
class PhaseDiagram:
    """Fixed points on a grid; every array but the axes has shape ``(len(sigma_w2), len(sigma_b2))``.

    Attributes
    ----------
    sigma_w2, sigma_b2 : the axes, 1-d, as given to :func:`phase_diagram`.
    q, v_prime, chi, c, chi_c, xi_q, xi_c, phase : as in :class:`initcore.meanfield.FixedPoint`; where there is no fixed
        point ``phase`` is "none" and q NaN.
    """

    sigma_w2: Array
    sigma_b2: Array
    q: Array
    v_prime: Array
    chi: Array
    c: Array
    chi_c: Array
    xi_q: Array
    xi_c: Array
    phase: Array


@quiet
def phase_diagram(activation: Any, sigma_w2: Any, sigma_b2: Any) -> PhaseDiagram:
    """Fixed points for every pair of ``sigma_w2`` (rows) and ``sigma_b2`` (columns), 1-d arrays of values >= 0.

    Returns a :class:`PhaseDiagram`: one search serves all pairs. Arguments and errors: :mod:`initcore.meanfield`.

    >>> d = phase_diagram("tanh", [0.5, 2.0], [0.0, 0.1, 0.2])
    >>> d.phase.tolist()
    [['ordered', 'ordered', 'ordered'], ['chaotic', 'chaotic', 'ordered']]
    """
    axes = []
    for label, values in (("sigma_w2", sigma_w2), ("sigma_b2", sigma_b2)):
        axis = np.atleast_1d(real_numbers(label, values))
        if axis.ndim != 1 or not np.isfinite(axis).all() or (axis < 0).any():
            raise ArgumentError(f"{label} must be a 1-d array of finite values >= 0, got shape {axis.shape}.")
        axes.append(axis)
    w, b = (a.ravel() for a in np.meshgrid(*axes, indexing="ij"))
    q, p = smallest(profile(activation), w, b)
    v, chi = _slopes(p, q, w)
    phase = np.array([phase_of(*point) for point in zip(q, v, chi)], dtype="<U8")
    c, slope = np.ones_like(w), chi.copy()
    chaos = np.flatnonzero(phase == "chaotic")
    if chaos.size:
        if p.endless():                               # D/delta has no limit to interpolate to
            pairs = [correlation(p, *map(float, point)) for point in zip(q[chaos], w[chaos], b[chaos])]
            c[chaos], slope[chaos] = np.array(pairs).T
        else:
            c[chaos], slope[chaos] = _correlations(p, q[chaos], w[chaos], b[chaos])
    with np.errstate(divide="ignore", invalid="ignore"):
        xi_q, xi_c = (np.where(np.abs(f) < 1, np.where(f == 0, 0.0, -1 / np.log(np.abs(f))), np.inf)
                      for f in (v, slope))
    xi_c[(phase == "critical") | (phase == "none")] = np.inf
    xi_q[phase == "none"] = np.inf
    shape = (axes[0].size, axes[1].size)
    return PhaseDiagram(*axes, *(a.reshape(shape) for a in (q, v, chi, c, slope, xi_q, xi_c, phase)))


def _slopes(p: Profile, q: Array, w: Array) -> tuple[Array, Array]:
    k = homogeneous_slope(p)
    if k is not None:
        return w * k, w * k
    m = moments(p, np.where(q > 0, q, farthest(p)), ("growth", "slope2"))
    zero = slope_at_zero(p)
    v, chi = np.where(q == 0, zero, m["growth"]), np.where(q == 0, zero, m["slope2"])
    return np.where(w > 0, w * v, 0.0), np.where(w > 0, w * chi, 0.0)


def _chebyshev(low: float, high: float, n: int) -> tuple[Array, Array]:
    """Chebyshev points of the second kind on [low, high] and their barycentric weights (Berrut, Trefethen 2004)."""
    k = np.arange(n)
    weights = (-1.0) ** k
    weights[[0, -1]] /= 2
    return (low + high) / 2 + (high - low) / 2 * np.cos(math.pi * k / (n - 1)), weights


def _interpolate(x: Array, points: Array, weights: Array) -> tuple[Array, Array]:
    """Matrices that give the value and the slope at x of the interpolant through values at the points."""
    gap = x[:, None] - points
    gap = np.where(np.abs(gap) < 1e-13, 1e-13, gap)
    terms = weights / gap
    total = terms.sum(axis=1, keepdims=True)
    value = terms / total
    # d/dx of a ratio of sums
    drop = -terms / gap
    slope = (drop - value * drop.sum(axis=1, keepdims=True)) / total
    return value, slope


def _correlations(p: Profile, q: Array, w: Array, b: Array) -> tuple[Array, Array]:
    ends = math.log(float(q.min())) - 1e-6, math.log(float(q.max())) + 1e-6
    points, weights = _chebyshev(*ends, _POINTS_Q)
    at = np.exp(points)
    rows, _ = _interpolate(np.log(q), points, weights)
    squares = rows @ (hermite(p, at) ** 2 / at[:, None])
    squares[:, 0] = np.where(np.abs(squares[:, 0]) < 1e-15, 0.0, squares[:, 0])
    n = np.arange(squares.shape[1])

    def step(c: Array, index: Any) -> tuple[Array, Array]:
        powers = c[:, None] ** n
        s = squares[index]
        return (w[index] * np.einsum("pn,pn->p", s, powers) + b[index] / q[index],
                w[index] * np.einsum("pn,pn->p", s[:, 1:] * n[1:], powers[:, :-1]))

    c = np.zeros_like(q)
    value, slope = step(np.full_like(q, SERIES), slice(None))
    low = value < SERIES
    for _ in range(40):
        value, slope_low = step(c[low], low)
        change = (value - c[low]) / (1 - slope_low)
        c[low] += change
        if not change.size or np.max(np.abs(change)) < 1e-15:
            break
    slope[low] = step(c[low], low)[1]
    if not low.all():
        c[~low], slope[~low] = _near_one(p, q[~low], w[~low], points, weights)
    return c, slope


def _near_one(p: Profile, q: Array, w: Array, points: Array, weights: Array) -> tuple[Array, Array]:
    """c in (1/2, 1): ``D/(q delta)``, known at delta = 0 as ``E phi'^2``, on Chebyshev points of (ln q, sqrt delta)."""
    ends, bary = _chebyshev(0.0, math.sqrt(1 - SERIES) + 1e-9, _POINTS_DELTA)
    at = np.exp(points)
    table = np.empty((at.size, ends.size))
    table[:, ends > 1e-9] = [[decorrelation(p, s, y * y)[0] / (s * y * y) for y in ends[ends > 1e-9]] for s in at]
    table[:, ends <= 1e-9] = moments(p, at, ("slope2",))["slope2"][:, None]
    rows = _interpolate(np.log(q), points, weights)[0] @ table
    # w D/(q delta) falls from chi > 1 to below 1: bisection, then Newton.
    low, high = np.zeros_like(q), np.full_like(q, ends.max())
    for _ in range(30):
        y = (low + high) / 2
        above = w * np.einsum("pn,pn->p", rows, _interpolate(y, ends, bary)[0]) > 1
        low, high = np.where(above, y, low), np.where(above, high, y)
    y = (low + high) / 2
    for _ in range(3):
        value, slope = (np.einsum("pn,pn->p", rows, m) for m in _interpolate(y, ends, bary))
        y = np.clip(y - (w * value - 1) / (w * slope), 0, ends.max())
    # d(delta f)/d delta = f + y f'(y)/2 with f(y) = w D/(q delta) = 1 here.
    slope = np.einsum("pn,pn->p", rows, _interpolate(y, ends, bary)[1])
    return 1 - y * y, 1 + w * y * slope / 2
