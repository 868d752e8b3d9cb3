"""ln |phi'| of every activation, float64: an ordinary number where phi' itself underflows, -inf where it is 0."""

import math
from typing import Any

import numpy as np

from .._types import Floats
from ._functions import Function, floating, gelu_slope, mish_slope, sigmoid

LN2 = math.log(2.0)


def of(dphi: Function) -> Function:
    """ln |dphi(z)|, for a slope of which nothing more is known."""
    def log_slope(z: Floats) -> Floats:
        return _log(dphi(floating(z).astype(np.float64)))
    return log_slope


def _log(x: Any) -> Floats:
    with np.errstate(divide="ignore"):
        logs: Floats = np.log(np.abs(x))
    return logs


def tanh(z: Floats) -> Floats:
    u: Floats = 2 * np.abs(z)
    tail: Floats = np.log1p(np.exp(-u))
    return 2 * LN2 - u - 2 * tail


def logistic(z: Floats) -> Floats:
    u: Floats = np.abs(z)
    tail: Floats = np.log1p(np.exp(-u))
    return -u - 2 * tail


def softplus(z: Floats) -> Floats:
    return np.minimum(z, 0) - np.log1p(np.exp(-np.abs(z)))


def softsign(z: Floats) -> Floats:
    return -2 * np.log1p(np.abs(z))


def arctan(z: Floats) -> Floats:
    x: Floats = np.abs(z)
    logs: Floats = np.where(x > 1, -np.log1p(np.maximum(x, 1) ** -2.0) - 2 * np.log(np.maximum(x, 1)),
                            -np.log1p(np.minimum(x, 1) ** 2))
    return logs


def erf(z: Floats) -> Floats:
    return math.log(2 / math.sqrt(math.pi)) - np.square(z)


def leaky(z: Floats, a: float) -> Floats:
    return np.where(np.asarray(z) > 0, 0.0, _log(a))


def elu(z: Floats, scale: float, left: float) -> Floats:
    return np.where(np.asarray(z) > 0, math.log(scale), _log(left) + np.minimum(z, 0))


def between(z: Floats, low: float, high: float, slope: float) -> Floats:
    return np.where((np.asarray(z) > low) & (np.asarray(z) < high), math.log(slope), -math.inf)


def gelu(z: Floats) -> Floats:
    # ln|Phi(x) + x pdf(x)|: for x < -30 the pdf is taken out, Mills' ratio t -> 1/t - 1/t^3 + 3/t^5 - ...
    t = np.maximum(-z, 30.0)
    mills = (1 - (1 - (3 - (15 - (105 - 945 / t ** 2) / t ** 2) / t ** 2) / t ** 2) / t ** 2) / t
    tail = np.log(t - mills) - t * t / 2 - math.log(2 * math.pi) / 2
    return np.where(z < -30, tail, _log(gelu_slope(np.maximum(z, -30.0))))


def _gated(x: Floats, u: Floats, du: Floats) -> Floats:
    # phi = x sigma(u(x)), phi' = sigma(u) (1 + x u' sigma(-u)); the logarithm of sigma is exact in the tail.
    return softplus(u) + _log(1 + x * du * sigmoid(-u))


def gelu_tanh(z: Floats) -> Floats:
    c = 2 * math.sqrt(2 / math.pi)
    return _gated(z, c * (z + 0.044715 * z ** 3), c * (1 + 3 * 0.044715 * z * z))


def silu(z: Floats) -> Floats:
    return _gated(z, z, np.ones_like(z))


def mish(z: Floats) -> Floats:
    # For x < 0, with e = exp(x): phi' = e ((e + 2)/d + 4 x (1 + e)/d^2), d = e^2 + 2 e + 2.
    low = np.minimum(z, 0.0)
    e = np.exp(low)
    d = e * e + 2 * e + 2
    left = low + _log((e + 2) / d + 4 * low * (1 + e) / (d * d))
    return np.where(z < 0, left, _log(mish_slope(np.maximum(z, 0.0))))
