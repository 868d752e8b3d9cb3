"""Every initialiser, in one place: ``initcore.init``.

Common arguments
----------------
shape : int or tuple of ints, the array wanted. Sizes of 0 are legal; a fan of 0 is a ShapeError.
layout : which axis is which: "io" (default for two dimensions), "oi", "oihw", "hwio", "iohw" and their 1-D and 3-D
    kin (:mod:`initcore.fans`). Above two dimensions it must be given where a fan is needed, never guessed.
groups : channel groups of a convolution; they divide the fans (:func:`initcore.fans.fans`).
rng : None (entropy of the operating system), int, sequence of ints, SeedSequence, Generator, BitGenerator or
    :class:`initcore.Key`, as in SPEC 7.
dtype : "float32" (default), "float64", "float16" or "bfloat16". float16 and bfloat16 are the float32 values
    rounded once.
out : array to fill, of the shape and dtype; any strides. It is returned, and untouched when an argument is bad.
global_shape, start : make only a block: ``shape`` at offset ``start`` of an array of ``global_shape``, bit for bit
    what the whole array has there. Fans are those of the whole array.
threads : number of threads; the bits do not depend on it.

Common errors: ShapeError (rank, layout, groups, block, fan 0), ArgumentError (a negative or NaN scale, a bad ``out``),
DTypeError (an integer or unknown dtype), ArgumentTypeError (an ``rng`` or size of the wrong kind).

The bits depend on the key, the arguments and the element type, not on machine, threads or blocks. Two exceptions in
the last digits: orthogonal, delta_orthogonal and spectral (products by fused multiply-adds where the CPU has them),
and float64 weights whose ``gain`` is given by name (a quadrature with NumPy's functions; a number has no such doubt).

Names mean different distributions
----------------------------------
``glorot_normal``, ``he_normal`` and ``lecun_normal`` are plain normals in PyTorch, and normals cut at two standard
deviations and rescaled by 1/0.87962566103423978 in JAX and Keras. ``truncate=None`` (default) is the first,
``truncate=2`` the second. The standard deviation of the weights is the same either way.

The family of variance scaling stands here; constants and plain distributions in ``_elementary``, patterns of zeros in
``_structured``, orthogonal matrices in ``_orthogonal``, those of one architecture in ``_architectures``, trees of
parameters in ``_trees``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from . import _checks
from ._architectures import mup_sigma, mup_std, siren, small_init, wang_init
from ._elementary import constant, embedding, normal, ones, trunc_normal, uniform, zeros
from ._orthogonal import delta_orthogonal, orthogonal, spectral
from ._request import Array, Request, Shape, check_std_of, gain_of, limit_of
from ._structured import dirac, eye, sparse
from ._trees import Spec, init_params
from .errors import ArgumentTypeError, unknown_name
from .fans import require_fan

Gain = Any      # a number, or the activation (name, Activation, callable) whose gain is meant
SQRT2 = math.sqrt(2.0)

_DISTRIBUTIONS = ("normal", "uniform", "truncated_normal")


def _fill(w: Request, std: float, distribution: str, truncate: float | None = None, std_of: str = "result") -> Array:
    """Zero mean, standard deviation ``std``."""
    check_std_of(std_of)
    if distribution == "uniform":
        if truncate is not None:
            raise ArgumentTypeError(f"truncate={truncate!r} belongs to the normal distribution, not to the uniform.")
        return w.uniform(-limit_of(std), limit_of(std)) if std > 0 else w.write(0.0)
    if truncate is None:
        return w.normal(std)
    cut = _checks.number("truncate", truncate, low=0.0, open_low=True)
    return w.truncated(std, -cut, cut, std_of=std_of, stacklevel=5)


def variance_scaling(shape: Shape, *, scale: float = 1.0, mode: str | int = "fan_in", distribution: str = "normal",
                     truncate: float | None = None, std_of: str = "result", layout: str | None = None,
                     groups: int = 1, rng: Any = None, dtype: Any = "float32", out: Array | None = None,
                     global_shape: Shape | None = None, start: Shape | None = None,
                     threads: int | None = None) -> Array:
    """Zero mean, variance ``scale / fan``: the family glorot, he and lecun are members of.

    mode : "fan_in", "fan_out", "fan_avg" (arithmetic mean), "fan_geo_avg" (geometric mean) or the fan as an integer.
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
    w = Request(shape, layout, groups, rng, dtype, out, global_shape, start, threads)
    if distribution not in _DISTRIBUTIONS:
        raise unknown_name("distribution", distribution, _DISTRIBUTIONS)
    if distribution == "truncated_normal" and truncate is None:
        truncate = 2.0
    std = math.sqrt(_checks.number("scale", scale, low=0.0) / w.fan(mode))
    return _fill(w, std, distribution, truncate, std_of)


def glorot_uniform(shape: Shape, *, gain: Gain = 1.0, layout: str | None = None, groups: int = 1, rng: Any = None,
                   dtype: Any = "float32", out: Array | None = None, global_shape: Shape | None = None,
                   start: Shape | None = None, threads: int | None = None) -> Array:
    """``U(-l, l)``, ``l = gain sqrt(6 / (fan_in + fan_out))``: variance ``2 gain^2 / (fan_in + fan_out)``.

    Glorot and Bengio 2010, eq. 16: keeps the variance of signal and gradient of a tanh-like net as well as one
    number can. PyTorch ``xavier_uniform_``, JAX ``glorot_uniform``, Keras ``GlorotUniform`` (the default of its
    Dense): the same distribution everywhere. Arguments and errors: :mod:`initcore.initializers`.

    >>> w = glorot_uniform((784, 256), rng=0)
    >>> bool(abs(w).max() < (6 / 1040) ** 0.5)
    True
    """
    w = Request(shape, layout, groups, rng, dtype, out, global_shape, start, threads)
    return _fill(w, gain_of(gain) / math.sqrt(w.fan("fan_avg")), "uniform")


def glorot_normal(shape: Shape, *, gain: Gain = 1.0, truncate: float | None = None, std_of: str = "result",
                  layout: str | None = None, groups: int = 1, rng: Any = None, dtype: Any = "float32",
                  out: Array | None = None, global_shape: Shape | None = None, start: Shape | None = None,
                  threads: int | None = None) -> Array:
    """``N(0, 2 gain^2 / (fan_in + fan_out))``.

    Glorot and Bengio 2010, eq. 12. PyTorch ``xavier_normal_`` is this; JAX ``glorot_normal`` and Keras
    ``GlorotNormal`` are cut at two deviations and rescaled to the same variance: ``truncate=2``.
    Arguments and errors: :func:`variance_scaling`, :mod:`initcore.initializers`.

    >>> glorot_normal((3, 5), rng=0).shape
    (3, 5)
    """
    w = Request(shape, layout, groups, rng, dtype, out, global_shape, start, threads)
    return _fill(w, gain_of(gain) / math.sqrt(w.fan("fan_avg")), "normal", truncate, std_of)


def he_uniform(shape: Shape, *, gain: Gain = SQRT2, mode: str | int = "fan_in", layout: str | None = None,
               groups: int = 1, rng: Any = None, dtype: Any = "float32", out: Array | None = None,
               global_shape: Shape | None = None, start: Shape | None = None, threads: int | None = None) -> Array:
    """``U(-l, l)``, ``l = gain sqrt(3 / fan_in)``: variance ``gain^2 / fan_in``, ``2 / fan_in`` for ReLU.

    He et al. 2015. ``gain`` may be an activation: ``gain="leaky_relu_0.2"`` is ``sqrt(2 / (1 + 0.2^2))`` (their
    eq. 15). PyTorch ``kaiming_uniform_`` (its default ``a=0`` is ReLU; ``nn.Linear`` and ``nn.ConvNd`` themselves
    use a=sqrt(5), see :func:`torch_default`), JAX ``he_uniform``, Keras ``HeUniform``: the same distribution.
    Arguments and errors: :func:`variance_scaling`, :mod:`initcore.initializers`.

    >>> w = he_uniform((64, 32, 3, 3), layout="oihw", rng=0)
    >>> bool(abs(w).max() < (6 / 288) ** 0.5)
    True
    """
    w = Request(shape, layout, groups, rng, dtype, out, global_shape, start, threads)
    return _fill(w, gain_of(gain) / math.sqrt(w.fan(mode)), "uniform")


def he_normal(shape: Shape, *, gain: Gain = SQRT2, mode: str | int = "fan_in", truncate: float | None = None,
              std_of: str = "result", layout: str | None = None, groups: int = 1, rng: Any = None,
              dtype: Any = "float32", out: Array | None = None, global_shape: Shape | None = None,
              start: Shape | None = None, threads: int | None = None) -> Array:
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
    w = Request(shape, layout, groups, rng, dtype, out, global_shape, start, threads)
    return _fill(w, gain_of(gain) / math.sqrt(w.fan(mode)), "normal", truncate, std_of)


def lecun_uniform(shape: Shape, *, gain: Gain = 1.0, layout: str | None = None, groups: int = 1, rng: Any = None,
                  dtype: Any = "float32", out: Array | None = None, global_shape: Shape | None = None,
                  start: Shape | None = None, threads: int | None = None) -> Array:
    """``U(-l, l)``, ``l = gain sqrt(3 / fan_in)``: variance ``gain^2 / fan_in``.

    LeCun et al. 1998 (Efficient BackProp, eq. 16). JAX ``lecun_uniform``, Keras ``LecunUniform``; PyTorch has no such
    name (``kaiming_uniform_(nonlinearity="linear")``). Arguments and errors: :mod:`initcore.initializers`.

    >>> bool(abs(lecun_uniform((300, 10), rng=0)).max() < 0.1)
    True
    """
    w = Request(shape, layout, groups, rng, dtype, out, global_shape, start, threads)
    return _fill(w, gain_of(gain) / math.sqrt(w.fan("fan_in")), "uniform")


def lecun_normal(shape: Shape, *, gain: Gain = 1.0, truncate: float | None = None, std_of: str = "result",
                 layout: str | None = None, groups: int = 1, rng: Any = None, dtype: Any = "float32",
                 out: Array | None = None, global_shape: Shape | None = None, start: Shape | None = None,
                 threads: int | None = None) -> Array:
    """``N(0, gain^2 / fan_in)``; the start SELU networks need (Klambauer et al. 2017).

    LeCun et al. 1998. JAX ``lecun_normal`` (the default of Flax layers) and Keras ``LecunNormal`` are cut at two
    deviations and rescaled to the same variance: ``truncate=2``. PyTorch:
    ``kaiming_normal_(nonlinearity="linear")``. Arguments and errors: :func:`variance_scaling`,
    :mod:`initcore.initializers`.

    >>> float(abs(lecun_normal((100, 100), truncate=2, rng=0)).max()) <= 0.2 / 0.8796
    True
    """
    w = Request(shape, layout, groups, rng, dtype, out, global_shape, start, threads)
    return _fill(w, gain_of(gain) / math.sqrt(w.fan("fan_in")), "normal", truncate, std_of)


def torch_default(shape: Shape, *, fan_in: int | None = None, layout: str | None = None, groups: int = 1,
                  rng: Any = None, dtype: Any = "float32", out: Array | None = None,
                  global_shape: Shape | None = None, start: Shape | None = None,
                  threads: int | None = None) -> Array:
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
    w = Request(shape, layout, groups, rng, dtype, out, global_shape, start, threads)
    limit = 1 / math.sqrt(w.fan("fan_in") if fan_in is None else require_fan(fan_in))
    return w.uniform(-limit, limit)


xavier_uniform, xavier_normal = glorot_uniform, glorot_normal
kaiming_uniform, kaiming_normal = he_uniform, he_normal

_TABLE: dict[str, Callable[..., Array]] = {f.__name__: f for f in (
    zeros, ones, constant, eye, dirac, uniform, normal, trunc_normal, variance_scaling, glorot_uniform, glorot_normal,
    he_uniform, he_normal, lecun_uniform, lecun_normal, torch_default, orthogonal, delta_orthogonal, spectral, sparse,
    embedding, small_init, wang_init, siren, mup_std)}
_ALIASES = {"xavier_uniform": "glorot_uniform", "xavier_normal": "glorot_normal", "kaiming_uniform": "he_uniform",
            "kaiming_normal": "he_normal", "truncated_normal": "trunc_normal"}
names: tuple[str, ...] = tuple(_TABLE)
__all__ = [*names, "Spec", "get", "init_params", "kaiming_normal", "kaiming_uniform", "mup_sigma", "names",
           "xavier_normal", "xavier_uniform"]


def get(name: str | Callable[..., Array]) -> Callable[..., Array]:
    """The initialiser of that name (aliases xavier and kaiming, any case), or the callable itself.

    Raises UnknownNameError with the nearest known name. PyTorch: ``getattr(torch.nn.init, name)``; Keras:
    ``keras.initializers.get``.

    >>> get("kaiming_normal").__name__
    'he_normal'
    """
    if callable(name):
        return name
    if not isinstance(name, str):
        raise ArgumentTypeError(f"initializer must be a name or a callable, got {_checks.describe(name)}.")
    key = name.lower().rstrip("_")
    found = _TABLE.get(_ALIASES.get(key, key))
    if found is None:
        raise unknown_name("initializer", name, [*_TABLE, *_ALIASES])
    return found
