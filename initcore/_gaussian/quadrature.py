"""Gaussian expectations ``E[f(mean + std Z)]``, ``Z ~ N(0, 1)``, by composite Gauss-Legendre.

Design
------
A. Not Gauss-Hermite: an activation has a scale of its own (tanh bends within |x| < 2 whatever the variance) and
   kinks. Panels end at the kinks and follow *both* scales: steps of 2 in z, doubling steps 0, 1, 2, 4 ... in x.
   Sixteen nodes a panel then leave less than 1e-15 for every activation of this package, at any variance.
B. A user's callable has scales and kinks nobody told us. :func:`explore` bisects until the interpolant of each
   panel reproduces the function; panels that shrink to a point *are* the kinks.
C. Everything is vectorised over (mean, std): one row of nodes a unit.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .. import activations
from ..activations import Activation
from ..errors import ArgumentTypeError

Array = Any
ORDER = 16
REACH = 10.0       # |z| integrated: the Gaussian weight beyond is 1.5e-23
FAR = 38.0         # used for rows whose mean is far from 0: beyond, the weight is under 1e-308
_NARROW = 1e-5     # a panel that had to shrink below this holds a kink
_MAX_PANELS = 4096
# Eighth-order central difference (Fornberg 1988, table 1).
_STENCIL = (4 / 5, -1 / 5, 4 / 105, -1 / 280)


@lru_cache(maxsize=8)
def legendre(order: int = ORDER) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on [-1, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    nodes.flags.writeable = weights.flags.writeable = False
    return nodes, weights


def panels(edges: Array, order: int = ORDER) -> tuple[Array, Array]:
    """Nodes and weights, shape ``(..., (p - 1) order)``, of the panels between sorted ``edges (..., p)``."""
    t, w = legendre(order)
    half = np.diff(edges, axis=-1)[..., None] / 2
    middle = (edges[..., 1:] + edges[..., :-1])[..., None] / 2
    shape = (*edges.shape[:-1], -1)
    return (middle + half * t).reshape(shape), (half * w).reshape(shape)


def density(z: Array) -> Array:
    """The standard normal density."""
    return np.exp(-0.5 * np.square(z)) * (1 / math.sqrt(2 * math.pi))


@dataclass(frozen=True)
class Profile:
    """An activation as the quadrature needs it: phi, phi', and where panels must end.

    ``breaks`` are the panel ends in x found by :func:`explore` (None for the activations of this package, whose
    own scale is 1 and whose kinks are known).
    """

    activation: Activation
    phi: Callable[[Array], Array]
    dphi: Callable[[Array], Array]
    kinks: tuple[float, ...]
    breaks: Array | None = None

    @property
    def name(self) -> str | None:
        """The name where the activation is one of this package, else None (no closed form applies)."""
        return self.activation.name if self.activation.code is not None else None

    @property
    def odd(self) -> bool:
        """phi(-x) = -phi(x)."""
        return self.activation.odd

    def edges(self, reach: float) -> Array:
        """Panel ends in x for ``|x| <= reach``."""
        if self.breaks is None:
            return np.union1d(doubling(reach), self.kinks)
        inside = self.breaks[np.abs(self.breaks) <= reach]
        last = float(np.abs(self.breaks).max())
        return np.union1d(inside, [b for b in doubling(reach) if abs(b) >= last])


def doubling(reach: float) -> Array:
    """0, +-1, +-2, +-4, ... up to the first at or beyond ``reach``."""
    up = 2.0 ** np.arange(max(0, math.ceil(math.log2(max(reach, 1.0)))) + 1)
    return np.concatenate([-up[::-1], [0.0], up])


def normal_nodes(profile: Profile, mean: Array, std: Array, *, order: int = ORDER,
                 reach: float = REACH, extra: Array | None = None) -> tuple[Array, Array, Array]:
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


def expect(profile: Profile, f: Callable[[Array], Array], mean: Array, std: Array, *, reach: float = REACH,
           extra: Array | None = None) -> Array:
    """``E f(mean + std Z)`` for 1-d ``mean, std``; f is as smooth as the profile (plus kinks at ``extra``)."""
    x, _, w = normal_nodes(profile, mean, std, reach=reach, extra=extra)
    return np.sum(w * f(x), axis=1)


@lru_cache(maxsize=1)
def _probe() -> tuple[Array, Array]:
    """Test points of a panel and the matrix that interpolates there from the values at the nodes."""
    t, _ = legendre()
    # The last node is at 0.989: without the ends a kink could hide behind it.
    at = np.array([-1 + 1e-13, -0.71, -0.43, -0.137, 0.171, 0.47, 0.73, 1 - 1e-13])
    bary = np.array([1 / np.prod(t[i] - np.delete(t, i)) for i in range(ORDER)])
    terms = bary / (at[:, None] - t)
    return at, terms / terms.sum(axis=1, keepdims=True)


def explore(phi: Callable[[Array], Array], reach: float, kinks: tuple[float, ...] = ()) -> tuple[Array, tuple]:
    """Panel ends for ``|x| <= reach`` between which phi is smooth, and the kinks found."""
    ends, found = _bisect(phi, np.union1d(doubling(reach), kinks))
    if found:
        kinks = tuple(sorted({*kinks, *found}))
        ends, _ = _bisect(phi, np.union1d(doubling(reach), kinks))
    return ends, kinks


def _bisect(phi: Callable[[Array], Array], ends: Array) -> tuple[Array, list[float]]:
    at, interpolate = _probe()
    t, _ = legendre()
    todo = np.stack([ends[:-1], ends[1:]], axis=1)
    done, narrow = [ends], []
    for _ in range(64):
        if not len(todo) or sum(map(len, done)) > _MAX_PANELS:
            break
        middle, half = todo.mean(axis=1, keepdims=True), np.diff(todo, axis=1) / 2
        values, probes = phi(middle + half * t), phi(middle + half * at)
        wrong = np.abs(probes - values @ interpolate.T).max(axis=1)
        # A NaN compares false: such a panel is left alone and the NaN reaches the result, where it is reported.
        # phi(x) cannot be smoother than the rounding of x: the last term.
        steep = np.abs(np.diff(values, axis=1) / (half * np.diff(t))).max(axis=1)
        bad = wrong > 1e-14 * np.abs(values).max(axis=1) + 1e-15 * np.abs(middle[:, 0]) * steep + 1e-300
        width = 2 * half[:, 0]
        tiny = width < 1e-14 * np.maximum(1, np.abs(middle[:, 0]))
        ok = ~bad | tiny
        narrow += [(float(w), float(m)) for w, m in zip(width[ok], middle[ok, 0]) if w < _NARROW]
        split = middle[~ok]
        todo = np.concatenate([np.stack([todo[~ok, 0], split[:, 0]], axis=1),
                               np.stack([split[:, 0], todo[~ok, 1]], axis=1)])
        done.append(split[:, 0])
    return np.unique(np.concatenate(done)), _clusters(narrow)


def _clusters(narrow: list[tuple[float, float]]) -> list[float]:
    """The centre of the narrowest panel of each group of narrow panels: the kinks."""
    found: list[list[tuple[float, float]]] = []
    for width, place in sorted(narrow, key=lambda item: item[1]):
        if found and place - found[-1][-1][1] < 4 * _NARROW:
            found[-1].append((width, place))
        else:
            found.append([(width, place)])
    return [min(group)[1] for group in found]


def slope_of(phi: Callable[[Array], Array], ends: Array) -> Callable[[Array], Array]:
    """phi' by an eighth-order central difference whose stencil stays within the panel of sorted ``ends``."""
    def dphi(x: Array) -> Array:
        x = np.asarray(x, dtype=float)
        above = np.clip(np.searchsorted(ends, x), 1, len(ends) - 1)
        gap = np.minimum(np.abs(ends[above] - x), np.abs(x - ends[above - 1]))
        wide = 2.0 ** -10 * np.maximum(1.0, np.abs(x))
        h = np.where(gap > 0, np.minimum(wide, gap / 4.5), wide)
        return sum(c * (phi(x + k * h) - phi(x - k * h)) for k, c in enumerate(_STENCIL, 1)) / h

    return dphi


def profile(activation: Any, reach: float = 64.0) -> Profile:
    """The :class:`Profile` of a name, an Activation or a callable; a callable is explored for ``|x| <= reach``."""
    if isinstance(activation, Profile):
        if activation.breaks is None or np.abs(activation.breaks).max() >= reach:
            return activation
        ends, kinks = explore(activation.phi, reach, activation.kinks)
        return Profile(activation.activation, activation.phi, activation.dphi, kinks, ends)
    raw = callable(activation) and not isinstance(activation, (Activation, str))
    a = activations.get(activation)
    if a.code is not None:
        return Profile(a, a.phi, a.dphi, a.kinks)
    phi = _guarded(a, a.phi)
    ends, kinks = explore(phi, reach, a.kinks)
    return Profile(a, phi, slope_of(phi, ends) if raw else _guarded(a, a.dphi), kinks, ends)


def _guarded(a: Activation, f: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A user's function: elementwise or an error; overflow far out (``1/(1 + exp(-x))``) is not worth a warning."""
    def guarded(x: Array) -> Array:
        with np.errstate(all="ignore"):
            y = np.asarray(f(x), dtype=float)
        if y.shape != np.shape(x):
            raise ArgumentTypeError(f"activation {a.name} must act elementwise: given shape {np.shape(x)} it "
                                    f"returned shape {y.shape}.")
        return y
    return guarded
