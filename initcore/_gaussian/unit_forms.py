"""Per-unit moments in closed form: piecewise linear activations, sin, and ``E ln phi'^2`` where phi' is simple.

``x_j ~ N(m_j, s_j^2)``, s >= 0; every function takes and returns one value a unit.
"""

import math

import numpy as np

from .._types import Floats
from ..activations import SELU_ALPHA, SELU_SCALE, Activation
from .profile import Profile, family
from .quadrature import density
from .shares import mass, segment
from .special import SINE, erfc, log_square

_ROOT_HALF = math.sqrt(0.5)
_LN2 = math.log(2.0)
_NO_SHARE = 1e-17      # a share below this counts as none


# --- piecewise linear ----------------------------------------------------------------------------------------------

def piecewise_forms(p: Profile, m: Floats, s: Floats) -> dict[str, Floats]:
    """mean, second, slope, slope2 and output of a piecewise linear activation; nothing for any other."""
    a = p.activation
    if a.knots is None:
        return {}
    bounded = math.isfinite(a.low) and math.isfinite(a.high)
    found = _piecewise(a.knots, *_segments(a), m, s, (a.center, a.half_range) if bounded else None)
    return dict(zip(("mean", "second", "slope", "slope2", "output"), found))


def _segments(a: Activation) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Slope and height of phi = slope x + height on each of the segments between its knots."""
    assert a.knots is not None
    ends = np.array(a.knots or (0.0,))
    inside = np.concatenate([[ends[0] - 1], (ends[1:] + ends[:-1]) / 2, [ends[-1] + 1]]) if a.knots else np.ones(1)
    slopes = np.asarray(a.dphi(inside), dtype=float)
    return tuple(slopes), tuple(np.asarray(a.phi(inside), dtype=float) - slopes * inside)


def _piecewise(knots: tuple[float, ...], slopes: tuple[float, ...], heights: tuple[float, ...], m: Floats, s: Floats,
               output: tuple[float, float] | None) -> list[Floats]:
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


def _absolute(low: Floats, high: Floats, c: Floats, d: Floats) -> Floats:
    """``E[|c + d Z|; low < Z < high]`` for d >= 0: split at the zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        zero = np.where(d > 0, -c / np.where(d > 0, d, 1.0), np.where(c >= 0, -np.inf, np.inf))
    zero = np.clip(zero, low, high)
    below, above = segment(low, zero), segment(zero, high)
    return c * above[0] + d * above[1] - c * below[0] - d * below[1]


# --- sin -----------------------------------------------------------------------------------------------------------

def sin_forms(w: float, m: Floats, s: Floats, hermite: int) -> dict[str, Floats]:
    """Every moment of ``sin(w x)`` over many periods: characteristic functions; Fourier series of |sin| and |cos|."""
    decay, t = np.square(w * s), w * m
    once, twice = np.exp(-decay / 2), np.exp(-2 * decay)
    absolute = {}
    for name, sign in (("output", 1.0), ("size", -1.0)):
        series = np.full_like(m, 2 / math.pi)
        for k in range(1, 9):
            series -= 4 / math.pi * sign ** k * np.cos(2 * k * t) * np.exp(-2 * k * k * decay) / (4 * k * k - 1)
        absolute[name] = series
    # 1 -+ cos(2 t) e^(-2 d) without cancellation at small d and t
    small = (-np.expm1(-2 * decay) + 2 * twice * np.square(np.sin(t))) / 2
    large = (-np.expm1(-2 * decay) + 2 * twice * np.square(np.cos(t))) / 2
    mean = np.sin(t) * once
    # E sin(t + d Z) He_k(Z) = d^k e^(-d^2/2) sin(t + k pi/2)
    order = np.arange(1, hermite + 1)
    root = np.sqrt([math.factorial(int(i)) for i in order])
    powers = np.exp(order * np.log(np.maximum(np.abs(w) * s, 1e-300))[:, None] - decay[:, None] / 2)
    coefficients = np.sign(w) ** order * powers * np.sin(t[:, None] + order * (math.pi / 2)) / root
    return {"mean": mean, "second": small, "variance": np.maximum(small - mean * mean, 0),
            "slope": w * np.cos(t) * once, "size": abs(w) * absolute["size"], "slope2": w * w * large,
            "output": absolute["output"], "hermite": coefficients}


def log_slope_sin(frequency: float, m: Floats, s: Floats) -> Floats:
    """``2 ln|w| + E ln cos^2(w x)``, from ln|cos t| = -ln 2 - sum_k (-1)^k cos(2 k t)/k."""
    if frequency == 0:                                # sin(0 x): no slope at all
        return np.full_like(m, -math.inf)
    q, t = np.square(frequency * s), frequency * m
    total = np.full_like(m, -2 * _LN2)
    with np.errstate(divide="ignore"):
        exact = log_square(np.cos(t))
    # Below q = 1e-5 the density is a spike of width 0.003: two terms of the expansion in q where |cos t| is not small.
    terms = int(min(4000, math.ceil(math.sqrt(19.0 / max(float(q[q > 1e-6].min(initial=1.0)), 1e-6)))))
    for k in range(1, terms + 1):
        total -= 2 * (-1) ** k / k * np.exp(-2.0 * k * k * q) * np.cos(2 * k * t)
    narrow = exact - q / np.square(np.cos(t)) - q * q * (1 + 2 * np.sin(t) ** 2) / (2 * np.cos(t) ** 4)
    return 2 * math.log(abs(frequency)) + np.where(q > 1e-6, total, np.where(q > 0, narrow, exact))


# --- E ln phi'^2 ---------------------------------------------------------------------------------------------------

def log_slope_form(p: Profile, m: Floats, s: Floats) -> Floats | None:
    """``E ln phi'^2`` where phi' is constant on pieces, exponential or Gaussian; None elsewhere."""
    name, alpha = family(p)
    if name == SINE:
        return log_slope_sin(alpha, m, s)
    if name == "erf":
        return math.log(4 / math.pi) - 2 * (s * s + m * m)
    if p.activation.knots is not None:
        return _log_slope_piecewise(p.activation, m, s)
    if name not in ("elu", "selu"):
        return None
    below = erfc(_ROOT_HALF * m / np.where(s > 0, s, 1.0)) / 2      # P(x < 0)
    below = np.where(s > 0, below, np.where(m > 0, 0.0, 1.0))
    scale, a = (SELU_SCALE, SELU_ALPHA) if name == "selu" else (1.0, alpha)
    if a <= 0:
        return np.where(below > _NO_SHARE, -np.inf, 0.0)
    # ln phi' = ln alpha + x below 0: the truncated mean of x
    negative = m * below - s * density(m / np.where(s > 0, s, 1.0)) * (s > 0)
    return 2 * math.log(scale) + 2 * (math.log(a) * below + negative)


def _log_slope_piecewise(a: Activation, m: Floats, s: Floats) -> Floats:
    """The shares of the pieces times their logarithms; -inf where a flat one has a share."""
    slopes, _ = _segments(a)
    total = np.zeros_like(m)
    for low, high, slope in zip((-math.inf, *(a.knots or ())), (*(a.knots or ()), math.inf), slopes):
        part = mass([(low, high)], m, s)
        if low == -math.inf and high == math.inf:
            part = np.ones_like(m)
        total += part * 2 * math.log(abs(slope)) if slope else np.where(part > _NO_SHARE, -np.inf, 0.0)
    return total
