"""phi and phi' of every activation in plain NumPy: the specification that the compiled kernels are tested against.

Each works in the dtype of z (float64 for Python numbers and integers), any shape, and is accurate in the tails.
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from .._types import Floats

Function: TypeAlias = Callable[[Any], Floats]
SELU_SCALE = 1.0507009873554804934193349852946   # Klambauer et al. 2017, eq. 14
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_LEFT = 1.7580993408473768599402175208      # their product, rounded once
_libm_erf = np.frompyfunc(math.erf, 1, 1)
_libm_erfc = np.frompyfunc(math.erfc, 1, 1)


def floating(z: Floats) -> Floats:
    """z as an array of floats: its own dtype, float64 for Python numbers and integers."""
    z = np.asarray(z)
    return z if z.dtype.kind in "fV" else z.astype(np.float64)


def _widened(f: Function) -> Function:
    """f computed in float64 and rounded to z's dtype once."""
    def g(z: Floats) -> Floats:
        z = floating(z)
        return np.asarray(f(z.astype(np.float64))).astype(z.dtype)[()]
    return g


@_widened
def erf(z: Floats) -> Floats:
    """The error function in plain NumPy (correct to 1 ULP, slow: one libm call an element)."""
    return np.asarray(_libm_erf(z), dtype=np.float64)


def erf_inverse(t: float) -> float:
    """erf(x) = t for 0 <= t < 1, by Newton on erf or erfc, whichever is small."""
    x = math.sqrt(-math.log1p(-t)) if t > 0.5 else t * math.sqrt(math.pi) / 2
    for _ in range(60):
        gap = t - math.erf(x) if t < 0.5 else math.erfc(x) - (1 - t)
        change = gap * math.sqrt(math.pi) / 2 * math.exp(x * x)
        x += change
        if abs(change) <= 2e-16 * x:
            break
    return x


def sigmoid(z: Floats) -> Floats:
    e: Floats = np.exp(-np.abs(floating(z)))
    return np.where(np.asarray(z) >= 0, 1, e) / (1 + e)


def sigmoid_slope(z: Floats) -> Floats:
    e: Floats = np.exp(-np.abs(floating(z)))
    return e / (1 + e) ** 2


def tanh_slope(z: Floats) -> Floats:
    e: Floats = np.exp(-2 * np.abs(floating(z)))
    return 4 * e / (1 + e) ** 2


def softplus(z: Floats) -> Floats:
    z = floating(z)
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def softsign(z: Floats) -> Floats:
    z = floating(z)
    x: Floats = np.minimum(np.abs(z), np.finfo(z.dtype).max)    # infinity would be inf/inf
    return np.asarray(np.copysign(x / (1 + x), z))[()]


def softsign_slope(z: Floats) -> Floats:
    return (1 / (1 + np.abs(floating(z)))) ** 2        # the square of 1 + |z| would overflow


def arctan_slope(z: Floats) -> Floats:
    x: Floats = np.abs(floating(z))
    v: Floats = np.where(x > 1, 1 / np.maximum(x, 1), x) ** 2    # by 1/z where |z| > 1: z^2 would overflow
    return np.where(x > 1, v, 1) / (1 + v)


def _exp_square(z: Floats, factor: float) -> Floats:
    """exp(-factor z^2) in float64, |z| <= 40, accurate in the tail: z is split so that one square is exact."""
    high = z.astype(np.float32).astype(np.float64)
    return np.exp(-factor * high * high) * np.exp(-factor * (z - high) * (z + high))


def _gauss_cdf(z: Floats) -> Floats:
    return np.asarray(_libm_erfc(-z * math.sqrt(0.5)), dtype=np.float64) / 2


@_widened
def erf_slope(z: Floats) -> Floats:
    return (2 / math.sqrt(math.pi)) * _exp_square(np.clip(z, -40, 40), 1.0)


# Below -40, for silu and mish -800, the result is -0 in float64: the clip keeps -inf from (-inf) 0.
@_widened
def gelu(z: Floats) -> Floats:
    z = np.maximum(z, -40)
    return z * _gauss_cdf(z)


@_widened
def gelu_slope(z: Floats) -> Floats:
    z = np.clip(z, -40, 40)
    return _gauss_cdf(z) + z * _exp_square(z, 0.5) * (1 / math.sqrt(2 * math.pi))


_GELU_C = math.sqrt(2 / math.pi)


@_widened
def gelu_tanh(z: Floats) -> Floats:
    # (1 + tanh u)/2 is sigmoid(2u): no cancellation where tanh u is near -1.
    x = np.clip(z, -40, 40)
    return np.maximum(z, -40) * sigmoid(2 * _GELU_C * (x + 0.044715 * x ** 3))


@_widened
def gelu_tanh_slope(z: Floats) -> Floats:
    z = np.clip(z, -40, 40)
    u2 = 2 * _GELU_C * (z + 0.044715 * z ** 3)
    return sigmoid(u2) + z * sigmoid_slope(u2) * 2 * _GELU_C * (1 + 3 * 0.044715 * z ** 2)


def silu(z: Floats) -> Floats:
    z = floating(z)
    return np.maximum(z, -800) * sigmoid(z)


@_widened
def silu_slope(z: Floats) -> Floats:
    z = np.clip(z, -800, 800)
    return sigmoid(z) + z * sigmoid_slope(z)


def mish(z: Floats) -> Floats:
    # tanh(softplus z) = (t^2 + 2t)/(t^2 + 2t + 2), t = e^z; written with e^-|z| so that nothing overflows.
    z = np.maximum(floating(z), -800)
    e: Floats = np.exp(-np.abs(z))
    num = np.where(z >= 0, 1 + 2 * e, e * e + 2 * e)
    return z * (num / np.where(z >= 0, 1 + 2 * e + 2 * e * e, e * e + 2 * e + 2))


@_widened
def mish_slope(z: Floats) -> Floats:
    z = np.clip(z, -800, 800)
    e: Floats = np.exp(-np.abs(z))
    num = np.where(z >= 0, 1 + 2 * e, e * e + 2 * e)
    den = np.where(z >= 0, 1 + 2 * e + 2 * e * e, e * e + 2 * e + 2)
    # d tanh(softplus)/dz = (1 - t^2) sigmoid(z), and 1 - t = 2/(..), 1 + t = 2 (t^2+2t+1)/(..)
    one_minus: Floats = np.where(z >= 0, 2 * e * e, 2.0) / den
    one_plus: Floats = np.where(z >= 0, 2 + 4 * e + 2 * e * e, 2 * e * e + 4 * e + 2) / den
    return num / den + z * one_minus * one_plus * sigmoid(z)


def step(z: Floats, where: Any, inside: float, outside: float) -> Floats:
    """inside or outside, NaN where z is NaN, in z's dtype."""
    z = floating(z)
    return np.where(np.isnan(z), z, np.where(where, inside, outside)).astype(z.dtype)[()]


def one(z: Floats) -> Floats:
    """1, NaN where z is NaN."""
    return step(z, np.True_, 1.0, 1.0)


def between(z: Floats, low: float, high: float, slope: float) -> Floats:
    """slope for low < z < high, else 0."""
    return step(z, (np.asarray(z) > low) & (np.asarray(z) < high), slope, 0.0)


def leaky(z: Floats, a: float) -> Floats:
    return np.where(np.asarray(z) > 0, floating(z), a * floating(z))


def elu(z: Floats, scale: float, left: float) -> Floats:
    """scale z above 0, left (e^z - 1) below."""
    return np.where(np.asarray(z) > 0, scale * floating(z), left * np.expm1(np.minimum(floating(z), 0)))


def elu_slope(z: Floats, scale: float, left: float) -> Floats:
    return np.where(np.asarray(z) > 0, scale, left * np.exp(np.minimum(floating(z), 0)))


def hard_sigmoid(z: Floats) -> Floats:
    return np.clip((floating(z) + 3) / 6, 0, 1)


def hard_tanh(z: Floats) -> Floats:
    return np.clip(floating(z), -1, 1)
