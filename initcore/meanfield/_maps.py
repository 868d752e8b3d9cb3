"""The maps of variance and correlation from layer to layer, and their fixed points."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._checks import integer, number, quiet, real_numbers
from .._gaussian import pairs as _bivariate
from .._gaussian.moments import moments, one
from .._gaussian.profile import Profile, profile
from .._types import Array
from ..errors import ArgumentError, ShapeError
from ._fixed_correlation import correlation, depth_scale, phase_of
from ._fixed_length import smallest
from ._length_map import farthest, homogeneous_slope, reaching, slope_at_zero


@dataclass(frozen=True)
class FixedPoint:
    """Where a deep network of one activation ends up; made by :func:`fixed_point`.

    Attributes
    ----------
    q : the smallest attracting fixed point of the length map (pre-activation variance); 0 where the signal dies;
        None where the variance grows without end.
    v_prime : V'(q), the contraction of the variance a layer (at q -> infinity where q is None).
    chi : chi_1 = sigma_w2 E phi'^2, mean-square gradient factor a layer and slope of C at c = 1; infinite where phi
        jumps or is as steep as a square root.
    c : the stable correlation of two inputs: 1 unless chaotic.
    chi_c : C'(c).
    xi_q, xi_c : depth scales ``-1/ln v_prime`` and ``-1/ln chi_c`` in layers; infinite at 1 and above.
    phase : "ordered" (chi < 1: inputs become alike, gradients vanish), "chaotic" (chi > 1: inputs part, gradients
        explode), "critical" (chi = 1), "none" (no fixed point).
    """

    activation: str
    sigma_w2: float
    sigma_b2: float
    q: float | None
    v_prime: float
    chi: float
    c: float
    chi_c: float
    xi_q: float
    xi_c: float
    phase: str


@quiet
def fixed_point(activation: Any, *, sigma_w2: float, sigma_b2: float = 0.0) -> FixedPoint:
    """The fixed point of the length and correlation maps (Schoenholz et al. 2017).

    Parameters
    ----------
    activation : name, Activation or callable.
    sigma_w2 : ``fan_in Var(W)``, >= 0. A gain g is sigma_w2 = g^2; Xavier with equal widths is 1, He is 2.
    sigma_b2 : variance of the biases, >= 0. Default 0.

    Returns
    -------
    FixedPoint : q, chi, the stable correlation c, depth scales in layers, and the phase.

    Raises as :mod:`initcore.meanfield`.
    Several fixed points may attract (GELU and SiLU near sigma_w2 = 2): the smallest is given, the others are in
    :func:`fixed_points`. For ReLU at sigma_w2 = 2 without bias every q is fixed; q = 1 is given.

    >>> fixed_point("sigmoid", sigma_w2=1.0).chi.__round__(6)
    0.055721
    >>> fixed_point("tanh", sigma_w2=1.0).xi_c
    inf
    """
    w, b = number("sigma_w2", sigma_w2, low=0.0), number("sigma_b2", sigma_b2, low=0.0)
    p = profile(activation)
    found, p = smallest(p, np.array([w]), np.array([b]))
    q = float(found[0])
    v, chi = _slopes(p, q, w)
    phase = phase_of(q, v, chi)
    c, slope = 1.0, chi
    if phase == "chaotic":
        c, slope = correlation(p, q, w, b)
    if phase == "none":
        return FixedPoint(p.activation.name, w, b, None, v, chi, 1.0, chi, math.inf, math.inf, phase)
    xi_c = math.inf if phase == "critical" else depth_scale(slope)
    xi_q = math.inf if abs(v - 1) < 1e-13 else depth_scale(v)
    return FixedPoint(p.activation.name, w, b, q, v, chi, c, slope, xi_q, xi_c, phase)


def _slopes(p: Profile, q: float, w: float) -> tuple[float, float]:
    """``(V', chi)`` at q, at 0, or (q NaN) in the limit of large q."""
    k = homogeneous_slope(p)
    if k is not None:
        return w * k, w * k
    if q == 0:
        value = w * slope_at_zero(p)
        return value, value
    if math.isnan(q):
        q = farthest(p)
    m = moments(p, q, ("growth", "slope2"))
    return (w * float(m["growth"][0]), w * float(m["slope2"][0])) if w else (0.0, 0.0)


# --- the maps ------------------------------------------------------------------------------------------------------

@quiet
def length_map(activation: Any, q: Any, *, sigma_w2: float, sigma_b2: float = 0.0) -> Any:
    """``V(q) = sigma_w2 E phi(sqrt(q) Z)^2 + sigma_b2``: the variance one layer on (Poole et al. 2016).

    Arguments and errors: :mod:`initcore.meanfield`.

    >>> length_map("relu", 3.0, sigma_w2=2.0, sigma_b2=0.1)
    3.1
    """
    w, b = number("sigma_w2", sigma_w2, low=0.0), number("sigma_b2", sigma_b2, low=0.0)
    return _over_q(activation, q, lambda p, x: w * moments(p, x, ("second",))["second"] + b)


@quiet
def v_prime(activation: Any, q: Any, *, sigma_w2: float) -> Any:
    """``V'(q) = sigma_w2 E[phi phi' Z]/sqrt(q)`` = chi + sigma_w2 E[phi phi''] (Stein 1981): below 1 they contract.

    Arguments and errors: :mod:`initcore.meanfield`. q > 0 here.

    >>> v_prime("relu", 3.0, sigma_w2=2.0), round(v_prime("tanh", 1.0, sigma_w2=1.0), 9)
    (1.0, 0.181797688)
    """
    w = number("sigma_w2", sigma_w2, low=0.0)
    return _over_q(activation, q, lambda p, x: w * moments(p, x, ("growth",))["growth"], positive=True)


@quiet
def chi(activation: Any, q: Any, *, sigma_w2: float) -> Any:
    """``chi_1(q) = sigma_w2 E phi'(sqrt(q) Z)^2``: the mean-square gradient factor a layer, slope of C at c = 1.

    Infinite where a callable jumps: close inputs are parted at any distance (``1 - C(c)`` falls like
    ``sqrt(1 - c)``), and where it is as steep as a square root or steeper (sqrt(abs(x)), the cube root). What
    backpropagation sees is the slope beside such places.

    Arguments and errors: :mod:`initcore.meanfield`.

    >>> round(chi("erf", 1.0, sigma_w2=1.0), 12)
    0.569410034734
    """
    w = number("sigma_w2", sigma_w2, low=0.0)
    return _over_q(activation, q, lambda p, x: w * moments(p, x, ("slope2",))["slope2"] if w else np.zeros_like(x))


@quiet
def covariance(activation: Any, q: Any, c: Any) -> Any:
    """``E phi(u1) phi(u2)`` for Gaussians of variance q and correlation c in [-1, 1]; q and c broadcast.

    Closed forms for ReLU (Cho and Saul 2009) and erf (Williams 1997), else quadrature or Hermite series. Arguments and
    errors: :mod:`initcore.meanfield`.

    >>> round(covariance("relu", 1.0, 0.5), 12)
    0.304498890522
    """
    return _over_pair(activation, q, c, lambda p, x, y: _bivariate.covariance(p, x, y)[0])


@quiet
def correlation_map(activation: Any, c: Any, *, sigma_w2: float, sigma_b2: float = 0.0, q: float | None = None) -> Any:
    """``C(c) = (sigma_w2 E phi(u1) phi(u2) + sigma_b2)/V(q)``: the correlation of two inputs one layer on.

    ``q`` is the variance both have before the layer; default the fixed point, where V(q) = q. Raises ArgumentError
    where there is no positive fixed point and no q is given. Arguments and errors: :mod:`initcore.meanfield`.

    >>> round(correlation_map("relu", 0.0, sigma_w2=2.0), 9)
    0.318309886
    """
    w, b = number("sigma_w2", sigma_w2, low=0.0), number("sigma_b2", sigma_b2, low=0.0)
    p = profile(activation)
    if q is None:
        q = fixed_point(p.activation if p.name else activation, sigma_w2=w, sigma_b2=b).q
        if not q:
            raise ArgumentError(f"{p.activation.name} with sigma_w2={w:g}, sigma_b2={b:g} has no positive fixed "
                                "point; give q, the variance before the layer.")
    variance = number("q", q, low=0.0, open_low=True)
    after = w * one(reaching(p, variance) if p.name is None else p, variance, "second") + b
    return _over_pair(p, variance, c, lambda p, x, y: (w * _bivariate.covariance(p, x, y)[0] + b) / after)


def _over_q(activation: Any, q: Any, f: Any, positive: bool = False) -> Any:
    x = real_numbers("q", q)
    if not np.isfinite(x).all() or (x < 0).any() or (positive and (x == 0).any()):
        raise ArgumentError(f"q must be finite and {'> 0' if positive else '>= 0'}, got {q!r}.")
    p = reaching(profile(activation), float(x.max(initial=1.0)))
    out = f(p, x.ravel()).reshape(x.shape)
    return float(out) if out.ndim == 0 else out


def _broadcast(q: Array, c: Array) -> Any:
    try:
        return np.broadcast_arrays(q, c)
    except ValueError:
        raise ShapeError(f"q of shape {q.shape} and c of shape {c.shape} do not broadcast.") from None


def _over_pair(activation: Any, q: Any, c: Any, f: Any) -> Any:
    x, y = _broadcast(real_numbers("q", q), real_numbers("c", c))
    if not np.isfinite(x).all() or (x < 0).any():
        raise ArgumentError(f"q must be finite and >= 0, got {q!r}.")
    if not (np.abs(y) <= 1).all():
        raise ArgumentError(f"c must lie in [-1, 1], got {c!r}.")
    p = reaching(profile(activation), float(x.max(initial=1.0)))
    out = np.array([f(p, float(s), float(t)) for s, t in zip(x.ravel(), y.ravel())]).reshape(x.shape)
    return float(out) if out.ndim == 0 else out


# --- finite width --------------------------------------------------------------------------------------------------

@quiet
def q_variance(activation: Any, *, sigma_w2: float, sigma_b2: float = 0.0, n: int) -> float:
    """Variance of q from net to net at width n, stationary, to first order in 1/n, V' < 1.

    ``Var(q) = sigma_w2^2 (E phi^4 - (E phi^2)^2)/(n (1 - V'^2))`` at the fixed point. q is the variance of a layer's
    pre-activations given the layer below: ``q' = sigma_w2 mean_j phi(sqrt(q) z_j)^2 + sigma_b2`` is exactly a Markov
    chain. ``n``: units of every layer, >= 1. Raises ArgumentError where no fixed point attracts, else as
    :mod:`initcore.meanfield`.

    >>> round(q_variance("tanh", sigma_w2=2.0, sigma_b2=0.1, n=100), 7)
    0.0043802
    """
    width = number("n", integer("n", n, low=1))
    point = fixed_point(activation, sigma_w2=sigma_w2, sigma_b2=sigma_b2)
    if point.q is None or abs(point.v_prime) >= 1:
        raise ArgumentError(f"q_variance needs an attracting fixed point (V' < 1); sigma_w2={sigma_w2:g}, "
                            f"sigma_b2={sigma_b2:g} gives V'={point.v_prime:.6g}, phase {point.phase!r}.")
    if point.q == 0:
        return 0.0
    m = moments(reaching(profile(activation), point.q), point.q, ("second", "fourth"))
    spread = float(m["fourth"][0] - m["second"][0] ** 2)
    return point.sigma_w2 ** 2 * spread / (width * (1 - point.v_prime ** 2))
