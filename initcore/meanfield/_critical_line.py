"""The edge of chaos chi = 1 and the half-stable points on it."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from .._checks import number, quiet
from .._gaussian.moments import moments, one
from .._gaussian.profile import Profile, flat_beside_jumps, profile
from .._types import Array
from ..errors import ArgumentError
from ._fixed_length import FARTHEST, TOUCH
from ._length_map import grid, homogeneous_slope, reaching, slope_at_zero, square_at_zero


@dataclass(frozen=True)
class CriticalPoint:
    """A point of the edge of chaos chi = 1, from :func:`critical_line`.

    ``admissible``: sigma_b2 >= 0, else no bias variance realises it. ``stable``: V' <= 1, so that signals stay there
    (false for GELU and SiLU below their half-stable point). ``half_stable``: V' = chi = 1 between the two.
    """

    sigma_w2: float
    sigma_b2: float
    q: float
    v_prime: float
    admissible: bool
    stable: bool
    half_stable: bool


@quiet
def critical_line(activation: Any, *, q: float | None = None, sigma_b2: float | None = None) -> CriticalPoint | None:
    """The edge of chaos: ``sigma_w2 = 1/E phi'^2``, ``sigma_b2 = q - sigma_w2 E phi^2`` (Schoenholz et al. 2017).

    Give either q > 0, or sigma_b2 >= 0: then the solution of smallest q, or None where the line never has that
    sigma_b2. At sigma_b2 = 0 the end q = 0 of the line counts for odd activations (tanh: sigma_w2 = 1); ReLU-like
    activations are critical at every q, and q = 1 is given.

    Returns a :class:`CriticalPoint`, or None. Raises ArgumentError for both, or neither, else as
    :mod:`initcore.meanfield`.

    >>> critical_line("erf", q=2.0).sigma_w2.__round__(12)
    2.356194490192
    >>> critical_line("sigmoid", sigma_b2=0.0).sigma_w2.__round__(9)
    103.007553856
    """
    if (q is None) == (sigma_b2 is None):
        raise ArgumentError("critical_line takes either q or sigma_b2, not both and not neither.")
    p = profile(activation)
    if q is not None:
        return _critical(p, number("q", q, low=0.0, open_low=True))
    b = number("sigma_b2", sigma_b2, low=0.0)
    if homogeneous_slope(p) is not None:
        return _critical(p, 1.0) if b == 0 else None
    if b == 0 and p.odd:
        slope = slope_at_zero(p)
        if slope == 0:                          # nothing small gets through, whatever the weights
            return None
        w = 1 / slope
        return CriticalPoint(w, 0.0, 0.0, 1.0, True, True, False)
    root = _line_root(p, b)
    return None if root is None else _critical(p, root)


def _critical(p: Profile, q: float) -> CriticalPoint:
    p = reaching(p, q)
    m = {k: float(v[0]) for k, v in moments(p, q, ("slope2", "growth", "excess")).items()}
    if p.endless():
        raise ArgumentError(f"activation {p.activation.name} {p.endless()}: the slope of its correlation map at c = 1 "
                            f"is infinite{flat_beside_jumps(p)}; no weight variance makes chi = 1.")
    if not m["slope2"] > 0:
        raise ArgumentError(f"activation {p.activation.name} has slope 0 almost everywhere at q={q:g}; "
                            "no weight variance makes chi = 1.")
    w, b, v = 1 / m["slope2"], m["excess"] / m["slope2"], m["growth"] / m["slope2"]
    if abs(b) < 1e-12 * q:                      # rounding: a ReLU written by hand is critical without bias
        b = 0.0
    half = False
    if abs(v - 1) < 1e-9 and homogeneous_slope(p) is None:
        near = moments(p, np.array([0.99 * q, 1.01 * q]), ("slope2", "growth"))
        ratio = near["growth"] / near["slope2"] - 1
        half = bool(ratio[0] * ratio[1] < 0)
    return CriticalPoint(w, b, q, v, b >= 0, v <= 1 or half, half)


@quiet
def critical_sigma_w2(activation: Any, sigma_b2: float = 0.0) -> float | None:
    """The weight variance times fan-in that is critical at this bias variance (smallest q); None where none is.

    Arguments and errors: :mod:`initcore.meanfield`.
    tanh, softsign, sin 1; erf pi/4; ReLU 2; sigmoid 103.0; GELU, SiLU, SELU, ELU, softplus have none without bias.

    >>> critical_sigma_w2("relu"), critical_sigma_w2("gelu")
    (2.0, None)
    """
    point = critical_line(activation, sigma_b2=sigma_b2)
    return None if point is None else point.sigma_w2


@quiet
def half_stable_points(activation: Any) -> list[CriticalPoint]:
    """The points with V' = chi = 1: on one side signals return to q, on the other they leave (Roberts et al. 2022).

    Each a :class:`CriticalPoint`, in rising q; none for most activations.
    Arguments and errors: :mod:`initcore.meanfield`.

    >>> [(round(h.q, 9), round(h.sigma_w2, 9), round(h.sigma_b2, 9)) for h in half_stable_points("gelu")]
    [(3.561552813, 1.983058257, 0.172922391)]
    """
    p = profile(activation)
    if homogeneous_slope(p) is not None:
        return []
    points = (_critical(p, root) for root in _half_stable_roots(p))
    return [point for point in points if point.admissible]


# --- roots along q -------------------------------------------------------------------------------------------------

def sign_changes(x: Array, f: Array, tolerance: Array) -> list[tuple[float, float]]:
    """Cells in which f changes sign; values within ``tolerance`` of 0 have no sign."""
    solid = np.flatnonzero(np.abs(f) > tolerance)
    return [(float(x[i]), float(x[j])) for i, j in pairwise(solid) if (f[i] > 0) != (f[j] > 0)]


def bisect(f: Callable[[float], float], low: float, high: float) -> float:
    """The root of f between low and high (f changes sign), to the last bits: Illinois with bisection."""
    fl, fh = f(low), f(high)
    for _ in range(200):
        middle = (low * fh - high * fl) / (fh - fl)
        if not low < middle < high:
            middle = (low + high) / 2
        fm = f(middle)
        if fm == 0 or high - low <= 2e-16 * high:
            return middle
        if (fm > 0) == (fh > 0):
            low_moved, high, fh = False, middle, fm
        else:
            low_moved, low, fl = True, middle, fm
        # The end that stays loses half its weight, so that both ends move.
        if low_moved:
            fh /= 2
        else:
            fl /= 2
    return (low + high) / 2


def _line_root(p: Profile, sb2: float) -> float | None:
    """The smallest q > 0 at which the edge of chaos has this sigma_b2."""
    def gap(q: float) -> float:
        m = moments(reaching(p, q), q, ("excess", "slope2"))
        return float(m["excess"][0] / m["slope2"][0]) - sb2

    q = _line_grid(p)
    m = moments(reaching(p, float(q[-1])), q, ("excess", "slope2"))
    with np.errstate(divide="ignore", invalid="ignore"):
        line = np.where(m["slope2"] > 0, m["excess"] / m["slope2"], np.nan)
    keep = np.isfinite(line)
    cells = sign_changes(q[keep], line[keep] - sb2, 1e-12 * sb2 + 1e-14 * q[keep])
    return bisect(gap, *cells[0]) if cells else None


def _half_stable_roots(p: Profile) -> list[float]:
    """The q > 0 at which V' crosses 1 along the edge of chaos, ``E phi phi'' = growth - slope2 = 0``."""
    def gap(q: float) -> float:
        m = moments(reaching(p, q), q, ("growth", "slope2"))
        return float(m["growth"][0] / m["slope2"][0]) - 1

    q = _line_grid(p)
    m = moments(reaching(p, float(q[-1])), q, ("growth", "slope2"))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(m["slope2"] > 0, m["growth"] / m["slope2"] - 1, np.nan)
    keep = np.isfinite(ratio)
    # Where phi bends only far out (hard_tanh at small q) the ratio is 1 but for rounding and has no sign.
    cells = sign_changes(q[keep], ratio[keep], np.full(int(keep.sum()), 1e-10 if p.name else 1e-8))
    return [bisect(gap, *cell) for cell in cells]


def _line_grid(p: Profile) -> Array:
    return np.geomspace(1e-6, 1e6, 241) if p.name is not None else np.geomspace(1e-4, 1e3, 141)


@quiet
def fixed_points(activation: Any, *, sigma_w2: float, sigma_b2: float = 0.0) -> list[tuple[float, float]]:
    """Every fixed point of the length map as ``(q, V'(q))``, in rising order; V' < 1 attracts, V' > 1 repels.

    Arguments and errors: :mod:`initcore.meanfield`.

    For ReLU-like activations at their critical variance without bias, where every q is fixed, only q = 0 is listed.

    >>> [(round(q, 6), round(v, 6)) for q, v in fixed_points("tanh", sigma_w2=1.5)]
    [(0.0, 1.5), (0.286894, 0.695491)]
    """
    w, b = number("sigma_w2", sigma_w2, low=0.0), number("sigma_b2", sigma_b2, low=0.0)
    p = profile(activation)
    p = reaching(p, FARTHEST / 100) if p.name is None else p
    k = homogeneous_slope(p)
    out = []
    if b + w * square_at_zero(p) == 0:
        out.append((0.0, w * (slope_at_zero(p) if k is None else k)))
    if k is not None:
        return out if b == 0 or w * k >= 1 else [(b / (1 - w * k), w * k)]
    if w == 0:
        return out or [(b, 0.0)]

    def gap(q: float) -> float:
        return w * one(p, q, "second") + b - q

    def rate(q: float) -> float:
        return w * one(p, q, "growth") - 1

    # Half-stable points sit close to a second root: finer than the grid that serves fixed_point.
    qs = np.union1d(grid(p, FARTHEST / 100)[0], np.geomspace(1e-4, 1e3, 1401))
    m = moments(p, qs, ("second", "growth"))
    second, growth = m["second"], m["growth"]
    # The extrema of V - q part roots that lie close; an extremum at 0 is a half-stable point.
    extrema = [bisect(rate, low, high) for low, high in sign_changes(qs, w * growth - 1, np.full_like(qs, 1e-13))]
    touching = [q for q in extrema if abs(gap(q)) <= TOUCH * q]
    x = np.concatenate([qs, extrema])
    f = np.concatenate([w * second + b - qs, [gap(q) for q in extrema]])
    order = np.argsort(x)
    cells = sign_changes(x[order], f[order], TOUCH * x[order])
    out += [(q, 1.0) for q in touching]
    out += [(q, rate(q) + 1) for q in (bisect(gap, *cell) for cell in cells)]
    return sorted(out)
