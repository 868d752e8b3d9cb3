"""Initialisers whose values do not depend on a fan: constants, plain distributions, embeddings."""

from __future__ import annotations

import math
from typing import Unpack

import numpy as np

from .. import _checks, random
from .._types import Array, Shape
from ..errors import ArgumentError, ShapeError
from ..random._targets import new
from ._request import Common, Request, drawn, initializer


@initializer
def zeros(shape: Shape, **common: Unpack[Common]) -> Array:
    """All 0: right for biases, and for the last layer of a residual branch; hidden weights of 0 never learn.

    Rumelhart, Hinton and Williams 1986 already broke this symmetry with small random weights.
    ``rng`` is accepted and left untouched. PyTorch ``zeros_``, JAX ``initializers.zeros``, Keras ``Zeros``.
    Shapes, dtypes and errors: :mod:`initcore.initializers`. What zero weights do: :func:`initcore.symmetry.analyze`.

    >>> zeros((2, 3)).sum()
    np.float32(0.0)
    """
    w = Request(shape, common)
    return w.write(0.0) if w.out is not None else new(w.shape, w.stored, zero=True)     # untouched pages cost nothing


@initializer
def ones(shape: Shape, **common: Unpack[Common]) -> Array:
    """All 1: for the scales of normalisation layers; as weights all units stay one unit for ever.

    The scale of batch normalisation starts so (Ioffe and Szegedy 2015).
    ``rng`` is accepted and left untouched. PyTorch ``ones_``, JAX ``initializers.ones``, Keras ``Ones``.
    Shapes, dtypes and errors: :mod:`initcore.initializers`.

    >>> ones(3, dtype="float64")
    array([1., 1., 1.])
    """
    return Request(shape, common).write(1.0)


@initializer
def constant(shape: Shape, value: float, **common: Unpack[Common]) -> Array:
    """All ``value``, a finite number that fits the dtype (ArgumentError otherwise), rounded once.

    ``rng`` is accepted and left untouched. PyTorch ``constant_(val)``, JAX ``initializers.constant``, Keras
    ``Constant``. Shapes, dtypes and errors: :mod:`initcore.initializers`.

    >>> constant((2, 2), 0.5)
    array([[0.5, 0.5],
           [0.5, 0.5]], dtype=float32)
    """
    w = Request(shape, common)
    x = _checks.number("value", value)
    largest = {"float16": 65519.99, "bfloat16": 3.3953e38, "float32": 3.4028235e38}.get(w.name, math.inf)
    if abs(x) > largest:
        raise ArgumentError(f"value={x!r} is infinite in {w.name}; the largest it holds is about {largest:.6g}.")
    return w.write(x)


@initializer
def uniform(shape: Shape, *, low: float = 0.0, high: float = 1.0, **common: Unpack[Common]) -> Array:
    """``U[low, high)``: mean ``(low + high)/2``, variance ``(high - low)^2/12``.

    ``high`` itself is never drawn in float32 and float64; in float16 and bfloat16 the largest values may round to it.
    ``low == high`` gives that value everywhere.

    The defaults differ everywhere: PyTorch ``uniform_`` and this 0 to 1, JAX ``initializers.uniform`` 0 to 0.01,
    Keras ``RandomUniform`` -0.05 to 0.05. Raises ArgumentError where low > high or a bound is not finite;
    shapes, dtypes and other errors: :mod:`initcore.initializers`.

    >>> w = uniform((1000,), low=-1.0, high=2.0, rng=0)
    >>> bool(w.min() >= -1), bool(w.max() < 2)
    (True, True)
    """
    return random.uniform(shape, low=low, high=high, **drawn(shape, common))


@initializer
def normal(shape: Shape, *, mean: float = 0.0, std: float = 1.0, **common: Unpack[Common]) -> Array:
    """``N(mean, std^2)``, not truncated.

    A fixed std, such as the 0.01 of Krizhevsky et al. 2012, fits one width only: :func:`he_normal` follows the fan.
    PyTorch ``normal_`` (std 1), JAX ``initializers.normal`` (std 0.01), Keras ``RandomNormal`` (std 0.05). Raises
    ArgumentError for a negative or non-finite std; other errors, shapes, dtypes: :mod:`initcore.initializers`.

    >>> key = 7
    >>> whole = normal((4, 6), std=0.02, rng=key)
    >>> part = normal((2, 3), std=0.02, rng=key, global_shape=(4, 6), start=(2, 3))
    >>> bool((part == whole[2:, 3:]).all())
    True
    """
    return random.normal(shape, mean=mean, std=std, **drawn(shape, common))


@initializer
def trunc_normal(shape: Shape, *, mean: float = 0.0, std: float = 1.0, lower: float = -2.0, upper: float = 2.0,
                 std_of: str = "parent", **common: Unpack[Common]) -> Array:
    """``mean + sigma Z``, Z a standard normal cut to ``[lower, upper]``: the bounds are in units of sigma.

    ``std_of="parent"``: sigma is ``std``, the numbers returned deviate by less (0.87962566 std for +-2 sigma).
    ``std_of="result"``: sigma is corrected in closed form so that the numbers returned have deviation ``std``.
    One-sided bounds (``upper=math.inf``) and both bounds in one tail are fine; there is never a redraw.
    Moments of the cut normal: Johnson, Kotz and Balakrishnan 1994, chapter 13.

    The same name elsewhere: PyTorch ``trunc_normal_(mean, std, a=-2, b=2)`` takes *absolute* bounds, so that with
    std=0.02 its defaults cut at 100 sigma, that is nothing; JAX ``initializers.truncated_normal(stddev, lower=-2,
    upper=2)`` and Keras ``TruncatedNormal`` (always +-2) mean sigmas, std of the parent, as here.

    Raises ArgumentError where lower > upper or std is negative; ``lower == upper`` gives ``mean + std lower``
    everywhere. Warns (InitcoreWarning) where the bounds truncate
    nothing, or look like absolute values. Shapes, dtypes and other errors: :mod:`initcore.initializers`.

    >>> w = trunc_normal((100, 100), std=0.02, rng=0)
    >>> bool(abs(w).max() <= 0.04), round(float(w.std() / 0.02), 1)
    (True, 0.9)
    """
    w = Request(shape, common)
    return w.truncated(_checks.number("std", std, low=0.0), _checks.number("lower", lower, finite=False),
                       _checks.number("upper", upper, finite=False), _checks.number("mean", mean), std_of=std_of)


@initializer
def embedding(shape: Shape, *, std: float = 1.0, padding_idx: int | None = None, **common: Unpack[Common]) -> Array:
    """A table of shape ``(vocabulary, dimension)``, entries ``N(0, std^2)``; row ``padding_idx`` is 0.

    ``padding_idx`` counts in the whole table (negative: from its end). A table has no fan: each token reads one row.
    PyTorch ``nn.Embedding`` is N(0, 1) with the padding row 0, the default here; Flax ``nn.Embed`` has std
    ``1/sqrt(dimension)``; Keras ``Embedding`` draws U(-0.05, 0.05); GPT-2 uses 0.02 (Radford et al. 2019).

    Raises ShapeError where the rank is not 2, ArgumentError for a padding_idx outside the table;
    dtypes and other errors: :mod:`initcore.initializers`.

    >>> embedding((1000, 64), std=64 ** -0.5, padding_idx=0, rng=0)[0].any()
    np.False_
    """
    w = Request(shape, common)
    if len(w.shape) != 2:
        raise ShapeError(f"shape={w.shape}: an embedding is (vocabulary, dimension), two dimensions.")
    row = None
    if padding_idx is not None:
        row = _checks.integer("padding_idx", padding_idx)
        if not -w.whole[0] <= row < w.whole[0]:
            raise ArgumentError(f"padding_idx={row} is outside the table of {w.whole[0]} rows.")
        row = row % w.whole[0] - w.start[0]
    table = w.normal(_checks.number("std", std, low=0.0))
    if row is not None and 0 <= row < w.shape[0]:
        table[row] = np.zeros((), table.dtype)
    return table
