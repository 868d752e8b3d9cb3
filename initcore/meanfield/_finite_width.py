"""What a finite width adds to mean field: exact log-norm laws, the variance of q, the Jacobian's spectrum."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import activations
from .._checks import integer, number, quiet
from .._gaussian.moments import moments
from .._gaussian.profile import profile
from .._gaussian.special import digamma_less_log, trigamma
from .._types import Array
from ..errors import ArgumentError, unknown_name


@dataclass(frozen=True)
class FiniteWidth:
    """The law of one layer's factor ``F = (|x_out|^2/n)/(|x_in|^2/n_in)``, from :func:`finite_width`.

    ``var`` Var F; ``log_mean``, ``log_var`` mean and variance of ln F given that the layer is not dead;
    ``p_dead`` the probability that every unit is off.
    """

    n: int
    var: float
    log_mean: float
    log_var: float
    p_dead: float


@quiet
def finite_width(activation: Any, n: int) -> FiniteWidth:
    """Exact law of the norm factor of one critical layer of n units without bias (Hanin and Rolnick 2018).

    Gaussian weights of variance ``2/fan_in`` for "relu", ``1/fan_in`` for "linear". For ReLU
    ``F = (2/n) chi^2_K`` with ``K ~ Bin(n, 1/2)``, for linear ``F = chi^2_n/n``. Factors of different layers are
    independent, so the moments of ln add and ``Var(prod F) = prod(1 + Var F) - 1``. The same law holds for
    the gradient's norm. The typical (median) norm after L layers is about ``exp(L log_mean)``, while the mean stays 1.

    activation : "relu" or "linear". n : units, >= 1. Raises ArgumentError for any other activation.

    >>> f = finite_width("relu", 10)
    >>> f.var, round(f.log_mean, 12), f.p_dead
    (0.5, -0.307461010692, 0.0009765625)
    """
    n = integer("n", n, low=1)
    sides = activations.get(activation).sides
    if sides not in ((0.0, 1.0), (1.0, 1.0)):
        raise ArgumentError(f"finite_width knows the exact law of 'relu' and 'linear', got {activation!r}; "
                            "for a bounded activation use q_variance.")
    if sides == (1.0, 1.0):
        half = np.array([n / 2])
        return FiniteWidth(n, 2 / n, float(digamma_less_log(half)[0]), float(trigamma(half)[0]), 0.0)
    k = np.arange(1, n + 1)
    weight = _binomial_half(n)[1:]
    weight = weight / weight.sum()
    # ln(2 k/n) = ln(1 + t); its linear part averages to p/(1 - p) exactly, so that only terms of order 1/n are summed.
    t = (2 * k - n) / n
    bend = digamma_less_log(k / 2) + (np.log1p(t) - t)
    dead = 2.0 ** -n
    mean = float(weight @ bend) + dead / (1 - dead)
    var = float(weight @ (trigamma(k / 2) + np.square(bend + t - mean)))
    return FiniteWidth(n, 5 / n, mean, var, dead)


def _binomial_half(n: int) -> Array:
    """Bin(n, 1/2) up to a constant, from the ratios of neighbours, outwards from the middle."""
    middle = n // 2
    up = np.arange(middle + 1, n + 1)
    down = np.arange(middle, 0, -1)
    with np.errstate(under="ignore"):
        right = np.cumprod((n - up + 1) / up)
        left = np.cumprod(down / (n - down + 1))
    return np.concatenate([left[::-1], [1.0], right])


@dataclass(frozen=True)
class JacobianMoments:
    """Squared singular values of an input-output Jacobian: ``mean``, ``var``, and ``var_per_layer`` at chi = 1.

    ``mu1``, ``mu2`` are ``E phi'^2`` and ``E phi'^4``; ``sigma_w2_crit`` = 1/mu1.
    """

    mean: float
    var: float
    var_per_layer: float
    mu1: float
    mu2: float
    sigma_w2_crit: float


@quiet
def jacobian_moments(activation: Any, q: float = 1.0, *, depth: int = 1, weights: str = "gaussian",
                     sigma_w2: float | None = None) -> JacobianMoments:
    """Mean and variance of the Jacobian's squared singular values (Pennington, Schoenholz and Ganguli 2017, 2018).

    ``mean = chi^depth``, ``var = chi^(2 depth) depth (mu2/mu1^2 - 1 - s1)``, s1 = -1 for "gaussian" weights, 0 for
    "orthogonal" ones (or delta-orthogonal convolutions, Xiao et al. 2018). ``sigma_w2`` None puts chi = 1. A variance
    of 0 is dynamical isometry (Saxe et al. 2013). ``q`` : variance of the pre-activations of every layer, > 0;
    ``depth`` : layers, >= 1.

    Raises ArgumentError for an activation that jumps, else as :mod:`initcore.meanfield`.

    >>> jacobian_moments("relu", depth=4, weights="orthogonal").var
    4.0
    """
    if not isinstance(weights, str) or weights not in ("gaussian", "orthogonal"):
        raise unknown_name("weights", weights, ("gaussian", "orthogonal"))
    layers = number("depth", integer("depth", depth, low=1))
    variance = number("q", q, low=0.0, open_low=True)
    p = profile(activation, reach=20 * math.sqrt(variance))
    m = {k: float(v[0]) for k, v in moments(p, variance, ("slope2", "slope4", "spread")).items()}
    mu1 = m["slope2"]
    if p.endless(4):
        raise ArgumentError(f"activation {p.activation.name} {p.endless(4)}: its Jacobian has no finite moments.")
    if not mu1 > 0:
        raise ArgumentError(f"activation {p.activation.name} has slope 0 almost everywhere at q={variance:g}: "
                            "its Jacobian is 0.")
    per_layer = m["spread"] / mu1 ** 2 + (1.0 if weights == "gaussian" else 0.0)
    chi = 1.0 if sigma_w2 is None else number("sigma_w2", sigma_w2, low=0.0) * mu1
    return JacobianMoments(chi ** layers, chi ** (2 * layers) * layers * per_layer, per_layer, mu1, m["slope4"],
                           1 / mu1)
