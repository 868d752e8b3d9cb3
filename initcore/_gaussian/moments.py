"""The one-dimensional moments of an activation, ``x ~ N(0, q)``: closed form where one exists, else quadrature.

=========  =====================  ==========================================================
key        value                  used for
=========  =====================  ==========================================================
mean       E phi                  variance gain
second     E phi^2                length map
slope      E phi'                 slope of the correlation map at c = 0
slope2     E phi'^2               chi
growth     d E phi^2 / d q        V' (Stein 1981: ``E[phi phi' x]/q``, valid with kinks)
fourth     E phi^4                finite-width fluctuation
slope4     E phi'^4               Jacobian spectrum
spread     Var(phi'^2)            Jacobian spectrum, without the cancellation of slope4 - slope2^2
excess     q E phi'^2 - E phi^2   critical line, without the cancellation of the difference
=========  =====================  ==========================================================
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .._types import Floats
from .closed_forms import CLOSED
from .profile import Profile, family
from .quadrature import ORDER, density, normal_nodes

_SQUARES = {"slope2": 2, "slope4": 4, "spread": 4, "excess": 2}      # moments of phi'^2: the power they need finite
KEYS = ("mean", "second", "slope", "slope2", "growth", "fourth", "slope4", "spread", "excess")


def moments(profile: Profile, q: Any, keys: Iterable[str], *, closed: bool = True,
            order: int = ORDER) -> dict[str, Floats]:
    """The moments ``keys`` at the variances ``q`` (1-d array); ``closed=False`` forces quadrature."""
    q = np.atleast_1d(np.asarray(q, dtype=float))
    name, alpha = family(profile)
    forms = CLOSED.get(name or "", {}) if closed else {}
    found = {k: np.asarray(forms[k](q, alpha)) for k in keys if k in forms}
    rest = [k for k in keys if k not in forms]
    if rest:
        found.update(_integrate(profile, q, rest, order))
    return found


def one(profile: Profile, q: float, key: str, *, closed: bool = True, order: int = ORDER) -> float:
    """One moment at one variance."""
    return float(moments(profile, q, (key,), closed=closed, order=order)[key][0])


def _integrate(profile: Profile, q: Floats, keys: list[str], order: int) -> dict[str, Floats]:
    # Blocks keep the temporaries in cache.
    if not q.size:
        return {k: np.zeros(0) for k in keys}
    if q.size > 64:
        parts = [_integrate(profile, block, keys, order) for block in np.array_split(q, -(-q.size // 64))]
        return {k: np.concatenate([p[k] for p in parts]) for k in keys}
    x, z, w = normal_nodes(profile, np.zeros_like(q), np.sqrt(q), order=order)
    slopes = not {"slope", "slope2", "growth", "slope4", "spread", "excess"}.isdisjoint(keys)
    values = not {"mean", "second", "growth", "fourth", "excess"}.isdisjoint(keys)
    phi = profile.phi(x) if values else None
    dphi = profile.dphi(x) if slopes else None
    found = {k: _INTEGRANDS[k](phi, dphi, x, z, w, q, profile) for k in keys}
    if profile.jumps:
        found = _with_jumps(profile, found, phi, z, w, q)
    return {k: np.where(q > 0, np.inf, v) if k in _SQUARES and profile.endless(_SQUARES[k]) else v
            for k, v in found.items()}


def _with_jumps(profile: Profile, found: dict[str, Floats], phi: Floats | None, z: Floats, w: Floats,
                q: Floats) -> dict[str, Floats]:
    """Moments of phi' where it has spikes: its mean gains them.

    ``d E phi^2/d q = E phi^2 (Z^2 - 1)/(2 q)`` needs no slope.
    """
    root = np.sqrt(q)
    with np.errstate(divide="ignore", invalid="ignore"):
        if "slope" in found:
            found["slope"] = found["slope"] + sum(d * density(k / root) / root for k, d in profile.jumps)
        if "growth" in found and phi is not None:
            found["growth"] = _mean(np.square(phi) * (np.square(z) - 1), w) / (2 * q)
    return found


def _mean(f: Floats, w: Floats) -> Floats:
    mean: Floats = np.einsum("un,un->u", f, w)
    return mean


def _growth(phi: Floats, dphi: Floats, x: Floats, z: Floats, w: Floats, q: Floats, profile: Profile) -> Floats:
    # E Z = 0: taking the constant out removes the cancellation where phi(0) != 0 and q is small.
    root = np.sqrt(q)
    constant = profile.activation.phi0 * profile.activation.dphi0
    with np.errstate(invalid="ignore", divide="ignore"):
        value = _mean((phi * dphi - constant) * z, w) / root
    return np.where(root > 0, value, np.nan)


def _centred_mean(phi: Floats, w: Floats, profile: Profile) -> Floats:
    return np.zeros(len(phi)) if profile.odd else _mean(phi, w)


def _spread(dphi: Floats, w: Floats) -> Floats:
    square = np.square(dphi)
    return _mean(np.square(square - _mean(square, w)[:, None]), w)


def _excess(phi: Floats, dphi: Floats, x: Floats, z: Floats, w: Floats, q: Floats, profile: Profile) -> Floats:
    """``sum_n (n - 1) a_n^2`` over the Hermite coefficients: linear part removed before squaring."""
    m, slope = _centred_mean(phi, w, profile), _mean(dphi, w)
    rest = phi - m[:, None] - slope[:, None] * x
    return q * _mean(np.square(dphi - slope[:, None]), w) - _mean(np.square(rest), w) - m * m


_INTEGRANDS: dict[str, Callable[..., Floats]] = {
    "mean": lambda phi, dphi, x, z, w, q, p: _centred_mean(phi, w, p),
    "second": lambda phi, dphi, x, z, w, q, p: _mean(np.square(phi), w),
    "slope": lambda phi, dphi, x, z, w, q, p: _mean(dphi, w),
    "slope2": lambda phi, dphi, x, z, w, q, p: _mean(np.square(dphi), w),
    "growth": _growth,
    "fourth": lambda phi, dphi, x, z, w, q, p: _mean(np.square(np.square(phi)), w),
    "slope4": lambda phi, dphi, x, z, w, q, p: _mean(np.square(np.square(dphi)), w),
    "spread": lambda phi, dphi, x, z, w, q, p: _spread(dphi, w),
    "excess": _excess,
}
