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
from .._checks import describe, integer, number
from .._checks import shape as _shape
from ..errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from . import _truncation
from ._keys import Key, as_key

__all__ = ["Key", "as_key", "bits", "normal", "truncated_normal", "uniform"]

_BITS, _UNIFORM, _NORMAL, _TRUNCATED = range(4)
_U32, _F32, _F64, _F16, _BF16 = range(5)
_KINDS = {"float32": _F32, "float64": _F64, "float16": _F16, "bfloat16": _BF16}
_LARGEST_F32 = float(np.finfo(np.float32).max)
_DTYPES: dict[int, np.dtype] = {_U32: np.dtype(np.uint32), _F32: np.dtype(np.float32), _F64: np.dtype(np.float64),
                                _F16: np.dtype(np.float16)}


def bits(shape: Any, *, rng: Any = None, start: int = 0, out: Any = None, threads: Any = None) -> np.ndarray:
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

    >>> [hex(w) for w in bits(4, rng=Key.from_words(0, 0)).tolist()]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']

    Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011.
    """
    dims = _dims(shape)
    first = integer("start", start, low=0)
    size = math.prod(dims)
    if first + size > 1 << 64:
        raise ArgumentError(f"start={first} and {size} elements reach beyond element 2**64 of the stream.")
    threads = _threads.resolve(threads)
    target = _target(dims, _U32, out)
    kernels.random_fill(_BITS, _U32, 0, as_key(rng).words, target, None, (first,), (), threads)
    return target


def uniform(shape: Any, *, low: float = 0.0, high: float = 1.0, rng: Any = None, dtype: Any = "float32",
            out: Any = None, global_shape: Any = None, start: Any = None, strides: Any = None,
            threads: Any = None) -> np.ndarray:
    """Uniform values in [low, high): ``low + (high - low) * u``, never ``high`` itself in float32 and float64.

    u is the word's top 24 bits / 2**24 (float32) or the top 53 bits of two words / 2**53 (float64); the product
    and the sum are rounded apart, in float32 or float64. float16 and bfloat16 are the float32 values rounded
    once, so the largest of them may round to ``high``.

    Parameters
    ----------
    shape, rng, out, threads
        As in :func:`bits`; ``out`` has the result's dtype.
    low, high : float
        Rounded to the working precision (float32, or float64 for float64); there low < high must hold.
    dtype : "float16", "bfloat16", "float32" or "float64"
        "bfloat16" is ml_dtypes' type where that package is installed, else the bits as uint16.
    global_shape, start : sequences of ints
        Make the block ``start : start + shape`` of an array of this shape, equal to that block bit for bit.
        The array has at most 2**64 elements; it is not made.
    strides : sequence of ints >= 0, with ``start`` an int and no ``global_shape``
        Make a view, one stride an axis: the element at (i, j, ...) is number ``start + i strides[0] + j strides[1] +
        ...`` of the stream, so that a transposed or thinned part of an array equals that part, bit for bit.

    Raises as :func:`bits`; DTypeError for a dtype that is not floating, ArgumentError where low >= high, ShapeError
    where the block leaves ``global_shape``.

    >>> float(uniform((), low=-1, high=1, rng=0)) == float(uniform(1, low=-1, high=1, rng=0)[0])
    True
    >>> whole = uniform((3, 4), rng=0)
    >>> bool((uniform((2, 3), rng=0, start=1, strides=(2, 4)) == whole[:, 1::2].T).all())
    True

    PyTorch ``Tensor.uniform_``, JAX ``jax.random.uniform``, NumPy ``Generator.uniform``.
    """
    kind = _kind(dtype)
    params = _uniform_params(_number("low", low), _number("high", high), kind != _F64)
    return _draw(_UNIFORM, kind, shape, rng, out, global_shape, start, strides, params, threads)


def normal(shape: Any, *, mean: float = 0.0, std: float = 1.0, rng: Any = None, dtype: Any = "float32",
           out: Any = None, global_shape: Any = None, start: Any = None, strides: Any = None,
           threads: Any = None) -> np.ndarray:
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
    kind = _kind(dtype)
    params = _scale(mean, std, kind)
    return _draw(_NORMAL, kind, shape, rng, out, global_shape, start, strides, params, threads)


def truncated_normal(shape: Any, *, lower: float = -2.0, upper: float = 2.0, mean: float = 0.0, std: float = 1.0,
                     rng: Any = None, dtype: Any = "float32", out: Any = None, global_shape: Any = None,
                     start: Any = None, strides: Any = None, threads: Any = None) -> np.ndarray:
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
        Bounds in units of sigma, lower < upper; any, infinite and both in one tail too. ArgumentError where no
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
    kind = _kind(dtype)
    scale = _scale(mean, std, kind)
    a, b = number("lower", lower, finite=False), number("upper", upper, finite=False)
    if not a < b:
        raise ArgumentError(f"lower={lower!r} must be below upper={upper!r} (both in units of sigma).")
    method, bounds = _truncation.plan(a, b, kind != _F64)
    return _draw(_TRUNCATED, kind, shape, rng, out, global_shape, start, strides, (*scale, *bounds), threads, method)


def _kind(dtype: Any) -> int:
    """The code of a floating dtype."""
    if dtype.__class__ is str and dtype in _KINDS:
        return _KINDS[dtype]
    try:
        found = None if dtype is None else np.dtype(dtype)      # NumPy reads None as float64
    except TypeError:
        found = None
    name = "" if found is None else found.name
    if found is None or name not in _KINDS or not found.isnative:
        raise DTypeError(f"dtype must be one of {', '.join(sorted(_KINDS))}, got {dtype!r}; "
                         "weights are floating point.")
    return _KINDS[name]


def _dims(shape: Any) -> tuple[int, ...]:
    """The shape as a tuple; what is one already is not looked at twice."""
    if shape.__class__ is int and shape >= 0:
        return (shape,)
    if shape.__class__ is tuple:
        for n in shape:
            if n.__class__ is not int or n < 0:
                return _shape("shape", shape)
        return shape
    return _shape("shape", shape)


def _dtype_of(kind: int) -> np.dtype:
    """The NumPy dtype of the result; bfloat16 is uint16 where ml_dtypes is not installed."""
    if kind != _BF16:
        return _DTYPES[kind]
    if _BF16 not in _DTYPES:
        try:
            import ml_dtypes
            _DTYPES[_BF16] = np.dtype(ml_dtypes.bfloat16)
        except ImportError:
            _DTYPES[_BF16] = np.dtype(np.uint16)
    return _DTYPES[_BF16]


def _number(name: str, value: Any) -> float:
    """A finite number, as float."""
    return value if value.__class__ is float and -math.inf < value < math.inf else number(name, value)


def _working(name: str, value: float, single: bool) -> float:
    """The number rounded to the working precision."""
    if not single or value in (0.0, 1.0):
        return value
    if abs(value) > _LARGEST_F32:
        raise ArgumentError(f"{name}={value!r} overflows float32; ask for dtype='float64'.")
    return float(np.float32(value))


def _scale(mean: Any, std: Any, kind: int) -> tuple[float, float]:
    """(mean, std) in the working precision."""
    size = _number("std", std)
    if size < 0.0:
        raise ArgumentError(f"std must be at least 0, got {size!r}.")
    return _working("mean", _number("mean", mean), kind != _F64), _working("std", size, kind != _F64)


@functools.lru_cache(maxsize=256)
def _uniform_params(low: float, high: float, single: bool) -> tuple[float, float, float]:
    """(low, high - low, greatest value below high) in the working precision."""
    a, b = _working("low", low, single), _working("high", high, single)
    name = "float32" if single else "float64"
    if not a < b:
        raise ArgumentError(f"low={low!r} must be below high={high!r} in {name}; "
                            "for one value everywhere use numpy.full.")
    work = np.float32 if single else np.float64
    with np.errstate(over="ignore"):
        span = float(work(b) - work(a))
    if math.isinf(span):
        raise ArgumentError(f"high - low overflows {name} (low={low!r}, high={high!r}).")
    return a, span, float(np.nextafter(work(b), work(-np.inf)))


def _target(dims: tuple[int, ...], kind: int, out: Any) -> np.ndarray:
    """A new array, or ``out`` once it is known to fit."""
    dtype = _dtype_of(kind)
    if out is None:
        return np.empty(dims, dtype)
    if not isinstance(out, np.ndarray):
        raise ArgumentTypeError(f"out must be a NumPy array, got {describe(out)}.")
    if out.dtype != dtype and not (kind == _BF16 and out.dtype == np.uint16):
        remedy = f"pass dtype={out.dtype.name!r} or another out" if out.dtype.name in _KINDS else "pass another out"
        raise DTypeError(f"out has dtype {out.dtype}, but the result is {dtype}; {remedy}.")
    if out.shape != dims:
        raise ShapeError(f"out has shape {out.shape}, but the result has shape {dims}.")
    if not out.flags.writeable:
        raise ArgumentError("out is read-only; pass a writable array.")
    if not out.flags.c_contiguous and _overlaps(out):
        raise ArgumentError(f"out has overlapping elements (strides {out.strides} for shape {out.shape}, as from "
                            "broadcast_to or sliding_window_view); pass an array that owns each element.")
    return out


def _overlaps(a: np.ndarray) -> bool:
    """Whether two elements share memory: exact for the nested strides NumPy's own slicing makes."""
    reach = a.itemsize
    for stride, n in sorted((abs(s), n) for s, n in zip(a.strides, a.shape) if n > 1):
        if stride < reach:
            return a.size > 0
        reach += stride * (n - 1)
    return False


def _block(dims: tuple[int, ...], global_shape: Any, start: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(global shape, start) of a block, checked to lie inside."""
    if global_shape is None:
        raise ArgumentError("start needs global_shape, the shape of the array this is a block of.")
    whole = _shape("global_shape", global_shape)
    first = (0,) * len(whole) if start is None else _shape("start", start)
    if not len(whole) == len(first) == len(dims):
        raise ShapeError(f"global_shape={whole}, start={first} and shape={dims} must have the same rank.")
    for axis, (n, s, g) in enumerate(zip(dims, first, whole)):
        if s + n > g:
            raise ShapeError(f"the block {s}:{s + n} leaves axis {axis} of global_shape={whole}; "
                             f"start + shape must be at most {g} there.")
    if math.prod(n for n in whole if n) > 1 << 64 or max(whole, default=0) >= 1 << 64:     # numbers are 64-bit
        raise ShapeError(f"global_shape={whole} has more than 2**64 elements, beyond what a stream numbers.")
    return whole, first


def _numbers(dims: tuple[int, ...], global_shape: Any, start: Any, strides: Any) -> tuple[int, ...]:
    """(start, *strides), checked to stay among the numbers of a stream."""
    if global_shape is not None:
        raise ArgumentError("strides number the elements themselves; they go with start=int, not with global_shape.")
    first = integer("start", 0 if start is None else start, low=0)
    steps = _shape("strides", strides)
    if len(steps) != len(dims):
        raise ShapeError(f"strides={steps} and shape={dims} must have the same rank.")
    if 0 not in dims and first + sum((n - 1) * s for n, s in zip(dims, steps)) >= 1 << 64:
        raise ArgumentError(f"start={first} and strides={steps} reach beyond element 2**64 of the stream.")
    return first % (1 << 64), *(s % (1 << 64) for s in steps)      # a step that is never made may be any


def _draw(distribution: int, kind: int, shape: Any, rng: Any, out: Any, global_shape: Any, start: Any, strides: Any,
          params: tuple[float, ...], threads: Any, method: int = 0) -> np.ndarray:
    """Check what all distributions share, then fill."""
    dims = _dims(shape)
    whole: tuple[int, ...] | None = None
    first: tuple[int, ...] | None = None
    if strides is not None:
        first = _numbers(dims, global_shape, start, strides)
    elif global_shape is not None or start is not None:
        whole, first = _block(dims, global_shape, start)
    count = _threads.resolve(threads)
    target = _target(dims, kind, out)
    key = as_key(rng)
    raw = target.view(np.uint16) if kind == _BF16 else target       # bfloat16 has no buffer format
    kernels.random_fill(distribution, kind, method, key.words, raw, whole, first, params, count)
    return target
