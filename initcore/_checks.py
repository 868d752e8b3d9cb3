"""Named constraints shared by every public function.

Each check returns the value in the form the caller needs or raises one of
:mod:`initcore.errors`, naming the argument and the remedy. Nothing here modifies its input.
"""

import functools
import math
import numbers
import reprlib
from collections.abc import Callable, Collection
from typing import Any, ParamSpec, TypeVar

import numpy as np

from .errors import ArgumentError, ArgumentTypeError, DTypeError, NonFiniteError, ShapeError, unknown_name

_P = ParamSpec("_P")
_R = TypeVar("_R")
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def quiet(f: Callable[_P, _R]) -> Callable[_P, _R]:
    """f whatever the caller's ``np.seterr`` says: overflow, underflow and NaN are ordinary results inside.

    What they mean is said in the result, or in an error or warning of this package's own.
    """
    @functools.wraps(f)
    def inside(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with np.errstate(all="ignore"):
            return f(*args, **kwargs)
    return inside


class _Short(reprlib.Repr):
    """A repr that is short and quick, whatever it is of."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = 60

    def repr_ndarray(self, a: np.ndarray, level: int) -> str:
        return f"array of shape {a.shape}"


_short = _Short()


def describe(value: Any) -> str:
    """A short description of what was given, for messages."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    try:
        return f"{_short.repr(value)} ({type(value).__name__})"
    except Exception:                       # an integer of 5000 digits has no text, nor have some foreign objects
        return f"an object of type {type(value).__name__}"


def scalar(value: Any) -> Any:
    """A number as it stands; the one element of a 0-dimensional array of any library (NumPy, PyTorch, JAX)."""
    if isinstance(value, numbers.Number) or getattr(value, "shape", None) != ():
        return value
    try:
        return value.item()
    except Exception:                       # a tracer has no value yet: refused below as what it is
        return value


def number(name: str, value: Any, *, low: float = -math.inf, high: float = math.inf,
           open_low: bool = False, finite: bool = True) -> float:
    """A real number in [low, high] (or (low, high] with ``open_low``), as float."""
    value = scalar(value)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise ArgumentTypeError(f"{name} must be a real number, got {describe(value)}.")
    try:
        x = float(value)
    except OverflowError:
        raise ArgumentError(f"{name} is beyond float64's range, got {describe(value)}.") from None
    if math.isnan(x) or (finite and math.isinf(x)):
        raise ArgumentError(f"{name} must be finite, got {x!r}.")
    if x < low or x > high or (open_low and x == low):
        left = "(" if open_low else "["
        raise ArgumentError(f"{name} must lie in {left}{low:g}, {high:g}], got {x!r}.")
    return x


def real_numbers(name: str, value: Any) -> np.ndarray:
    """Real numbers, one or an array of them, as float64; anything else is an ArgumentTypeError."""
    try:
        a = np.asarray(value)
        if a.dtype.kind in "fiu" or (a.dtype.kind == "O" and all(isinstance(v, numbers.Real) for v in a.ravel())):
            return a.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ArgumentTypeError(f"{name} must be a real number or an array of them, got {describe(value)}.") from None


def integer(name: str, value: Any, *, low: int | None = None) -> int:
    """An integer >= low, as int; bool and float are refused."""
    value = scalar(value)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise ArgumentTypeError(f"{name} must be an integer, got {describe(value)}.")
    n = int(value)
    if low is not None and n < low:
        raise ArgumentError(f"{name} must be at least {low}, got {n if abs(n) < 1 << 99 else describe(n)}.")
    return n


def flag(name: str, value: Any) -> bool:
    """True or False: of anything that has a truth value."""
    try:
        return bool(value)
    except Exception:                       # an array of several elements, and what says so in words of its own
        raise ArgumentTypeError(f"{name} must be True or False, got {describe(value)}.") from None


def one_of(name: str, value: Any, known: Collection[str]) -> str:
    """A name among those known."""
    if not isinstance(value, str) or value not in known:
        raise unknown_name(name, value, known)
    return value


def texts(name: str, value: Any) -> list[str]:
    """A name or several, as a list."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
        raise ArgumentTypeError(f"{name} must be a name or a list of names, got {describe(value)}.")
    return list(value)


def indent(value: Any) -> int | None:
    """Spaces a level of JSON is indented by; None writes one line."""
    if value is not None and integer("indent", value, low=0) > 100:
        raise ArgumentError(f"indent must be at most 100, got {describe(value)}.")
    return None if value is None else int(value)


def shape(name: str, value: Any) -> tuple[int, ...]:
    """A shape: an int or a sequence of ints >= 0, as a tuple."""
    if value.__class__ is tuple:                # the usual case, in a fifth of the time
        for v in value:
            if v.__class__ is not int or v < 0:
                break
        else:
            return value
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        value = (value,)
    try:
        items = tuple(value)
    except TypeError:
        raise ArgumentTypeError(f"{name} must be an int or a sequence of ints, got {describe(value)}.") from None
    out = tuple(integer(f"{name}[{i}]", v) for i, v in enumerate(items))
    if any(v < 0 for v in out):
        raise ShapeError(f"{name}={out} has a negative size; sizes are >= 0.")
    return out


def array(name: str, value: Any) -> np.ndarray:
    """What NumPy makes of a value; where it makes nothing of it, that is said in our words."""
    if isinstance(value, np.ndarray):
        return value
    try:
        return np.asarray(value)
    except ValueError as e:                 # rows of different lengths
        raise ShapeError(f"{name} has no shape: {e}") from None
    except Exception as e:
        raise DTypeError(f"{name} cannot be read as an array: {e}") from None


def unlike(name: str, got: np.dtype, want: Any) -> DTypeError:
    """The refusal of a dtype other than that of the arrays beside it."""
    want = np.dtype(want)
    return DTypeError(f"{name} has dtype {got}, but {want} is needed here; cast with {name}.astype(np.{want.name}).")


def float_array(name: str, value: Any, *, ndim: int | None = None, dtype: Any = None) -> np.ndarray:
    """A float32 or float64 array of the given rank; other dtypes are refused, not cast.

    float16 and bfloat16 are widened to float32 (exact). A Python list is taken as float64.
    """
    a = array(name, value)
    if a is not value and a.dtype.kind in "iu" and not hasattr(value, "dtype"):
        a = a.astype(np.float64)
    if a.dtype not in FLOATS or not a.dtype.isnative:
        if a.dtype == np.float16 or a.dtype.name == "bfloat16":
            a = a.astype(np.float32)
        if not a.dtype.isnative:
            a = a.astype(a.dtype.newbyteorder("="))
    if a.dtype not in FLOATS:
        raise DTypeError(f"{name} must hold float32 or float64, got {describe(value if a.dtype.kind in 'OSU' else a)}; "
                         f"cast with {name}.astype(np.float32).")
    if dtype is not None and a.dtype != dtype:
        raise unlike(name, a.dtype, dtype)
    if ndim is not None and a.ndim != ndim:
        raise ShapeError(f"{name} must have {ndim} dimension(s), got shape {a.shape}.")
    return a if type(a) is np.ndarray else np.asarray(a)        # the numbers of a subclass, without its operations


def finite(name: str, a: np.ndarray) -> np.ndarray:
    """Refuse NaN and infinity, naming the first place they stand."""
    # One pass without a temporary array: a sum of squares is finite unless an element is not, or it overflows.
    flat = a.ravel(order="K")
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.dot(flat, flat)
    if math.isfinite(float(total)):
        return a
    bad = ~np.isfinite(a)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise NonFiniteError(f"{name} holds {a[where]!r} at index {where} "
                             f"({int(bad.sum())} non-finite value(s)); the weights cannot be used.")
    return a


def out_array(name: str, out: Any, want_shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """A writable ``out=`` of exactly this shape and dtype whose elements do not share memory."""
    if not isinstance(out, np.ndarray):
        raise ArgumentTypeError(f"{name} must be a NumPy array, got {describe(out)}.")
    if out.dtype != dtype:
        raise DTypeError(f"{name} has dtype {out.dtype}, but the result is {dtype}.")
    if out.shape != tuple(want_shape):
        raise ShapeError(f"{name} has shape {out.shape}, but the result has shape {tuple(want_shape)}.")
    if not out.flags.writeable:
        raise ArgumentError(f"{name} is read-only; pass a writable array.")
    if not out.flags.c_contiguous and overlaps(out):
        raise ArgumentError(f"{name} has overlapping elements (strides {out.strides} for shape {out.shape}, as from "
                            "broadcast_to or sliding_window_view); pass an array that owns each element.")
    return out


def overlaps(a: np.ndarray) -> bool:
    """Whether two elements share memory: exact for the nested strides NumPy's own slicing makes, else taken so."""
    reach = a.itemsize
    for stride, n in sorted((abs(s), n) for s, n in zip(a.strides, a.shape) if n > 1):
        if stride < reach:
            return a.size > 0
        reach += stride * (n - 1)
    return False
