"""Gaussian expectations ``E[f(mean + std Z)]``, ``Z ~ N(0, 1)``, by composite Gauss-Legendre.

Design
------
A. Not Gauss-Hermite: an activation has a scale of its own (tanh bends within |x| < 2 whatever the variance) and
   kinks. Panels end at the kinks and follow *both* scales: steps of 2 in z, doubling steps 0, 1, 2, 4 ... in x.
   Sixteen nodes a panel then leave less than 1e-15 for every activation of this package, at any variance; the number
   is an argument everywhere, and what fewer leave is said where they are asked for.
B. Everything is vectorised over (mean, std): one row of nodes a unit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

import numpy as np

from .._types import Floats

ORDER = 16
REACH = 10.0       # |z| integrated: the Gaussian weight beyond is 1.5e-23
FAR = 38.0         # used for rows whose mean is far from 0: beyond, the weight is under 1e-308


class Edged(Protocol):
    """What knows where the panels of a function end."""

    def edges(self, reach: float) -> Floats:
        """Sorted ends within ``|x| <= reach``."""


@lru_cache(maxsize=8)
def legendre(order: int = ORDER) -> tuple[Floats, Floats]:
    """Gauss-Legendre nodes and weights on [-1, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    nodes.flags.writeable = weights.flags.writeable = False
    return nodes, weights


def panels(edges: Floats, order: int = ORDER) -> tuple[Floats, Floats]:
    """Nodes and weights, shape ``(..., (p - 1) order)``, of the panels between sorted ``edges (..., p)``."""
    t, w = legendre(order)
    half = np.diff(edges, axis=-1)[..., None] / 2
    middle = (edges[..., 1:] + edges[..., :-1])[..., None] / 2
    shape = (*edges.shape[:-1], -1)
    return (middle + half * t).reshape(shape), (half * w).reshape(shape)


def density(z: Floats) -> Floats:
    """The standard normal density."""
    return np.exp(-0.5 * np.square(z)) * (1 / math.sqrt(2 * math.pi))


def normal_nodes(profile: Edged, mean: Floats, std: Floats, *, order: int = ORDER,
                 reach: float = REACH, extra: Floats | None = None) -> tuple[Floats, Floats, Floats]:
    """``(x, z, w)``, each ``(units, nodes)``: ``sum_n w f(x)`` is ``E f(mean + std Z)``.

    ``mean, std`` are 1-d; ``extra`` are further panel ends in x. A unit with std 0 sits at its mean.
    """
    mean, std = np.atleast_1d(mean).astype(float)[:, None], np.atleast_1d(std).astype(float)[:, None]
    span = float(np.max(np.abs(mean) + reach * std, initial=1.0))
    ends = profile.edges(span)
    if extra is not None:
        ends = np.union1d(ends, extra)
    # Ends no unit reaches would only make panels of width 0.
    low, high = float((mean - reach * std).min()), float((mean + reach * std).max())
    ends = ends[(ends > low) & (ends < high)]
    safe = np.where(std > 0, std, 1.0)
    own = np.clip(np.where(std > 0, (ends - mean) / safe, 0.0), -reach, reach)
    fixed = np.linspace(-reach, reach, round(reach) + 1)
    z, w = panels(np.sort(np.concatenate([own, np.broadcast_to(fixed, (len(mean), fixed.size))], axis=1)), order)
    return mean + std * z, z, w * density(z)


def expect(profile: Edged, f: Callable[[Floats], Floats], mean: Floats, std: Floats, *, reach: float = REACH,
           extra: Floats | None = None) -> Floats:
    """``E f(mean + std Z)`` for 1-d ``mean, std``; f is as smooth as the profile (plus kinks at ``extra``)."""
    x, _, w = normal_nodes(profile, mean, std, reach=reach, extra=extra)
    mean_of: Floats = np.sum(w * f(x), axis=1)
    return mean_of
