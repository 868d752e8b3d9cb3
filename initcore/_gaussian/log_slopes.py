"""``ln phi'(x)^2`` in its own right: phi' underflows where its logarithm is still an ordinary number."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import activations
from .profile import Profile, family

Array = Any


def log_square(slope: Array) -> Array:
    """``ln slope^2``, at least that of 1e-300."""
    # The floor keeps a node that meets a zero of the slope, or its underflow, from being all of the mean.
    return 2 * np.log(np.maximum(np.abs(slope), 1e-300))


def _twice_log_logistic_slope(x: Array, scale: float, top: float) -> Array:
    u = np.abs(x) * scale
    return 2 * (math.log(top) - u - 2 * np.log1p(np.exp(-u)))


def _log_slope_gelu(x: Array) -> Array:
    # ln|Phi(x) + x pdf(x)|: for x < -8 the pdf is taken out, Mills' ratio t -> 1/t - 1/t^3 + 3/t^5 - ...
    t = np.maximum(-x, 8.0)
    mills = (1 - (1 - (3 - (15 - (105 - 945 / t ** 2) / t ** 2) / t ** 2) / t ** 2) / t ** 2) / t
    tail = 2 * np.log(t - mills) - t * t - math.log(2 * math.pi)
    return np.where(x < -8, tail, log_square(activations.get("gelu").dphi(np.maximum(x, -8.0))))


def _log_slope_gated(x: Array, u: Array, du: Array) -> Array:
    # phi = x sigma(u(x)), phi' = sigma(u) (1 + x u' sigma(-u)); the logarithm of sigma is exact in the tail.
    log_sigma = np.minimum(u, 0) - np.log1p(np.exp(-np.abs(u)))
    return 2 * log_sigma + log_square(1 + x * du * activations.get("sigmoid").phi(-u))


def _log_slope_gelu_tanh(x: Array) -> Array:
    c = 2 * math.sqrt(2 / math.pi)
    return _log_slope_gated(x, c * (x + 0.044715 * x ** 3), c * (1 + 3 * 0.044715 * x * x))


def _log_slope_mish(x: Array) -> Array:
    # For x < 0, with e = exp(x): phi' = e ((e + 2)/d + 4 x (1 + e)/d^2), d = e^2 + 2 e + 2.
    low = np.minimum(x, 0.0)
    e = np.exp(low)
    d = e * e + 2 * e + 2
    left = 2 * low + log_square((e + 2) / d + 4 * low * (1 + e) / (d * d))
    return np.where(x < 0, left, log_square(activations.get("mish").dphi(np.maximum(x, 0.0))))


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


def log_slope(p: Profile, x: Array) -> Array:
    """``ln phi'(x)^2`` at every x."""
    f = _LOG_SLOPES.get(family(p)[0] or "")
    return log_square(p.dphi(x)) if f is None else f(x)
