"""Moments and shares of an activation under ``x ~ N(mean, variance)``, one row a unit.

Design
------
A. Piecewise linear activations (identity, the ReLU family, hard_tanh, hard_sigmoid) by truncated-normal moments,
   the rest by the panels of :mod:`initcore._quadrature`; rows in blocks that fit the cache, equal rows once.
B. E ln phi'^2 uses ln|phi'| in its own right: phi' underflows where its logarithm is still an ordinary number.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import activations
from ..activations import SELU_ALPHA, SELU_SCALE, Activation
from ..errors import ArgumentError
from .moments import erfc, family
from .quadrature import FAR, Profile, density, normal_nodes, profile
from .shares import crossings, segment, share

Array = Any
_BLOCK = 256
_ORDER = 10         # with panels of width 2 in z and doubling in x: below 1e-12
_ROOT_HALF = math.sqrt(0.5)
_LN2 = math.log(2.0)


class UnitMoments(NamedTuple):
    """Arrays of one shape, one value a unit, from :func:`gaussian_moments`.

    ``mean`` E phi; ``second`` E phi^2; ``slope`` E phi'; ``slope2`` E phi'^2; ``log_slope`` E ln phi'^2 (-inf where
    the slope is 0 with positive probability); ``share10``, ``share1`` ``P(|phi'| < 0.1 max|phi'|)`` and 0.01;
    ``output`` = ``E|phi~|``, the measure of Rakitianskaia and Engelbrecht 2015 (NaN where phi is unbounded).
    """

    mean: Array
    second: Array
    slope: Array
    slope2: Array
    log_slope: Array
    share10: Array
    share1: Array
    output: Array


def gaussian_moments(activation: Any, mean: Any, variance: Any) -> UnitMoments:
    """Every moment a layer needs, for pre-activations ``x_j ~ N(mean_j, variance_j)``, one unit an element.

    ``mean`` and ``variance`` broadcast against each other; variance 0 puts all the mass at the mean. Relative
    accuracy 1e-10. See :class:`UnitMoments` for the result's fields.

    >>> m = gaussian_moments("tanh", [0.0, 0.5], 1.0)
    >>> m.second.round(6), float(m.share1[0].round(6))
    (array([0.394294, 0.438007]), 0.00276)
    """
    mean, variance = np.broadcast_arrays(np.asarray(mean, dtype=float), np.asarray(variance, dtype=float))
    if not (np.isfinite(mean).all() and np.isfinite(variance).all() and (variance >= 0).all()):
        raise ArgumentError("mean and variance must be finite and variance >= 0; "
                            f"got mean in [{mean.min()}, {mean.max()}], variance in [{variance.min()}, "
                            f"{variance.max()}].")
    shape = mean.shape
    pairs, back = np.unique(mean.ravel() + 1j * variance.ravel(), return_inverse=True)
    m, s = pairs.real, np.sqrt(pairs.imag)
    p = profile(activation, reach=float(np.max(np.abs(m) + FAR * s, initial=1.0))
                if callable(activation) and not isinstance(activation, Activation) else 64.0)
    found = [_low_moments(p, m, s), _log_slope(p, m, s)]
    columns = [*found[0][:4], found[1], share(p.activation, 0.1, m, s), share(p.activation, 0.01, m, s), found[0][4]]
    return UnitMoments(*(c[back].reshape(shape) for c in columns))


# --- E phi, E phi^2, E phi', E phi'^2, E|phi~| ---------------------------------------------------------------------

def _low_moments(p: Profile, m: Array, s: Array) -> list[Array]:
    name, alpha = family(p)
    if name == "leaky_relu":
        return _piecewise((0.0,), (alpha, 1.0), (0.0, 0.0), m, s, None)
    if name == "hard_tanh":
        return _piecewise((-1.0, 1.0), (0.0, 1.0, 0.0), (-1.0, 0.0, 1.0), m, s, (0.0, 1.0))
    if name == "hard_sigmoid":
        return _piecewise((-3.0, 3.0), (0.0, 1 / 6, 0.0), (0.0, 0.5, 1.0), m, s, (0.5, 0.5))
    if name == "sin" and m.size and float(s.max()) * abs(alpha) > 0.5:
        return _sin_moments(p, alpha, m, s)
    a = p.activation
    bounded = math.isfinite(a.low) and math.isfinite(a.high)

    def integrands(x: Array) -> list[Array]:
        phi, dphi = p.phi(x), p.dphi(x)
        out = [phi, phi * phi, dphi, dphi * dphi]
        return [*out, np.abs(phi - a.center) / a.half_range] if bounded else out

    extra = _zeros(p, lambda x: p.phi(x) - a.center) if bounded else np.empty(0)
    found = _integrate(p, integrands, m, s, extra)
    return found if bounded else [*found, np.full_like(m, np.nan)]


def _piecewise(knots: tuple[float, ...], slopes: tuple[float, ...], heights: tuple[float, ...], m: Array, s: Array,
               output: tuple[float, float] | None) -> list[Array]:
    """phi = slope x + height on each of the segments between the knots; ``output`` is (centre, half range)."""
    safe = np.where(s > 0, s, 1.0)
    ends = [np.full_like(m, -np.inf), *(np.where(s > 0, (k - m) / safe, np.where(m > k, -np.inf, np.inf))
                                        for k in knots), np.full_like(m, np.inf)]
    total = [np.zeros_like(m) for _ in range(5)]
    for low, high, a, b in zip(ends[:-1], ends[1:], slopes, heights):
        mass, first, square = segment(low, high)
        c, d = a * m + b, a * s
        total[0] += c * mass + d * first
        total[1] += c * c * mass + 2 * c * d * first + d * d * square
        total[2] += a * mass
        total[3] += a * a * mass
        if output is not None:
            total[4] += _absolute(low, high, (c - output[0]) / output[1], d / output[1])
    total[1] = np.maximum(total[1], 0)
    if output is None:
        total[4] = np.full_like(m, np.nan)
    return total


def _sin_moments(p: Profile, w: float, m: Array, s: Array) -> list[Array]:
    """sin(w x) over many periods: characteristic functions; for E|sin| the Fourier series of |sin|."""
    decay, t = np.square(w * s), w * m
    once, twice = np.exp(-decay / 2), np.exp(-2 * decay)
    series = np.full_like(m, 2 / math.pi)
    for k in range(1, 9):
        series -= 4 / math.pi * np.cos(2 * k * t) * np.exp(-2 * k * k * decay) / (4 * k * k - 1)
    narrow = decay <= 0.25
    if narrow.any():
        series[narrow] = _low_moments(p, m[narrow], s[narrow])[4]
    # 1 -+ cos(2 t) e^(-2 d) without cancellation at small d and t
    small = (-np.expm1(-2 * decay) + 2 * twice * np.square(np.sin(t))) / 2
    large = (-np.expm1(-2 * decay) + 2 * twice * np.square(np.cos(t))) / 2
    return [np.sin(t) * once, small, w * np.cos(t) * once, w * w * large, series]


def _absolute(low: Array, high: Array, c: Array, d: Array) -> Array:
    """``E[|c + d Z|; low < Z < high]`` for d >= 0: split at the zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        zero = np.where(d > 0, -c / np.where(d > 0, d, 1.0), np.where(c >= 0, -np.inf, np.inf))
    zero = np.clip(zero, low, high)
    below, above = segment(low, zero), segment(zero, high)
    return c * above[0] + d * above[1] - c * below[0] - d * below[1]


def _integrate(p: Profile, f: Callable[[Array], list[Array]], m: Array, s: Array, extra: Array) -> list[Array]:
    """``E f(x)`` for every row: blocks of rows of like span, the far reach where the mean is far from 0."""
    far = np.abs(m) > 4 * s
    order = np.lexsort((np.abs(m) + s, far))
    parts = []
    for block in np.array_split(order, max(1, -(-m.size // _BLOCK))) if m.size else []:
        reach = FAR if far[block].any() else 9.0
        x, _, w = normal_nodes(p, m[block], s[block], order=_ORDER, reach=reach, extra=extra)
        parts.append(np.stack([np.einsum("un,un->u", np.broadcast_to(y, w.shape), w) for y in f(x)]))
    if not parts:
        return list(np.zeros((len(f(np.zeros((1, 1)))), 0)))
    joined = np.concatenate(parts, axis=1)
    out = np.empty_like(joined)
    out[:, order] = joined
    return list(out)


def _zeros(p: Profile, f: Callable[[Array], Array]) -> Array:
    """The points of [-64, 64] where f changes sign."""
    return np.array(crossings(lambda x: f(x) > 0, 64.0, p.activation.kinks))


# --- E ln phi'^2 ---------------------------------------------------------------------------------------------------

def _twice_log_logistic_slope(x: Array, scale: float, top: float) -> Array:
    u = np.abs(x) * scale
    return 2 * (math.log(top) - u - 2 * np.log1p(np.exp(-u)))


def _log_slope_gelu(x: Array) -> Array:
    # ln|Phi(x) + x pdf(x)|: for x < -8 the pdf is taken out, Mills' ratio t -> 1/t - 1/t^3 + 3/t^5 - ...
    t = np.maximum(-x, 8.0)
    mills = (1 - (1 - (3 - (15 - (105 - 945 / t ** 2) / t ** 2) / t ** 2) / t ** 2) / t ** 2) / t
    tail = 2 * np.log(t - mills) - t * t - math.log(2 * math.pi)
    return np.where(x < -8, tail, _log_square(activations.get("gelu").dphi(np.maximum(x, -8.0))))


def _log_slope_gated(x: Array, u: Array, du: Array) -> Array:
    # phi = x sigma(u(x)), phi' = sigma(u) (1 + x u' sigma(-u)); the logarithm of sigma is exact in the tail.
    log_sigma = np.minimum(u, 0) - np.log1p(np.exp(-np.abs(u)))
    return 2 * log_sigma + _log_square(1 + x * du * activations.get("sigmoid").phi(-u))


def _log_slope_gelu_tanh(x: Array) -> Array:
    c = 2 * math.sqrt(2 / math.pi)
    return _log_slope_gated(x, c * (x + 0.044715 * x ** 3), c * (1 + 3 * 0.044715 * x * x))


def _log_slope_mish(x: Array) -> Array:
    # For x < 0, with e = exp(x): phi' = e ((e + 2)/d + 4 x (1 + e)/d^2), d = e^2 + 2 e + 2.
    low = np.minimum(x, 0.0)
    e = np.exp(low)
    d = e * e + 2 * e + 2
    left = 2 * low + _log_square((e + 2) / d + 4 * low * (1 + e) / (d * d))
    return np.where(x < 0, left, _log_square(activations.get("mish").dphi(np.maximum(x, 0.0))))


_LOG_SLOPES: dict[str, Callable[[Array], Array]] = {
    "tanh": lambda x: _twice_log_logistic_slope(x, 2.0, 4.0),
    "sigmoid": lambda x: _twice_log_logistic_slope(x, 1.0, 1.0),
    "softplus": lambda x: 2 * (np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))),
    "softsign": lambda x: -4 * np.log1p(np.abs(x)),
    "arctan": lambda x: -2 * np.log1p(np.square(x)),
    "gelu": _log_slope_gelu,
    "gelu_tanh": _log_slope_gelu_tanh,
    "silu": lambda x: _log_slope_gated(x, x, np.ones_like(x)),
    "mish": _log_slope_mish,
}


def _log_slope(p: Profile, m: Array, s: Array) -> Array:
    name, alpha = family(p)
    below = erfc(_ROOT_HALF * m / np.where(s > 0, s, 1.0)) / 2      # P(x < 0)
    below = np.where(s > 0, below, np.where(m > 0, 0.0, 1.0))
    if name in ("hard_tanh", "hard_sigmoid"):
        inside = _piecewise(*(((-1.0, 1.0), (0.0, 1.0, 0.0)) if name == "hard_tanh" else
                              ((-3.0, 3.0), (0.0, 1.0, 0.0))), (0.0, 0.0, 0.0), m, s, None)[2]
        return np.where(inside >= 1, 2 * math.log(p.activation.max_slope), -np.inf)
    if name == "leaky_relu":
        if alpha == 0:
            return np.where(below > 0, -np.inf, 0.0)
        return below * math.log(alpha * alpha)
    if name == "erf":
        return math.log(4 / math.pi) - 2 * (s * s + m * m)
    if name in ("elu", "selu"):
        # ln phi' = ln alpha + x below 0: the truncated mean of x
        scale, a = (SELU_SCALE, SELU_ALPHA) if name == "selu" else (1.0, alpha)
        if a <= 0:
            return np.where(below > 0, -np.inf, 0.0)
        negative = m * below - s * density(m / np.where(s > 0, s, 1.0)) * (s > 0)
        return 2 * math.log(scale) + 2 * (math.log(a) * below + negative)
    if name == "sin":
        return _log_slope_sin(alpha, m, s)
    f = _LOG_SLOPES.get(name or "", lambda x: _log_square(p.dphi(x)))
    # Zeros of phi' are logarithmic singularities: panels shrink towards them by thirds.
    zeros = _zeros(p, p.dphi) if name not in ("tanh", "sigmoid", "softplus", "softsign", "arctan") else np.empty(0)
    shrink = 3.0 ** -np.arange(0, 20)
    extra = np.concatenate([np.concatenate([z - shrink, [z], z + shrink]) for z in zeros]) if zeros.size else zeros
    return _integrate(p, lambda x: [f(x)], m, s, extra)[0]


def _log_square(slope: Array) -> Array:
    # The floor keeps a node that meets a zero of the slope, or its underflow, from being all of the mean.
    return 2 * np.log(np.maximum(np.abs(slope), 1e-300))


def _log_slope_sin(frequency: float, m: Array, s: Array) -> Array:
    """``2 ln|w| + E ln cos^2(w x)``, from ln|cos t| = -ln 2 - sum_k (-1)^k cos(2 k t)/k."""
    q, t = np.square(frequency * s), frequency * m
    total = np.full_like(m, -2 * _LN2)
    with np.errstate(divide="ignore"):
        exact = _log_square(np.cos(t))
    # Below q = 1e-5 the density is a spike of width 0.003: two terms of the expansion in q where |cos t| is not small.
    terms = int(min(4000, math.ceil(math.sqrt(19.0 / max(float(q[q > 1e-6].min(initial=1.0)), 1e-6)))))
    for k in range(1, terms + 1):
        total -= 2 * (-1) ** k / k * np.exp(-2.0 * k * k * q) * np.cos(2 * k * t)
    narrow = exact - q / np.square(np.cos(t)) - q * q * (1 + 2 * np.sin(t) ** 2) / (2 * np.cos(t) ** 4)
    return 2 * math.log(abs(frequency)) + np.where(q > 1e-6, total, np.where(q > 0, narrow, exact))


__all__ = ["UnitMoments", "gaussian_moments"]
