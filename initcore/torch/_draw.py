"""Random values into tensors: every element by its number in the global array, on the device the tensor is on.

Design
A. A distribution is a call of :mod:`initcore.random`; its ``out=``, ``start=`` and ``strides=`` place each piece.
B. CPU tensors are filled through their NumPy view. CUDA tensors by the Triton kernel with the same bits where Triton
   is installed. Anything else is drawn on the CPU and copied, a slab at a time.
C. Nothing is written before all arguments are checked: every piece is checked first.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import random
from ..errors import ArgumentError, TorchValueError
from ..random import Key
from ._places.memory import DTYPES, array, check_overlap, written
from ._places.place import View

Draw = Callable[..., np.ndarray]
_SLAB = 1 << 22             # elements drawn at a time for a device the CPU fills


def uniform(low: float, high: float, dtype: torch.dtype) -> Draw:
    """``U[low, high)``; a constant where the bounds are equal in the working precision."""
    if not low < high:
        if low != high:
            raise TorchValueError(f"uniform_ expects to return a [from, to) range, but found from={low} > to={high}.")
        return _constant(low)
    near = high - low < 1e-6 * abs(high)                # only then can both be one float32
    if near and dtype is not torch.float64 and np.float32(low) == np.float32(high):
        return _constant(low)
    return functools.partial(random.uniform, low=low, high=high)


def normal(mean: float, std: float) -> Draw:
    """``N(mean, std^2)``."""
    if not std >= 0:
        raise TorchValueError(f"normal expects std >= 0.0, but found std {std}.")
    return functools.partial(random.normal, mean=mean, std=std)


def truncated(mean: float, std: float, low: float, high: float, dtype: torch.dtype) -> Draw:
    """``N(mean, std^2)`` between ``low`` and ``high``, absolute values rounded to ``dtype`` and never left."""
    name = DTYPES[dtype]
    if not low <= high or std < 0 or not all(map(np.isfinite, (mean, std))):
        raise TorchValueError(f"trunc_normal_ expects a <= b, std >= 0 and finite numbers, got mean={mean}, std={std}, "
                              f"a={low}, b={high}.")
    a, b = (float(torch.tensor(bound, dtype=dtype, device="cpu")) for bound in (low, high))
    if std == 0 or a == b:
        return _constant(min(max(mean, a), b))
    lower, upper = _bound(a, mean, std, name, 1), _bound(b, mean, std, name, -1)
    if lower >= upper:
        return _constant(a)
    return functools.partial(random.truncated_normal, lower=lower, upper=upper, mean=mean, std=std)


def _work(name: str) -> type[np.floating[Any]]:
    return np.float64 if name == "float64" else np.float32


def _bound(bound: float, mean: float, std: float, name: str, inwards: int) -> float:
    """The bound in units of sigma, such that ``mean + std * z``, rounded as it is drawn, stays on its side."""
    work = _work(name)
    if not np.isfinite(bound):
        return bound
    z = work((bound - mean) / std)
    for _ in range(64):
        if (work(mean) + work(std) * z - work(bound)) * inwards >= 0:
            break
        z = np.nextafter(z, work(inwards * np.inf))
    return float(z)


def _constant(value: float) -> Draw:
    def make(shape: Any, *, out: np.ndarray, **_: Any) -> np.ndarray:
        if out.dtype == np.uint16:                      # the bits of bfloat16
            value16 = torch.tensor(value, dtype=torch.bfloat16, device="cpu")
            out[...] = int(value16.view(torch.int16)) & 0xFFFF
        else:
            out[...] = value
        return out
    return make


def fill(draw: Draw, views: Sequence[View], key: Key, dtype: torch.dtype) -> None:
    """Fill every view with the values its elements' numbers have in the stream of ``key``."""
    for tensor, _, _ in views:
        if not tensor.is_contiguous():
            check_overlap(tensor)
    for tensor, first, strides in views:
        if tensor.is_cpu:
            _on_cpu(draw, tensor, key, start=first, strides=strides)
        elif not (tensor.is_cuda and _on_cuda(draw, tensor, key, first, strides)):
            _by_way_of_the_cpu(draw, tensor, key, first, strides)
        written(tensor)
    if not views:                                       # nothing is here: bad arguments are refused all the same
        _on_cpu(draw, torch.empty(0, dtype=dtype, device="cpu"), key)


def fill_whole(draw: Draw, tensor: Tensor, key: Key) -> None:
    """As :func:`fill` for one plain CPU tensor that is a whole array: the usual case, with the least around it."""
    if not tensor.is_contiguous():
        check_overlap(tensor)
    _on_cpu(draw, tensor, key)
    written(tensor)


def _on_cpu(draw: Draw, tensor: Tensor, key: Key, **at: Any) -> None:
    out = array(tensor)
    try:
        draw(tuple(tensor.shape), rng=key, dtype=DTYPES[tensor.dtype], out=out, threads=torch.get_num_threads(), **at)
    except ArgumentError as error:
        raise TorchValueError(str(error)) from None


def _on_cuda(draw: Draw, tensor: Tensor, key: Key, first: int, strides: Sequence[int]) -> bool:
    """Fill on the device; False where it cannot: Triton is not there, or this distribution is the CPU's."""
    try:
        from . import _triton
    except ImportError:
        return False
    return _triton.fill(draw, tensor, key, first, strides)


def _by_way_of_the_cpu(draw: Draw, tensor: Tensor, key: Key, first: int, strides: Sequence[int]) -> None:
    """Draw on the CPU and copy, in slabs of the first axis."""
    rows = tensor.shape[0] if tensor.ndim else 1
    step = max(1, _SLAB * rows // max(tensor.numel(), 1))
    for row in range(0, rows, step):
        part = tensor[row:row + step] if tensor.ndim else tensor
        buffer = torch.empty(part.shape, dtype=tensor.dtype, device="cpu")
        at = first + (row * strides[0] if tensor.ndim else 0)
        _on_cpu(draw, buffer, key, start=at, strides=strides)
        with torch.no_grad():
            part.copy_(buffer)
