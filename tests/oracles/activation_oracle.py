"""Every activation and its slope to 50 digits (mpmath), and errors counted in units in the last place.

Written from the definitions, not from the code under test.
"""

import math

import mpmath as mp
import numpy as np

mp.mp.dps = 50
_C = 2 * mp.sqrt(2 / mp.pi)
_K = mp.mpf("0.044715")
_SCALE, _ALPHA = mp.mpf("1.0507009873554804934193349852946"), mp.mpf("1.6732632423543772848170429916717")


def _sigma(u):
    return 1 / (1 + mp.exp(-u))


def _dsigma(u):
    return mp.exp(-abs(u)) / (1 + mp.exp(-abs(u))) ** 2


def _pdf(z):
    return mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)


def _cdf(z):
    return mp.mpf(z > 0) if abs(z) > 60 else mp.erfc(-z / mp.sqrt(2)) / 2


def _mish_slope(z):
    t = mp.tanh(mp.log1p(mp.exp(z)))
    one_minus_square = 1 / mp.cosh(mp.log1p(mp.exp(z))) ** 2
    return t + z * one_minus_square * _sigma(z)


def _gelu_tanh_slope(z):
    u = _C * (z + _K * z ** 3)
    return _sigma(u) + z * _dsigma(u) * _C * (1 + 3 * _K * z * z)


# name -> (phi, slope), each of (z, alpha)
EXACT = {
    "identity": (lambda z, a: z, lambda z, a: mp.mpf(1)),
    "sigmoid": (lambda z, a: _sigma(z), lambda z, a: _dsigma(z)),
    "tanh": (lambda z, a: mp.tanh(z), lambda z, a: mp.sech(z) ** 2),
    "hard_sigmoid": (lambda z, a: min(max((z + 3) / 6, mp.mpf(0)), mp.mpf(1)),
                     lambda z, a: mp.mpf(1) / 6 if abs(z) < 3 else mp.mpf(0)),
    "hard_tanh": (lambda z, a: min(max(z, mp.mpf(-1)), mp.mpf(1)), lambda z, a: mp.mpf(1 if abs(z) < 1 else 0)),
    "softsign": (lambda z, a: z / (1 + abs(z)), lambda z, a: 1 / (1 + abs(z)) ** 2),
    "arctan": (lambda z, a: mp.atan(z), lambda z, a: 1 / (1 + z * z)),
    "erf": (lambda z, a: mp.erf(z), lambda z, a: 2 / mp.sqrt(mp.pi) * mp.exp(-z * z)),
    "softplus": (lambda z, a: max(z, mp.mpf(0)) + mp.log1p(mp.exp(-abs(z))), lambda z, a: _sigma(z)),
    "relu": (lambda z, a: max(z, mp.mpf(0)), lambda z, a: mp.mpf(1 if z > 0 else 0)),
    "leaky_relu": (lambda z, a: z if z > 0 else a * z, lambda z, a: mp.mpf(1) if z > 0 else a),
    "elu": (lambda z, a: z if z > 0 else a * mp.expm1(z), lambda z, a: mp.mpf(1) if z > 0 else a * mp.exp(z)),
    "selu": (lambda z, a: _SCALE * (z if z > 0 else _ALPHA * mp.expm1(z)),
             lambda z, a: _SCALE * (1 if z > 0 else _ALPHA * mp.exp(z))),
    "gelu": (lambda z, a: z * _cdf(z), lambda z, a: _cdf(z) + z * _pdf(z)),
    "gelu_tanh": (lambda z, a: z * _sigma(_C * (z + _K * z ** 3)), lambda z, a: _gelu_tanh_slope(z)),
    "silu": (lambda z, a: z * _sigma(z), lambda z, a: _sigma(z) + z * _dsigma(z)),
    "mish": (lambda z, a: z * mp.tanh(mp.log1p(mp.exp(z))), lambda z, a: _mish_slope(z)),
    "sin": (lambda z, a: mp.sin(a * z), lambda z, a: a * mp.cos(a * z)),
}


def exact(name, slope, z, alpha=0.0):
    """The values at the floats z, as a list of mpf."""
    f = EXACT[name][1 if slope else 0]
    a = mp.mpf(float(alpha))
    return [f(mp.mpf(float(v)), a) for v in np.ravel(z)]


def spacing(value, dtype):
    """One unit in the last place of a float of this size (the least one among denormals)."""
    info = np.finfo(dtype)
    if value == 0:
        return mp.ldexp(1, info.minexp - info.nmant)
    exponent = mp.frexp(abs(value))[1] - 1
    return mp.ldexp(1, max(int(exponent), info.minexp) - info.nmant)


def ulp_errors(got, want):
    """|got - want| in units in the last place of want, one a value; inf where got is not finite."""
    dtype = np.asarray(got).dtype
    return np.array([float(abs(mp.mpf(float(g)) - w) / spacing(w, dtype)) if math.isfinite(g) else math.inf
                     for g, w in zip(np.ravel(got), want)])
