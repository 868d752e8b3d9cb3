"""Where values go: the element types a stream fills, new arrays, and ``out=`` once it is known to fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._checks import describe, overlaps
from .._types import Array
from ..errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError

U32, F32, F64, F16, BF16 = range(5)
KINDS = {"float32": F32, "float64": F64, "float16": F16, "bfloat16": BF16}
NAMES = {kind: name for name, kind in KINDS.items()}
_DTYPES: dict[int, np.dtype[Any]] = {U32: np.dtype(np.uint32), F32: np.dtype(np.float32), F64: np.dtype(np.float64),
                                     F16: np.dtype(np.float16)}
_FLOATING = {_DTYPES[kind].num: kind for kind in (F32, F64, F16)}      # NumPy makes a dtype's name anew, in 2 us


class _Default(str):
    """The dtype where none is given: that of ``out``, else this one."""

    __slots__ = ()


DEFAULT = _Default("float32")


def kind_of(dtype: Any, out: Any = None) -> int:
    """The code of a floating dtype: NumPy's, of any spelling, or that of another library by its name."""
    if dtype is DEFAULT:
        if not isinstance(out, np.ndarray):
            return F32
        kind = _FLOATING.get(out.dtype.num)
        return KINDS.get(out.dtype.name, F32) if kind is None else kind
    if dtype.__class__ is str and dtype in KINDS:
        return KINDS[dtype]
    try:
        found = None if dtype is None else np.dtype(dtype)      # NumPy reads None as float64
    except Exception:                                           # foreign objects raise what they like
        found = None
    name = _foreign_name(dtype) if found is None else found.name if found.isnative else ""
    if name not in KINDS:
        raise DTypeError(f"dtype must be one of {', '.join(sorted(KINDS))}, got {describe(dtype)}; "
                         "weights are floating point.")
    return KINDS[name]


def _foreign_name(dtype: Any) -> str:
    """``torch.float32`` and the like, known by their names; nothing is imported."""
    if isinstance(dtype, str):
        return dtype.removeprefix("torch.") if dtype.startswith("torch.") else ""
    if type(dtype).__name__ not in ("dtype", "DType"):          # PyTorch; TensorFlow
        return ""
    return str(getattr(dtype, "name", None) or str(dtype).rpartition(".")[2])


def dtype_of(kind: int) -> np.dtype[Any]:
    """The NumPy dtype of the result; bfloat16 is uint16 where ml_dtypes is not installed."""
    if kind != BF16:
        return _DTYPES[kind]
    if BF16 not in _DTYPES:
        try:
            import ml_dtypes
            _DTYPES[BF16] = np.dtype(ml_dtypes.bfloat16)
        except ImportError:
            _DTYPES[BF16] = np.dtype(np.uint16)
    return _DTYPES[BF16]


def new(dims: tuple[int, ...], dtype: np.dtype[Any], *, zero: bool = False) -> Array:
    """A new array, zeroed or not; a shape that no array has is a ShapeError."""
    try:
        return np.zeros(dims, dtype) if zero else np.empty(dims, dtype)
    except (ValueError, OverflowError) as error:
        raise ShapeError(f"shape={dims} is no array's: NumPy says {error}. Make a block of it: shape=, start= and "
                         "global_shape=.") from None


def target(dims: tuple[int, ...], kind: int, out: Any) -> Array:
    """A new array, or ``out`` once it is known to fit."""
    dtype = dtype_of(kind)
    if out is None:
        return new(dims, dtype)
    if not isinstance(out, np.ndarray):
        raise ArgumentTypeError(f"out must be a NumPy array, got {describe(out)}.")
    if out.dtype != dtype and not (kind == BF16 and out.dtype == np.uint16):
        remedy = f"pass dtype={out.dtype.name!r} or another out" if out.dtype.name in KINDS else "pass another out"
        raise DTypeError(f"out has dtype {out.dtype}, but the result is {dtype}; {remedy}.")
    if out.shape != dims:
        raise ShapeError(f"out has shape {out.shape}, but the result has shape {dims}.")
    if not out.flags.writeable:
        raise ArgumentError("out is read-only; pass a writable array.")
    if not out.flags.c_contiguous and overlaps(out):
        raise ArgumentError(f"out has overlapping elements (strides {out.strides} for shape {out.shape}, as from "
                            "broadcast_to or sliding_window_view); pass an array that owns each element.")
    return out


def store(into: Array, values: Any, work: np.dtype[Any]) -> Array:
    """Round ``values``, of the working dtype, once into a target."""
    rounded = np.asarray(values, dtype=work)
    with np.errstate(over="ignore", under="ignore"):
        if into.dtype == np.uint16:         # the bits of bfloat16: round to nearest, ties to even
            raw = rounded.view(np.uint32)
            into[...] = (raw + np.uint32(0x7FFF) + ((raw >> 16) & np.uint32(1))) >> np.uint32(16)
        else:
            into[...] = rounded
    return into
