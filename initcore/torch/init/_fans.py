"""Fans as PyTorch reads them, of the global shape, and its table of gains with the exact ones behind it."""

from __future__ import annotations

import functools
import math
from typing import Any

from torch import Tensor

from ... import gains
from ...errors import ArgumentError, ShapeError, UnknownNameError
from .. import _context
from .._places.memory import a_tensor

_CONVOLUTIONS = ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")


def calculate_gain(nonlinearity: Any, param: float | None = None) -> float:
    """The gain for an activation: PyTorch's value where its table has one, else the exact one (:func:`initcore.gain`).

    PyTorch's table: linear, convolutions and sigmoid 1, tanh 5/3, relu sqrt 2, leaky_relu sqrt(2 / (1 + param^2)) with
    ``param`` 0.01 unless given, selu 3/4. Others by name or as a callable: gelu, silu, mish, elu, softplus, ...
    Raises ValueError for a name nobody knows.

    >>> calculate_gain("tanh"), round(calculate_gain("gelu"), 4)
    (1.6666666666666667, 1.5335)
    """
    if nonlinearity in _CONVOLUTIONS or nonlinearity == "sigmoid":
        return 1
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not isinstance(param, (int, float))):
            raise ArgumentError(f"negative_slope {param} not a valid number")
        slope = 0.01 if param is None else param
        return math.sqrt(2.0 / (1 + slope**2))
    table = {"tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}
    if isinstance(nonlinearity, str) and nonlinearity in table:
        return table[nonlinearity]
    try:
        return _exact_gain(nonlinearity)
    except UnknownNameError as error:
        raise UnknownNameError(f"Unsupported nonlinearity {nonlinearity}: {error}") from None


@functools.lru_cache(maxsize=64)
def _exact_gain(nonlinearity: Any) -> float:
    return gains.gain(nonlinearity)


def fans(tensor: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out) of the global shape, read as PyTorch does: (out, in, space...)."""
    shape = _context.global_shape(a_tensor(tensor))
    if len(shape) < 2:
        raise ShapeError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def fan(tensor: Tensor, mode: Any) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return fans(tensor)[mode == "fan_out"]
