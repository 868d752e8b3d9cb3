"""An activation as the quadrature needs it: phi, phi', and the places where panels must end.

A user's callable has scales and kinks nobody told us. :func:`explore` bisects until the interpolant of each panel
reproduces the function; panels that shrink to a point *are* the kinks.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .. import activations
from .._types import Array
from ..activations import Activation
from ..errors import ArgumentTypeError
from .quadrature import ORDER, legendre
from .special import RELU_FAMILY, log_square

_NARROW = 1e-5     # a panel that had to shrink below this holds a kink
_MAX_PANELS = 4096
# Eighth-order central difference (Fornberg 1988, table 1).
_STENCIL = (4 / 5, -1 / 5, 4 / 105, -1 / 280)


@dataclass(frozen=True)
class Profile:
    """An activation as the quadrature needs it: phi, phi', and where panels must end.

    ``breaks`` are the panel ends in x found by :func:`explore` (None for the activations of this package, whose
    own scale is 1 and whose kinks are known). ``jumps`` are the kinks at which phi itself jumps, and by how much: there
    phi' is a spike that no value of ``dphi`` shows. ``roots`` are the kinks k beside which phi changes like
    ``|x - k|^p`` with ``p <= 3/4``, and p: from 1/2 down E phi'^2 is infinite, and E phi'^4 at all of them.
    ``log_dphi``: ``ln |phi'|`` where it is known better than phi'.
    """

    activation: Activation
    phi: Callable[[Array], Array]
    dphi: Callable[[Array], Array]
    kinks: tuple[float, ...]
    breaks: Array | None = None
    jumps: tuple[tuple[float, float], ...] = ()
    roots: tuple[tuple[float, float], ...] = ()
    log_dphi: Callable[[Array], Array] | None = None

    @property
    def name(self) -> str | None:
        """The name where the activation is one of this package, else None (no closed form applies)."""
        return self.activation.name if self.activation.code is not None else None

    def log_slope(self, x: Array) -> Array:
        """``ln phi'(x)^2``, at least that of 1e-300."""
        if self.log_dphi is None:
            return log_square(self.dphi(x))
        # The floor keeps a node that meets a zero of the slope from being all of the mean.
        logs = self.log_dphi(x)
        return 2 * np.where(logs == -math.inf, math.log(1e-300), logs)

    def endless(self, power: int = 2) -> str:
        """Words for why E phi'^power is infinite, power 2 or 4; none where it is not."""
        if self.jumps:
            return f"jumps at {self.jumps[0][0]:.6g}"
        steep = [place for place, p in self.roots if p <= 1 - 1 / power]
        return f"is infinitely steep at {steep[0]:.6g}, like a root" if steep else ""

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
    last = max(0, math.ceil(math.log2(max(reach, 1.0))))
    # No activation has a scale of its own beyond 2^64; algebraic and logarithmic tails are followed in longer steps.
    powers = [*range(min(last, 64) + 1), *range(80, last + 16, 16)]
    up = 2.0 ** np.array([k for k in powers if k < 1024])
    return np.concatenate([-up[::-1], [0.0], up])


@lru_cache(maxsize=1)
def _probe() -> tuple[Array, Array]:
    """Test points of a panel and the matrix that interpolates there from the values at the nodes."""
    t, _ = legendre()
    # The last node is at 0.989: without the ends a kink could hide behind it.
    at = np.array([-1 + 1e-13, -0.71, -0.43, -0.137, 0.171, 0.47, 0.73, 1 - 1e-13])
    bary = np.array([1 / np.prod(t[i] - np.delete(t, i)) for i in range(ORDER)])
    terms = bary / (at[:, None] - t)
    return at, terms / terms.sum(axis=1, keepdims=True)


def explore(phi: Callable[[Array], Array], reach: float, kinks: tuple[float, ...] = ()
            ) -> tuple[Array, tuple[float, ...]]:
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


def jumps_at(phi: Callable[[Array], Array], ends: Array) -> tuple[tuple[float, float], ...]:
    """The panel ends across which phi changes by more than a slope can explain, and by how much."""
    nearest, change, far = (np.asarray(phi(ends + d)) - np.asarray(phi(ends - d))
                            for d in (h * np.maximum(1.0, np.abs(ends)) for h in (1e-11, 1e-9, 1e-7)))
    # Across a jump the change is the same at every distance; across a corner it falls with the distance, across a root
    # with its root, and beside the point of a root it may grow.
    with np.errstate(invalid="ignore"):
        near, far = np.abs(change), np.abs(far)
        found = np.flatnonzero((near > 0.5 * far) & (near < 2 * far) & (np.abs(nearest) > 0.5 * near) & (near > 1e-6))
    groups = np.split(found, np.flatnonzero(np.diff(ends[found]) > 1e-7) + 1) if found.size else []
    middles = [int(g[len(g) // 2]) for g in groups]
    # Hundreds of jumps are noise.
    return tuple((float(ends[i]), float(change[i])) for i in middles) if len(middles) <= 64 else ()


def roots_at(phi: Callable[[Array], Array], kinks: tuple[float, ...], jumps: tuple[tuple[float, float], ...]
             ) -> tuple[tuple[float, float], ...]:
    """The kinks beside which phi changes like ``|x - k|^p``, p <= 3/4, and p; jumps are none of them.

    >>> roots_at(lambda x: np.sign(x) * np.sqrt(np.abs(x)), (0.0,), ())
    ((0.0, 0.5),)
    """
    spiked = np.array([place for place, _ in jumps])
    at = np.array([k for k in kinks if not np.any(np.abs(spiked - k) < 1e-7)])
    if not 0 < at.size <= 64:
        return ()
    unit = np.maximum(1.0, np.abs(at))
    found = []
    for side in (-1, 1):
        # changes over [h/100, h]: what is a hundred times nearer is smaller by 100^p
        far, near = (np.abs(phi(at + side * h * unit) - phi(at + side * h / 100 * unit)) for h in (1e-6, 1e-8))
        with np.errstate(divide="ignore", invalid="ignore"):
            power = np.log(far / near) / math.log(100)
        # a change as small as a corner's shows nothing but its rounding; a spike that was not told from a root is one
        found.append(np.where((near > 1e-7) & (power > 0.05), power, math.inf))
    powers = np.round(np.minimum(*found), 2)
    return tuple((float(k), float(p)) for k, p in zip(at, powers) if p <= 0.75)


def slope_of(phi: Callable[[Array], Array], ends: Array) -> Callable[[Array], Array]:
    """phi' by an eighth-order central difference whose stencil stays within the panel of sorted ``ends``."""
    def dphi(x: Array) -> Array:
        x = np.asarray(x, dtype=float)
        above = np.clip(np.searchsorted(ends, x), 1, len(ends) - 1)
        gap = np.minimum(np.abs(ends[above] - x), np.abs(x - ends[above - 1]))
        wide = 2.0 ** -10 * np.maximum(1.0, np.abs(x))
        h = np.where(gap > 0, np.minimum(wide, gap / 4.5), wide)
        slope: Array = sum(c * (phi(x + k * h) - phi(x - k * h)) for k, c in enumerate(_STENCIL, 1)) / h
        return slope

    return dphi


def profile(activation: Any, reach: float = 64.0) -> Profile:
    """The :class:`Profile` of a name, an Activation or a callable; a callable is explored for ``|x| <= reach``."""
    if isinstance(activation, Profile):
        if activation.breaks is None or np.abs(activation.breaks).max() >= reach:
            return activation
        ends, kinks = explore(activation.phi, reach, activation.kinks)
        jumps = jumps_at(activation.phi, ends)
        return Profile(activation.activation, activation.phi, activation.dphi, kinks, ends, jumps,
                       roots_at(activation.phi, kinks, jumps), activation.log_dphi)
    raw = callable(activation) and not isinstance(activation, (Activation, str))
    a = activations.get(activation)
    if a.code is not None:
        return Profile(a, a.phi, a.dphi, a.kinks, log_dphi=a.log_dphi)
    phi = _guarded(a, a.phi)
    ends, kinks = explore(phi, reach, a.kinks)
    slope, logs = (slope_of(phi, ends), None) if raw else (_guarded(a, a.dphi), _guarded(a, a.log_dphi))
    jumps = jumps_at(phi, ends)
    return Profile(a, phi, slope, kinks, ends, jumps, roots_at(phi, kinks, jumps), logs)


def flat_beside_jumps(p: Profile) -> str:
    """Words for an activation that has slope 0 wherever it does not jump; none for another."""
    if not p.jumps:
        return ""
    x = np.linspace(-5.0, 5.0, 97)
    away = np.min(np.abs(x[:, None] - np.array([place for place, _ in p.jumps])), axis=1) > 0.05
    return ", while its slope is zero (slope 0) almost everywhere" if not p.dphi(x[away]).any() else ""


def kinks_of(a: Activation, reach: float) -> Profile:
    """The profile of a callable as if its own scale were 1, with the kinks found for ``|x| <= reach`` (at most 16)."""
    phi = _guarded(a, a.phi)
    _, kinks = explore(phi, reach, a.kinks)
    return Profile(a, phi, _guarded(a, a.dphi), kinks if len(kinks) <= 16 else a.kinks)


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


def family(profile: Profile) -> tuple[str | None, float]:
    """``(base name, parameter)``; the ReLU family and identity are one, a callable is (None, 0)."""
    a = profile.activation
    if a.family is None:
        return None, 0.0
    return (RELU_FAMILY, a.sides[0]) if a.sides is not None else (a.family, a.alpha)
