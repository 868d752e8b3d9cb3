"""What every initialiser is asked for: a checked shape, block, layout, element type and target.

Design
A. An initialiser's signature is ``f(shape, *, its own, **common: Unpack[Common])``; :func:`initializer` writes the
   common arguments into the signature that help() and inspect show. Its body is: make the :class:`Request` (all checks
   of the common arguments), compute a scale from the *whole* array's fans, fill the block. Nothing is written before
   everything is checked.
B. ``shape`` is the block to make, ``whole`` the array it belongs to (``global_shape``, else the same).
C. float16 and bfloat16 are the float32 result rounded once; bfloat16 without ml_dtypes is a uint16 array of its bits.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias, TypedDict, TypeVar

import numpy as np

from .. import _checks, _threads, fans, random
from .._types import Array, Shape
from ..activations import ActivationLike
from ..errors import ArgumentError, ArgumentTypeError, InitcoreWarning, unknown_argument
from ..fans import AxisLike
from ..random import RngLike, as_key
from ..random._blocks import block
from ..random._targets import DEFAULT, NAMES, dtype_of, kind_of, new, store, target
from ..random._truncated_moments import reach, truncated_std

Gain: TypeAlias = "float | ActivationLike"      # a number, or the activation whose gain is meant
F = TypeVar("F", bound=Callable[..., Array])
_STATEFUL = (np.random.Generator, np.random.BitGenerator)       # advanced by a draw, not by a check


class Ungrouped(TypedDict, total=False):
    """The arguments that every initialiser takes but ``groups``; :mod:`initcore.initializers` describes them."""

    layout: str | None
    in_axis: AxisLike
    out_axis: AxisLike
    batch_axis: AxisLike
    rng: RngLike
    dtype: Any
    out: Array | None
    global_shape: Shape | None
    start: Shape | None
    threads: int | None


class Common(Ungrouped, total=False):
    """The arguments that every initialiser takes."""

    groups: int


_DEFAULTS: dict[str, Any] = {**dict.fromkeys(Common.__annotations__), "groups": 1, "dtype": DEFAULT}
_UNNAMED = (None, 1, None, None, None)      # layout, groups, in_axis, out_axis, batch_axis
_DRAWN = {"rng", "dtype", "out", "global_shape", "start", "threads"}


def initializer(f: F) -> F:
    """Show the common arguments in the signature of ``f``, which takes them as ``**common``."""
    shown = inspect.signature(f)
    own = [p for p in shown.parameters.values() if p.kind is not p.VAR_KEYWORD]
    common = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS[name],
                                annotation=getattr(kind, "__forward_arg__", kind))
              for name, kind in Common.__annotations__.items() if name not in shown.parameters]
    f.__signature__ = shown.replace(parameters=[*own, *common])     # type: ignore[attr-defined]
    return f


@lru_cache(maxsize=1024)
def _fan(whole: tuple[int, ...], mode: str | float, which: Any) -> float:
    layout, groups, i, o, batch = which
    return fans.fan(whole, mode, layout=layout, groups=groups, in_axis=i, out_axis=o, batch_axis=batch)


class Request:
    """The common arguments of one call, checked."""

    __slots__ = ("dtype", "groups", "kind", "out", "rng", "shape", "start", "threads", "which", "whole")
    dtype: Any
    groups: int
    kind: int
    out: Array | None
    rng: RngLike
    shape: tuple[int, ...]
    start: tuple[int, ...]
    threads: int
    which: tuple[str | None, int, AxisLike, AxisLike, AxisLike]
    whole: tuple[int, ...]

    def __init__(self, shape: Shape, common: Common) -> None:
        if not common.keys() <= _DEFAULTS.keys():
            raise unknown_argument(next(iter(common.keys() - _DEFAULTS.keys())), _DEFAULTS)
        get: Callable[..., Any] = common.get
        self.shape = _checks.shape("shape", shape)
        self.out, self.dtype = get("out"), get("dtype", DEFAULT)
        self.kind = kind_of(self.dtype, self.out)
        self.whole, self.start = self.shape, (0,) * len(self.shape)
        global_shape, start = get("global_shape"), get("start")
        if global_shape is not None or start is not None:
            self.whole, self.start = block(self.shape, global_shape, start)
        self.groups = get("groups", 1)
        self.which = (get("layout"), self.groups, get("in_axis"), get("out_axis"), get("batch_axis"))
        try:
            named = self.which != _UNNAMED
        except ValueError:                      # an array among them
            named = True
        if named:
            self.axes()
        if self.out is not None:
            target(self.shape, self.kind, self.out)
        rng = get("rng")
        if rng is not None and not isinstance(rng, _STATEFUL):      # a wrong one is refused even where nothing is drawn
            rng = as_key(rng)
        self.rng, self.threads = rng, _threads.resolve(get("threads"))

    @property
    def box(self) -> tuple[slice, ...]:
        """The block as slices of the whole array."""
        return tuple(slice(a, a + n) for a, n in zip(self.start, self.shape))

    @property
    def work(self) -> np.dtype:
        """The dtype computed in: float64 for float64, else float32."""
        return np.dtype(np.float64 if self.name == "float64" else np.float32)

    @property
    def stored(self) -> np.dtype:
        """The dtype of a new result."""
        return dtype_of(self.kind)

    @property
    def name(self) -> str:
        """Name of the element type."""
        return NAMES[self.kind]

    def axes(self) -> fans.Axes:
        """Axes of the whole array."""
        layout, groups, i, o, batch = self.which
        return fans.axes(self.whole, layout, groups, i, o, batch, name="shape")

    def fan(self, mode: str | float) -> float:
        """The fan of the whole array; 1 for an array without elements, which has nothing to scale."""
        if 0 in self.whole and mode.__class__ is str:
            self.axes()
            return 1.0 if mode in fans.MODES else fans.fan(self.whole, mode)
        try:
            if isinstance(mode, str):
                return _fan(self.whole, mode, self.which)
        except TypeError:                       # axes in a list cannot be looked up
            pass
        return _fan.__wrapped__(self.whole, mode, self.which)

    def normal(self, std: float, mean: float = 0.0, *, key: Any = None) -> Array:
        """Fill with N(mean, std^2)."""
        return random.normal(self.shape, mean=mean, std=std, rng=self.rng if key is None else key, **self._target())

    def uniform(self, low: float, high: float) -> Array:
        """Fill with U[low, high)."""
        return random.uniform(self.shape, low=low, high=high, rng=self.rng, **self._target())

    def truncated(self, std: float, lower: float, upper: float, mean: float = 0.0, *, std_of: str,
                  stacklevel: int = 4) -> Array:
        """Fill with a truncated normal; bounds in units of the parent's sigma; ``std`` of the result or the parent.

        ``stacklevel`` points a warning at the caller of the initialiser.
        """
        check_std_of(std_of)
        if lower == upper and std_of == "result" and std > 0:
            raise ArgumentError(f"lower and upper are both {lower!r}: the result's deviation is 0, not {std!r}; "
                                "std_of='parent' gives one value everywhere.")
        self._warn_bounds(std, lower, upper, stacklevel)
        parent = std / truncated_std(lower, upper) if std_of == "result" and lower < upper else std
        return random.truncated_normal(self.shape, lower=lower, upper=upper, mean=mean, std=parent, rng=self.rng,
                                       **self._target())

    def _warn_bounds(self, std: float, lower: float, upper: float, stacklevel: int) -> None:
        far = reach(self.name)
        if lower < -far and upper > far:
            warnings.warn(
                f"the bounds [{lower:g}, {upper:g}] truncate nothing: they are in units of sigma, and no {self.name} "
                f"normal reaches beyond {far:g} sigma. If they come from torch.nn.init.trunc_normal_(std={std:g}), "
                "whose a= and b= are absolute values, they truncate nothing there either; two sigma are lower=-2, "
                "upper=2.",
                InitcoreWarning, stacklevel=stacklevel)
        elif 0 < std <= 0.1 and max(-lower, upper) <= 4 * std and lower < 0 < upper:
            warnings.warn(
                f"the bounds [{lower:g}, {upper:g}] are in units of sigma and leave an almost uniform distribution of "
                f"width {(upper - lower) * std:g}; they look like absolute values for std={std:g}, as "
                f"torch.nn.init.trunc_normal_ takes them: pass lower={lower / std:g}, upper={upper / std:g}.",
                InitcoreWarning, stacklevel=stacklevel)

    def _target(self) -> dict[str, Any]:
        blocked = self.whole is not self.shape
        return {"dtype": self.dtype, "out": self.out, "threads": self.threads,
                "global_shape": self.whole if blocked else None, "start": self.start if blocked else None}

    def write(self, values: Array | float) -> Array:
        """Round ``values`` (of the block's shape, in the working dtype, or one number) once into the target."""
        if self.out is None and isinstance(values, np.ndarray) and values.dtype == self.stored \
                and values.flags.c_contiguous and values.flags.owndata:
            return values
        return store(target(self.shape, self.kind, self.out), values, self.work)

    @property
    def batch(self) -> tuple[int, ...]:
        """The axes of independent arrays, where any were named."""
        return self.axes().batch if self.which != _UNNAMED else ()

    def new(self, *, zero: bool = False) -> Array:
        """An array of the whole's shape in the working dtype."""
        return new(self.whole, self.work, zero=zero)


def drawn(shape: Shape, common: Common) -> dict[str, Any]:
    """The common arguments that :mod:`initcore.random` takes, where no fan is asked for."""
    if not common.keys() <= _DRAWN:
        Request(shape, common)
    return {name: value for name, value in common.items() if name in _DRAWN}


def check_std_of(std_of: Any) -> None:
    """Refuse anything but "result" and "parent"."""
    if not isinstance(std_of, str) or std_of not in ("result", "parent"):
        raise ArgumentError(f"std_of={_checks.describe(std_of)} is not known: 'result' makes std the deviation of the "
                            "numbers returned, 'parent' that of the normal distribution before it is cut.")


def gain_of(gain: Any) -> float:
    """A gain as a number >= 0: a number as it stands, anything else the activation it belongs to."""
    if gain.__class__ is float and 0.0 <= gain < math.inf:
        return gain
    gain = _checks.scalar(gain)
    if isinstance(gain, (int, float, np.floating, np.integer)) and not isinstance(gain, bool):
        return _checks.number("gain", gain, low=0.0)
    if isinstance(gain, bool) or gain is None:
        raise ArgumentTypeError(f"gain must be a number, an activation or its name, got {gain!r}.")
    from ..gains import gain as of_activation

    return of_activation(gain)


def limit_of(std: float) -> float:
    """The half width of the uniform distribution with this standard deviation."""
    return math.sqrt(3.0) * std
