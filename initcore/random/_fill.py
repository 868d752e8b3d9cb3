"""Random arrays from stream v1: every element belongs to its index, so any block, thread count or machine agrees.

Design
A. A :class:`Key` names a stream; element i (logical C-order index in the global array) takes word i of it.
   ``global_shape=`` and ``start=`` make the block of a larger array; ``out=`` may have any strides.
B. One word, one value, no redraw: uniform by scaling, normal and truncated normal by the inverse CDF.
C. float16 and bfloat16 are the float32 result rounded once; float64 refines the float32 draw.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from .. import _threads, kernels
from .._checks import integer, number
from .._types import Array, Shape
from ..errors import ArgumentError
from . import _truncation
from ._blocks import block, dims_of, numbers
from ._keys import RngLike, as_key
from ._targets import BF16, DEFAULT, F64, U32, kind_of
from ._targets import target as _target

_BITS, _UNIFORM, _NORMAL, _TRUNCATED = range(4)
_LARGEST_F32 = float(np.finfo(np.float32).max)
_SMALLEST_F32 = 2.0 ** -125


def bits(shape: Shape, *, rng: RngLike = None, start: int = 0, out: Array | None = None,
         threads: int | None = None) -> Array:
    """Raw uint32 words of a stream: Philox4x32-10, ten rounds.

    Element i (C order) is word ``start + i``: lane ``(start + i) & 3`` of the block whose counter is
    ((start + i) >> 2, s0, s1), under the key (k0, k1), with (k0, k1, s0, s1) the key's words.

    Parameters
    ----------
    shape : int or sequence of ints
    rng : Key, int, sequence of ints, SeedSequence, Generator, BitGenerator or None
        See :func:`as_key`.
    start : int
        Number of the first element, in [0, 2**64).
    out : ndarray of uint32, any strides
    threads : int
        Default :func:`initcore.get_num_threads`. Any number gives the same bits.

    Raises ShapeError (a negative size), ArgumentError (start, an ``out`` that does not fit), DTypeError (dtype of
    ``out``), ArgumentTypeError (an ``rng`` or a size of the wrong kind); ``out`` is then untouched.

    >>> from initcore import Key
    >>> [hex(w) for w in bits(4, rng=Key.from_words(0, 0)).tolist()]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']

    Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011.
    """
    dims = dims_of(shape)
    first = integer("start", start, low=0)
    size = math.prod(dims)
    if first + size > 1 << 64:
        raise ArgumentError(f"start={first} and {size} elements reach beyond element 2**64 of the stream.")
    threads = _threads.resolve(threads)
    target = _target(dims, U32, out)
    kernels.random_fill(_BITS, U32, 0, as_key(rng).words, target, None, (first,), (), threads)
    return target


def uniform(shape: Shape, *, low: float = 0.0, high: float = 1.0, rng: RngLike = None, dtype: Any = DEFAULT,
            out: Array | None = None, global_shape: Any = None, start: Any = None, strides: Any = None,
            threads: Any = None) -> Array:
    """Uniform values in [low, high): ``low + (high - low) * u``, never ``high`` itself in float32 and float64.

    u is the word's top 24 bits / 2**24 (float32) or the top 53 bits of two words / 2**53 (float64); the product
    and the sum are rounded apart, in float32 or float64. float16 and bfloat16 are the float32 values rounded
    once, so the largest of them may round to ``high``.

    Parameters
    ----------
    shape, rng, out, threads
        As in :func:`bits`; ``out`` has the result's dtype.
    low, high : float
        low <= high; rounded to the working precision (float32, or float64 for float64). Where they are equal, all
        values are.
    dtype : "float16", "bfloat16", "float32" or "float64", or NumPy's, PyTorch's, JAX's object of that name
        Where it is not given it is that of ``out``, without ``out`` float32.
        "bfloat16" is ml_dtypes' type where that package is installed, else the bits as uint16.
    global_shape, start : sequences of ints
        Make the block ``start : start + shape`` of an array of this shape, equal to that block bit for bit.
        The array has at most 2**64 elements; it is not made.
    strides : sequence of ints >= 0, with ``start`` an int and no ``global_shape``
        Make a view, one stride an axis: the element at (i, j, ...) is number ``start + i strides[0] + j strides[1] +
        ...`` of the stream, so that a transposed or thinned part of an array equals that part, bit for bit.

    Raises as :func:`bits`; DTypeError for a dtype that is not floating, ArgumentError where low > high, ShapeError
    where the block leaves ``global_shape``.

    >>> float(uniform((), low=-1, high=1, rng=0)) == float(uniform(1, low=-1, high=1, rng=0)[0])
    True
    >>> whole = uniform((3, 4), rng=0)
    >>> bool((uniform((2, 3), rng=0, start=1, strides=(2, 4)) == whole[:, 1::2].T).all())
    True

    PyTorch ``Tensor.uniform_``, JAX ``jax.random.uniform``, NumPy ``Generator.uniform``.
    """
    kind = kind_of(dtype, out)
    params = _uniform_params(_number("low", low), _number("high", high), kind != F64)
    return _draw(_UNIFORM, kind, shape, rng, out, global_shape, start, strides, params, threads)


def normal(shape: Shape, *, mean: float = 0.0, std: float = 1.0, rng: RngLike = None, dtype: Any = DEFAULT,
           out: Array | None = None, global_shape: Any = None, start: Any = None, strides: Any = None,
           threads: Any = None) -> Array:
    """Normal values: ``mean + std * z`` with z from one word (float64: two) by the inverse CDF.

    With m the word's low 31 bits (float64: the low 63 of 64) and p = (m + 1/2) 2**-32 (2**-64) in (0, 1/2),
    z = Phi^-1(p) where the top bit is 0 and -Phi^-1(p) where it is 1, within 4 ULP of the exact value, tails
    included; \\|z\\| <= 6.338 (9.1). The product and the sum are rounded apart, in float32 or float64.

    Parameters
    ----------
    shape, rng, dtype, out, global_shape, start, strides, threads
        As in :func:`uniform`.
    mean, std : float
        Finite, std >= 0 (ArgumentError otherwise); rounded to the working precision.

    Other errors as :func:`uniform`.

    >>> w = normal((4, 6), std=0.02, rng=1)
    >>> bool((normal((2, 3), std=0.02, rng=1, global_shape=(4, 6), start=(1, 2)) == w[1:3, 2:5]).all())
    True

    PyTorch ``Tensor.normal_``, JAX ``jax.random.normal``, NumPy ``Generator.normal``.
    """
    kind = kind_of(dtype, out)
    params = _scale(mean, std, kind)
    return _draw(_NORMAL, kind, shape, rng, out, global_shape, start, strides, params, threads)


def truncated_normal(shape: Shape, *, lower: float = -2.0, upper: float = 2.0, mean: float = 0.0, std: float = 1.0,
                     rng: RngLike = None, dtype: Any = DEFAULT, out: Array | None = None, global_shape: Any = None,
                     start: Any = None, strides: Any = None, threads: Any = None) -> Array:
    """Normal values between two bounds: ``mean + std * z``, z standard normal given ``lower <= z <= upper``.

    z = Phi^-1(Phi(lower) + (Phi(upper) - Phi(lower)) u) with u = (word + 1/2) 2**-32 (float64: (two words + 1/2)
    2**-64), computed on the side of the nearer tail and never outside the bounds. One word, one value, no redraw.
    float16 and bfloat16 are the float32 values rounded once, so a value next to a bound they do not hold may round
    to the first number they hold beyond it.

    Parameters
    ----------
    shape, rng, dtype, out, global_shape, start, strides, threads
        As in :func:`uniform`.
    lower, upper : float
        Bounds in units of sigma, lower <= upper; any, infinite and both in one tail too. ArgumentError where no
        float32 lies between them (float32, float16, bfloat16).
    mean, std : float
        Of the normal distribution before truncation; at +-2 the result's standard deviation is 0.8796 std.

    Other errors as :func:`normal`.

    >>> w = truncated_normal(1000, std=0.02, rng=0)
    >>> bool(abs(w).max() <= 0.04)
    True

    JAX ``jax.random.truncated_normal`` (bounds in sigma), PyTorch ``torch.nn.init.trunc_normal_`` (bounds in
    absolute units), Keras ``TruncatedNormal`` (+-2 sigma), SciPy ``truncnorm``.
    """
    kind = kind_of(dtype, out)
    scale = _scale(mean, std, kind)
    a, b = number("lower", lower, finite=False), number("upper", upper, finite=False)
    if a > b or (a == b and math.isinf(a)):
        raise ArgumentError(f"lower={lower!r} must be below upper={upper!r}, or both one finite number (in units of "
                            "sigma).")
    method, bounds = _truncation.plan(a, b, kind != F64)
    return _draw(_TRUNCATED, kind, shape, rng, out, global_shape, start, strides, (*scale, *bounds), threads, method)


def _number(name: str, value: Any) -> float:
    """A finite number, as float."""
    return value if value.__class__ is float and -math.inf < value < math.inf else number(name, value)


def _working(name: str, value: float, single: bool) -> float:
    """The number rounded to the working precision."""
    if not single or value in (0.0, 1.0):
        return value
    if abs(value) > _LARGEST_F32:
        raise ArgumentError(f"{name}={value!r} overflows float32; ask for dtype='float64'.")
    if abs(value) > _SMALLEST_F32:
        return float(np.float32(value))
    with np.errstate(under="ignore"):           # it costs more than all the rest
        return float(np.float32(value))


def _scale(mean: Any, std: Any, kind: int) -> tuple[float, float]:
    """(mean, std) in the working precision."""
    size = _number("std", std)
    if size < 0.0:
        raise ArgumentError(f"std must be at least 0, got {size!r}.")
    return _working("mean", _number("mean", mean), kind != F64), _working("std", size, kind != F64)


@functools.lru_cache(maxsize=256)
def _uniform_params(low: float, high: float, single: bool) -> tuple[float, float, float]:
    """(low, high - low, greatest value below high) in the working precision."""
    a, b = _working("low", low, single), _working("high", high, single)
    name = "float32" if single else "float64"
    if low > high:
        raise ArgumentError(f"low={low!r} must not be above high={high!r}.")
    if low == high:
        return a, 0.0, a
    if a == b:
        raise ArgumentError(f"low={low!r} and high={high!r} are one number in {name}; ask for dtype='float64', or give "
                            "low == high for one value everywhere.")
    work = np.float32 if single else np.float64
    with np.errstate(all="ignore"):
        span = float(work(b) - work(a))
        below = float(np.nextafter(work(b), work(-np.inf)))
    if math.isinf(span):
        raise ArgumentError(f"high - low overflows {name} (low={low!r}, high={high!r}).")
    return a, span, below


def _draw(distribution: int, kind: int, shape: Any, rng: Any, out: Any, global_shape: Any, start: Any, strides: Any,
          params: tuple[float, ...], threads: Any, method: int = 0) -> Array:
    """Check what all distributions share, then fill."""
    dims = dims_of(shape)
    whole: tuple[int, ...] | None = None
    first: tuple[int, ...] | None = None
    if strides is not None:
        first = numbers(dims, global_shape, start, strides)
    elif global_shape is not None or start is not None:
        whole, first = block(dims, global_shape, start)
    count = _threads.resolve(threads)
    target = _target(dims, kind, out)
    key = as_key(rng)
    raw = target.view(np.uint16) if kind == BF16 else target       # bfloat16 has no buffer format
    kernels.random_fill(distribution, kind, method, key.words, raw, whole, first, params, count)
    return target
