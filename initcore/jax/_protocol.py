"""JAX's protocol of initialisers: ``init(key, shape, dtype=None, out_sharding=None)``.

Design
A. An :class:`Initializer` is an initialiser of :mod:`initcore.init` with its arguments, and the axes in JAX's manner.
   It compares and hashes by these, so that modules which hold it may be static arguments.
B. Inside a transformation the key has no numbers: refused. ``jax.eval_shape`` and what stands inside
   :func:`shapes_only` get the shapes, of an array that raises where it is run.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from .. import _checks, initializers
from .._named import describe, takes
from .._types import Array
from ..errors import DTypeError, ShapeError, UsageError
from ..fans import LAYOUTS
from ..random import Key
from ._keys import TRACED, as_key
from ._shards import checked, place

AxisLike = int | Sequence[int]
_BY_RANK = {len(name): name for name in LAYOUTS if name.endswith("io")}
_KEYLESS = (initializers.zeros, initializers.ones, initializers.constant, initializers.eye, initializers.dirac)
_JAX = os.path.dirname(jax.__file__)
_COMPLEX = {"complex64": "float32", "complex128": "float64"}


class _Local(threading.local):
    shapes_only = False


_local = _Local()


@contextlib.contextmanager
def shapes_only() -> Iterator[None]:
    """Inside, these initialisers may be traced, as they may be by ``jax.eval_shape`` anyway.

    What is traced gives shapes and dtypes; if it is ever run, it raises UsageError instead of giving numbers.

    >>> init = Initializer(initializers.he_normal, {})
    >>> with shapes_only():
    ...     print(jax.make_jaxpr(lambda key: init(key, (3, 2)))(jax.random.key(0)).out_avals)
    [ShapedArray(float32[3,2])]
    """
    before, _local.shapes_only = _local.shapes_only, True
    try:
        yield
    finally:
        _local.shapes_only = before


class Initializer:
    """An initialiser of :mod:`initcore.init` in JAX's protocol; the functions of :mod:`initcore.jax` make them.

    make : the initialiser.   arguments : its own, by name.   in_axis, out_axis, batch_axis : as in
    ``jax.nn.initializers``, by default the last two axes, what stands before them is space; in_axis=None: all that are
    not in out_axis.   groups : of channels.   dtype : where the call gives none; None is JAX's default.
    fan : whether arrays of fewer than two axes are refused in JAX's words.

    Called with (key, shape, dtype=None, out_sharding=None) it returns a jax.Array: the bits of
    ``make(shape, ..., rng=initcore.jax.as_key(key))``. With ``out_sharding`` (a NamedSharding, or a PartitionSpec
    of the mesh that is set) each device's part is made alone. float64 is float32 unless JAX's 64-bit mode is on;
    complex numbers have independent real and imaginary parts of half the variance. Raises UsageError inside jit,
    what :func:`as_key` raises for keys, and what the initialiser raises. Haiku calls ``init(shape, dtype)`` and is
    understood: the key is ``hk.next_rng_key()``.
    """

    def __init__(self, make: Callable[..., Any], arguments: dict[str, Any], in_axis: AxisLike | None = -2,
                 out_axis: AxisLike = -1, batch_axis: AxisLike = (), groups: int = 1, dtype: Any = None, *,
                 fan: bool = False) -> None:
        self.make, self.arguments, self.dtype, self.groups, self.fan = make, dict(arguments), dtype, groups, fan
        self._axes = tuple(a if a is None or isinstance(a, int) else tuple(a) for a in (in_axis, out_axis, batch_axis))

    def __call__(self, key: Any, shape: Any, dtype: Any = None, out_sharding: Any = None) -> jax.Array:
        if isinstance(key, (tuple, list)) and "haiku" in sys.modules and not isinstance(shape, (tuple, list)):
            key, shape, dtype = sys.modules["haiku"].next_rng_key(), key, shape
        sizes = _checks.shape("shape", shape)
        kind = jax.dtypes.canonicalize_dtype(self._dtype(dtype))
        make = self.bound(sizes)
        if isinstance(key, jax.core.Tracer) and self.make not in _KEYLESS and (_local.shapes_only or _only_shapes()):
            return _refused(sizes, kind, key)
        stream = Key(0) if self.make in _KEYLESS else as_key(key)

        def block(box: tuple[slice, ...]) -> Array:
            at = {} if all(s.stop - s.start == n for s, n in zip(box, sizes)) else {
                "global_shape": sizes, "start": tuple(s.start for s in box)}
            size = tuple(s.stop - s.start for s in box)
            if kind.name not in _COMPLEX:
                real: Array = make(size, rng=stream, dtype=kind.name, **at)
                return real
            parts = [make(size, rng=r, dtype=_COMPLEX[kind.name], **at) for r in (stream, stream.child("imaginary"))]
            half = parts[0].dtype.type(math.sqrt(0.5))
            both: Array = (half * parts[0] + 1j * (half * parts[1])).astype(kind)
            return both
        return place(sizes, kind, checked(out_sharding, sizes, "the array"), block)

    def _dtype(self, dtype: Any) -> Any:
        for given in (dtype, self.dtype):
            if given is not None:
                return given
        return float

    def bound(self, shape: tuple[int, ...]) -> functools.partial[Any]:
        """The initialiser with its arguments and the axes of an array of this shape."""
        usual, rank = self._axes[:2] in ((-2, -1), (None, -1)), len(shape)
        if self.fan and usual and rank < 2:
            raise ShapeError(f"Can't compute input and output sizes of a {rank}-dimensional weights tensor with "
                             f"default in_axis. Must be at least 2D or specify in_axis explicitly. (shape={shape}; a "
                             "bias has no fan of its own: use initcore.jax.zeros.)")
        where: dict[str, Any] = {}
        if "in_axis" in takes(self.make) and not (usual and rank < 2):
            if self._axes == (-2, -1, ()) and rank in _BY_RANK:
                where = {"layout": _BY_RANK[rank]}
            else:
                where = dict(zip(("in_axis", "out_axis", "batch_axis"), self._axes))
            if where.get("in_axis", 0) is None:
                out = {k % rank for k in np.atleast_1d(where["out_axis"]).tolist()}
                where["in_axis"] = tuple(k for k in range(rank) if k not in out)
            if self.groups != 1:
                where["groups"] = self.groups
        return functools.partial(self.make, **self.arguments, **where)

    @property
    def __name__(self) -> str:
        """As tables of rules show it."""
        return describe(functools.partial(self.make, **self.arguments))

    def _same(self) -> tuple[Any, ...]:
        return (self.make, tuple(sorted(self.arguments.items())), self._axes, self.groups, str(self.dtype))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Initializer) and self._same() == other._same()

    def __hash__(self) -> int:
        return hash((self.make, self._axes, self.groups, str(self.dtype), *sorted(self.arguments)))

    def __repr__(self) -> str:
        return f"initcore.jax.{self.__name__}"


def _only_shapes() -> bool:
    """Whether ``jax.eval_shape`` traces this, as Flax does at every ``apply`` to know the shape of a parameter."""
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_name == "eval_shape" and frame.f_code.co_filename.startswith(_JAX):
            return True
        frame = frame.f_back            # type: ignore[assignment]
    return False


def _refused(shape: tuple[int, ...], dtype: np.dtype, key: Any) -> jax.Array:
    """An array of which the shape is known, and which raises if its numbers are asked for."""
    def refuse(_: Any) -> Any:
        raise UsageError(TRACED)
    data = jax.random.key_data(key) if jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key) else key
    return jax.pure_callback(refuse, jax.ShapeDtypeStruct(shape, dtype), data)


def real(value: Any, name: str) -> float:
    """A number, or the number in an array of JAX without axes."""
    if isinstance(value, complex):
        raise DTypeError(f"{name} must be real, got {value}.")
    return _checks.number(name, value)
