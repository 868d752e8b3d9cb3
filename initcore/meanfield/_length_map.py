"""The length map's moments ``A(q) = E phi^2`` and ``A'(q)``: on a grid, at 0, and as far as a profile reaches."""

import math
from functools import lru_cache

import numpy as np

from .. import activations
from .._gaussian.moments import moments
from .._gaussian.profile import Profile, profile
from .._types import Array

_BUILT_IN = (1e-14, 1e14)
CALLABLE = (1e-10, 4.0)      # where the grid of a callable begins and, at first, ends


def grid(p: Profile, high: float | None = None) -> tuple[Array, Array, Array]:
    """``(q, A(q), A'(q))`` on a logarithmic grid, 24 points a decade."""
    if p.name is not None:
        return _grid_of(p.activation.code or 0, p.activation.alpha)
    return _grid(p, CALLABLE[0], high or CALLABLE[1])


@lru_cache(maxsize=32)
def _grid_of(code: int, alpha: float) -> tuple[Array, Array, Array]:
    return _grid(profile(activations.get(activations.names[code], alpha)), *_BUILT_IN)


def _grid(p: Profile, low: float, high: float) -> tuple[Array, Array, Array]:
    q = np.geomspace(low, high, round(24 * math.log10(high / low)) + 1)
    m = moments(p, q, ("second", "growth"), order=12)       # enough for brackets
    return q, m["second"], m["growth"]


def reaching(p: Profile, q: float) -> Profile:
    """The profile, explored far enough for variances up to q."""
    return profile(p, reach=10.5 * math.sqrt(q) * 2)


def farthest(p: Profile) -> float:
    """A large variance the profile is good for, standing for q -> infinity."""
    return _BUILT_IN[1] if p.breaks is None else min(1e3, (float(np.abs(p.breaks).max()) / 21) ** 2)


def slope_at_zero(p: Profile) -> float:
    """``lim V'/sigma_w2`` at q -> 0 with phi(0) = 0: the mean of the two one-sided squared slopes."""
    sides = np.asarray(p.dphi(np.array([1e-7, -1e-7] if p.name is None else [1e-300, -1e-300])), dtype=float)
    return float(np.mean(np.square(sides)))


def square_at_zero(p: Profile) -> float:
    """``lim E phi^2`` at q -> 0: phi(0)^2, or the mean of both sides' where phi jumps at 0."""
    if any(abs(place) < 1e-9 for place, _ in p.jumps):
        return float(np.mean(np.square(p.phi(np.array([1e-8, -1e-8])))))
    return p.activation.phi0 ** 2


def homogeneous_slope(p: Profile) -> float | None:
    """``E phi^2/q`` where it does not depend on q (phi(a x) = a phi(x) for a > 0: the ReLU family), else None."""
    sides = p.activation.sides
    if sides is not None:
        return (sides[0] * sides[0] + sides[1] * sides[1]) / 2
    if p.name is not None:
        return None
    x = np.array([1.0, -1.0, 0.37, -0.37])
    y = np.asarray(p.phi(x), dtype=float)
    same = all(np.allclose(p.phi(f * x), f * y, rtol=1e-14, atol=0) for f in (1e-3, 0.7, 3.0, 50.0))
    return float(y[0] ** 2 + y[1] ** 2) / 2 if same else None
