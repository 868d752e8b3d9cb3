"""Variance scaling: Glorot, He, LeCun and PyTorch's default, from one formula."""

from __future__ import annotations

import math
from typing import Unpack

from .. import _checks
from .._types import Array, Shape
from ..errors import ArgumentTypeError
from ..fans import positive_fan
from ._request import Common, Gain, Request, check_std_of, gain_of, initializer, limit_of

SQRT2 = math.sqrt(2.0)

_DISTRIBUTIONS = ("normal", "uniform", "truncated_normal")


def _fill(w: Request, std: float, distribution: str, truncate: float | None = None, std_of: str = "result") -> Array:
    """Zero mean, standard deviation ``std``."""
    check_std_of(std_of)
    if distribution == "uniform":
        if truncate is not None:
            raise ArgumentTypeError(f"truncate={truncate!r} belongs to the normal distribution, not to the uniform.")
        return w.uniform(-limit_of(std), limit_of(std))
    if truncate is None:
        return w.normal(std)
    cut = _checks.number("truncate", truncate, low=0.0, open_low=True)
    return w.truncated(std, -cut, cut, std_of=std_of, stacklevel=5)


@initializer
def variance_scaling(shape: Shape, *, scale: float = 1.0, mode: str | float = "fan_in", distribution: str = "normal",
                     truncate: float | None = None, std_of: str = "result", **common: Unpack[Common]) -> Array:
    """Zero mean, variance ``scale / fan``: the family glorot, he and lecun are members of.

    mode : "fan_in", "fan_out", "fan_avg" (arithmetic mean), "fan_geo_avg" (geometric mean) or the fan as a number.
    distribution : "normal", "uniform" (limit ``sqrt(3 scale / fan)``) or "truncated_normal" (normal, truncate=2).
    truncate : cut the normal at +- this many standard deviations of the parent; None does not cut.
    std_of : "result" (default): the variance after the cut is ``scale / fan``; "parent": before it.

    The members: Glorot and Bengio 2010 (scale 1, fan_avg), He et al. 2015 (2, fan_in), LeCun et al. 1998 (1, fan_in).
    JAX ``variance_scaling`` and Keras ``VarianceScaling``: their "truncated_normal" is truncate=2 here, JAX's "normal"
    and Keras' "untruncated_normal" are plain (Keras took "normal" for the truncated one for years). PyTorch has none.
    Raises UnknownNameError for an unknown mode or distribution; see :mod:`initcore.initializers`.

    >>> w = variance_scaling((400, 100), scale=2.0, mode="fan_avg", distribution="uniform", rng=0)
    >>> round(float(w.var() * 250), 1)
    2.0
    """
    w = Request(shape, common)
    _checks.one_of("distribution", distribution, _DISTRIBUTIONS)
    if distribution == "truncated_normal" and truncate is None:
        truncate = 2.0
    std = math.sqrt(_checks.number("scale", scale, low=0.0) / w.fan(mode))
    return _fill(w, std, distribution, truncate, std_of)


@initializer
def glorot_uniform(shape: Shape, *, gain: Gain = 1.0, mode: str | float = "fan_avg", **common: Unpack[Common]) -> Array:
    """``U(-l, l)``, ``l = gain sqrt(6 / (fan_in + fan_out))``: variance ``2 gain^2 / (fan_in + fan_out)``.

    Glorot and Bengio 2010, eq. 16: keeps the variance of signal and gradient of a tanh-like net as well as one
    number can. PyTorch ``xavier_uniform_``, JAX ``glorot_uniform``, Keras ``GlorotUniform`` (the default of its
    Dense): the same distribution everywhere. Arguments and errors: :mod:`initcore.initializers`.

    >>> w = glorot_uniform((784, 256), rng=0)
    >>> bool(abs(w).max() < (6 / 1040) ** 0.5)
    True
    """
    w = Request(shape, common)
    return _fill(w, gain_of(gain) / math.sqrt(w.fan(mode)), "uniform")


@initializer
def glorot_normal(shape: Shape, *, gain: Gain = 1.0, mode: str | float = "fan_avg", truncate: float | None = None,
                  std_of: str = "result", **common: Unpack[Common]) -> Array:
    """``N(0, 2 gain^2 / (fan_in + fan_out))``.

    Glorot and Bengio 2010, eq. 12. PyTorch ``xavier_normal_`` is this; JAX ``glorot_normal`` and Keras
    ``GlorotNormal`` are cut at two deviations and rescaled to the same variance: ``truncate=2``.
    Arguments and errors: :func:`variance_scaling`, :mod:`initcore.initializers`.

    >>> glorot_normal((3, 5), rng=0).shape
    (3, 5)
    """
    w = Request(shape, common)
    return _fill(w, gain_of(gain) / math.sqrt(w.fan(mode)), "normal", truncate, std_of)


@initializer
def he_uniform(shape: Shape, *, gain: Gain = SQRT2, mode: str | float = "fan_in", **common: Unpack[Common]) -> Array:
    """``U(-l, l)``, ``l = gain sqrt(3 / fan_in)``: variance ``gain^2 / fan_in``, ``2 / fan_in`` for ReLU.

    He et al. 2015. ``gain`` may be an activation: ``gain="leaky_relu_0.2"`` is ``sqrt(2 / (1 + 0.2^2))`` (their
    eq. 15). PyTorch ``kaiming_uniform_`` (its default ``a=0`` is ReLU; ``nn.Linear`` and ``nn.ConvNd`` themselves
    use a=sqrt(5), see :func:`torch_default`), JAX ``he_uniform``, Keras ``HeUniform``: the same distribution.
    Arguments and errors: :func:`variance_scaling`, :mod:`initcore.initializers`.

    >>> w = he_uniform((64, 32, 3, 3), layout="oihw", rng=0)
    >>> bool(abs(w).max() < (6 / 288) ** 0.5)
    True
    """
    w = Request(shape, common)
    return _fill(w, gain_of(gain) / math.sqrt(w.fan(mode)), "uniform")


@initializer
def he_normal(shape: Shape, *, gain: Gain = SQRT2, mode: str | float = "fan_in", truncate: float | None = None,
              std_of: str = "result", **common: Unpack[Common]) -> Array:
    """``N(0, gain^2 / fan_in)``, that is ``N(0, 2 / fan_in)`` for ReLU, the default.

    He et al. 2015, eq. 10: a ReLU net keeps the second moment of its signal exactly. ``gain`` may be an activation
    (``gain="gelu"``), ``mode="fan_out"`` keeps the gradient instead (their eq. 14).
    PyTorch ``kaiming_normal_`` is this (plain); JAX ``he_normal`` and Keras ``HeNormal`` are cut at two deviations
    and rescaled to the same variance: ``truncate=2``.
    Arguments and errors: :func:`variance_scaling`, :mod:`initcore.initializers`.

    >>> w = he_normal((256, 784), layout="oi", rng=0, dtype="float64")
    >>> round(float(w.var() * 784), 1)
    2.0
    """
    w = Request(shape, common)
    return _fill(w, gain_of(gain) / math.sqrt(w.fan(mode)), "normal", truncate, std_of)


@initializer
def lecun_uniform(shape: Shape, *, gain: Gain = 1.0, mode: str | float = "fan_in", **common: Unpack[Common]) -> Array:
    """``U(-l, l)``, ``l = gain sqrt(3 / fan_in)``: variance ``gain^2 / fan_in``.

    LeCun et al. 1998 (Efficient BackProp, eq. 16). JAX ``lecun_uniform``, Keras ``LecunUniform``; PyTorch has no such
    name (``kaiming_uniform_(nonlinearity="linear")``). Arguments and errors: :mod:`initcore.initializers`.

    >>> bool(abs(lecun_uniform((300, 10), rng=0)).max() < 0.1)
    True
    """
    w = Request(shape, common)
    return _fill(w, gain_of(gain) / math.sqrt(w.fan(mode)), "uniform")


@initializer
def lecun_normal(shape: Shape, *, gain: Gain = 1.0, mode: str | float = "fan_in", truncate: float | None = None,
                 std_of: str = "result", **common: Unpack[Common]) -> Array:
    """``N(0, gain^2 / fan_in)``; the start SELU networks need (Klambauer et al. 2017).

    LeCun et al. 1998. JAX ``lecun_normal`` (the default of Flax layers) and Keras ``LecunNormal`` are cut at two
    deviations and rescaled to the same variance: ``truncate=2``. PyTorch:
    ``kaiming_normal_(nonlinearity="linear")``. Arguments and errors: :func:`variance_scaling`,
    :mod:`initcore.initializers`.

    >>> float(abs(lecun_normal((100, 100), truncate=2, rng=0)).max()) <= 0.2 / 0.8796
    True
    """
    w = Request(shape, common)
    return _fill(w, gain_of(gain) / math.sqrt(w.fan(mode)), "normal", truncate, std_of)


@initializer
def torch_default(shape: Shape, *, fan_in: float | None = None, **common: Unpack[Common]) -> Array:
    """``U(-l, l)``, ``l = 1 / sqrt(fan_in)``: what PyTorch's Linear and Conv layers start with, weight and bias.

    Glorot and Bengio 2010, eq. 1, call it the commonly used heuristic, and show what it costs. PyTorch writes it
    ``kaiming_uniform_(a=sqrt(5))``; the variance is ``1 / (3 fan_in)``, so that the signal's
    variance falls about threefold per linear layer. For the bias give the *weight's* fan: ``fan_in=784``.
    PyTorch's transposed convolutions read their shape as (out, in, ...) all the same: to get their numbers' scale
    pass ``fan_in=shape[1] * prod(shape[2:])``. JAX and Keras have no such initialiser.
    Arguments and errors: :mod:`initcore.initializers`.

    >>> w, b = torch_default((784, 100), rng=0), torch_default((100,), fan_in=784, rng=1)
    >>> bool(abs(w).max() < 1 / 28), bool(abs(b).max() < 1 / 28)
    (True, True)
    """
    w = Request(shape, common)
    limit = 1 / math.sqrt(w.fan("fan_in") if fan_in is None else positive_fan("fan_in", fan_in))
    return w.uniform(-limit, limit)
