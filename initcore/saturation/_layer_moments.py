"""Gaussian expectations per unit, for the predictor: one panel rule for every mean and deviation at once.

``z_j ~ N(m_j, s_j^2)``. Smooth functionals are integrated by Gauss-Legendre panels split where phi bends; shares
below a slope are closed forms (:mod:`initcore._shares`).
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import NamedTuple

import numpy as np

from .._gaussian import shares as _shares
from ..activations import Activation

Array = np.ndarray
REACH = 8.5                      # the normal density beyond is 2e-17 of the mass
HERMITE = 7                      # terms kept of the covariance series; the rest is put at the next odd power
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)


@functools.lru_cache(maxsize=256)
def zero_intervals(activation: Activation, dtype: str) -> tuple[tuple[float, float], ...]:
    """Where the slope is exactly 0 in ``dtype``, the slope of tanh and sigmoid computed as 1 - y y and y (1 - y).

    1 - y is 0 once 1 - phi <= 2^-(p+1), p = 24 or 53 bits: tanh beyond ln(2^(p+2) - 1)/2 (float32 9.0109, float64
    19.06), sigmoid above ln(2^(p+1) - 1) (17.3287, 37.43); its negative tail keeps a slope.
    """
    bits = 24 if dtype == "float32" else 53
    if activation.name == "tanh":
        c = math.log(2.0 ** (bits + 2) - 1) / 2
        return ((-math.inf, -c), (c, math.inf))
    if activation.name == "sigmoid":
        return ((math.log(2.0 ** (bits + 1) - 1), math.inf),)
    return slope_zero_intervals(activation, dtype)


@functools.lru_cache(maxsize=256)
def slope_zero_intervals(activation: Activation, dtype: str) -> tuple[tuple[float, float], ...]:
    """Where the accurate slope itself is 0 in ``dtype``: flat pieces, or underflow."""
    def zero(z: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(activation.dphi(z.astype(dtype))) == 0
    ends = [-math.inf, *_shares.crossings(zero, 1024.0, activation.kinks), math.inf]
    middles = [max(a, -2048.0) / 2 + min(b, 2048.0) / 2 for a, b in itertools.pairwise(ends)]
    return tuple(e for e, yes in zip(itertools.pairwise(ends), zero(np.array(middles))) if yes)


def log_slope(activation: Activation, z: Array) -> Array:
    """``ln phi'(z)^2``, finite far out where the slope itself underflows."""
    a = np.abs(z)
    if activation.name == "tanh":
        return 2 * (math.log(4) - 2 * a - 2 * np.log1p(np.exp(-2 * a)))
    if activation.name == "sigmoid":
        return 2 * (-a - 2 * np.log1p(np.exp(-a)))
    if activation.name == "erf":
        return 2 * (math.log(2 / math.sqrt(math.pi)) - np.square(z))
    with np.errstate(divide="ignore"):
        return 2 * np.log(np.abs(activation.dphi(z)))


class Moments(NamedTuple):
    """Expectations over ``z_j ~ N(m_j, s_j^2)``, one entry a unit; ``hermite (units, HERMITE)`` of phi."""

    mean: Array            # E phi
    variance: Array        # Var phi
    slope: Array           # E |phi'| / max |phi'|
    slope2: Array          # E phi'^2
    log_slope2: Array      # E ln phi'^2
    distance: Array        # E |phi - center| / half range
    hermite: Array         # E[phi(m + s u) He_k(u)] / sqrt(k!), k = 1..HERMITE
    dmean: Array           # E phi'


def moments(activation: Activation, mean: Array, std: Array) -> Moments:
    """All of :class:`Moments` from one set of nodes, in float64."""
    m, s = np.broadcast_arrays(np.asarray(mean, np.float64), np.asarray(std, np.float64))
    m, s = np.atleast_1d(m)[:, None], np.atleast_1d(s)[:, None]
    bends = sorted({-16.0, -6.0, -2.0, 0.0, 2.0, 6.0, 16.0, *activation.kinks})
    with np.errstate(divide="ignore", invalid="ignore"):
        cuts = np.nan_to_num((np.array(bends) - m) / s, nan=0.0)
    fixed = np.broadcast_to(np.array([-REACH, -4.0, 0.0, 4.0, REACH]), (len(m), 5))
    cuts = np.sort(np.concatenate([fixed, np.clip(cuts, -REACH, REACH)], axis=1), axis=1)
    half = np.diff(cuts, axis=1)[:, :, None] / 2
    u = ((cuts[:, :-1, None] + half) + half * _NODES).reshape(len(m), half.shape[1] * len(_NODES))
    w = (half * _WEIGHTS).reshape(u.shape) * np.exp(-0.5 * u * u) / math.sqrt(2 * math.pi)
    w /= w.sum(axis=1, keepdims=True)
    z = m + s * u
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        y = np.asarray(activation.phi(z), np.float64)
        d = np.asarray(activation.dphi(z), np.float64)
        first = np.einsum("ij,ij->i", w, y)
        centred = y - first[:, None]
        variance = np.einsum("ij,ij,ij->i", w, centred, centred)
        hermite = np.empty((len(m), HERMITE))
        before, now = np.ones_like(u), u
        for k in range(1, HERMITE + 1):           # orthonormal Hermite polynomials by their recurrence
            hermite[:, k - 1] = np.einsum("ij,ij,ij->i", w, centred, now)
            before, now = now, (u * now - math.sqrt(k) * before) / math.sqrt(k + 1)
        logs = log_slope(activation, z)
        mean_log = np.einsum("ij,ij->i", w, np.where(w > 0, logs, 0.0))
        return Moments(first, variance, np.einsum("ij,ij->i", w, np.abs(d)) / activation.max_slope,
                       np.einsum("ij,ij,ij->i", w, d, d), mean_log,
                       np.einsum("ij,ij->i", w, np.abs(y - activation.center)) / activation.half_range, hermite,
                       np.einsum("ij,ij->i", w, d))


def output_covariance(cov: Array, found: Moments) -> Array:
    """Covariance of ``phi(z_i), phi(z_j)`` for jointly Gaussian z with covariance ``cov``.

    Mehler: sum_k a_k(i) a_k(j) rho^k; what the kept terms miss of each variance is put at the next odd power,
    so units correlated by +-1 (tied, sign-tied) come out exactly.
    """
    s = np.sqrt(np.maximum(np.diagonal(cov), 0))
    inverse = np.divide(1.0, s, out=np.zeros_like(s), where=s > 0)
    rho = np.clip(cov * inverse[:, None] * inverse, -1, 1)
    out = np.zeros_like(rho)
    a = found.hermite
    for k in range(HERMITE, 0, -1):              # Horner in rho
        if k == HERMITE:
            rest = np.sqrt(np.maximum(found.variance - np.square(a).sum(axis=1), 0))
            out = np.outer(rest, rest) * rho * rho
        out = (out + np.outer(a[:, k - 1], a[:, k - 1])) * rho
    np.fill_diagonal(out, found.variance)
    return out
