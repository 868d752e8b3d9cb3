"""Expectations over two correlated Gaussians, ``E phi(u1) phi(u2)``, variance q each, correlation c.

Design
------
A. Coordinates ``u = sqrt(q) (a z1 +- b z2)``, ``a, b = sqrt((1 +- c)/2)``: exchange of the two is z2 -> -z2, so half
   the plane suffices; for odd phi a quarter. For every z2 the panels in z1 end at both images of every kink, and the
   panels in z2 where two images cross: between the ends the integrand is smooth whatever c.
B. Near c = 1 the difference ``E phi^2 - E phi(u1) phi(u2)`` is integrated as ``E (phi(u1) - phi(u2))^2 / 2``.
C. Up to ``|c| = 1/2`` the Hermite (Mehler) series converges faster than any quadrature and keeps *relative* accuracy
   near c = 0.
D. Closed forms where there are any: ``pair_forms``.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .._types import Array
from .moments import one
from .pair_forms import CLOSED, CLOSED_DROP
from .profile import Profile, doubling, family
from .quadrature import REACH, density, expect, legendre, normal_nodes, panels

SERIES = 0.5         # the series is used up to this |c|
_TERMS = 72          # 0.5^72 = 2e-22
_ROWS = 64
_ORDER = 12          # a panel leaves less than 1e-13


def hermite(profile: Profile, q: Any, terms: int = _TERMS) -> Array:
    """``a_n = E phi(sqrt(q) Z) He_n(Z)/sqrt(n!)``, shape ``(len(q), terms)``: ``E phi(u1)phi(u2) = sum a_n^2 c^n``."""
    q = np.atleast_1d(np.asarray(q, dtype=float))
    x, z, w = normal_nodes(profile, np.zeros_like(q), np.sqrt(q), order=24)
    weighted = w * (profile.phi(x) - offset(profile))
    out = np.empty((q.size, terms))
    before, now = np.zeros_like(z), np.ones_like(z)
    odd = profile.odd or offset(profile) != 0
    for n in range(terms):
        out[:, n] = 0.0 if odd and n % 2 == 0 else np.einsum("un,un->u", weighted, now)
        before, now = now, (z * now - math.sqrt(n) * before) / math.sqrt(n + 1)
    out[:, 0] += offset(profile)
    return out


def offset(profile: Profile) -> float:
    """The constant that leaves an odd function: sigmoid and hard_sigmoid are 1/2 + odd."""
    a = profile.activation
    return a.phi0 if a.symmetric and not a.odd else 0.0


def _rows(profile: Profile, q: float, a: float, b: float, order: int) -> Iterator[tuple[Array, Array, Array]]:
    """Blocks of ``(u1, u2, weight)`` covering the plane once."""
    s = math.sqrt(q)
    odd = profile.odd or offset(profile) != 0
    fixed = np.linspace(0, REACH, round(REACH) // 2 + 1)
    ends = profile.edges(2 * REACH * s)
    finest = min(1.0, float(np.diff(ends).min()))
    kinks = np.asarray(profile.kinks)
    apart = np.abs(kinks[:, None] - kinks).ravel() / 2
    own = np.concatenate([apart, finest * doubling(REACH * s / finest)]) / (b * s)
    # Where c < 0 the images leave the box within z2 ~ a/b.
    own = np.concatenate([own, fixed * min(1.0, a / b)])
    z2, w2 = panels(np.union1d(fixed, own[(own > 0) & (own < REACH)]), order)
    if not odd:
        fixed = np.concatenate([-fixed[:0:-1], fixed])
    for block in np.array_split(np.arange(z2.size), max(1, -(-z2.size // _ROWS))):
        shift = b * s * z2[block][:, None]
        span = float(REACH * a * s + shift.max())
        ends = profile.edges(span)
        ends = ends[np.abs(ends) <= span]
        low = 0.0 if odd else -REACH
        images = np.concatenate([ends - shift, ends + shift], axis=1) / (a * s)
        edges = np.concatenate([np.clip(images, low, REACH), np.broadcast_to(fixed, (block.size, fixed.size))], axis=1)
        edges.sort(axis=1)
        keep = np.any(np.diff(edges, axis=1) > 0, axis=0)
        z1, w1 = panels(edges, order) if keep.all() else _some(edges, keep, order)
        weight = w1 * (w2[block] / math.pi * np.exp(-0.5 * z2[block] ** 2))[:, None] * np.exp(-0.5 * z1 * z1)
        yield a * s * z1 + shift, a * s * z1 - shift, weight * (2.0 if odd else 1.0)


def _some(edges: Array, keep: Array, order: int) -> tuple[Array, Array]:
    """The panels that have a width in at least one row."""
    t, w = legendre(order)
    low, high = edges[:, :-1][:, keep], edges[:, 1:][:, keep]
    half, middle = (high - low)[..., None] / 2, (high + low)[..., None] / 2
    return (middle + half * t).reshape(len(edges), -1), (half * w).reshape(len(edges), -1)


def plane(profile: Profile, q: float, one_plus: float, one_minus: float,
          f: Callable[[Array, Array], tuple[Array, ...]],
          order: int = _ORDER) -> list[float]:
    """``E f(u1, u2)`` for f symmetric in its arguments (and even under a joint sign change where phi is odd).

    The correlation is given as 1 + c and 1 - c, so that neither end loses digits.
    """
    total: list[float] = []
    for u1, u2, w in _rows(profile, q, math.sqrt(one_plus / 2), math.sqrt(one_minus / 2), order):
        # einsum, not dot: no BLAS, whose threads cost more than they bring here
        parts = [float(np.einsum("ij,ij->", w, y)) for y in f(u1, u2)]
        total = parts if not total else [t + p for t, p in zip(total, parts)]
    return total


def covariance(profile: Profile, q: float, c: float, *, closed: bool = True) -> tuple[float, float]:
    """``K = E phi(u1) phi(u2)`` and ``dK/dc = q E phi'(u1) phi'(u2)``."""
    if q == 0:
        return profile.activation.phi0 ** 2, 0.0
    name, alpha = family(profile)
    if closed and name in CLOSED:
        return CLOSED[name](q, c, alpha)
    if abs(c) <= SERIES:
        return series(hermite(profile, q)[0] ** 2, c)
    sign = -1.0 if c < 0 and (profile.odd or offset(profile)) else 1.0
    shift = offset(profile)
    if c == sign:
        centred = one(profile, q, "second") - shift * shift
        return sign * centred + shift * shift, q * one(profile, q, "slope2")
    if c == -1.0:
        x, _, w = normal_nodes(profile, np.zeros(1), np.array([math.sqrt(q)]), extra=-np.asarray(profile.kinks))
        return (float(np.sum(w * profile.phi(x) * profile.phi(-x))),
                q * float(np.sum(w * profile.dphi(x) * profile.dphi(-x))))
    k, slope = plane(profile, q, 1 + sign * c, 1 - sign * c,
                     lambda u, v: ((profile.phi(u) - shift) * (profile.phi(v) - shift),
                                   profile.dphi(u) * profile.dphi(v)))
    return sign * k + shift * shift, q * (slope + spikes(profile, q, sign * c))


def decorrelation(profile: Profile, q: float, delta: float, *, closed: bool = True) -> tuple[float, float]:
    """``D = E phi^2 - K(1 - delta)`` and dD/d delta, with relative accuracy however small delta is."""
    name, alpha = family(profile)
    if closed and name in CLOSED_DROP:
        return CLOSED_DROP[name](q, delta, alpha)
    half, slope = plane(profile, q, 2 - delta, delta,
                        lambda u, v: (np.square(profile.phi(u) - profile.phi(v)), profile.dphi(u) * profile.dphi(v)))
    return half / 2, q * (slope + spikes(profile, q, 1 - delta))


def spikes(profile: Profile, q: float, c: float) -> float:
    """What the jumps of phi add to ``E phi'(u1) phi'(u2)``, ``|c| < 1``: spike on spike, and spike on slope."""
    if not profile.jumps:
        return 0.0
    places, sizes = (np.array(v) for v in zip(*profile.jumps))
    spread = math.sqrt(q * (1 - c * c))
    weight = sizes * density(places / math.sqrt(q)) / math.sqrt(q)
    # u2 given u1 = k is N(c k, q (1 - c^2))
    both = density((places[None] - c * places[:, None]) / spread) / spread * sizes
    slopes = expect(profile, profile.dphi, c * places, np.full(len(places), spread))
    return float(weight @ both.sum(axis=1) + 2 * weight @ slopes)


def series(squares: Array, c: float) -> tuple[float, float]:
    """``sum_n s_n c^n`` and its derivative."""
    n = np.arange(squares.size)
    powers = float(c) ** n
    return float(squares @ powers), float((squares[1:] * n[1:]) @ powers[:-1])
