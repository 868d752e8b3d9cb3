"""Gaussian expectations per unit as the predictor needs them, and the covariance of a layer's outputs.

``z_j ~ N(m_j, s_j^2)``. The engine is :func:`initcore._gaussian.units.expectations`; the number of nodes is chosen
here: 8 a panel leave less than 1e-9.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from .._gaussian.profile import Profile, kinks_of
from .._gaussian.units import HERMITE, expectations
from .._types import Array
from ..activations import Activation

ORDER = 8
_SHRINK = 2
_KEYS = ("mean", "variance", "size", "slope2", "log_slope", "output", "hermite", "slope")
_ROWS = 128


class Moments(NamedTuple):
    """Expectations over ``z_j ~ N(m_j, s_j^2)``, one entry a unit; ``hermite (units, HERMITE)`` of phi."""

    mean: Array            # E phi
    variance: Array        # Var phi
    slope: Array           # E |phi'| / max |phi'|
    slope2: Array          # E phi'^2
    log_slope2: Array      # E ln phi'^2
    distance: Array        # E |phi - center| / half range (NaN where phi is unbounded)
    hermite: Array         # E[phi(m + s u) He_k(u)] / sqrt(k!), k = 1..HERMITE
    dmean: Array           # E phi'


def moments(activation: Activation, mean: Array, std: Array) -> Moments:
    """All of :class:`Moments`, in float64."""
    m, s = np.broadcast_arrays(np.asarray(mean, np.float64), np.asarray(std, np.float64))
    found = expectations(_profile(activation), np.atleast_1d(m), np.atleast_1d(s), _KEYS, order=ORDER, shrink=_SHRINK)
    first, variance, size, *rest = (found[k] for k in _KEYS)
    return Moments(first, variance, size / activation.max_slope, *rest)


def relative_slope(activation: Activation, mean: Array, std: Array) -> Array:
    """``E |phi'| / max |phi'|`` alone, as in :class:`Moments`."""
    found = expectations(_profile(activation), mean, std, ("size",), order=ORDER, shrink=_SHRINK)
    return np.asarray(found["size"] / activation.max_slope)


@functools.lru_cache(maxsize=64)
def _profile(activation: Activation) -> Profile:
    """phi and phi' as they are; of a callable the kinks near 0 are found, its own scale is taken to be 1."""
    if activation.code is not None:
        return Profile(activation, activation.phi, activation.dphi, activation.kinks)
    return kinks_of(activation, 16.0)


def output_covariance(cov: Array, found: Moments) -> Array:
    """Covariance of ``phi(z_i), phi(z_j)`` for jointly Gaussian z with covariance ``cov``.

    Mehler: sum_k a_k(i) a_k(j) rho^k; what the kept terms miss of each variance is put at the next odd power,
    so units correlated by +-1 (tied, sign-tied) come out exactly. Made in blocks of rows, in the place of ``cov``.
    """
    s = np.sqrt(np.maximum(np.diagonal(cov), 0))
    inverse = np.divide(1.0, s, out=np.zeros_like(s), where=s > 0)
    a = found.hermite
    rest = np.sqrt(np.maximum(found.variance - np.square(a).sum(axis=1), 0))
    for i in range(0, len(cov), _ROWS):
        rows = slice(i, i + _ROWS)
        rho = cov[rows] * inverse[rows, None]
        rho *= inverse
        np.clip(rho, -1, 1, out=rho)
        total = rest[rows, None] * rest
        total *= rho
        total *= rho
        for k in range(HERMITE - 1, -1, -1):         # Horner in rho
            total += a[rows, k, None] * a[:, k]
            total *= rho
        cov[rows] = total
    np.fill_diagonal(cov, found.variance)
    return cov
