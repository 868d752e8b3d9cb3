"""Which numbers of a stream an array's elements have: whole arrays, blocks of larger ones, views by strides."""

from __future__ import annotations

import math
from typing import Any

from .._checks import integer
from .._checks import shape as _shape
from ..errors import ArgumentError, ShapeError


def dims_of(shape: Any) -> tuple[int, ...]:
    """The shape as a tuple; what is one already is not looked at twice."""
    if shape.__class__ is int and shape >= 0:
        return (shape,)
    if shape.__class__ is tuple:
        for n in shape:
            if n.__class__ is not int or n < 0:
                return _shape("shape", shape)
        return shape
    return _shape("shape", shape)


def block(dims: tuple[int, ...], global_shape: Any, start: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
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


def numbers(dims: tuple[int, ...], global_shape: Any, start: Any, strides: Any) -> tuple[int, ...]:
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
