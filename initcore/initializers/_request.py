"""What every initialiser is asked for: a checked shape, block, layout, element type and target.

Design
A. An initialiser's body is: make the :class:`Request` (all checks of the common arguments), compute a scale from
   the *whole* array's fans, fill the block. Nothing is written before everything is checked.
B. ``shape`` is the block to make, ``whole`` the array it belongs to (``global_shape``, else the same).
C. float16 and bfloat16 are the float32 result rounded once; bfloat16 without ml_dtypes is a uint16 array of its bits.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .. import _checks, _threads, fans, random
from ..errors import ArgumentError, ArgumentTypeError, InitcoreWarning
from ..random import as_key
from ..random._fill import _KINDS, _block, _dtype_of, _kind, _target
from ..random._truncated_moments import reach, truncated_std

Array = np.ndarray
Shape = int | Sequence[int]
_NAMES = {kind: name for name, kind in _KINDS.items()}
_STATEFUL = (np.random.Generator, np.random.BitGenerator)       # advanced by a draw, not by a check


@lru_cache(maxsize=1024)
def _fan(whole: tuple[int, ...], mode: str, layout: str | None, groups: int) -> float:
    return fans.fan(whole, mode, layout=layout, groups=groups)


class Request:
    """The common arguments of one call, checked."""

    __slots__ = ("dtype", "groups", "kind", "layout", "out", "rng", "shape", "start", "threads", "whole")

    def __init__(self, shape: Any, layout: Any, groups: Any, rng: Any, dtype: Any, out: Any, global_shape: Any,
                 start: Any, threads: Any) -> None:
        self.shape = _checks.shape("shape", shape)
        self.kind = _kind(dtype)
        self.whole, self.start = self.shape, (0,) * len(self.shape)
        if global_shape is not None or start is not None:
            self.whole, self.start = _block(self.shape, global_shape, start)
        self.layout, self.groups = layout, groups
        if layout is not None or groups != 1:
            self.axes()
        if out is not None:
            _target(self.shape, self.kind, out)
        if rng is not None and not isinstance(rng, _STATEFUL):      # a wrong one is refused even where nothing is drawn
            rng = as_key(rng)
        self.dtype, self.rng, self.out, self.threads = dtype, rng, out, _threads.resolve(threads)

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
        return _dtype_of(self.kind)

    @property
    def name(self) -> str:
        """Name of the element type."""
        return _NAMES[self.kind]

    def axes(self) -> fans.Axes:
        """Axes of the whole array by its layout."""
        return fans.axes(self.whole, self.layout, self.groups, name="shape")

    def fan(self, mode: Any) -> float:
        """The fan of the whole array."""
        if mode.__class__ is str and self.groups.__class__ is int:
            return _fan(self.whole, mode, self.layout, self.groups)
        return fans.fan(self.whole, mode, layout=self.layout, groups=self.groups)

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
        if lower >= upper:
            raise ArgumentError(f"lower={lower!r} must be below upper={upper!r} (both in units of sigma).")
        self._warn_bounds(std, lower, upper, stacklevel)
        parent = std / truncated_std(lower, upper) if std_of == "result" else std
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
        elif std <= 0.1 and max(-lower, upper) <= 4 * std and lower < 0 < upper:
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
        target = _target(self.shape, self.kind, self.out)
        rounded = np.asarray(values, dtype=self.work)
        if target.dtype == np.uint16:       # the bits of bfloat16: round to nearest, ties to even
            raw = rounded.view(np.uint32)
            rounded = (raw + np.uint32(0x7FFF) + ((raw >> 16) & np.uint32(1))) >> np.uint32(16)
        target[...] = rounded
        return target


def check_std_of(std_of: Any) -> None:
    """Refuse anything but "result" and "parent"."""
    if std_of not in ("result", "parent"):
        raise ArgumentError(f"std_of={std_of!r} is not known: 'result' makes std the deviation of the numbers "
                            "returned, 'parent' that of the normal distribution before it is cut.")


def gain_of(gain: Any) -> float:
    """A gain as a number >= 0: a number as it stands, anything else the activation it belongs to."""
    if gain.__class__ is float and 0.0 <= gain < math.inf:
        return gain
    if isinstance(gain, (int, float, np.floating, np.integer)) and not isinstance(gain, bool):
        return _checks.number("gain", gain, low=0.0)
    if isinstance(gain, bool) or gain is None:
        raise ArgumentTypeError(f"gain must be a number, an activation or its name, got {gain!r}.")
    from ..gains import gain as of_activation

    return of_activation(gain)


def limit_of(std: float) -> float:
    """The half width of the uniform distribution with this standard deviation."""
    return math.sqrt(3.0) * std
